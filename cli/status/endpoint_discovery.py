"""`mesh status`, of the remote secrets with which the mesh in one cluster watches another one's API server.

Not every control plane mode uses them: where one does not, none is expected, and each is orphaned.

Each holds a kubeconfig with a token that does not expire by itself, but is revoked when
its service account is recreated. Tokens are kept out of every output, every argument
and every error message here; they only go to the standard input of kubectl, which sends
them to the cluster that accepts or rejects them.
"""

import base64
import binascii
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml

from cli.report.findings import Finding, failure, ok, warning
from cli.sources.cluster_objects import Object
from cli.sources.completion import INPUTS_ANNOTATION, remote_secret_in
from cli.sources.kubernetes import ClusterClient, KubectlError
from cli.sources.member import ObservedCluster, failure_or_ok
from cli.sources.remediation import chained, kubectl_command, replace_command
from cli.sources.state import TerraformStates
from config import Environment
from config.naming import MESH_NAMESPACE, remote_secret_name

REMOTE_SECRET = "remote secret for "
"""How the name of a finding begins, before the key of the other region."""

LEAST_LEFT = timedelta(days=7)
"""Of a token that expires: one without an end is the rule."""


@dataclass(frozen=True)
class RemoteSecret:
    """The content of a remote secret.

    Attributes:
        cluster: The mesh's name of the other cluster.
        server: The URL of its API server.
        certificate: Of its CA, base64 of PEM.
        token: That authenticates there.
    """

    cluster: str
    server: str
    certificate: str
    token: str = field(repr=False)


def read_secret(secret: Object) -> RemoteSecret:
    """Read a Secret that ``istioctl create-remote-secret`` has made.

    Raises:
        ValueError: It holds no kubeconfig.
    """
    try:
        [(name, data)] = secret["data"].items()
        content = yaml.safe_load(base64.b64decode(data))
        cluster = content["clusters"][0]["cluster"]
        token = content["users"][0]["user"]["token"]
        return RemoteSecret(name, cluster["server"], cluster.get("certificate-authority-data", ""), token)
    except (binascii.Error, yaml.YAMLError, KeyError, IndexError, TypeError, ValueError, AttributeError):
        # The errors' own texts may have the token in them.
        raise ValueError("it has no kubeconfig with a server and a token") from None


def expected_secrets(environment: Environment, host: str) -> dict[str, str]:
    """Return the remote secrets that a region's cluster should hold.

    Args:
        environment: The environment.
        host: Key of the region.

    Returns:
        The key of the other region, by the secret's name.
    """
    regions = [region for region in environment.resolved_regions() if not region.retired]
    if not environment.control_plane.uses_remote_secrets or environment.regions[host].retired:
        return {}
    return {remote_secret_name(region.remote_name): region.key for region in regions if region.key != host}


def private_endpoint(cluster: Mapping[str, Any]) -> str:
    """Return a cluster's address inside the VPC.

    Args:
        cluster: As the GKE API describes it.
    """
    endpoints = cluster.get("controlPlaneEndpointsConfig", {}).get("ipEndpointsConfig", {})
    return str(endpoints.get("privateEndpoint") or cluster.get("privateClusterConfig", {}).get("privateEndpoint", ""))


def accepted_tokens(remote: ObservedCluster, members: Iterable[ObservedCluster]) -> dict[str, bool]:
    """Return whether a cluster authenticates the tokens in the remote secrets for it; of none where it is not known.

    Args:
        remote: The cluster.
        members: All clusters.
    """
    if remote.cluster is None or remote.objects is None:
        return {}
    tokens = set[str]()
    for host in members:
        secret = _secret(host, remote)
        with suppress(ValueError):
            tokens |= set() if secret is None else {read_secret(secret).token}
    try:
        return _review(remote.cluster, sorted(tokens)) if tokens else {}
    except KubectlError:
        return {}


def _review(cluster: ClusterClient, tokens: Sequence[str]) -> dict[str, bool]:
    """Return whether a cluster authenticates tokens.

    TokenReviews with the caller's own credentials ask for it, so that the tokens are in no argument.
    Source: https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/

    Raises:
        KubectlError: kubectl failed.
    """
    kind = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview"}
    reviews = [{**kind, "spec": {"token": one}} for one in tokens]
    reviewed = cluster.create("/apis/authentication.k8s.io/v1/tokenreviews", reviews)
    results = (bool(one.get("status", {}).get("authenticated", False)) for one in reviewed)
    return dict(zip(tokens, results, strict=True))


def _expires(token: str) -> datetime | None:
    """Return when a token expires, as it says itself; None if it does not.

    Source: https://www.rfc-editor.org/rfc/rfc7519#section-4.1.4
    """
    try:
        payload = token.split(".")[1]
        content = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return datetime.fromtimestamp(content["exp"], UTC)
    except (IndexError, KeyError, TypeError, ValueError, OverflowError):
        return None


def _secret(host: ObservedCluster, remote: ObservedCluster) -> Object | None:
    """Return the remote secret of a cluster for another one."""
    name = remote_secret_name(remote.region.remote_name)
    secrets = () if host.objects is None else host.objects.secrets
    return next((one for one in secrets if one["metadata"]["name"] == name), None)


def check_remote_secret(
    host: ObservedCluster, remote: ObservedCluster, state: TerraformStates, tokens: Mapping[str, bool]
) -> Finding:
    """Return whether a cluster holds a valid remote secret of another one.

    Args:
        host: The cluster.
        remote: The other one.
        state: Of terraform.
        tokens: Whether the other one authenticates a token, as far as that is known.
    """
    name = f"{REMOTE_SECRET}{remote.key}"
    secret = _secret(host, remote)
    grant = remote_secret_in(state, f"{host.key}/{remote.key}")
    fix = replace_command(grant, f'trust_grant["{host.key}/{remote.key}"]')
    if secret is None:
        return failure(name, f"missing: this cluster does not discover the endpoints of {remote.key}", fix)
    try:
        content = read_secret(secret)
    except ValueError as error:
        return failure(name, str(error), fix)
    wrong: list[str] = []
    if content.cluster != remote.region.remote_name:
        wrong.append(f"it is for the cluster {content.cluster}")
    inputs = secret["metadata"].get("annotations", {}).get(INPUTS_ANNOTATION)
    if grant is not None and grant.inputs and inputs != grant.checksum:
        wrong.append("it was created with other inputs than those in the state")
    if isinstance(remote.described, dict):
        server = f"https://{private_endpoint(remote.described)}"
        if content.server != server:
            wrong.append(f"its server is {content.server}, but the private endpoint of {remote.key} is {server}")
        if content.certificate != remote.described.get("masterAuth", {}).get("clusterCaCertificate"):
            wrong.append(f"its CA certificate is not that of {remote.key}")
    accepted, expires = tokens.get(content.token), _expires(content.token)
    if accepted is False:
        wrong.append(f"{remote.key} rejects its token")
    if not wrong and expires is not None and expires - datetime.now(UTC) < LEAST_LEFT:
        return warning(name, f"its token expires at {expires:%Y-%m-%d %H:%M} UTC", fix)
    if wrong or accepted:
        return failure_or_ok(name, wrong, f"server {content.server}, token accepted", fix)
    # The other cluster's own section has the failure.
    return ok(name, f"server {content.server}; its token is not checked, as {remote.key} does not respond")


def check_other_remote_secrets(member: ObservedCluster) -> Finding:
    """Return whether a cluster holds remote secrets that are not expected."""
    name = "other remote secrets"
    assert member.cluster is not None
    wanted = expected_secrets(member.environment, member.key)
    there = (one["metadata"]["name"] for one in member.live.secrets)
    others = sorted(other for other in there if other not in wanted)
    if not others:
        return ok(name, "none")
    commands = (
        kubectl_command(member.cluster, "--namespace", MESH_NAMESPACE, "delete", "secret", one) for one in others
    )
    if not member.environment.control_plane.uses_remote_secrets:
        text = f"orphaned: {', '.join(others)}; this mode does not use remote secrets, and each holds a token"
        return warning(name, text, chained(commands))
    return failure(
        name, f"this cluster also watches clusters that are not configured: {', '.join(others)}", chained(commands)
    )

"""Trust between clusters by remote secrets, by which the mesh in one cluster watches another one.

Not every control plane takes them: to one that does not, none is expected, and each is left over.

Each holds a kubeconfig with a token that does not expire by itself, but ends when the
account that it is for is made anew. Tokens are kept out of every output, every argument
and every error message here; the only place to which they go is the standard input of
kubectl, which hands them to the cluster that is to say whether it takes them.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from cli.report.findings import Finding, failure, ok, warning
from cli.sources.cluster_objects import COMPLETION_MARKER, Object
from cli.sources.kubernetes import ClusterClient, KubectlError
from cli.sources.member import ObservedCluster, failure_or_ok
from cli.sources.remediation import chained, kubectl_command, replace_command
from cli.sources.state import StateResource, TerraformStates
from config import Environment
from config.naming import MESH_NAMESPACE, remote_secret_name

MADE_FROM = f"{COMPLETION_MARKER}/inputs"
"""Annotation that scripts/create-remote-secret.sh makes: a checksum of its inputs."""


@dataclass(frozen=True)
class RemoteSecret:
    """What is in one.

    Attributes:
        cluster: the name by which the mesh knows the other cluster.
        certificate: of its CA, base64 of PEM.
    """

    cluster: str
    server: str
    certificate: str
    token: str = field(repr=False)


def read_secret(secret: Object) -> RemoteSecret:
    """Read a Secret as ``istioctl create-remote-secret`` makes it.

    Raises:
        ValueError: it is no such thing.
    """
    try:
        [(name, data)] = secret["data"].items()
        content = yaml.safe_load(base64.b64decode(data))
        cluster = content["clusters"][0]["cluster"]
        token = content["users"][0]["user"]["token"]
        return RemoteSecret(name, cluster["server"], cluster.get("certificate-authority-data", ""), token)
    except (binascii.Error, yaml.YAMLError, KeyError, IndexError, TypeError, ValueError, AttributeError):
        # The errors' own texts may have the token in them.
        raise ValueError("it holds no kubeconfig with a server and a token") from None


def expected(environment: Environment, holder: str) -> dict[str, str]:
    """Return the names of the remote secrets that a region's cluster has to hold, each with its other region."""
    regions = [region for region in environment.resolved_regions() if not region.retired]
    if not environment.control_plane.uses_remote_secrets:
        return {}
    if holder not in [region.key for region in regions]:
        return {}
    return {remote_secret_name(region.remote_name): region.key for region in regions if region.key != holder}


def private_endpoint(cluster: Mapping[str, Any]) -> str:
    """Return a cluster's address inside the VPC.

    Args:
        cluster: as the GKE API describes it.
    """
    endpoints = cluster.get("controlPlaneEndpointsConfig", {}).get("ipEndpointsConfig", {})
    return str(endpoints.get("privateEndpoint") or cluster.get("privateClusterConfig", {}).get("privateEndpoint", ""))


def takes(cluster: ClusterClient, token: str) -> bool:
    """Whether a cluster takes a token for somebody's.

    It is asked with our own access, by a TokenReview, so that the token is in no argument.
    Source: https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/

    Raises:
        KubectlError: it doesn't say.
    """
    question = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    answer = cluster.run("create", "--filename", "-", "--output", "json", text=json.dumps(question))
    return bool(json.loads(answer).get("status", {}).get("authenticated", False))


def look_at_pair(holder: ObservedCluster, remote: ObservedCluster, state: TerraformStates) -> Finding:
    """Return whether the secret by which one cluster watches another one is of use."""
    name = f"remote secret of {remote.key}"
    assert holder.objects is not None
    wanted = remote_secret_name(remote.region.remote_name)
    secret = next((one for one in holder.objects.secrets if one["metadata"]["name"] == wanted), None)
    grant = _granted_by(f"{holder.key}/{remote.key}", state)
    fix = replace_command(grant.address if grant else "", f'that of trust_grant["{holder.key}/{remote.key}"]')
    if secret is None:
        return failure(name, f"there is none: the mesh here does not see {remote.key}", fix)
    try:
        content = read_secret(secret)
    except ValueError as error:
        return failure(name, str(error), fix)
    wrong: list[str] = []
    if content.cluster != remote.region.remote_name:
        wrong.append(f"it is for a cluster {content.cluster}")
    if grant is not None and grant.inputs:
        made_from = secret["metadata"].get("annotations", {}).get(MADE_FROM)
        if made_from != grant.checksum:
            wrong.append("it is of other inputs than terraform's state has")
    if isinstance(remote.described, dict):
        server = f"https://{private_endpoint(remote.described)}"
        if content.server != server:
            wrong.append(f"its server is {content.server}, and {remote.key} is at {server}")
        if content.certificate != remote.described.get("masterAuth", {}).get("clusterCaCertificate"):
            wrong.append(f"its certificate is not that of {remote.key}'s CA")
    if remote.cluster is None or remote.objects is None:
        return failure_or_ok(name, wrong, "", fix) if wrong else _unknown(name, remote)
    try:
        if not takes(remote.cluster, content.token):
            wrong.append(f"{remote.key} does not take its token")
    except KubectlError:
        return failure_or_ok(name, wrong, "", fix) if wrong else _unknown(name, remote)
    return failure_or_ok(name, wrong, f"server {content.server}, and {remote.key} takes the token", fix)


def look_at_others(member: ObservedCluster) -> Finding:
    """Return whether a cluster has remote secrets that nobody wants."""
    name = "other remote secrets"
    assert member.objects is not None
    assert member.cluster is not None
    wanted = expected(member.environment, member.key)
    there = (one["metadata"]["name"] for one in member.objects.secrets)
    others = sorted(other for other in there if other not in wanted)
    if not others:
        return ok(name, "none")
    cluster = member.cluster
    commands = (kubectl_command(cluster, "--namespace", MESH_NAMESPACE, "delete", "secret", one) for one in others)
    if not member.environment.control_plane.uses_remote_secrets:
        text = f"left over: {', '.join(others)}; the control plane knows no remote secrets, and each holds a token"
        return warning(name, text, chained(commands))
    return failure(name, f"the mesh here also watches what is not in it: {', '.join(others)}", chained(commands))


def _granted_by(pair: str, state: TerraformStates) -> StateResource | None:
    """Return the resource that has made a remote secret; None if it is not known.

    Args:
        pair: ``holder/remote``.
    """
    made = (one for one in state.get("mesh") or () if "_grant_" in one.address)
    return next((one for one in made if one.address.endswith(f'["{pair}"]')), None)


def _unknown(name: str, remote: ObservedCluster) -> Finding:
    # Not another failure: the other cluster's own section has it.
    text = f"as it should be, but {remote.key} can't be asked whether it takes the token"
    return warning(name, text, f"see {remote.key}")

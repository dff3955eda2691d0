"""The clusters, reached with kubectl, which an operator has: it brings exec and streams, and keeps no token of ours.

Each cluster has a kubeconfig of its own in a folder that only we can read and that
goes on every way out. Tokens are made by gke-gcloud-auth-plugin from the application
default credentials, as in the stacks; they are in no argument and no file of ours.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cli.errors import MeshError
from cli.sources.google import ApiError, GoogleClient
from config import Environment, ResolvedRegion

PLUGIN = "gke-gcloud-auth-plugin"
SECONDS = 30
"""For a call of kubectl, unless it is told otherwise."""

NOT_FOUND = "(NotFound)"


class KubectlError(Exception):
    """A call of kubectl that failed. Its text is what kubectl said last."""


def run_kubectl(
    command: Sequence[str], variables: Mapping[str, str], text: str, seconds: float
) -> "subprocess.CompletedProcess[str]":
    """Run kubectl to its end. Tests replace this function by a fake in their own process.

    Args:
        command: `kubectl` and its arguments.
        variables: its environment.
        text: its standard input.
        seconds: after which it is killed.

    Returns:
        exit status, standard output and standard error.

    Raises:
        subprocess.TimeoutExpired: it took longer.
    """
    return subprocess.run(
        command, env=dict(variables), input=text, capture_output=True, text=True, check=False, timeout=seconds
    )


@dataclass(frozen=True)
class ClusterClient:
    """One cluster, by kubectl.

    Attributes:
        region: key of its region.
        flags: how kubectl finds it.
        variables: the environment of kubectl.
        command: how a person reaches it: the start of a kubectl command.
        folder: where its kubeconfig is, if that is ours and goes with us.
    """

    region: str
    flags: Sequence[str]
    variables: Mapping[str, str] = field(repr=False)
    command: str
    folder: Path | None = None

    def run(self, *arguments: str, text: str | None = None, seconds: float = SECONDS) -> str:
        """Run kubectl and return what it prints.

        Args:
            text: its standard input.

        Raises:
            KubectlError: it failed, or took longer than `seconds`.
        """
        try:
            result = run_kubectl(self.arguments(*arguments), self.variables, text or "", seconds)
        except subprocess.TimeoutExpired as error:
            raise KubectlError(f"kubectl has had no answer for {seconds:.0f} s") from error
        if result.returncode != 0:
            raise KubectlError((result.stderr.strip().splitlines() or [f"kubectl exited with {result.returncode}"])[-1])
        return result.stdout

    def get(self, *arguments: str) -> dict[str, Any]:
        """Return an object or a list of them.

        Raises:
            KubectlError: kubectl failed.
        """
        found: dict[str, Any] = json.loads(self.run("get", *arguments, "--output", "json"))
        return found

    def find(self, *arguments: str) -> dict[str, Any] | None:
        """Return an object, or None if it, or its kind, is not there.

        Raises:
            KubectlError: kubectl failed.
        """
        try:
            return self.get(*arguments)
        except KubectlError as error:
            if NOT_FOUND in str(error) or "the server doesn't have a resource type" in str(error):
                return None
            raise

    def popen(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start kubectl in a session of its own: Ctrl-C is ours to deal with."""
        return subprocess.Popen(
            self.arguments(*arguments),
            env=dict(self.variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def arguments(self, *arguments: str) -> list[str]:
        return ["kubectl", *self.flags, *arguments]


@contextmanager
def connected_clusters(
    environment: Environment, google: GoogleClient, kubeconfig: Path | None
) -> Iterator[dict[str, ClusterClient]]:
    """Yield the clusters by region, without those of retired regions; none of them has been asked yet.

    Args:
        kubeconfig: the user's own, in which a cluster's context is called like its
            region, or as gcloud calls it (gke_PROJECT_LOCATION_CLUSTER); without one,
            Google is asked where the clusters are.

    Raises:
        MeshError: a tool, a context or a cluster is missing.
    """
    if shutil.which("kubectl") is None:
        raise MeshError("kubectl is missing", "gcloud components install kubectl")
    present = [region for region in environment.resolved_regions() if not region.retired]
    if kubeconfig is not None:
        yield _by_context(environment, present, kubeconfig)
        return
    if shutil.which(PLUGIN) is None:
        raise MeshError(f"{PLUGIN} is missing", f"gcloud components install {PLUGIN}")
    with tempfile.TemporaryDirectory(prefix="mesh-") as folder, ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda region: _described(environment, region, google), present)
        yield {
            region.key: _by_file(environment, region, description, Path(folder))
            for region, description in zip(present, found, strict=True)
        }


@contextmanager
def reachable_clusters(
    environment: Environment, described: Mapping[str, Mapping[str, Any]], kubeconfig: Path | None
) -> Iterator[dict[str, ClusterClient | MeshError]]:
    """Yield clusters by region, retired ones too; in the place of one that there is no way to, why.

    Unlike with `connected`, what is wrong with one cluster does not stop the others. None has been asked yet.

    Args:
        described: clusters as the GKE API describes them, by region.
        kubeconfig: as for `connected`.

    Raises:
        MeshError: a tool is missing.
    """
    if shutil.which("kubectl") is None:
        raise MeshError("kubectl is missing", "gcloud components install kubectl")
    if kubeconfig is None and shutil.which(PLUGIN) is None:
        raise MeshError(f"{PLUGIN} is missing", f"gcloud components install {PLUGIN}")
    found: dict[str, ClusterClient | MeshError] = {}
    with tempfile.TemporaryDirectory(prefix="mesh-") as folder:
        for region in environment.resolved_regions():
            if region.key not in described:
                continue
            try:
                if kubeconfig is not None:
                    found |= _by_context(environment, [region], kubeconfig)
                else:
                    found[region.key] = _by_file(environment, region, described[region.key], Path(folder))
            except MeshError as error:
                found[region.key] = error
        yield found


def endpoint_of(environment: Environment, cluster: Mapping[str, Any]) -> str:
    """Return the host of a cluster's control plane, of the kind that the configuration says; empty if it has none.

    Args:
        cluster: as the GKE API describes it.
    """
    endpoints = cluster.get("controlPlaneEndpointsConfig", {})
    match environment.cluster.endpoint:
        case "dns":
            return str(endpoints.get("dnsEndpointConfig", {}).get("endpoint", ""))
        case "private":
            by_address = endpoints.get("ipEndpointsConfig", {}).get("privateEndpoint", "")
            return str(by_address or cluster.get("privateClusterConfig", {}).get("privateEndpoint", ""))
        case _:
            return str(cluster.get("endpoint", ""))


def cluster_path(environment: Environment, region: ResolvedRegion) -> str:
    """Return where the GKE API has a cluster."""
    return f"projects/{environment.project.id}/locations/{region.location}/clusters/{region.names.cluster}"


def _described(environment: Environment, region: ResolvedRegion, google: GoogleClient) -> Mapping[str, Any]:
    """Raises:
    MeshError: there is no such cluster, or Google doesn't say.
    """
    try:
        found = google.find("container", cluster_path(environment, region))
    except ApiError as error:
        raise MeshError(f"can't find out where {region.names.cluster} is: {error}", "mesh doctor") from error
    if found is None:
        raise MeshError(
            f"there is no cluster {region.names.cluster} in {region.location}", "cdktf deploy network clusters"
        )
    return found


def _by_file(environment: Environment, region: ResolvedRegion, found: Mapping[str, Any], folder: Path) -> ClusterClient:
    """Return a cluster with a kubeconfig of its own."""
    host = endpoint_of(environment, found)
    if not host:
        raise MeshError(
            f"{region.names.cluster} has no {environment.cluster.endpoint} endpoint", "cdktf deploy network clusters"
        )
    server: dict[str, Any] = {"server": f"https://{host}"}
    if environment.cluster.endpoint != "dns":  # that one has a certificate of Google's
        server["certificate-authority-data"] = found["masterAuth"]["clusterCaCertificate"]
    account = environment.project.impersonate_service_account
    plugin: dict[str, Any] = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": PLUGIN,
        "args": ["--use_application_default_credentials"],
        "interactiveMode": "Never",
        "provideClusterInfo": True,
    }
    if account:
        plugin["args"] = [f"--impersonate_service_account={account}"]
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": region.key, "cluster": server}],
        "users": [{"name": region.key, "user": {"exec": plugin}}],
        "contexts": [{"name": region.key, "context": {"cluster": region.key, "user": region.key}}],
        "current-context": region.key,
    }
    file = folder / f"{region.key}.yaml"
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    project = environment.project.id
    context = f"gke_{project}_{region.location}_{region.names.cluster}"
    # The plugin asks gcloud for another account's token, and gcloud writes what it answers into its log.
    variables = {**os.environ, "CLOUDSDK_CORE_DISABLE_FILE_LOGGING": "1"}
    return ClusterClient(region.key, ("--kubeconfig", str(file)), variables, f"kubectl --context {context}", folder)


def _by_context(environment: Environment, regions: Sequence[ResolvedRegion], file: Path) -> dict[str, ClusterClient]:
    """Return clusters by the contexts of a user's kubeconfig."""
    try:
        contexts = {one["name"] for one in yaml.safe_load(file.read_text(encoding="utf-8"))["contexts"]}
    except (OSError, TypeError, KeyError, yaml.YAMLError) as error:
        raise MeshError(f"{file} is no kubeconfig that can be read", "name another one") from error
    clusters = {}
    for region in regions:
        names = (region.key, f"gke_{environment.project.id}_{region.location}_{region.names.cluster}")
        name = next((name for name in names if name in contexts), None)
        if name is None:
            raise MeshError(f"{file} has no context {' or '.join(names)}", "add one, or leave --kubeconfig out")
        flags = ("--kubeconfig", str(file), "--context", name)
        clusters[region.key] = ClusterClient(region.key, flags, dict(os.environ), f"kubectl {' '.join(flags)}")
    return clusters

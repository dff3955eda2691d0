"""The clusters, reached with kubectl, which brings exec and streams.

Each cluster has a kubeconfig of its own in a private folder that is removed at the end. gke-gcloud-auth-plugin makes
the tokens from the application default credentials, as in the stacks; no argument and no file holds one.
"""

import json
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from cli.errors import MeshError
from cli.sources.api_server import FAILURES, ApiServer, MissingError, proxied
from cli.sources.google import ApiError, GoogleClient
from cli.sources.program_environment import program_environment
from config import Environment, ResolvedRegion
from config.kubeconfig import PLUGIN, kubeconfig

SECONDS = 30
"""Timeout of a kubectl call, unless another is given."""

SECONDS_TO_CONNECT = 3.0
NOT_FOUND = "(NotFound)"
COMMAND_ENDED = "command terminated with exit code"
"""How kubectl reports, in its last line, that a command in a pod has failed."""


class KubectlError(Exception):
    """A failed call of kubectl, with the last line of its output."""


class NoResponseError(KubectlError):
    """A call of kubectl that took too long."""


def run_kubectl(
    command: Sequence[str], variables: Mapping[str, str], text: str, seconds: float
) -> "subprocess.CompletedProcess[str]":
    """Run kubectl to its end. Tests replace this function by a fake in their own process.

    Args:
        command: `kubectl` and its arguments.
        variables: Its environment.
        text: Its standard input.
        seconds: The timeout, after which it is killed.

    Returns:
        Exit status, standard output and standard error.

    Raises:
        subprocess.TimeoutExpired: It took longer.
    """
    return subprocess.run(
        command, env=dict(variables), input=text, capture_output=True, text=True, check=False, timeout=seconds
    )


@dataclass(frozen=True)
class ClusterClient:
    """A client of one cluster that runs kubectl.

    Attributes:
        region: Key of the cluster's region.
        flags: The flags by which kubectl finds the cluster.
        variables: The environment of kubectl.
        command: The start of a kubectl command for a person to copy.
        folder: The folder of the kubeconfig, if it is a temporary one.
        server: The API server, by which calls are made without a process of kubectl each, if they can be.
    """

    region: str
    flags: Sequence[str]
    variables: Mapping[str, str] = field(repr=False)
    command: str
    folder: Path | None = None
    server: ApiServer | None = field(default=None, repr=False)

    def run(self, *arguments: str, text: str | None = None, seconds: float = SECONDS, partial: bool = False) -> str:
        """Run kubectl and return what it prints.

        Args:
            *arguments: The command.
            text: Its standard input.
            seconds: The timeout.
            partial: Whether what it has printed is enough where it fails.

        Raises:
            NoResponseError: It took longer.
            KubectlError: It failed.
        """
        if self.server is not None and self.server.closed:
            raise KubectlError("the command has ended")
        try:
            result = run_kubectl(self.arguments(*arguments), self.variables, text or "", seconds)
        except subprocess.TimeoutExpired as error:
            raise NoResponseError(f"no response within {seconds:.0f} s") from error
        if result.returncode != 0 and not (partial and result.stdout):
            raise KubectlError(_reason(result.stderr) or f"kubectl exited with {result.returncode}")
        return result.stdout

    def get(self, *arguments: str) -> dict[str, Any]:
        """Return an object, or a list of objects.

        Raises:
            KubectlError: kubectl failed.
        """
        if self.server is not None:
            try:
                return self.server.get(*arguments)
            except MissingError as error:
                raise KubectlError(f"{NOT_FOUND}: {error}") from None
            except FAILURES:
                pass  # kubectl says why
        found: dict[str, Any] = json.loads(self.run("get", *arguments, "--output", "json"))
        return found

    def create(self, path: str, objects: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Create objects whose content is in no argument, and return them.

        Args:
            path: The path of their kind in the API.
            objects: The objects.

        Raises:
            KubectlError: kubectl failed.
        """
        if self.server is not None:
            with suppress(*FAILURES):
                return [self.server.create(one, path) for one in objects]
        content = {"apiVersion": "v1", "kind": "List", "items": objects}
        text = self.run("create", "--filename", "-", "--output", "json", text=json.dumps(content)).strip()
        decoder, created, place = json.JSONDecoder(), [], 0
        while place < len(text):  # a document each, as kubectl prints no list here
            one, place = decoder.raw_decode(text, place)
            created.append(one)
            place += len(text[place:]) - len(text[place:].lstrip())
        return created

    def execute(self, namespace: str, pod: str, container: str, *command: str, seconds: float = SECONDS) -> str:
        """Run a command that changes nothing in a pod's container, and return what it prints.

        Args:
            namespace: The pod's.
            pod: Its name, or ``deployment/NAME`` for any pod of a Deployment.
            container: The container's name.
            *command: The command.
            seconds: The timeout.

        Raises:
            NoResponseError: It took longer.
            KubectlError: It failed.
        """
        if self.server is not None and "/" not in pod:
            try:
                return self.server.execute(namespace, pod, container, command, seconds)
            except TimeoutError as error:
                raise NoResponseError(f"no response within {seconds:.0f} s") from error
            except FAILURES:
                pass  # kubectl says why
        return self.run(
            *("exec", pod, "--namespace", namespace, "--container", container, "--", *command), seconds=seconds
        )

    def find(self, *arguments: str) -> dict[str, Any] | None:
        """Return an object, or None if it, or its kind, does not exist.

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
        """Start kubectl in a session of its own, which Ctrl-C does not reach."""
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
        """Return a whole kubectl command."""
        return ["kubectl", *self.flags, *arguments]


def _reason(errors: str) -> str:
    """Return the last line of kubectl's errors, or what a command in a pod wrote before kubectl tells its status."""
    lines = [one.strip() for one in errors.splitlines() if one.strip()]
    if len(lines) > 1 and lines[-1].startswith(COMMAND_ENDED):
        lines.pop()
    return lines[-1] if lines else ""


@contextmanager
def connected_clusters(
    environment: Environment, google: GoogleClient, file: Path | None
) -> Iterator[dict[str, ClusterClient]]:
    """Yield clients of the clusters by region, without retired regions.

    Args:
        environment: The environment.
        google: The client that finds the clusters.
        file: The user's own kubeconfig, in which a cluster's context is called like its region, or as gcloud calls
            it (gke_PROJECT_LOCATION_CLUSTER); without one, the GKE API locates the clusters.

    Raises:
        MeshError: A tool, a context or a cluster is missing.
    """
    _check_tools(file)
    regions = [region for region in environment.resolved_regions() if not region.retired]
    described: dict[str, Mapping[str, Any]] = {region.key: {} for region in regions}
    if file is None:
        with ThreadPoolExecutor(8) as pool:
            found = pool.map(lambda region: _describe(environment, region, google), regions)
            described = dict(zip(described, found, strict=True))
    with reachable_clusters(environment, described, file) as clusters:
        for cluster in clusters.values():
            if isinstance(cluster, MeshError):
                raise cluster
        yield {key: cluster for key, cluster in clusters.items() if isinstance(cluster, ClusterClient)}


@contextmanager
def reachable_clusters(
    environment: Environment, described: Mapping[str, Mapping[str, Any]], file: Path | None
) -> Iterator[dict[str, ClusterClient | MeshError]]:
    """Yield clients of clusters by region, retired ones too; instead of one that can't be made, the error.

    Args:
        environment: The environment.
        described: Clusters as the GKE API describes them, by region.
        file: As for `connected_clusters`.

    Raises:
        MeshError: A tool is missing.
    """
    _check_tools(file)
    found: dict[str, ClusterClient | MeshError] = {}
    with tempfile.TemporaryDirectory() as folder:
        for region in environment.resolved_regions():
            if region.key not in described:
                continue
            try:
                if file is not None:
                    found[region.key] = _by_context(environment, region, file)
                else:
                    found[region.key] = _by_file(environment, region, described[region.key], Path(folder))
            except MeshError as error:
                found[region.key] = error
        yield found


@contextmanager
def served_by_proxies(
    clusters: Mapping[str, ClusterClient | MeshError],
) -> Iterator[dict[str, ClusterClient | MeshError]]:
    """Yield clients that make their calls through one `kubectl proxy` each, for commands that make many."""
    commands = {key: one.arguments() for key, one in clusters.items() if isinstance(one, ClusterClient)}
    with proxied(commands, program_environment()) as servers:
        yield {
            key: replace(one, server=servers.get(key)) if isinstance(one, ClusterClient) else one
            for key, one in clusters.items()
        }


def accepts_connections(cluster: ClusterClient) -> bool:
    """Return whether a cluster's API server, or what is in front of it, accepts a TCP connection."""
    options = dict(pairwise(cluster.flags))
    content = yaml.safe_load(Path(options["--kubeconfig"]).read_text(encoding="utf-8"))
    context = options.get("--context", content.get("current-context"))
    try:
        name = next(one["context"]["cluster"] for one in content["contexts"] if one["name"] == context)
        url = urlsplit(next(one["cluster"]["server"] for one in content["clusters"] if one["name"] == name))
        with socket.create_connection((url.hostname, url.port or 443), SECONDS_TO_CONNECT):
            return True
    except (OSError, StopIteration, KeyError, ValueError):
        return False


def _check_tools(file: Path | None) -> None:
    """Check that kubectl is there and, without a kubeconfig of the user, the plugin that makes tokens for it.

    Raises:
        MeshError: One is missing.
    """
    for tool in ("kubectl", *((PLUGIN,) if file is None else ())):
        if shutil.which(tool) is None:
            raise MeshError(f"{tool} is not installed", f"gcloud components install {tool}")


def endpoint_of(environment: Environment, cluster: Mapping[str, Any]) -> str:
    """Return the host of a cluster's API server at the configured endpoint; empty if there is no such endpoint.

    Args:
        environment: The environment.
        cluster: The cluster, as the GKE API describes it.
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
    """Return the path of a cluster in the GKE API."""
    return f"projects/{environment.project.id}/locations/{region.location}/clusters/{region.names.cluster}"


def gcloud_context(environment: Environment, region: ResolvedRegion) -> str:
    """Return the name that gcloud gives to a cluster's context."""
    return f"gke_{environment.project.id}_{region.location}_{region.names.cluster}"


def _describe(environment: Environment, region: ResolvedRegion, google: GoogleClient) -> Mapping[str, Any]:
    """Return a cluster as the GKE API describes it.

    Raises:
        MeshError: There is no such cluster, or it is not known.
    """
    try:
        found = google.find("container", cluster_path(environment, region))
    except ApiError as error:
        raise MeshError(f"can't read the cluster {region.names.cluster}: {error}", "mesh doctor") from error
    if found is None:
        raise MeshError(
            f"the cluster {region.names.cluster} does not exist in {region.location}", "cdktf deploy network clusters"
        )
    return found


def _by_file(environment: Environment, region: ResolvedRegion, found: Mapping[str, Any], folder: Path) -> ClusterClient:
    """Return a client with a kubeconfig of its own.

    Raises:
        MeshError: The cluster has no such endpoint.
    """
    host, endpoint = endpoint_of(environment, found), environment.cluster.endpoint
    if not host:
        raise MeshError(
            f"the cluster {region.names.cluster} has no {endpoint} endpoint", "cdktf deploy network clusters"
        )
    content = kubeconfig(
        name=region.key,
        server=f"https://{host}",
        # Google's public authorities sign the certificate of a DNS endpoint.
        ca_certificate=None if endpoint == "dns" else found["masterAuth"]["clusterCaCertificate"],
        account=environment.project.impersonate_service_account,
        arguments=["--use_application_default_credentials"],
    )
    file = folder / f"{region.key}.yaml"
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    command = f"kubectl --context {gcloud_context(environment, region)}"
    return ClusterClient(region.key, ("--kubeconfig", str(file)), program_environment(), command, folder)


def _by_context(environment: Environment, region: ResolvedRegion, file: Path) -> ClusterClient:
    """Return a client with a context of the user's kubeconfig.

    Raises:
        MeshError: The file can't be read, or has no context for the cluster.
    """
    try:
        contexts = {one["name"] for one in yaml.safe_load(file.read_text(encoding="utf-8"))["contexts"]}
    except (OSError, TypeError, KeyError, yaml.YAMLError) as error:
        raise MeshError(
            f"{file} is not a readable kubeconfig", "name another file, or leave --kubeconfig out"
        ) from error
    names = (region.key, gcloud_context(environment, region))
    name = next((name for name in names if name in contexts), None)
    if name is None:
        raise MeshError(
            f"{file} has no context {' or '.join(names)}", "add a context of that name, or leave --kubeconfig out"
        )
    flags = ("--kubeconfig", str(file), "--context", name)
    return ClusterClient(region.key, flags, program_environment(), f"kubectl {' '.join(flags)}")

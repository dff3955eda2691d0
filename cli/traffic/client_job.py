"""The clients that send requests: a Job in each cluster, which leaves nothing."""

import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from string import Template
from typing import Any

from cli.errors import MeshError
from cli.sources.cluster_objects import condition
from cli.sources.kubernetes import ClusterClient, KubectlError
from cli.sources.proxies import has_proxy
from cli.traffic.client import TrafficClient
from cli.traffic.rollback import Log, RollbackStep, rolled_back_together

MANIFEST = Template((Path(__file__).with_suffix(".yaml")).read_text(encoding="utf-8"))

JOB_LABEL = "batch.kubernetes.io/job-name"

SECONDS_TO_START = 120.0
"""For which a pod may wait for its image, or for a node."""

SECONDS_WITHOUT_POD = 10.0
"""For which the Job's controller may take to create a pod, if it can."""

PAUSE_SECONDS = 0.2
RESTORE_SECONDS = 10.0
"""For which a deletion is tried again; Kubernetes deletes the Job later anyway."""

HOPELESS = (
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
)
"""Reasons for which a container waits without end."""


@contextmanager
def client_jobs(
    clusters: Mapping[str, ClusterClient],
    account: tuple[str, str],
    *,
    image: str,
    purpose: str,
    seconds: int,
    log: Log,
) -> Iterator[dict[str, TrafficClient | MeshError]]:
    """Yield a client in each cluster, by region, and delete all of them at the end, however the block ends.

    In place of one that did not start, it yields the error.

    Args:
        clusters: By region.
        account: Namespace and service account of the clients.
        image: Of their container, with curl.
        purpose: Of the clients, `DRILL` or `VERIFY` of `cli.sources.temporary`.
        seconds: After which Kubernetes deletes them, if nothing else did.
        log: Gets what could not be deleted.
    """
    namespace, service_account = account
    name = f"mesh-{purpose}-{secrets.token_hex(4)}"
    manifest = MANIFEST.substitute(
        name=name, namespace=namespace, account=service_account, image=image, purpose=purpose, seconds=seconds
    )
    job = (f"job/{name}", "--namespace", namespace)
    step = RollbackStep(("delete", *job, "--ignore-not-found"), gone=job)

    left: list[str] = []
    try:
        with rolled_back_together([(cluster, [step]) for cluster in clusters.values()], RESTORE_SECONDS, log, left):
            yield _start(clusters, manifest, (name, namespace, service_account))
    finally:
        if left:
            log("a client is not deleted; run these commands:\n" + "\n".join(f"      {command}" for command in left))


def started(clients: Mapping[str, TrafficClient | MeshError]) -> dict[str, TrafficClient]:
    """Return the clients that `client_jobs` yields.

    Raises:
        MeshError: One did not start.
    """
    found = {}
    for key, client in clients.items():
        if isinstance(client, MeshError):
            raise client
        found[key] = client
    return found


def _start(
    clusters: Mapping[str, ClusterClient], manifest: str, identity: tuple[str, str, str]
) -> dict[str, TrafficClient | MeshError]:
    """Create a Job in each cluster, and return the clients when all are ready; the error in place of one that is not.

    Args:
        clusters: By region.
        manifest: Of the Job.
        identity: Its name, namespace and service account.
    """
    name, namespace, account = identity
    ended = threading.Event()

    def start(cluster: ClusterClient) -> TrafficClient | MeshError:
        try:
            cluster.run("create", "--filename", "-", text=manifest)
            return TrafficClient(cluster, namespace, _wait_until_ready(cluster, namespace, name, ended), account)
        except KubectlError as error:
            return MeshError(f"can't create the client in {cluster.region}: {error}", "mesh status")
        except MeshError as error:
            return error

    with ThreadPoolExecutor(max(len(clusters), 1)) as pool:
        try:
            return dict(zip(clusters, pool.map(start, clusters.values()), strict=True))
        finally:
            ended.set()  # after Ctrl-C


def _wait_until_ready(cluster: ClusterClient, namespace: str, name: str, ended: threading.Event) -> str:
    """Wait until a Job's pod is ready, and return its name.

    Args:
        cluster: The cluster.
        namespace: Of the Job.
        name: Of the Job.
        ended: Set when the wait has no purpose any more.

    Raises:
        MeshError: It never is.
    """
    began = time.monotonic()
    where = ("--namespace", namespace)
    fix = f"{cluster.command} get pods,events {' '.join(where)}"
    while True:
        try:
            pods = cluster.get("pods", *where, "--selector", f"{JOB_LABEL}={name}")["items"]
            waited = time.monotonic() - began
            if pods and condition(pods[0], "Ready") == "True":
                if not has_proxy(pods[0]):
                    text = f"the client in {cluster.region} has no sidecar: namespace {namespace} has no injection"
                    raise MeshError(text, "mesh status")
                return str(pods[0]["metadata"]["name"])
            problem = _problem(pods[0]) if pods else ""
            if not pods and waited > SECONDS_WITHOUT_POD:
                problem = _why_no_pod(cluster, namespace, name)
        except KubectlError as error:
            raise MeshError(f"can't read the client in {cluster.region}: {error}", "mesh status") from None
        if problem or waited > SECONDS_TO_START:
            why = problem or f"it is not ready after {SECONDS_TO_START:.0f} s"
            raise MeshError(f"the client in {cluster.region} does not start: {why}", fix)
        if ended.wait(PAUSE_SECONDS):
            raise MeshError(f"the client in {cluster.region} is not ready yet", "run the command again")


def _problem(pod: Mapping[str, Any]) -> str:
    """Return why a pod will not be ready; empty if it may be."""
    status = pod.get("status", {})
    if status.get("phase") in ("Failed", "Succeeded"):
        return f"its pod ended: {status.get('message') or status.get('reason') or status['phase']}"
    for one in (*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])):
        waiting = one.get("state", {}).get("waiting", {})
        if waiting.get("reason") in HOPELESS:
            return f"container {one['name']}: {waiting['reason']}: {waiting.get('message', '')}".rstrip(": ")
    return ""


def _why_no_pod(cluster: ClusterClient, namespace: str, name: str) -> str:
    """Return what the Job's controller reports.

    Raises:
        KubectlError: The cluster can't be read.
    """
    selector = f"involvedObject.kind=Job,involvedObject.name={name},type=Warning"
    events = cluster.get("events", "--namespace", namespace, "--field-selector", selector)["items"]
    return str(events[-1].get("message", "")) if events else "the Job's controller creates no pod"

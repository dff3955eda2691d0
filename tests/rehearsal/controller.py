"""What the simulated controllers share: threads that end with their cluster, waiting, times, and patches."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from tests.local_mesh.cluster import LocalCluster
from tests.local_mesh.errors import LocalMeshError


def run_in_background(work: Callable[..., object], *arguments: object) -> None:
    """Run a function in a thread, which ends quietly when the function's object or cluster is deleted."""

    def run() -> None:
        with suppress(LocalMeshError):
            work(*arguments)

    threading.Thread(target=run, daemon=True).start()


def wait_for_creation(cluster: LocalCluster, name: str, *flags: str) -> None:
    """Wait, for a day, until an object such as ``namespace/sample`` is created."""
    cluster.kubectl("wait", "--for=create", name, "--timeout=24h", *flags, seconds=86_400)


def wait_until_established(cluster: LocalCluster, crd: str) -> None:
    """Wait until the API server serves the kind of a CRD."""
    cluster.kubectl("wait", "--for=condition=Established", f"customresourcedefinition/{crd}", "--timeout=60s")


def timestamp() -> str:
    """Return the present as Kubernetes writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def patch(cluster: LocalCluster, kind: str, metadata: Mapping[str, Any], content: object, *flags: str) -> None:
    """Merge content into an object.

    Args:
        cluster: of the object.
        kind: of the object.
        metadata: has its name, and its namespace if it is in one.
        content: merged into the object.
        *flags: for kubectl, such as ``--subresource``.
    """
    namespace = ["--namespace", metadata["namespace"]] if "namespace" in metadata else []
    cluster.kubectl(
        *namespace, "patch", kind, metadata["name"], *flags, "--type", "merge", "--patch", json.dumps(content)
    )

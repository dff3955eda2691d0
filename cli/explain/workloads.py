"""The Services, Deployments and pods of a service in one cluster."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cli.explain.client import is_running
from cli.sources.cluster_objects import Object, condition
from cli.sources.kubernetes import ClusterClient

KINDS = "pods,services,deployments.apps"


@dataclass(frozen=True)
class Workloads:
    """What there is of some namespaces in a cluster.

    Attributes:
        cluster: The cluster.
        objects: Of `KINDS`.
    """

    cluster: ClusterClient
    objects: Sequence[Object]

    def of(self, kind: str, namespace: str) -> Iterator[Object]:
        """Yield the objects of a kind in a namespace."""
        found = (one for one in self.objects if one["kind"] == kind)
        return (one for one in found if one["metadata"]["namespace"] == namespace)

    def pods(self) -> Iterator[Object]:
        return (one for one in self.objects if one["kind"] == "Pod")

    def service(self, namespace: str, name: str) -> Object | None:
        return next((one for one in self.of("Service", namespace) if one["metadata"]["name"] == name), None)

    def pod(self, namespace: str, name: str) -> Object | None:
        return next((one for one in self.of("Pod", namespace) if one["metadata"]["name"] == name), None)

    def pod_at(self, address: str) -> Object | None:
        """Return the running pod that has an address."""
        found = (one for one in self.pods() if one.get("status", {}).get("podIP") == address)
        return next((one for one in found if is_running(one)), None)

    def selected(self, service: Object) -> list[Object]:
        """Return the pods that a Service selects, whether they are ready or not."""
        selector = service["spec"].get("selector") or {}
        pods = self.of("Pod", service["metadata"]["namespace"])
        return [one for one in pods if selector and selector.items() <= one["metadata"].get("labels", {}).items()]


def read_workloads(cluster: ClusterClient, namespaces: Sequence[str]) -> Workloads:
    """Read what there is of some namespaces.

    Raises:
        KubectlError: kubectl failed.
    """
    listed = (cluster.get(KINDS, "--namespace", name, "--show-managed-fields") for name in namespaces)
    return Workloads(cluster, [one for items in listed for one in items["items"]])


def is_ready(pod: Object) -> bool:
    return condition(pod, "Ready") == "True"


def why_not_ready(pod: Object) -> str:
    """Return why a pod is not ready, as far as its status says so."""
    status = pod.get("status", {})
    for one in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        waiting = one.get("state", {}).get("waiting", {})
        if waiting.get("reason"):
            return f"{one['name']}: {waiting['reason']}"
        if not one.get("ready") and "running" in one.get("state", {}):
            return f"{one['name']} is not ready: its readiness probe fails"
    if "deletionTimestamp" in pod["metadata"]:
        return "it is being deleted"
    return f"its phase is {status.get('phase', 'unknown')}"

"""The pod from which a request comes."""

from collections.abc import Iterable
from dataclasses import dataclass

from cli.explain.callee import Callee
from cli.sources.cluster_objects import Object
from cli.sources.proxies import has_proxy
from config.naming import GATEWAY_NAME, GATEWAY_NAMESPACE


@dataclass(frozen=True)
class ClientPod:
    """A pod that sends requests.

    Attributes:
        namespace: Its namespace.
        pod: Its name.
        account: Its Kubernetes service account.
    """

    namespace: str
    pod: str
    account: str

    @classmethod
    def of(cls, pod: Object) -> "ClientPod":
        """Return a pod of a cluster as a client."""
        metadata = pod["metadata"]
        return cls(metadata["namespace"], metadata["name"], pod["spec"].get("serviceAccountName", "default"))

    @property
    def is_gateway(self) -> bool:
        """Whether it is one of the environment's gateways."""
        return (self.namespace, self.account) == (GATEWAY_NAMESPACE, GATEWAY_NAME)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.pod}"


def is_running(pod: Object) -> bool:
    """Return whether a pod runs, and is not about to end."""
    return pod.get("status", {}).get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]


def choose_client(callee: Callee, pods: Iterable[Object]) -> Object | None:
    """Return the pod that stands for a service's clients in a region.

    A pod that the configuration authorizes, with a sidecar, is better than one without; a gateway comes after both, as
    its requests come from outside. Then any other pod with a sidecar: it shows why it is denied.
    """
    running = [one for one in pods if is_running(one)]
    clients = [(one, ClientPod.of(one)) for one in running]
    authorized = [(one, client) for one, client in clients if callee.names(client.namespace, client.account)]
    in_mesh = [one for one, client in authorized if not client.is_gateway]
    candidates = [
        *(one for one in in_mesh if has_proxy(one)),
        *in_mesh,
        *(one for one, _ in authorized),
        *(one for one in running if has_proxy(one)),
    ]
    return next(iter(candidates), None)


def gateways_in(pods: Iterable[Object]) -> list[Object]:
    """Return the environment's gateways among pods."""
    return [one for one in pods if is_running(one) and ClientPod.of(one).is_gateway]

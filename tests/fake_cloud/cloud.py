"""The whole emulated cloud: what its services share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from werkzeug.datastructures import MultiDict
from werkzeug.routing import Rule

from tests.fake_cloud.faults import Faults
from tests.fake_cloud.identity import Identity
from tests.fake_cloud.latencies import Latencies
from tests.fake_cloud.operations import Operations
from tests.fake_cloud.store import Store

Body = dict[str, Any]
Query = MultiDict[str, str]
Handler = Callable[..., Body]
"""Takes the request's body, its query, and what its rule finds in the path."""

PROJECT_NUMBER = "123456789012"


def rule(method: str, path: str, handler: Handler) -> Rule:
    return Rule(path, methods=[method], endpoint=handler)


@dataclass(frozen=True)
class Endpoints:
    """How a cluster's control plane is reached.

    Attributes:
        public, private: addresses.
        certificate: of its CA, base64 of PEM.
    """

    public: str
    private: str
    certificate: str


class ControlPlanes(Protocol):
    """What runs the Kubernetes control planes of the emulated clusters."""

    def start(self, location: str, name: str, control_plane_range: str) -> Endpoints:
        """Start one and return when it serves.

        Raises:
            ApiError: Google refused the call.
        """

    def add_nodes(self, location: str, name: str) -> None: ...

    def stop(self, location: str, name: str) -> None: ...


@dataclass
class Cloud:
    """A project and everything in it.

    Attributes:
        base: URL of the fake cloud.
    """

    project: str
    base: str
    store: Store
    operations: Operations
    latencies: Latencies
    faults: Faults
    identity: Identity
    control_planes: ControlPlanes

    @classmethod
    def create(
        cls, project: str, base: str, latencies: Latencies, control_planes: ControlPlanes, account: str | None = None
    ) -> "Cloud":
        """Return an empty project, in which nothing but what everybody switches on first is on.

        Args:
            account: whom the caller acts as; nobody if absent.
        """
        store, faults = Store(), Faults()
        operations = Operations(store, faults, base)
        identity = Identity(project, base, account)
        return cls(project, base, store, operations, latencies, faults, identity, control_planes)

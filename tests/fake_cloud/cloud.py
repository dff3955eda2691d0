"""The fake cloud: the state that its APIs share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from werkzeug.datastructures import MultiDict
from werkzeug.routing import Rule

from tests.fake_cloud.faults import Faults
from tests.fake_cloud.identity import Identity
from tests.fake_cloud.latencies import Latencies
from tests.fake_cloud.operations import Operations
from tests.fake_cloud.store import Store

Body = dict[str, Any]

PROJECT_NUMBER = "123456789012"


@dataclass(frozen=True)
class ApiRequest:
    """A request to one of the APIs.

    Attributes:
        path: of the resource or the collection, as in the store: without the API's prefix and version.
        body: the content.
        query: the query parameters.
    """

    path: str
    body: Body = field(default_factory=dict)
    query: MultiDict[str, str] = field(default_factory=MultiDict)

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def location(self) -> str:
        """The fourth part of the path: a location, a region or a zone."""
        return self.path.split("/")[3]


RequestHandler = Callable[[ApiRequest], Body]


def rule(method: str, path: str, handler: RequestHandler, *, suffix: str = "") -> Rule:
    """Return a routing rule.

    Args:
        method: of HTTP.
        path: of the resource, below the API's prefix.
        handler: returns the content of the response.
        suffix: the part of the URL after the resource, such as ``:setIamPolicy``.
    """
    return Rule(f"{path}{suffix}", methods=[method], endpoint=(handler, suffix))


@dataclass(frozen=True)
class Endpoints:
    """The endpoints of a GKE control plane.

    Attributes:
        public: address.
        private: address.
        certificate: of its CA, base64 of PEM.
    """

    public: str
    private: str
    certificate: str


class ControlPlanes(Protocol):
    """Runs the Kubernetes control planes of the clusters."""

    def start(self, location: str, name: str, control_plane_range: str) -> Endpoints:
        """Start a control plane and return when it serves.

        Raises:
            CloudError: the cluster can't be created.
        """

    def serve_kinds(self, location: str, name: str, of: str) -> None:
        """Serve the kinds of GKE's ``Gateway API`` or ``Secret Manager`` add-on, as far as the stacks use them."""

    def add_nodes(self, location: str, name: str) -> None: ...

    def stop(self, location: str, name: str) -> None: ...


@dataclass
class Cloud:
    """A project and everything in it.

    Attributes:
        project: its id.
        base: URL of the fake cloud.
        store: all resources.
        operations: long-running operations.
        latencies: durations of operations.
        faults: injected faults.
        identity: accounts and tokens.
        control_planes: runs the clusters' control planes.
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
        """Return an empty project, in which only the APIs are enabled that a user enables by hand.

        Args:
            project: its id.
            base: URL of the fake cloud.
            latencies: durations of operations.
            control_planes: runs the clusters' control planes.
            account: the service account that the caller impersonates, if any.
        """
        store, faults = Store(), Faults()
        operations = Operations(store, faults, latencies, base)
        identity = Identity(project, base, account)
        return cls(project, base, store, operations, latencies, faults, identity, control_planes)

    def show(self, request: ApiRequest) -> Body:
        """Return a resource as it is in the store."""
        return self.store.get(request.path)

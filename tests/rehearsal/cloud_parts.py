"""The parts of load balancers, as Google's controllers create and delete them."""

from typing import Any

from tests.fake_cloud.cloud import PROJECT_NUMBER, Cloud
from tests.fake_cloud.compute import Compute, change


class CloudParts:
    """The project's resources of Compute Engine, by their place in it, such as ``global/urlMaps/NAME``.

    Attributes:
        compute: gives resources the fields that the API adds.
        cloud: the fake cloud.
    """

    def __init__(self, cloud: Cloud) -> None:
        self.compute: Compute
        self.cloud = cloud

    def path(self, place: str) -> str:
        """Return the path of a resource in the store."""
        return f"projects/{self.cloud.project}/{place}"

    def link(self, place: str) -> str:
        """Return the link of a resource."""
        return f"{self.cloud.base}/compute/v1/{self.path(place)}"

    def by_number(self, place: str) -> str:
        """Return the path of a resource as an annotation has it."""
        return f"/projects/{PROJECT_NUMBER}/{place}"

    def find(self, place: str) -> dict[str, Any] | None:
        return self.cloud.store.find(self.path(place))

    def create(self, place: str, body: dict[str, Any]) -> None:
        """Create a resource, unless it exists."""
        path = self.path(place)
        if self.cloud.store.find(path) is None:
            resource = self.compute.resource(path, {"name": path.rpartition("/")[2], **body})
            self.cloud.store.add(path, resource)

    def apply(self, place: str, body: dict[str, Any]) -> None:
        """Create a resource, or give it the content of a body."""
        with self.cloud.store.lock:
            self.create(place, body)
            found = self.cloud.store.get(self.path(place))
            if any(found.get(field) != value for field, value in body.items()):
                change(self.path(place), found, body)

    def remove(self, path: str) -> None:
        self.cloud.store.remove(path)

    def network(self) -> str:
        """Return the link of the clusters' network."""
        networks = list(self.cloud.store.under(self.path("global/networks")))
        return str(networks[0][1]["selfLink"])

    def set_users(self, address: str) -> None:
        """Set the forwarding rules that use an address, if it is a reserved one."""
        rules = [one for _, one in self.cloud.store.under(self.path("global/forwardingRules"))]
        users = [one["selfLink"] for one in rules if one["IPAddress"] == address]
        with self.cloud.store.lock:
            for _, resource in self.cloud.store.under(self.path("global/addresses")):
                if resource["address"] == address:
                    resource.pop("users", None)
                    resource.update({"status": "IN_USE", "users": users} if users else {"status": "RESERVED"})

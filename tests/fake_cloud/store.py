"""All resources, by path."""

import threading
from collections.abc import Iterator
from typing import Any

from tests.fake_cloud.errors import already_exists, not_found

Resource = dict[str, Any]


class Store:
    """Resources by path, such as ``projects/p/global/networks/n``; safe to use from several threads.

    Attributes:
        lock: held where a write depends on a read.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._resources: dict[str, Resource] = {}

    def add(self, path: str, resource: Resource) -> Resource:
        """Add a resource.

        Raises:
            CloudError: the name is taken.
        """
        with self.lock:
            if path in self._resources:
                raise already_exists(path)
            self._resources[path] = resource
            return resource

    def get(self, path: str) -> Resource:
        """Return a resource.

        Raises:
            CloudError: it does not exist.
        """
        with self.lock:
            if path not in self._resources:
                raise not_found(path)
            return self._resources[path]

    def find(self, path: str) -> Resource | None:
        with self.lock:
            return self._resources.get(path)

    def remove(self, path: str) -> None:
        with self.lock:
            self._resources.pop(path, None)

    def under(self, folder: str) -> Iterator[tuple[str, Resource]]:
        """Yield the resources of a folder, such as ``projects/p/global/networks``, in the order of names."""
        with self.lock:
            found = sorted(item for item in self._resources.items() if item[0].rpartition("/")[0] == folder)
        yield from found

    def all(self) -> dict[str, Resource]:
        with self.lock:
            return dict(self._resources)

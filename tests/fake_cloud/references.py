"""References between resources."""

from collections.abc import Iterator
from typing import Any

from tests.fake_cloud.store import Store


def path_of(link: str) -> str:
    """Return the path in a link, which may be a URL, start with a host, or be a path already."""
    start = link.find("projects/")
    return link[start:] if start >= 0 else link


def user_of(store: Store, path: str) -> str | None:
    """Return the path of a resource that refers to another one; None if there is none.

    An address names its users, which only have its text.
    """
    for user in (store.find(path) or {}).get("users", ()):
        return path_of(user)
    for other, resource in store.all().items():
        if other != path and "operations/" not in other and path in _named(resource):
            return other
    return None


def _named(node: Any) -> Iterator[str]:
    """Yield the paths that a resource refers to, in any field."""
    if isinstance(node, dict):
        for field, value in node.items():
            if field != "users":
                yield from _named(value)
    elif isinstance(node, list):
        for value in node:
            yield from _named(value)
    elif isinstance(node, str) and "projects/" in node:
        yield path_of(node)


def workload_pool_exists(store: Store, pool: str) -> bool:
    """Return whether a cluster uses a workload identity pool, such as ``PROJECT.svc.id.goog``."""
    clusters = (one for path, one in store.all().items() if path.split("/")[-2:-1] == ["clusters"])
    return pool in {one.get("workloadIdentityConfig", {}).get("workloadPool") for one in clusters}

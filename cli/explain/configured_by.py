"""The Istio object from which a part of a proxy's configuration comes."""

import re
from dataclasses import dataclass

from cli.explain.proxy import Part, istio_metadata

_PATH = re.compile(r"/apis/(?P<group>[^/]+)/[^/]+/namespaces/(?P<namespace>[^/]+)/(?P<kind>[^/]+)/(?P<name>[^/]+)")


@dataclass(frozen=True)
class IstioObject:
    """An object, as a proxy's configuration names it.

    Attributes:
        kind: Such as ``VirtualService``.
        namespace: Its namespace.
        name: Its name.
        resource: The kind as an argument of kubectl.
    """

    kind: str
    namespace: str
    name: str
    resource: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


def configured_by(part: Part) -> IstioObject | None:
    """Return the object from which a route or a cluster comes; None if it is Istio's default."""
    found = _PATH.fullmatch(istio_metadata(part).get("config", ""))
    if found is None:
        return None
    kind = "".join(word.capitalize() for word in found["kind"].split("-"))
    return IstioObject(kind, found["namespace"], found["name"], f"{kind.lower()}.{found['group']}")

"""The options of `mesh explain`."""

from dataclasses import dataclass

from cli.errors import MeshError
from config import Environment


@dataclass(frozen=True)
class ExplainOptions:
    """Options of the command line.

    Attributes:
        service: The service, by its name in the configuration or as ``NAMESPACE/NAME``.
        sources: From where: keys of regions, and clients as ``NAMESPACE/NAME``; empty for every region.
        port: Of the Service; None for its main one.
        path: Of the URL; None for one that the service serves.
    """

    service: str
    sources: tuple[str, ...] = ()
    port: int | None = None
    path: str | None = None

    @property
    def clients(self) -> list[tuple[str, str]]:
        """The wanted clients: namespace, and name of a pod, a service account or an application."""
        found = (one.partition("/") for one in self.sources if "/" in one)
        return [(namespace, name) for namespace, _, name in found]

    def regions(self, environment: Environment) -> list[str]:
        """Return the keys of the regions.

        Raises:
            MeshError: There is no such region.
        """
        present = [region.key for region in environment.resolved_regions() if not region.retired]
        wanted = [one for one in self.sources if "/" not in one]
        if unknown := [one for one in wanted if one not in present]:
            raise MeshError(
                f"neither a region nor NAMESPACE/NAME of a client: {', '.join(unknown)}",
                f"use a region of {', '.join(present)}, or a client such as istio-gateway/istio-ingressgateway",
            )
        return [one for one in present if one in wanted or not wanted]

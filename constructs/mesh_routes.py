"""What the gateways of one cluster send to which service."""

from collections.abc import Mapping, Sequence
from typing import Any

from config.ingress import Ingress
from config.naming import ROUTES_GATEWAY
from config.routing import DEFAULT_ROUTES, HostRoutes
from config.services.service import Service
from constructs.bindings import ITerraformDependable
from constructs.cluster_access import ClusterAccess
from constructs.http_route import http_routes
from constructs.kubernetes_objects import ObjectGroup, Scope
from constructs.manifest_file import ManifestFile, render
from constructs.mesh_namespace import MeshNamespace


class MeshRoutes(ObjectGroup):
    """One Gateway, and a VirtualService for each host with routes of its own and for all others together.

    When a host gets its first route or loses its last one, its requests are routed all the time: the VirtualService
    of a host is created before the others' one gives the host up, and deleted after that has taken it back.
    """

    def __init__(
        self,
        scope: Scope,
        id_: str,
        *,
        routes: Sequence[HostRoutes],
        services: Mapping[str, Service],
        ingress: Ingress,
        retries_elsewhere: bool,
        namespace: MeshNamespace,
        depends_on: Sequence[ITerraformDependable],
        access: ClusterAccess,
    ) -> None:
        """Add the objects.

        Args:
            scope: the parent construct.
            id_: the construct id, which addresses follow from.
            routes: of each VirtualService; that of the hosts without routes of their own is the last.
            services: all services, by name.
            ingress: the ingress, as configured.
            retries_elsewhere: a retry can go to another region.
            namespace: the namespace of the gateways, applied.
            depends_on: what the destinations of the routes need.
            access: the cluster's kubernetes provider.
        """
        super().__init__(scope, id_)
        gateway = ManifestFile(
            self,
            "gateway",
            manifest=render("routes/gateway.yaml", {"name": ROUTES_GATEWAY, "namespace": namespace.name}),
            access=access,
            depends_on=[namespace.applied],
        )
        of_hosts: list[ITerraformDependable] = []
        for one in routes:
            entries: list[dict[str, Any]] = []
            for path in one.paths:
                entries += http_routes(path, services, scheme=ingress.scheme, retries_elsewhere=retries_elsewhere)
            virtual_service = ManifestFile(
                self,
                f"virtual-service-{one.name}",
                manifest=render(
                    "routes/virtual-service.yaml",
                    {
                        "name": one.name,
                        "namespace": namespace.name,
                        "hosts": one.hosts,
                        "gateway": ROUTES_GATEWAY,
                        "routes": entries,
                    },
                ),
                access=access,
                depends_on=[gateway.applied, *depends_on, *(of_hosts if one.name == DEFAULT_ROUTES else [])],
                deleted_last=one.name != DEFAULT_ROUTES,
            )
            of_hosts.append(virtual_service.applied)

"""Which VirtualServices the gateways get, and the order of the routes in each.

A gateway chooses the routes of a request by its host alone: a host with routes of its own gets none of those for all
hosts. So the VirtualService of such a host repeats them. Istio appends the routes of several VirtualServices for one
host in the order of their creation, so each host has one.

Source: https://github.com/istio/istio/blob/1.28.0/pilot/pkg/networking/core/gateway.go (buildGatewayHTTPRouteConfig)
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from config.environment import Environment
from config.services.route import Route
from config.services.service import Service

ANY_HOST = "*"

DEFAULT_ROUTES = "routes"
"""Name of the VirtualService for the hosts without routes of their own. A host has a dot, and so another name."""


@dataclass(frozen=True)
class RoutedPath:
    """One path of a route.

    Attributes:
        service: name of the service.
        index: position of the route in ``routes``.
        path: the path.
        route: the route.
    """

    service: str
    index: int
    path: str
    route: Route

    @property
    def base(self) -> str:
        """What the path has to be, or what is above it: the prefixes /shop and /shop/ are the same but for /shop."""
        return self.path if self.route.match == "exact" else self.path.rstrip("/")


@dataclass(frozen=True)
class HostRoutes:
    """The routes of a VirtualService.

    Attributes:
        name: its name.
        hosts: the hosts of the requests.
        paths: in the order in which the gateways try them.
    """

    name: str
    hosts: tuple[str, ...]
    paths: tuple[RoutedPath, ...]


def routed_paths(services: Mapping[str, Service]) -> Iterator[RoutedPath]:
    """Yield every path of every route, in the order of the file."""
    for name, service in services.items():
        for index, route in enumerate(service.routes):
            for path in route.path:
                yield RoutedPath(name, index, path, route)


def in_order(paths: Iterable[RoutedPath]) -> tuple[RoutedPath, ...]:
    """Return paths of one host in the order in which gateways have to try them.

    A longer path comes first, at the same path an exact match, and then the route that names the host. The rest does
    not matter to requests; the order of the names keeps the result the same when the file is sorted in another way.
    """
    return tuple(
        sorted(
            paths,
            key=lambda one: (
                -len(one.base),
                one.route.match == "prefix",
                one.route.host is None,
                one.base,
                one.service,
                one.index,
            ),
        )
    )


def host_routes(environment: Environment) -> tuple[HostRoutes, ...]:
    """Return the VirtualServices of the ingress: those of hosts with routes of their own, then that of the others.

    There is none unless a service of the file has a route: the demo has objects of its own, with fixed names.
    """
    if not any(service.routes for service in environment.services.values()):
        return ()
    paths = list(routed_paths(environment.all_services()))
    for_all = [one for one in paths if one.route.host is None]
    named = dict.fromkeys(one.route.host for one in paths if one.route.host is not None)
    of_hosts = [
        HostRoutes(host, (host,), in_order(one for one in paths if one.route.host in (host, None)))
        for host in sorted(named)
    ]
    others = tuple(domain for domain in environment.ingress.domains or (ANY_HOST,) if domain not in named)
    if for_all and others:
        of_hosts.append(HostRoutes(DEFAULT_ROUTES, others, in_order(for_all)))
    return tuple(of_hosts)

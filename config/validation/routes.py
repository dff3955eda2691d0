"""`services.*.routes`: hosts, ports, what goes together, and conflicts."""

from collections.abc import Iterator, Mapping, Sequence

from config.environment import Environment
from config.problems import Problem, Suggestion
from config.routing import HostRoutes, RoutedPath, host_routes, routed_paths
from config.services.cors import Cors
from config.services.headers import HeaderChanges
from config.services.route import Route
from config.services.service import Service
from config.validation.capacity import routes_fit

NOT_WITH_REDIRECT = ("port", "rewrite", "request_headers", "cors")
"""Keys of a route that are for requests that a service gets."""

WITHOUT_ROUTES = ("grpc", "tcp")
"""Protocols of ports that no request from outside reaches."""


def check_routes(environment: Environment) -> Iterator[Problem]:
    for name, service in environment.services.items():
        for index, route in enumerate(service.routes):
            path = f"services.{name}.routes[{index}]"
            yield from _check_host(environment, path, route)
            yield from _check_redirect(path, route)
            if route.redirect is None:
                yield from _check_port(path, route, service)
            yield from _check_headers(f"{path}.request_headers", route.request_headers)
            yield from _check_headers(f"{path}.response_headers", route.response_headers)
            yield from _check_cors(f"{path}.cors", route.cors)
    yield from _check_conflicts(environment)
    yield from _check_loops(environment)


def _check_host(environment: Environment, path: str, route: Route) -> Iterator[Problem]:
    domains = environment.ingress.domains
    if route.host is not None and domains and route.host not in domains:
        rule = f"is not one of ingress.domains ({', '.join(domains)}), so no request has this host; choose one of them"
        yield Problem(f"{path}.host", rule, route.host, Suggestion(route.host, domains))


def _check_redirect(path: str, route: Route) -> Iterator[Problem]:
    if route.redirect is None:
        return
    for key in NOT_WITH_REDIRECT:
        if getattr(route, key) != type(route).model_fields[key].default:
            yield Problem(
                f"{path}.{key}",
                "can't be combined with redirect, with which the service gets no request; remove one of them",
            )
    if route.redirect.path is None and route.redirect.host is None:
        rule = (
            "leads back to the requested URL; set its path or host (the load balancer itself redirects HTTP to HTTPS)"
        )
        yield Problem(f"{path}.redirect", rule)


def _check_port(path: str, route: Route, service: Service) -> Iterator[Problem]:
    ports = service.all_ports
    if route.port is not None and route.port not in ports:
        rule = f"is not a port of the service ({', '.join(ports)})"
        yield Problem(f"{path}.port", rule, route.port, Suggestion(route.port, list(ports)))
    elif (protocol := service.routed_port(route).protocol) in WITHOUT_ROUTES:
        rule = (
            f"would send requests to a port with the protocol {protocol}, and Google's load balancer sends HTTP/1.1 to "
            "the gateways; name a port with http or http2 in `port`, or remove the route"
        )
        yield Problem(path, rule)


def _check_headers(path: str, changes: HeaderChanges) -> Iterator[Problem]:
    """Check that each header is named once, in whatever case."""
    seen: dict[str, str] = {}
    places = [f"{key}.{name}" for key in ("set", "add") for name in getattr(changes, key)]
    places += [f"remove[{index}]" for index in range(len(changes.remove))]
    for place, name in zip(places, [*changes.set, *changes.add, *changes.remove], strict=True):
        first = seen.setdefault(name.lower(), place)
        if first != place:
            yield Problem(f"{path}.{place}", f"is the header of {path}.{first}; name it once")


def _check_cors(path: str, cors: Cors | None) -> Iterator[Problem]:
    """Check what does not go with credentials: for requests with them, browsers read ``*`` as a name.

    https://fetch.spec.whatwg.org/#cors-protocol-and-credentials
    """
    if cors is None or not cors.allow_credentials:
        return
    if "*" in cors.allow_origins:
        rule = "can't be combined with the origin '*', as every page could act for its visitor; list the origins"
        yield Problem(f"{path}.allow_credentials", rule, True)
    for key in ("allow_headers", "expose_headers"):
        if "*" in getattr(cors, key):
            rule = "has '*', which browsers read as a name if the request has credentials; list the headers"
            yield Problem(f"{path}.{key}", rule)


def _check_conflicts(environment: Environment) -> Iterator[Problem]:
    owners: dict[tuple[str | None, str, str], RoutedPath] = {}
    for one in routed_paths(environment.all_services()):
        key = (one.route.host, one.route.match, one.base)
        owner = owners.setdefault(key, one)
        if owner is not one:
            of_host = "" if one.route.host is None else f" of {one.route.host}"
            rule = f"has the same {one.route.match} path{of_host} as {_place(environment, owner)}; change one of them"
            yield Problem(_path(one), rule, one.path, other=None if _is_demo(environment, owner) else _path(owner))


def _check_loops(environment: Environment) -> Iterator[Problem]:
    """Check that no redirect leads to itself, at once or by others: browsers give up."""
    if not routes_fit(environment):
        return  # check_capacity reports it
    groups = host_routes(environment)
    redirects = [(group, one) for group in groups for one in group.paths if one.route.redirect is not None]
    if not redirects:
        return
    tried = {group.name: _by_base(group) for group in groups}
    serving = {host: group.name for group in groups for host in group.hosts}
    routed = {id(one): one for group in groups for one in group.paths}
    leads_to: dict[_Place, _Place | None] = {}
    for group, one in redirects:
        redirect = one.route.redirect
        assert redirect is not None
        there = group.name if redirect.host is None or redirect.host in group.hosts else serving.get(redirect.host)
        if there is not None and (redirect.host or redirect.path):
            match = _first_match(tried[there], redirect.path or one.path)
            leads_to[group.name, id(one)] = None if match is None else (there, id(match))
    circles = {frozenset(one for _, one in circle): circle for circle in reversed([*_circles(leads_to)])}
    for circle in reversed(circles.values()):
        first, *others = (routed[one] for _, one in circle)
        assert first.route.redirect is not None
        to = f"{first.route.redirect.host or ''}{first.route.redirect.path or first.path}"
        rule = f"has a redirect to {to}, which this route matches again; change one of them"
        if others:
            rule = f"has a redirect to {to}, which leads back here by {_path(others[0])}, so that browsers give up"
        yield Problem(_path(first), rule)


_Place = tuple[str, int]
"""A route of a group: its name, and the id of the route."""


def _by_base(group: HostRoutes) -> dict[str, list[RoutedPath]]:
    """Return the routes of a host by `RoutedPath.base`, each list in the order in which the gateways try them."""
    tried: dict[str, list[RoutedPath]] = {}
    for one in group.paths:
        tried.setdefault(one.base, []).append(one)
    return tried


def _circles(leads_to: Mapping[_Place, _Place | None]) -> Iterator[Sequence[_Place]]:
    """Yield each circle of redirects once.

    Args:
        leads_to: for each redirect, the route that gets the next request of its clients, if there is one.
    """
    done: set[_Place] = set()
    for start in leads_to:
        steps: dict[_Place, int] = {}
        here: _Place | None = start
        while here is not None and here not in done and here not in steps:
            steps[here] = len(steps)
            here = leads_to.get(here)
        if here is not None and here in steps:
            yield list(steps)[steps[here] :]
        done.update(steps)


def _first_match(tried: Mapping[str, Sequence[RoutedPath]], path: str) -> RoutedPath | None:
    """Return the route that gets the requests of a path.

    Args:
        tried: the routes of a host by `RoutedPath.base`, each list in the order in which the gateways try them.
        path: of the requests.
    """
    above = [path[:end] for end in range(len(path) - 1, -1, -1) if path[end] == "/"]
    return next((one for base in (path, *above) for one in tried.get(base, ()) if _matches(one, path)), None)


def _matches(one: RoutedPath, path: str) -> bool:
    if one.route.match == "exact":
        return path == one.path
    return path.startswith(f"{one.base}/") or path == one.path


def _path(one: RoutedPath) -> str:
    """Return where a path stands in the file."""
    return f"services.{one.service}.routes[{one.index}].path"


def _place(environment: Environment, one: RoutedPath) -> str:
    return f"{one.service}, the demo" if _is_demo(environment, one) else _path(one)


def _is_demo(environment: Environment, one: RoutedPath) -> bool:
    return one.service == environment.demo_name

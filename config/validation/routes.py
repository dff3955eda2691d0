"""`services.*.routes`: hosts, ports, what goes together, and conflicts."""

from collections.abc import Iterator, Mapping, Sequence

from config.environment import Environment
from config.problems import Problem, Suggestion
from config.routing import RoutedPath, host_routes, routed_paths
from config.services.headers import HeaderChanges
from config.services.route import Route
from config.services.service import Service

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
            if route.cors is not None and route.cors.allow_credentials and "*" in route.cors.allow_origins:
                rule = (
                    "can't be combined with the origin '*', as every page could act for its visitor; list the origins"
                )
                yield Problem(f"{path}.cors.allow_credentials", rule, True)
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
    """Check that no redirect leads to itself."""
    looping: dict[str, RoutedPath] = {}
    for group in host_routes(environment):
        tried: dict[str, list[RoutedPath]] = {}
        for one in group.paths:
            tried.setdefault(one.base, []).append(one)
        for one in group.paths:
            redirect = one.route.redirect
            if redirect is None or redirect.path is None or redirect.host not in (None, *group.hosts):
                continue
            if _first_match(tried, redirect.path) is one:
                looping.setdefault(f"{_path(one)} {one.path}", one)
    for one in looping.values():
        assert one.route.redirect is not None
        yield Problem(
            _path(one),
            f"has a redirect to {one.route.redirect.path}, which this route matches again; change one of them",
        )


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

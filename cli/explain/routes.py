"""How Envoy chooses the virtual host and the route of a request.

Source: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cli.explain.proxy import Part

PORT = re.compile(r":\d+$")


@dataclass(frozen=True)
class Request:
    """What is known of a request: it has no further header, and no query.

    Attributes:
        host: To which it is sent.
        port: To which it is sent.
        path: Of its URL.
        method: Of HTTP.
    """

    host: str
    port: int
    path: str
    method: str = "GET"


@dataclass(frozen=True)
class Destination:
    """A cluster to which a route sends requests.

    Attributes:
        cluster: Envoy's name of it.
        share: Of the requests, from 0 to 1.
    """

    cluster: str
    share: float


def virtual_host(routes: Part, host: str) -> Part | None:
    """Return the virtual host of a host name: the exact one, or the longest suffix, then prefix, then any."""
    best: tuple[tuple[int, int], Part] | None = None
    for one in routes.get("virtual_hosts", ()):
        for domain in one["domains"]:
            rank = _rank(PORT.sub("", domain.lower()), host.lower())
            if rank is not None and (best is None or rank > best[0]):
                best = rank, one
    return None if best is None else best[1]


def _rank(domain: str, host: str) -> tuple[int, int] | None:
    """Return how well a domain matches; None if it does not."""
    if domain == host:
        return 3, len(domain)
    if domain == "*":
        return 0, 0
    if domain.startswith("*") and host.endswith(domain[1:]):
        return 2, len(domain)
    if domain.endswith("*") and host.startswith(domain[:-1]):
        return 1, len(domain)
    return None


def chosen_route(host: Part, request: Request) -> Part | None:
    """Return the first route that matches a request; None if there is none."""
    return next((one for one in host.get("routes", ()) if matches(one["match"], request)), None)


def matches(match: Part, request: Request) -> bool:
    """Return whether a route matches a request. One that wants a header or a query does not."""
    if match.get("query_parameters") or not all(_header_matches(one, request) for one in match.get("headers", ())):
        return False
    path, sensitive = request.path.partition("?")[0], match.get("case_sensitive", True)
    fold = str if sensitive else str.lower
    if "path" in match:
        return fold(path) == fold(match["path"])
    if "path_separated_prefix" in match:
        prefix = fold(match["path_separated_prefix"])
        return fold(path) == prefix or fold(path).startswith(f"{prefix}/")
    if "safe_regex" in match:
        return full_match(match["safe_regex"], path) is True
    return fold(path).startswith(fold(match.get("prefix", "")))


def _header_matches(header: Part, request: Request) -> bool:
    values = {":method": request.method, ":authority": request.host, ":path": request.path, ":scheme": "http"}
    value = values.get(header["name"].lower())
    if value is None:
        return bool(header.get("invert_match")) or header.get("present_match") is False
    found = string_matches(header.get("string_match", {"exact": header.get("exact_match", value)}), value)
    return (found is not False) != bool(header.get("invert_match"))


def string_matches(match: Part, value: str) -> bool | None:
    """Return whether Envoy's StringMatcher matches; None if that is not known here."""
    fold = str.lower if match.get("ignore_case") else str
    value = fold(value)
    if "exact" in match:
        return value == fold(match["exact"])
    if "prefix" in match:
        return value.startswith(fold(match["prefix"]))
    if "suffix" in match:
        return value.endswith(fold(match["suffix"]))
    if "contains" in match:
        return fold(match["contains"]) in value
    if "safe_regex" in match:
        return full_match(match["safe_regex"], value)
    return None


def full_match(regex: Part, value: str) -> bool | None:
    """Return whether a regular expression of RE2's matches all of a text; None for one that Python does not know."""
    try:
        return re.fullmatch(regex["regex"], value) is not None
    except re.error:
        return None


def destinations(route: Part) -> list[Destination]:
    """Return the clusters to which a route, or a TCP proxy, sends requests, without those that get none."""
    action = route.get("route", route)
    if "cluster" in action:
        return [Destination(action["cluster"], 1.0)]
    weighted: Sequence[Part] = action.get("weighted_clusters", {}).get("clusters", ())
    total = sum(one.get("weight", 0) for one in weighted)
    return [Destination(one["name"], one["weight"] / total) for one in weighted if one.get("weight", 0)]


def shown_match(match: Part) -> str:
    """Return what a route matches, for a person."""
    words = [*_shown_path(match)]
    words += [f"header {one['name']}" for one in match.get("headers", ())]
    words += [f"query {one['name']}" for one in match.get("query_parameters", ())]
    return " and ".join(words)


def _shown_path(match: Part) -> Iterator[str]:
    if "path" in match:
        yield match["path"]
    elif "safe_regex" in match:
        yield f"path ~ {match['safe_regex']['regex']}"
    else:
        yield f"{match.get('path_separated_prefix', match.get('prefix', ''))}*"

"""A routed path, as the entries of a VirtualService."""

from collections.abc import Mapping
from typing import Any

from config.routing import RoutedPath
from config.services.cors import Cors
from config.services.headers import HeaderChanges
from config.services.route import Redirect
from config.services.service import Service
from constructs.service_traffic import http_action


def http_routes(
    one: RoutedPath, services: Mapping[str, Service], *, scheme: str, retries_elsewhere: bool
) -> list[dict[str, Any]]:
    """Return the entries of a path.

    A prefix matches whole segments, which Istio's does not: it becomes an exact match, and a prefix with a slash at
    its end. The two have one entry, or an entry each if what replaces them differs.

    Args:
        one: the routed path.
        services: all services, by name.
        scheme: ``https`` or ``http``, as users come in.
        retries_elsewhere: a retry can go to another region.
    """
    entries: list[dict[str, Any]] = []
    for match, rewrite in _matches(one):
        entry = {"match": [match], **_entry(one, services, scheme, retries_elsewhere=retries_elsewhere)}
        if rewrite is not None:
            entry["rewrite"] = {"uri": rewrite}
        if entries and entries[-1] == {**entry, "match": entries[-1]["match"]}:
            entries[-1]["match"].append(match)
        else:
            entries.append(entry)
    return entries


def _matches(one: RoutedPath) -> list[tuple[dict[str, Any], str | None]]:
    """Return the matches of a path, each with what replaces it."""
    rewrite = one.route.rewrite
    exact = ({"uri": {"exact": one.path}}, rewrite)
    if one.route.match == "exact":
        return [exact]
    below = None if rewrite is None else f"{rewrite.rstrip('/')}/"
    prefix = ({"uri": {"prefix": f"{one.base}/"}}, below)
    return [prefix] if one.path.endswith("/") else [exact, prefix]


def _entry(one: RoutedPath, services: Mapping[str, Service], scheme: str, *, retries_elsewhere: bool) -> dict[str, Any]:
    """Return what happens to the requests of a path."""
    route = one.route
    entry: dict[str, Any] = {}
    if route.redirect is not None:
        entry["redirect"] = _redirect(route.redirect, scheme)
    else:
        port = services[one.service].routed_port(route)
        entry |= http_action(one.service, services, port, retries_elsewhere=retries_elsewhere)
    headers = _given(request=_headers(route.request_headers), response=_headers(route.response_headers))
    if headers:
        entry["headers"] = headers
    if route.cors is not None:
        entry["corsPolicy"] = _cors(route.cors)
    return entry


def _redirect(redirect: Redirect, scheme: str) -> dict[str, Any]:
    """Return a redirect. Its scheme is given, as the gateways get plain HTTP for requests that came over HTTPS.

    Without a port, the new URL has the default port of the scheme.
    """
    https = redirect.https
    return _given(
        uri=redirect.path,
        authority=redirect.host,
        scheme=scheme if https is None else "https" if https else "http",
        redirectCode=redirect.status,
    )


def _headers(changes: HeaderChanges) -> dict[str, Any]:
    return _given(set=dict(changes.set), add=dict(changes.add), remove=list(changes.remove))


def _cors(cors: Cors) -> dict[str, Any]:
    return _given(
        allowOrigins=[{"exact": origin} for origin in cors.allow_origins],
        allowMethods=list(cors.allow_methods),
        allowHeaders=list(cors.allow_headers),
        exposeHeaders=list(cors.expose_headers),
        allowCredentials=cors.allow_credentials,
        maxAge=None if cors.max_age_seconds is None else f"{cors.max_age_seconds}s",
    )


def _given(**fields: Any) -> dict[str, Any]:
    """Return fields without those that are empty: the API server leaves them out."""
    return {name: value for name, value in fields.items() if value not in (None, [], {})}

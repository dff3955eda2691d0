"""`services.*.routes`: what the gateways send to a service."""

from typing import Literal

from pydantic import Field

from config.effects import ADDS_OR_DELETES, IN_PLACE
from config.fields import Model, PortName, RouteHost, UrlPath, UrlPaths
from config.services.cors import Cors
from config.services.headers import HeaderChanges


class Redirect(Model):
    """A response that sends the client to another URL."""

    path: UrlPath | None = Field(
        default=None,
        description="Path of the new URL. It replaces the whole path, also with `match: prefix`; the query stays. If "
        "unset, the path stays.",
        json_schema_extra=IN_PLACE,
    )
    host: RouteHost | None = Field(
        default=None, description="Host of the new URL. If unset, the host stays.", json_schema_extra=IN_PLACE
    )
    https: bool | None = Field(
        default=None,
        description="Whether the new URL starts with `https://` or `http://`. If unset, it is HTTPS as soon as "
        "`ingress.domains` has a domain.",
        json_schema_extra=IN_PLACE,
    )
    status: Literal[301, 302, 303, 307, 308] = Field(
        default=301,
        description="Status code of the response. With 307 and 308, a client repeats the method and the body.",
        json_schema_extra=IN_PLACE,
    )


class Route(Model):
    """Paths that the gateways route to the service, or redirect."""

    path: UrlPaths = Field(
        strict=False,
        min_length=1,
        description="Path, or a list of paths.",
        json_schema_extra=IN_PLACE,
    )
    match: Literal["exact", "prefix"] = Field(
        default="exact",
        description="`exact`: only the path itself. `prefix`: the path and everything below it: `/shop` matches "
        "`/shop` and `/shop/cart`, and not `/shopping`. The longest path that matches a request gets it.",
        json_schema_extra=IN_PLACE,
    )
    host: RouteHost | None = Field(
        default=None,
        description="Host name of the requests: one of `ingress.domains`, if there are any. If unset, the route is for "
        "all domains, and without domains for every host. Routes can name up to 200 hosts.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    port: PortName | None = Field(
        default=None,
        description="Name of the port in `ports` that gets the requests. If unset, it is `port` of the service. A port "
        "with the protocol `grpc` or `tcp` can't have a route: the load balancer sends HTTP/1.1 to the gateways.",
        json_schema_extra=IN_PLACE,
    )
    rewrite: UrlPath | None = Field(
        default=None,
        description="Path that replaces the matched one before the service gets the request: with `path: /shop`, "
        "`match: prefix` and `rewrite: /`, the service gets `/cart` for `/shop/cart`.",
        json_schema_extra=IN_PLACE,
    )
    request_headers: HeaderChanges = Field(
        default=HeaderChanges(), description="Changes of the headers that the service gets."
    )
    response_headers: HeaderChanges = Field(
        default=HeaderChanges(), description="Changes of the headers that the client gets."
    )
    cors: Cors | None = Field(
        default=None,
        description="Which pages of other origins may call the route from a browser (CORS).",
        json_schema_extra=IN_PLACE,
    )
    redirect: Redirect | None = Field(
        default=None,
        description="Sends the client to another URL instead of serving the request.",
        json_schema_extra=IN_PLACE,
    )

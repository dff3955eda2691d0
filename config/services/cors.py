"""`services.*.routes[].cors`: which pages of other origins may call a route."""

from typing import Literal, get_args

from pydantic import Field

from config.effects import IN_PLACE
from config.fields import HeaderNames, Model, Origin

ANY = "*"
"""In a list: every origin, or every header."""

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class Cors(Model):
    """Cross-origin resource sharing: the gateways answer preflight requests of these origins."""

    allow_origins: tuple[Origin, ...] = Field(
        strict=False,
        min_length=1,
        description="Origins whose pages may call the route, such as `https://www.example.com`, compared as a whole; "
        "`*` for all.",
        json_schema_extra=IN_PLACE,
    )
    allow_methods: tuple[Method, ...] = Field(
        default=(),
        strict=False,
        max_length=len(get_args(Method)),
        description="Methods that pages may use, in addition to GET, HEAD and POST.",
        json_schema_extra=IN_PLACE,
    )
    allow_headers: tuple[HeaderNames, ...] = Field(
        default=(),
        strict=False,
        description="Request headers that pages may send; `*` for all but `Authorization`.",
        json_schema_extra=IN_PLACE,
    )
    expose_headers: tuple[HeaderNames, ...] = Field(
        default=(),
        strict=False,
        description="Response headers that pages may read; `*` for all.",
        json_schema_extra=IN_PLACE,
    )
    allow_credentials: bool = Field(
        default=False,
        description="Whether pages may send cookies and other credentials. Not with the origin `*`.",
        json_schema_extra=IN_PLACE,
    )
    max_age_seconds: int | None = Field(
        default=None,
        ge=1,
        le=86400,
        description="Seconds for which a browser may cache the response to a preflight request. If unset, the browser "
        "decides.",
        json_schema_extra=IN_PLACE,
    )

"""`request_headers` and `response_headers` of a route."""

from pydantic import Field

from config.effects import IN_PLACE
from config.fields import HeaderName, HeaderValue, Model


class HeaderChanges(Model):
    """Changes of the headers of requests or responses."""

    set: dict[HeaderName, HeaderValue] = Field(
        default={}, description="Headers that are set to this value, in place of any other.", json_schema_extra=IN_PLACE
    )
    add: dict[HeaderName, HeaderValue] = Field(
        default={}, description="Headers to which this value is added.", json_schema_extra=IN_PLACE
    )
    remove: tuple[HeaderName, ...] = Field(
        default=(), strict=False, description="Headers that are removed.", json_schema_extra=IN_PLACE
    )

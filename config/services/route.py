"""`services.*.route`: what the gateways send to a service."""

from typing import Literal

from pydantic import Field

from config.effects import IN_PLACE
from config.fields import Model, UrlPath


class Route(Model):
    """A path that the gateways route to the service."""

    path: UrlPath = Field(description="The path.", json_schema_extra=IN_PLACE)
    match: Literal["exact", "prefix"] = Field(
        default="exact",
        description="Whether the path has to match as a whole (`exact`) or at its start (`prefix`).",
        json_schema_extra=IN_PLACE,
    )

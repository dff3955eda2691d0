"""`services.*.versions`: several versions of a service in each region, and the share of the requests that each gets."""

from typing import Annotated

from pydantic import Discriminator, Field, Tag

from config.effects import ADDS_OR_DELETES, IN_PLACE, RESTARTS_PODS
from config.fields import TAG_MARK, Image, Model

NUMBER, SETTINGS = f"{TAG_MARK}number)", f"{TAG_MARK}settings)"

ALL_WEIGHTS = 100
"""The sum of all weights: each is a percentage."""

Weight = Annotated[int, Field(ge=0, le=ALL_WEIGHTS)]


class VersionSettings(Model):
    """A version of a service, which has a Deployment of its own in each region of the service."""

    weight: Weight = Field(
        description="Percentage of the requests of each client that this version gets, in every region. The weights of "
        "a service add up to 100. A version with the weight 0 has pods and gets no requests, or those of `mirror`.",
        json_schema_extra=IN_PLACE,
    )
    image: Image | None = Field(
        default=None, description="Overrides the `image` of the service.", json_schema_extra=RESTARTS_PODS
    )
    replicas: int | None = Field(
        default=None,
        ge=0,
        le=1000,
        description="Overrides the `replicas` or the `autoscaling` of the service, also those of a region.",
        json_schema_extra=ADDS_OR_DELETES,
    )


def _kind(value: object) -> str:
    return SETTINGS if isinstance(value, (dict, VersionSettings)) else NUMBER


ServiceVersion = Annotated[
    Annotated[Weight, Tag(NUMBER)] | Annotated[VersionSettings, Tag(SETTINGS)], Discriminator(_kind)
]
"""The weight of a version, or its settings with the weight among them."""


def version_settings(version: int | VersionSettings) -> VersionSettings:
    """Return the settings of a version, of which the file may have the weight alone."""
    return version if isinstance(version, VersionSettings) else VersionSettings(weight=version)

"""`services.*.mirror`: copies of a service's requests."""

from typing import ClassVar

from pydantic import Field

from config.effects import ADDS_OR_DELETES, IN_PLACE
from config.fields import Alternatives, ServiceName, Version


class Mirror(Alternatives):
    """Where the mesh sends copies of a service's requests. The clients don't notice: nobody gets the responses."""

    alternatives: ClassVar[tuple[str, ...]] = ("service", "version")

    service: ServiceName | None = Field(
        default=None,
        description="Name of the service that gets the copies: those of requests to the main port on its main port, "
        "and those to a further port on its port of the same name, if it has one. Who is authorized to call the "
        "mirrored service is authorized to call it there.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    version: Version | None = Field(
        default=None,
        description="Version of the same service that gets the copies: one of `versions` with the weight 0.",
        json_schema_extra=IN_PLACE,
    )
    percent: int = Field(
        default=100, ge=1, le=100, description="Percentage of the requests to copy.", json_schema_extra=IN_PLACE
    )

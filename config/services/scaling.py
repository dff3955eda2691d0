"""`autoscaling`: a number of pods that follows their load."""

from pydantic import Field

from config.effects import ADDS_OR_DELETES, IN_PLACE
from config.fields import Model


class Autoscaling(Model):
    """A HorizontalPodAutoscaler, which sets the number of pods of a service in a region."""

    min_replicas: int = Field(
        default=2,
        ge=1,
        le=1000,
        description="Minimum number of pods per region. A new `version` starts with it.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    max_replicas: int = Field(
        ge=1, le=1000, description="Maximum number of pods per region.", json_schema_extra=IN_PLACE
    )
    cpu: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="Target for the average CPU use, in percent of the CPU that the container requests. `cpu`, "
        "`memory` or both "
        "are required; with both, the larger number of pods applies.",
        json_schema_extra=IN_PLACE,
    )
    memory: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="Target for the average memory use, in percent of the memory that the container requests.",
        json_schema_extra=IN_PLACE,
    )

    @property
    def targets(self) -> dict[str, int]:
        """The average use to keep, in percent, by resource."""
        return {key: value for key, value in (("cpu", self.cpu), ("memory", self.memory)) if value is not None}

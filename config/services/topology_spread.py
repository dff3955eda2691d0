"""`services.*.topology_spread`: how the pods of a service are spread over zones and nodes."""

from typing import Literal

from pydantic import Field

from config.effects import RESTARTS_PODS
from config.fields import Model

Strength = Literal["required", "preferred"]


class TopologySpread(Model):
    """An even spread of the pods in a region, which the scheduler prefers anyway where it has the room."""

    zone: Strength | None = Field(
        default=None,
        description="Even spread over zones. With `required`, a pod waits until its zone has room.",
        json_schema_extra=RESTARTS_PODS,
    )
    node: Strength | None = Field(
        default=None,
        description="Even spread over nodes. With `required`, a pod waits until its node has room.",
        json_schema_extra=RESTARTS_PODS,
    )

"""`mesh.namespaces`: namespaces in the mesh for workloads that another pipeline deploys."""

from pydantic import Field

from config.effects import ADDS_OR_DELETES, IN_PLACE
from config.fields import CallerName, LabelName, LabelValue, Model


class Namespace(Model):
    """A namespace that is created in every cluster, with the labels that select its sidecars."""

    labels: dict[LabelName, LabelValue] = Field(
        default={},
        max_length=60,
        description="Further labels of the namespace. Those of the mesh and of Kubernetes can't be set.",
        json_schema_extra=IN_PLACE,
    )
    allow_from: tuple[CallerName, ...] = Field(
        default=(),
        strict=False,
        max_length=500,
        description="Callers that are authorized to call all pods of the namespace on all ports, those of `services` "
        "in it, too: policies add up. The names are those of `services.*.allow_from`.",
        json_schema_extra=ADDS_OR_DELETES,
    )

"""`services.*.env` and `env_from`: the environment of a service's container, also from Secrets and ConfigMaps."""

from typing import Annotated, ClassVar, Literal

from pydantic import Discriminator, Field, Tag

from config.effects import RESTARTS_PODS
from config.fields import TAG_MARK, Alternatives, ContainerText, EnvName, Model, ObjectKey, ObjectName

TEXT, REFERENCE, FIELD = f"{TAG_MARK}text)", f"{TAG_MARK}reference)", f"{TAG_MARK}field)"

PodFieldPath = Literal[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.podIP",
]
"""Fields of a pod that a variable can have.

https://kubernetes.io/docs/concepts/workloads/pods/downward-api/#available-fields
"""


class _Source(Alternatives):
    """A Secret or a ConfigMap in the service's namespace of each cluster, which the deploy doesn't create."""

    alternatives: ClassVar[tuple[str, ...]] = ("secret", "config_map")

    secret: ObjectName | None = Field(default=None, description="Name of a Secret.", json_schema_extra=RESTARTS_PODS)
    config_map: ObjectName | None = Field(
        default=None, description="Name of a ConfigMap.", json_schema_extra=RESTARTS_PODS
    )
    optional: bool = Field(
        default=False,
        description="Whether the container starts without the object or the key.",
        json_schema_extra=RESTARTS_PODS,
    )


class KeyReference(_Source):
    """A key of a Secret or a ConfigMap, whose value a variable gets when the container starts."""

    key: ObjectKey = Field(
        description="Key in the Secret or the ConfigMap, required with either.", json_schema_extra=RESTARTS_PODS
    )


class FieldReference(Model):
    """A field of the pod, whose value a variable gets when the container starts."""

    field: PodFieldPath = Field(
        description="Field of the pod, such as its name or its address, in place of a reference.",
        json_schema_extra=RESTARTS_PODS,
    )


class EnvSource(_Source):
    """A Secret or a ConfigMap, each of whose keys is a variable."""

    prefix: EnvName | None = Field(
        default=None, description="Text in front of the names of the variables.", json_schema_extra=RESTARTS_PODS
    )


def _kind(value: object) -> str:
    if isinstance(value, FieldReference) or (isinstance(value, dict) and "field" in value):
        return FIELD
    return REFERENCE if isinstance(value, (dict, KeyReference)) else TEXT


EnvVariable = Annotated[
    Annotated[ContainerText, Tag(TEXT)]
    | Annotated[KeyReference, Tag(REFERENCE)]
    | Annotated[FieldReference, Tag(FIELD)],
    Discriminator(_kind),
]
"""The value of an environment variable: text, or a reference to it."""

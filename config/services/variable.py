"""`services.*.env` and `env_from`: the environment of a service's container, also from Secrets and ConfigMaps."""

from typing import Annotated, ClassVar

from pydantic import Discriminator, Field, Tag

from config.effects import RESTARTS_PODS
from config.fields import TAG_MARK, Alternatives, ContainerText, EnvName, ObjectKey, ObjectName

TEXT, REFERENCE = f"{TAG_MARK}text)", f"{TAG_MARK}reference)"


class _Source(Alternatives):
    """A Secret or a ConfigMap in the service's namespace of each cluster, which the deploy doesn't create."""

    alternatives: ClassVar[tuple[str, ...]] = ("secret", "config_map")

    secret: ObjectName | None = Field(default=None, description="Name of a Secret.", json_schema_extra=RESTARTS_PODS)
    config_map: ObjectName | None = Field(
        default=None, description="Name of a ConfigMap.", json_schema_extra=RESTARTS_PODS
    )
    optional: bool = Field(
        default=False,
        description="Starts the container also without the object or the key.",
        json_schema_extra=RESTARTS_PODS,
    )


class KeyReference(_Source):
    """A key of a Secret or a ConfigMap, whose value a variable gets when the container starts."""

    key: ObjectKey = Field(description="Key in the Secret or the ConfigMap.", json_schema_extra=RESTARTS_PODS)


class EnvSource(_Source):
    """A Secret or a ConfigMap, each of whose keys is a variable."""

    prefix: EnvName | None = Field(
        default=None, description="Text in front of the names of the variables.", json_schema_extra=RESTARTS_PODS
    )


def _kind(value: object) -> str:
    return REFERENCE if isinstance(value, (dict, KeyReference)) else TEXT


EnvVariable = Annotated[
    Annotated[ContainerText, Tag(TEXT)] | Annotated[KeyReference, Tag(REFERENCE)], Discriminator(_kind)
]
"""The value of an environment variable: text, or a reference to it."""

"""`services.*.volumes`: files of a service's container that its image doesn't have."""

from typing import ClassVar

from pydantic import Field

from config.effects import RESTARTS_PODS
from config.fields import Alternatives, Bytes, ObjectKey, ObjectName, SecretVersion


class Volume(Alternatives):
    """What is mounted at a path. It ends with the pod, or belongs to another object."""

    alternatives: ClassVar[tuple[str, ...]] = ("secret", "config_map", "secret_manager", "size", "memory")
    writable: ClassVar[tuple[str, ...]] = ("size", "memory")
    with_keys: ClassVar[tuple[str, ...]] = ("secret", "config_map")

    secret: ObjectName | None = Field(
        default=None,
        description="Name of a Secret in the service's namespace. Each of its keys is a file.",
        json_schema_extra=RESTARTS_PODS,
    )
    config_map: ObjectName | None = Field(
        default=None,
        description="Name of a ConfigMap in the service's namespace. Each of its keys is a file.",
        json_schema_extra=RESTARTS_PODS,
    )
    secret_manager: dict[ObjectKey, SecretVersion] | None = Field(
        default=None,
        min_length=1,
        description="Secrets of Secret Manager, by the name of the file that has the content. They are read when a pod "
        "starts, as the `service_account`, which needs `roles/secretmanager.secretAccessor` on each. Requires "
        "`cluster.secret_manager`.",
        json_schema_extra=RESTARTS_PODS,
    )
    key: ObjectKey | None = Field(
        default=None,
        description="Mounts one key of the Secret or the ConfigMap as a file at the path, beside the files that the "
        "image has there. Its content stays until the pod restarts.",
        json_schema_extra=RESTARTS_PODS,
    )
    size: Bytes | None = Field(
        default=None,
        description="Size of an empty folder on the node's disk. A pod that exceeds it is evicted.",
        json_schema_extra=RESTARTS_PODS,
    )
    memory: Bytes | None = Field(
        default=None,
        description="Size of an empty folder in memory, which counts as the container's.",
        json_schema_extra=RESTARTS_PODS,
    )

    @property
    def read_only(self) -> bool:
        """Whether the container can't write to it, and the runtime can't mount anything below it."""
        return self.chosen not in self.writable

"""`backend`: where terraform keeps its state, and where it runs."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from config.effects import NEW_ENVIRONMENT, NOTHING
from config.fields import BucketName, HostName, Model, NamePrefix, ObjectPrefix, Organization

Execution = Literal["local", "agent", "remote"]


class LocalState(Model):
    """State in files beside mesh.yaml."""

    type: Literal["local"] = Field(
        default="local", description="Stores the state in files beside `mesh.yaml`.", json_schema_extra=NEW_ENVIRONMENT
    )


class CloudState(Model):
    """State, and optionally runs, in Terraform Cloud or Terraform Enterprise."""

    type: Literal["cloud"] = Field(
        description="Stores the state in Terraform Cloud or Terraform Enterprise. Keys: `execution`, `hostname`, "
        "`organization`, `workspace_prefix`.",
        json_schema_extra=NEW_ENVIRONMENT,
    )
    organization: Organization = Field(description="Name of the organization.", json_schema_extra=NEW_ENVIRONMENT)
    hostname: HostName = Field(
        default="app.terraform.io",
        description="Hostname of Terraform Cloud or of your Terraform Enterprise.",
        json_schema_extra=NEW_ENVIRONMENT,
    )
    workspace_prefix: NamePrefix | None = Field(
        default=None,
        description="Workspaces are named PREFIX-STACK. If unset, the prefix is PROJECT_ID_NAME_PREFIX, with an "
        "underscore between the two.",
        json_schema_extra=NEW_ENVIRONMENT,
    )
    # A setting of the workspaces, which the backend block in the JSON can't express.
    execution: Execution = Field(
        default="local",
        description="Where runs take place, as configured in the workspaces: `local`, the machine that calls "
        "terraform; `agent`, your agents; `remote`, the machines of Terraform Cloud, which have no tools for scripts.",
        json_schema_extra=NOTHING,
    )


class GcsState(Model):
    """State in a Cloud Storage bucket."""

    type: Literal["gcs"] = Field(
        description="Stores the state in a Cloud Storage bucket. Keys: `bucket`, `prefix`.",
        json_schema_extra=NEW_ENVIRONMENT,
    )
    bucket: BucketName = Field(
        description="Name of an existing bucket, without `gs://`.", json_schema_extra=NEW_ENVIRONMENT
    )
    prefix: ObjectPrefix | None = Field(
        default=None,
        description="States are stored as PREFIX-STACK/default.tfstate. If unset, the prefix is "
        "PROJECT_ID_NAME_PREFIX, with an underscore between the two.",
        json_schema_extra=NEW_ENVIRONMENT,
    )


Backend = Annotated[
    LocalState | CloudState | GcsState,
    Field(discriminator="type", description="Where terraform stores its state, and where it runs: docs/backends.md."),
]


def place(backend: Backend) -> str:
    """Return the location of the states, for messages."""
    match backend:
        case CloudState():
            return f"organization {backend.organization} of {backend.hostname}"
        case GcsState():
            return f"bucket {backend.bucket}"
        case LocalState():
            return "files beside the configuration"


def state_file(config: Path, stack: str) -> Path:
    """Return a stack's local state: beside the configuration and named after it, so two files are never one state."""
    stem = "" if config.stem == "mesh" else f"{config.stem}."
    return config.parent / f"terraform.{stem}{stack}.tfstate"

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
        default="local", description="The state is in files beside mesh.yaml.", json_schema_extra=NEW_ENVIRONMENT
    )


class CloudState(Model):
    """State, and runs if the workspaces say so, in Terraform Cloud or Terraform Enterprise."""

    type: Literal["cloud"] = Field(
        description="The state is in Terraform Cloud or Terraform Enterprise. With it go execution, hostname, "
        "organization and workspace_prefix.",
        json_schema_extra=NEW_ENVIRONMENT,
    )
    organization: Organization = Field(description="Name of the organization.", json_schema_extra=NEW_ENVIRONMENT)
    hostname: HostName = Field(
        default="app.terraform.io",
        description="Host of Terraform Cloud; for Terraform Enterprise, your own.",
        json_schema_extra=NEW_ENVIRONMENT,
    )
    workspace_prefix: NamePrefix | None = Field(
        default=None,
        description="Workspaces are called PREFIX-STACK; the prefix is PROJECT_ID_NAME_PREFIX if absent, "
        "with an underscore between the two.",
        json_schema_extra=NEW_ENVIRONMENT,
    )
    # A setting of the workspaces, which the backend block in the JSON can't express.
    execution: Execution = Field(
        default="local",
        description="Where the workspaces' runs happen, as is set in the workspaces: on the machine that calls "
        "terraform, on your agents, or on Terraform Cloud's own machines, which have no tools for scripts.",
        json_schema_extra=NOTHING,
    )


class GcsState(Model):
    """State in a bucket of Cloud Storage."""

    type: Literal["gcs"] = Field(
        description="The state is in a bucket of Cloud Storage. With it go bucket and prefix.",
        json_schema_extra=NEW_ENVIRONMENT,
    )
    bucket: BucketName = Field(
        description="Name of the bucket, without gs://; it must be there.", json_schema_extra=NEW_ENVIRONMENT
    )
    prefix: ObjectPrefix | None = Field(
        default=None,
        description="States are called PREFIX-STACK/default.tfstate; the prefix is PROJECT_ID_NAME_PREFIX if absent, "
        "with an underscore between the two.",
        json_schema_extra=NEW_ENVIRONMENT,
    )


Backend = Annotated[
    LocalState | CloudState | GcsState,
    Field(discriminator="type", description="Where terraform keeps its state, and where it runs: docs/backends.md."),
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

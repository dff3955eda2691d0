"""`backend`: where terraform keeps its state."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from config.fields import HostName, Model, NamePrefix, Organization


class LocalState(Model):
    """State in files beside mesh.yaml."""

    type: Literal["local"] = Field(default="local", description="Where the state is kept.")


class CloudState(Model):
    """State, and runs if the workspaces say so, in Terraform Cloud or Terraform Enterprise."""

    type: Literal["cloud"] = Field(description="Where the state is kept.")
    organization: Organization = Field(description="Name of the organization.")
    hostname: HostName = Field(default="app.terraform.io", description="Host of Terraform Enterprise.")
    workspace_prefix: NamePrefix | None = Field(
        default=None, description="Workspaces are called PREFIX-STACK; the prefix is PROJECT_ID-NAME_PREFIX if absent."
    )


Backend = Annotated[LocalState | CloudState, Field(discriminator="type")]


def state_file(config: Path, stack: str) -> Path:
    """Return a stack's local state: beside the configuration and named after it, so two files are never one state."""
    stem = "" if config.stem == "mesh" else f"{config.stem}."
    return config.parent / f"terraform.{stem}{stack}.tfstate"

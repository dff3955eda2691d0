"""What every stack has: its state and its Google provider."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from config.backend import CloudState, GcsState, LocalState, state_file
from config.control_plane import control_plane
from config.environment import Environment
from constructs import Construct
from constructs.bindings import (
    App,
    CloudBackend,
    GcsBackend,
    GoogleProvider,
    GoogleProviderBatching,
    ITerraformDependable,
    LocalBackend,
    NamedCloudWorkspace,
    TerraformStack,
)
from constructs.kubernetes_objects import KubernetesObjects
from constructs.local_script import ScriptContext
from constructs.required_tools import RequiredTools
from constructs.script_folder import ScriptFolder

LEAST_TERRAFORM = ">= 1.5.0"
LEAST_TERRAFORM_WITH_EPHEMERAL = ">= 1.10.0"


@dataclass(frozen=True)
class StateLocation:
    """Where the stacks of an environment keep their state.

    Attributes:
        config: the configuration file; a local state is beside it (`state_file`).
    """

    environment: Environment
    config: Path

    def attach(self, stack: TerraformStack, name: str) -> None:
        """Give a stack its backend, which the data sources of its readers follow.

        Credentials are in neither: terraform takes them from its environment. The path
        of a local state is relative to the stack's folder, where terraform runs; cdktf's
        own default is absolute, which ties the JSON to one machine.
        """
        backend, state_name = self.environment.backend, self.environment.state_name(name)
        match backend:
            case CloudState():
                CloudBackend(
                    stack,
                    hostname=backend.hostname,
                    organization=backend.organization,
                    workspaces=NamedCloudWorkspace(state_name),
                )
            case GcsState():
                GcsBackend(stack, bucket=backend.bucket, prefix=state_name)
            case LocalState():
                LocalBackend(stack, path=self._path(stack, name))

    def local_path(self, stack: TerraformStack, name: str) -> str | None:
        """Return the path of a stack's local state from the folders of stacks; None for a state elsewhere."""
        return self._path(stack, name) if isinstance(self.environment.backend, LocalState) else None

    def _path(self, stack: TerraformStack, name: str) -> str:
        return os.path.relpath(state_file(self.config, name), Path(App.of(stack).outdir, "stacks", name))


class MeshStack(TerraformStack):
    """A stack with its state, the Google provider, and the terraform that it needs."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        environment: Environment,
        state: StateLocation,
    ) -> None:
        super().__init__(scope, name)
        state.attach(self, name)
        self.add_override("terraform.required_version", LEAST_TERRAFORM)
        GoogleProvider(
            self,
            "google",
            project=environment.project.id,
            impersonate_service_account=environment.project.impersonate_service_account,
            # What can share a call waits for company, 3 s by default; terraform brings it all at once. The
            # block alone, without the word that is its default, would switch that off.
            batching=[GoogleProviderBatching(enable_batching=True, send_after="1s")],
        )
        self.script_context = ScriptContext(
            project=environment.project.id,
            endpoint=environment.cluster.endpoint,
            account=environment.project.impersonate_service_account,
        )
        self.objects = KubernetesObjects(self)
        self._control_plane_mode = environment.mesh.control_plane
        self._regions = Construct(self, "regions")
        self._region_scopes: dict[str, Construct] = {}

    @cached_property
    def scripts(self) -> ScriptFolder:
        """The stack's copy of the shell scripts."""
        return ScriptFolder(self, "scripts")

    def check_tools(self) -> list[ITerraformDependable]:
        """Add the check for the tools of local scripts, if the control plane mode runs any, and return it."""
        if not control_plane(self._control_plane_mode).runs_local_scripts:
            return []
        tools = RequiredTools(
            self, "tools", scripts=self.scripts, context=self.script_context, control_plane=self._control_plane_mode
        )
        return [tools.found]

    def region_scope(self, key: str) -> Construct:
        """Return the scope of a region's constructs: no key can then be another construct's id."""
        if key not in self._region_scopes:
            self._region_scopes[key] = Construct(self._regions, key)
        return self._region_scopes[key]

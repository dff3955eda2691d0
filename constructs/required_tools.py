"""The check for the tools that scripts need, before anything is created."""

from collections.abc import Sequence

from constructs import Construct
from constructs.bindings import ITerraformDependable
from constructs.local_script import LocalScript, ScriptContext
from constructs.script_folder import ScriptFolder

TOOLS = (
    *("gcloud", "gke-gcloud-auth-plugin", "kubectl", "istioctl"),
    *("curl", "git", "jq", "tar", "awk", "grep", "sed", "tr", "head", "csplit"),
)
"""Every program that the scripts and asmcli call."""


class RequiredTools(Construct):
    """Stops the stack, before its first resource, on a machine that lacks a tool.

    Each script checks its own tools, but only after the clusters exist, 20 minutes into a
    first deploy. So the first stack checks the tools of all stacks, and the stack that
    needs them checks again, as another machine may run it. Terraform runs the check
    once, and again when the tools or the script change.

    Attributes:
        found: dependency of everything else in the stack.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        scripts: ScriptFolder,
        context: ScriptContext,
        control_plane: str,
        tools: Sequence[str] = TOOLS,
    ) -> None:
        """Add the check.

        Args:
            scope: the parent construct.
            id_: the construct id, which addresses follow from.
            scripts: the stack's copy of the scripts.
            context: how scripts reach the clusters.
            control_plane: the control plane mode that needs the tools.
            tools: programs to look for on PATH.
        """
        super().__init__(scope, id_)
        self.found: ITerraformDependable = LocalScript(
            self,
            "Default",
            scripts=scripts,
            script="check-tools.sh",
            context=context,
            instances={"here": {"control_plane": control_plane, "tools": " ".join(tools)}},
        ).done

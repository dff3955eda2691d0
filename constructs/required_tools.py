"""A look for the tools that scripts need, before anything is made."""

from collections.abc import Sequence

from constructs import Construct
from constructs.bindings import ITerraformDependable
from constructs.local_script import LocalScript, ScriptContext
from constructs.script_folder import ScriptFolder

TOOLS = (
    *("gcloud", "gke-gcloud-auth-plugin", "kubectl", "istioctl"),
    *("curl", "git", "jq", "tar", "awk", "grep", "sed", "tr", "head", "csplit"),
)
"""All that the scripts and asmcli call."""


class RequiredTools(Construct):
    """Stops the stack, before its first resource, on a machine that lacks a tool.

    A script looks for its own tools, too. That would be after the clusters are made,
    20 minutes into a first deploy, or half way on a runner that has some of them. So
    the first stack looks for those of all stacks, and the stack that needs them looks
    again, as another machine may run it. Terraform runs it once, and again when the
    tools or the script change: on a runner of later, each script still looks itself.

    Attributes:
        found: everything else in the stack depends on this.
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

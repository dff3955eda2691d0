"""The control plane mode of an existing mesh, which can't change."""

from collections.abc import Sequence

from constructs import Construct
from constructs.bindings import (
    ITerraformDependable,
    NullResource,
    Postcondition,
    Precondition,
    TerraformResourceLifecycle,
)

RECORD = "fixed"
"""Id of the construct, and so name of the resource in the state of stack `mesh`."""


class FixedControlPlane(Construct):
    """Fails every plan with another control plane mode than the one that the mesh was installed with.

    The state keeps the first mode: changes of it are ignored, and the postcondition
    compares it with the configuration.
    """

    def __init__(
        self, scope: Construct, id_: str, *, name: str, depends_on: Sequence[ITerraformDependable] = ()
    ) -> None:
        super().__init__(scope, id_)
        NullResource(
            self,
            "Default",
            triggers={"control_plane": name},
            depends_on=list(depends_on) or None,
            lifecycle=TerraformResourceLifecycle(
                ignore_changes=["triggers"],
                postcondition=[
                    Postcondition(
                        condition=f'${{self.triggers.control_plane == "{name}"}}',
                        error_message=_refusal("self.triggers.control_plane", name),
                    )
                ],
            ),
        )


def kept_mode(state: str, name: str) -> Precondition:
    """Return the condition that a mesh was installed with this mode, or that there is none.

    Args:
        state: path of the mesh's local state, relative to the stack's folder.
        name: of the mode.
    """
    modes = (
        f'distinct([for one in try(jsondecode(file("${{path.module}}/{state}")).resources, []) : '
        f'one.instances[0].attributes.triggers.control_plane if one.name == "{RECORD}" && length(one.instances) > 0])'
    )
    return Precondition(
        condition=f'${{alltrue([for mode in {modes} : mode == "{name}"])}}',
        error_message=_refusal(f'join("", {modes})', name),
    )


def _refusal(installed: str, name: str) -> str:
    """Return the message that refuses another mode.

    Args:
        installed: expression of the mode that the mesh was installed with.
        name: of the mode that the configuration has.
    """
    return (
        f"mesh.control_plane: the deployed mesh has the mode ${{{installed}}}, and a mesh can't be migrated to {name}. "
        f"To keep the mesh, set `mesh.control_plane: ${{{installed}}}` in the configuration file, also if the key was "
        "not set before, as its default has changed. To replace the mesh, first run, with that line, `cdktf destroy "
        f"ingress mesh`; then set {name}, and deploy."
    )

"""The control plane mode of an existing mesh, which can't change."""

from collections.abc import Sequence

from constructs import Construct
from constructs.bindings import ITerraformDependable, NullResource, Postcondition, TerraformResourceLifecycle


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
                        error_message="This mesh was installed with mesh.control_plane: "
                        f"${{self.triggers.control_plane}}, and there is no migration to {name}. Keep it: write "
                        "`mesh.control_plane: ${self.triggers.control_plane}` into the configuration file, also if the "
                        "line was not there before, as the default is another one now. Or, with that line, destroy the "
                        f"mesh with `cdktf destroy ingress mesh`, set {name}, and deploy.",
                    )
                ],
            ),
        )

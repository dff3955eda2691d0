"""The one network of all regions."""

from collections.abc import Sequence

from constructs import Construct
from constructs.bindings import (
    ComputeNetwork,
    ITerraformDependable,
    Postcondition,
    Precondition,
    TerraformResourceLifecycle,
)


class Vpc(Construct):
    """A VPC in custom subnet mode.

    All names of an environment begin like the VPC's: another prefix would replace everything, even subnets that
    are in use. So with another name the plan fails.

    It also fails for another control plane mode, which `FixedControlPlane` refuses in a stack that is planned only
    after this one has changed.

    Attributes:
        self_link: what subnets, routers and clusters refer to.
        name: the network's name.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        kept_mode: Precondition | None,
        depends_on: Sequence[ITerraformDependable],
    ) -> None:
        """Add the VPC.

        Args:
            scope: the parent construct.
            id_: the construct id, which addresses follow from.
            name: the network's name.
            kept_mode: the condition that the control plane mode is that of the mesh; None where it can't be looked up.
            depends_on: what the network needs.
        """
        super().__init__(scope, id_)
        network = ComputeNetwork(
            self,
            "Default",
            name=name,
            description="The VPC of the multi-region mesh.",
            auto_create_subnetworks=False,
            routing_mode="GLOBAL",
            depends_on=list(depends_on),
            lifecycle=TerraformResourceLifecycle(
                ignore_changes=["name"],
                precondition=[kept_mode] if kept_mode else None,
                postcondition=[
                    Postcondition(
                        condition=f'${{self.name == "{name}"}}',
                        error_message=f"project.name_prefix: the deployed VPC is ${{self.name}}, not {name}, and cloud "
                        "resources can't be renamed. Set the old prefix; to change it, destroy the environment first.",
                    )
                ],
            ),
        )
        self.self_link: str = network.self_link
        self.name: str = network.name

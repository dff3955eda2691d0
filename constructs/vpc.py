"""The one network of all regions."""

from collections.abc import Sequence

from constructs import Construct
from constructs.bindings import ComputeNetwork, ITerraformDependable


class Vpc(Construct):
    """A VPC in custom subnet mode.

    Attributes:
        self_link: what subnets, routers and clusters refer to.
        name: the network's name.
    """

    def __init__(self, scope: Construct, id_: str, *, name: str, depends_on: Sequence[ITerraformDependable]) -> None:
        super().__init__(scope, id_)
        network = ComputeNetwork(
            self,
            "Default",
            name=name,
            description="The VPC of the multi-region mesh.",
            auto_create_subnetworks=False,
            routing_mode="GLOBAL",
            depends_on=list(depends_on),
        )
        self.self_link: str = network.self_link
        self.name: str = network.name

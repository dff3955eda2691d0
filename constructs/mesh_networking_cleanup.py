"""On destroy, the deletion of what a mesh leaves on the network."""

from collections.abc import Sequence

from config.environment import ResolvedRegion
from constructs import Construct
from constructs.bindings import ITerraformDependable
from constructs.local_script import CleanupScript, ScriptContext
from constructs.script_folder import ScriptFolder


class MeshNetworkingCleanup(Construct):
    """Deletes the endpoint groups and firewall rules of a mesh that outlive a region's cluster.

    They block the deletion of the subnet and of the network. It is created after the subnets, so
    that it is destroyed before them, and after the clusters, which another stack destroys first.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        scripts: ScriptFolder,
        context: ScriptContext,
        vpc: str,
        regions: Sequence[ResolvedRegion],
        depends_on: Sequence[ITerraformDependable],
    ) -> None:
        super().__init__(scope, id_)
        CleanupScript(
            self,
            "Default",
            scripts=scripts,
            script="delete-mesh-networking.sh",
            context=context,
            inputs=("vpc", "location", "cluster"),
            instances={
                region.key: {"vpc": vpc, "location": region.location, "cluster": region.names.cluster}
                for region in regions
            },
            depends_on=depends_on,
        )

"""On destroy, the wait for the cloud resources of a load balancer."""

from collections.abc import Sequence

from constructs import Construct
from constructs.bindings import ITerraformDependable
from constructs.local_script import CleanupScript, ScriptContext
from constructs.script_folder import ScriptFolder

MCI, GATEWAY = "mci", "gkemcg1"
"""What the names of the controllers' cloud resources begin with.

An input would replace the resource of existing environments, so that Multi Cluster Ingress, the script's default, has
none for it.
"""


class LoadBalancerCleanup(Construct):
    """After the ingress objects are deleted, waits until their cloud resources are.

    The feature can't be disabled before (400, "has associated resources"), and orphaned
    endpoint groups and firewall rules block the deletion of the VPC. The address and the
    certificates, which can't be deleted while the load balancer uses them, are dependencies
    so that they are deleted after the wait.

    Attributes:
        ready: the ingress objects depend on this, so that they are deleted first.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        scripts: ScriptFolder,
        context: ScriptContext,
        vpc: str,
        controller: str,
        exists: bool,
        used: Sequence[ITerraformDependable],
    ) -> None:
        """Add the resource.

        Args:
            scope: the parent construct.
            id_: the construct id, which addresses follow from.
            scripts: the stack's copy of the scripts.
            context: how scripts reach the clusters.
            vpc: name of the network.
            controller: prefix of the names of the controller's cloud resources: ``mci`` or ``gkemcg1``.
            exists: there is a load balancer, and something to wait for.
            used: what the load balancer uses.
        """
        super().__init__(scope, id_)
        inputs = {"vpc": vpc} if controller == MCI else {"vpc": vpc, "controller": controller}
        self.ready: ITerraformDependable = CleanupScript(
            self,
            "Default",
            scripts=scripts,
            script="wait-for-load-balancer-cleanup.sh",
            context=context,
            inputs=tuple(inputs),
            instances={controller: inputs} if exists else {},
            depends_on=list(used) if exists else [],
        ).ready

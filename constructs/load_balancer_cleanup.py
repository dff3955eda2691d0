"""On destroy, the wait for the cloud resources of Multi Cluster Ingress."""

from collections.abc import Sequence

from constructs import Construct
from constructs.bindings import ComputeGlobalAddress, ITerraformDependable
from constructs.local_script import CleanupScript, ScriptContext
from constructs.script_folder import ScriptFolder


class LoadBalancerCleanup(Construct):
    """After the ingress objects are deleted, waits until their cloud resources are.

    The feature can't be disabled before (400, "has associated resources"), and orphaned
    endpoint groups and ``mci-*`` firewall rules block the deletion of the VPC. The address
    and the certificates, which can't be deleted while the load balancer uses them, are
    dependencies so that they are deleted after the wait. Without an address there is no
    ingress, and nothing to wait for.

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
        address: ComputeGlobalAddress | None,
        certificates: Sequence[ITerraformDependable],
    ) -> None:
        super().__init__(scope, id_)
        self.ready: ITerraformDependable = CleanupScript(
            self,
            "Default",
            scripts=scripts,
            script="wait-for-load-balancer-cleanup.sh",
            context=context,
            inputs=("vpc",),
            instances={"mci": {"vpc": vpc}} if address else {},
            depends_on=[address, *certificates] if address else [],
        ).ready

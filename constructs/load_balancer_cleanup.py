"""The wait, on the way down, for what Multi Cluster Ingress made outside the clusters."""

from collections.abc import Sequence

from constructs import Construct
from constructs.bindings import ComputeGlobalAddress, ITerraformDependable
from constructs.local_script import CleanupScript, ScriptContext
from constructs.script_folder import ScriptFolder


class LoadBalancerCleanup(Construct):
    """After the ingress objects are gone, waits until their cloud resources are.

    The feature can't be switched off before (400, "has associated resources"), and
    leftover endpoint groups and ``mci-*`` firewall rules hold the VPC. The address and
    the certificates, which can't go while the load balancer has them, are given so that
    they go after the wait; without an address there is no entry, and nothing to wait for.

    Attributes:
        ready: the ingress objects depend on this, so that they go first.
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

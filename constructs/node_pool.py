"""The nodes of a cluster."""

import json
from collections.abc import Sequence

from config.environment import ResolvedRegion
from constructs import Construct
from constructs.bindings import (
    ContainerNodePool,
    ContainerNodePoolAutoscaling,
    ContainerNodePoolManagement,
    ContainerNodePoolNodeConfig,
    ContainerNodePoolNodeConfigKubeletConfig,
    ContainerNodePoolNodeConfigShieldedInstanceConfig,
    ContainerNodePoolNodeConfigWorkloadMetadataConfig,
    ContainerNodePoolUpgradeSettings,
    ITerraformDependable,
    Postcondition,
    TerraformResourceLifecycle,
)


class NodePool(Construct):
    """An autoscaled node pool with a network tag of its own, which the firewall rules name.

    A change that GKE can't make in place is refused in the plan, unless the regions' pools follow each other. Then
    terraform creates the new pools one after the other, and after that deletes the old ones one after the other, as it
    deletes last what others depend on. Only then has the pool `create_before_destroy`: terraform extends that to the
    cluster, and could not replace a cluster whose creation has failed.

    Attributes:
        pool: the resource, which the next region's pool follows.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        project: str,
        region: ResolvedRegion,
        cluster: str,
        service_account: str,
        follows: ITerraformDependable | None,
        one_by_one: bool,
        depends_on: Sequence[ITerraformDependable],
    ) -> None:
        """Add the node pool.

        Args:
            scope: the parent construct.
            id_: the construct id, which addresses follow from.
            project: the Google Cloud project id.
            region: the region, resolved.
            cluster: name of the cluster.
            service_account: email of the nodes' service account.
            follows: the pool of the region before, if there is one.
            one_by_one: the pools of the regions change one after the other.
            depends_on: what the nodes need.
        """
        super().__init__(scope, id_)
        self.pool: ITerraformDependable = ContainerNodePool(
            self,
            "Default",
            project=project,
            name=region.names.node_pool,
            location=region.location,
            cluster=cluster,
            node_locations=list(region.zones) or None,
            initial_node_count=region.nodes.min_nodes,
            autoscaling=ContainerNodePoolAutoscaling(
                min_node_count=region.nodes.min_nodes, max_node_count=region.nodes.max_nodes
            ),
            management=ContainerNodePoolManagement(auto_repair=True, auto_upgrade=True),
            upgrade_settings=ContainerNodePoolUpgradeSettings(max_surge=1, max_unavailable=0),
            node_config=ContainerNodePoolNodeConfig(
                machine_type=region.nodes.machine_type,
                image_type="COS_CONTAINERD",
                disk_size_gb=region.nodes.disk_size_gb,
                disk_type="pd-balanced",
                service_account=service_account,
                oauth_scopes=["https://www.googleapis.com/auth/cloud-platform"],
                tags=[region.names.node_tag],
                workload_metadata_config=ContainerNodePoolNodeConfigWorkloadMetadataConfig(mode="GKE_METADATA"),
                shielded_instance_config=ContainerNodePoolNodeConfigShieldedInstanceConfig(
                    enable_secure_boot=region.nodes.secure_boot, enable_integrity_monitoring=True
                ),
                kubelet_config=ContainerNodePoolNodeConfigKubeletConfig(insecure_kubelet_readonly_port_enabled="FALSE"),
            ),
            lifecycle=_one_by_one() if one_by_one else _together(region),
            depends_on=[*depends_on, *([follows] if one_by_one and follows else [])],
        )


COUNT = "initial_node_count"
"""The autoscaler owns the count; only a new pool starts with this one."""

SECURE_BOOT = "node_config[0].shielded_instance_config"


def _one_by_one() -> TerraformResourceLifecycle:
    return TerraformResourceLifecycle(ignore_changes=[COUNT], create_before_destroy=True)


def _together(region: ResolvedRegion) -> TerraformResourceLifecycle:
    """Return a lifecycle that keeps an existing pool, and fails the plan if the configuration asks for another one."""
    secure_boot = json.dumps(region.nodes.secure_boot)
    return TerraformResourceLifecycle(
        ignore_changes=[COUNT, "name", SECURE_BOOT],
        postcondition=[
            Postcondition(
                condition=f'${{self.name == "{region.names.node_pool}" && '
                f"self.{SECURE_BOOT}[0].enable_secure_boot == {secure_boot}}}",
                error_message="cluster.node_pool_rollout: this change replaces the node pool ${self.name}, which "
                "`together` does not allow, as all regions would lose their nodes at once. Set `one_by_one`: it "
                "creates the new node pools one region after the other, and then deletes the old ones.",
            )
        ],
    )

"""The nodes of a cluster."""

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
    TerraformResourceLifecycle,
)


class NodePool(Construct):
    """An autoscaled node pool with a network tag of its own, which the firewall rules name."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        project: str,
        region: ResolvedRegion,
        cluster: str,
        service_account: str,
        secure_boot: bool,
        depends_on: Sequence[ITerraformDependable],
    ) -> None:
        super().__init__(scope, id_)
        ContainerNodePool(
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
                    enable_secure_boot=secure_boot, enable_integrity_monitoring=True
                ),
                kubelet_config=ContainerNodePoolNodeConfigKubeletConfig(insecure_kubelet_readonly_port_enabled="FALSE"),
            ),
            # The autoscaler owns the count; only a new pool starts with this one.
            lifecycle=TerraformResourceLifecycle(ignore_changes=["initial_node_count"]),
            depends_on=list(depends_on),
        )

"""A private regional cluster, as the mesh needs it."""

from collections.abc import Collection, Sequence

from config.cluster import LOG_COMPONENTS, AuthorizedNetwork, Channel, Cluster, LogSource
from config.environment import ResolvedRegion
from config.maintenance import MaintenanceWindow
from constructs import Construct
from constructs.bindings import (
    ContainerCluster,
    ContainerClusterBinaryAuthorization,
    ContainerClusterControlPlaneEndpointsConfig,
    ContainerClusterControlPlaneEndpointsConfigDnsEndpointConfig,
    ContainerClusterDatabaseEncryption,
    ContainerClusterFleet,
    ContainerClusterGatewayApiConfig,
    ContainerClusterIpAllocationPolicy,
    ContainerClusterLoggingConfig,
    ContainerClusterMaintenancePolicy,
    ContainerClusterMaintenancePolicyRecurringWindow,
    ContainerClusterMasterAuth,
    ContainerClusterMasterAuthClientCertificateConfig,
    ContainerClusterMasterAuthorizedNetworksConfig,
    ContainerClusterMasterAuthorizedNetworksConfigCidrBlocks,
    ContainerClusterMonitoringConfig,
    ContainerClusterMonitoringConfigManagedPrometheus,
    ContainerClusterNetworkPolicy,
    ContainerClusterNodeConfig,
    ContainerClusterNodeConfigKubeletConfig,
    ContainerClusterNodeConfigShieldedInstanceConfig,
    ContainerClusterNodeConfigWorkloadMetadataConfig,
    ContainerClusterNodePoolDefaults,
    ContainerClusterNodePoolDefaultsNodeConfigDefaults,
    ContainerClusterPrivateClusterConfig,
    ContainerClusterPrivateClusterConfigMasterGlobalAccessConfig,
    ContainerClusterReleaseChannel,
    ContainerClusterSecretManagerConfig,
    ContainerClusterSecurityPostureConfig,
    ContainerClusterWorkloadIdentityConfig,
    Fn,
    ITerraformDependable,
    Postcondition,
    TerraformResourceLifecycle,
    Token,
)
from constructs.regional_subnet import RegionalSubnet


class PrivateCluster(Construct):
    """A cluster whose nodes have no external address, registered in the project's fleet.

    The default pool, which GKE requires on creation, is removed at once; `NodePool` adds the real
    one. While it exists it has the same hardening and the same service account.

    GKE's own defaults are explicit where they matter: a default may differ between versions, and
    a plan does not compare what is absent.

    Attributes:
        name: name of the cluster.
        location: region of the cluster.
        host: URL of the configured endpoint.
        ca_certificate: base64 of the control plane's CA; None with the DNS endpoint,
            whose certificate is a public one.
        private_endpoint: address inside the VPC, which the other clusters' meshes use.
        identity: changes when the cluster or its CA is replaced.
        membership: resource name of the fleet membership, ``projects/…/memberships/…``.
        membership_id: id in that name.
        membership_location: location in that name.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        project: str,
        project_number: str,
        region: ResolvedRegion,
        shape: Cluster,
        vpc: str,
        subnet: RegionalSubnet,
        node_service_account: str,
        node_grants: Sequence[ITerraformDependable],
        peer_api_clients: Sequence[AuthorizedNetwork],
        gateway_api: bool,
        channel_is_fixed: bool,
    ) -> None:
        """Add the cluster.

        Args:
            scope: the parent construct.
            id_: the construct id, which addresses follow from.
            project: the Google Cloud project id.
            project_number: the project's number, which the mesh id label needs.
            region: the region, resolved.
            shape: what all clusters share.
            vpc: self link of the network.
            subnet: the region's subnet.
            node_service_account: email of the nodes' service account.
            node_grants: role bindings of that account, which the first nodes need.
            gateway_api: the cluster serves the kinds of GKE's Gateway API.
            channel_is_fixed: the release channel decides which mesh Google runs in the cluster.
            peer_api_clients: ranges of other clusters' istiods, besides the shape's own authorized networks.
        """
        super().__init__(scope, id_)
        cluster = ContainerCluster(
            self,
            "Default",
            project=project,
            name=region.names.cluster,
            description=f"{region.key} of the multi-region mesh.",
            location=region.location,
            node_locations=list(region.zones) or None,
            network=vpc,
            subnetwork=subnet.self_link,
            networking_mode="VPC_NATIVE",
            ip_allocation_policy=ContainerClusterIpAllocationPolicy(
                cluster_secondary_range_name=subnet.pods_range_name,
                services_secondary_range_name=subnet.services_range_name,
            ),
            default_max_pods_per_node=shape.max_pods_per_node,
            # Not LEGACY_DATAPATH: if GKE reports an old cluster's value differently, it would be replaced.
            datapath_provider="ADVANCED_DATAPATH" if shape.dataplane == "v2" else None,
            # Calico's, which the dataplane replaces: on, it would be refused.
            network_policy=ContainerClusterNetworkPolicy(enabled=False),
            enable_intranode_visibility=shape.intranode_visibility,
            private_cluster_config=ContainerClusterPrivateClusterConfig(
                enable_private_nodes=True,
                enable_private_endpoint=shape.endpoint != "public",
                master_ipv4_cidr_block=str(region.ranges.control_plane),
                # Other regions' meshes and operators reach the private address too.
                master_global_access_config=ContainerClusterPrivateClusterConfigMasterGlobalAccessConfig(enabled=True),
            ),
            control_plane_endpoints_config=_dns_endpoint(open_=shape.endpoint == "dns"),
            # An empty list does not admit everyone: the block itself enables authorized networks.
            master_authorized_networks_config=ContainerClusterMasterAuthorizedNetworksConfig(
                cidr_blocks=_cidr_blocks(shape, peer_api_clients),
                gcp_public_cidrs_access_enabled=False,
                # Off by default: with global access, the whole VPC would reach the private address.
                private_endpoint_enforcement_enabled=True,
            ),
            enable_legacy_abac=False,
            master_auth=ContainerClusterMasterAuth(
                client_certificate_config=ContainerClusterMasterAuthClientCertificateConfig(
                    issue_client_certificate=False
                )
            ),
            # Once on, it stays on where this is None: the provider keeps what it reads.
            gateway_api_config=ContainerClusterGatewayApiConfig(channel="CHANNEL_STANDARD") if gateway_api else None,
            binary_authorization=ContainerClusterBinaryAuthorization(
                evaluation_mode="PROJECT_SINGLETON_POLICY_ENFORCE" if shape.binary_authorization else "DISABLED"
            ),
            database_encryption=_secrets_encryption(region.secrets_key),
            secret_manager_config=_secret_manager(shape.secret_manager),
            security_posture_config=ContainerClusterSecurityPostureConfig(mode="BASIC"),
            logging_config=ContainerClusterLoggingConfig(enable_components=_log_components(shape.logs)),
            monitoring_config=ContainerClusterMonitoringConfig(
                enable_components=["SYSTEM_COMPONENTS"],
                managed_prometheus=ContainerClusterMonitoringConfigManagedPrometheus(enabled=shape.managed_prometheus),
            ),
            maintenance_policy=None if region.maintenance is None else _maintenance(region.maintenance),
            workload_identity_config=ContainerClusterWorkloadIdentityConfig(workload_pool=f"{project}.svc.id.goog"),
            release_channel=ContainerClusterReleaseChannel(channel=shape.release_channel.upper()),
            fleet=ContainerClusterFleet(project=project),
            # Cloud Service Mesh reads from it which clusters form one mesh.
            resource_labels={"mesh_id": f"proj-{project_number}"},
            remove_default_node_pool=True,
            initial_node_count=1,
            enable_shielded_nodes=True,
            # Default for pools that others add: port 10255 of a node serves all its pods without authentication.
            node_pool_defaults=ContainerClusterNodePoolDefaults(
                node_config_defaults=ContainerClusterNodePoolDefaultsNodeConfigDefaults(
                    insecure_kubelet_readonly_port_enabled="FALSE"
                )
            ),
            node_config=ContainerClusterNodeConfig(
                image_type="COS_CONTAINERD",
                service_account=node_service_account,
                oauth_scopes=["https://www.googleapis.com/auth/cloud-platform"],
                workload_metadata_config=ContainerClusterNodeConfigWorkloadMetadataConfig(mode="GKE_METADATA"),
                shielded_instance_config=ContainerClusterNodeConfigShieldedInstanceConfig(
                    enable_secure_boot=region.nodes.secure_boot, enable_integrity_monitoring=True
                ),
                kubelet_config=ContainerClusterNodeConfigKubeletConfig(insecure_kubelet_readonly_port_enabled="FALSE"),
            ),
            # Retiring a region is the consent to its cluster's deletion, which is the next step.
            deletion_protection=shape.deletion_protection and not region.retired,
            lifecycle=_lifecycle(region, shape.release_channel if channel_is_fixed else None),
            depends_on=list(node_grants),
        )
        self.name: str = cluster.name
        self.location: str = cluster.location
        self.private_endpoint: str = cluster.private_cluster_config.private_endpoint
        self.host: str
        self.ca_certificate: str | None
        if shape.endpoint == "dns":
            self.host = f"https://{cluster.control_plane_endpoints_config.dns_endpoint_config.endpoint}"
            self.ca_certificate = None
        else:
            address = self.private_endpoint if shape.endpoint == "private" else cluster.endpoint
            self.host = f"https://{address}"
            self.ca_certificate = cluster.master_auth.cluster_ca_certificate
        self.identity: str = Token.as_string(Fn.sha256(cluster.master_auth.cluster_ca_certificate))
        self.membership_id: str = cluster.fleet.membership_id
        self.membership_location: str = cluster.fleet.membership_location
        self.membership: str = (
            f"projects/{project}/locations/{self.membership_location}/memberships/{self.membership_id}"
        )


def _lifecycle(region: ResolvedRegion, channel: Channel | None) -> TerraformResourceLifecycle:
    """Return the lifecycle of a cluster, whose plan fails where the cluster is in another release channel.

    Args:
        region: the region.
        channel: the release channel that the cluster has to stay in; None if it may change.
    """
    # node_config describes the removed pool: later values are no drift.
    ignored = ["node_config"]
    if channel is None:
        return TerraformResourceLifecycle(ignore_changes=ignored)
    wanted = channel.upper()
    name = region.names.cluster
    return TerraformResourceLifecycle(
        # So that the postcondition sees the cluster's own channel.
        ignore_changes=[*ignored, "release_channel"],
        postcondition=[
            Postcondition(
                condition=f'${{self.release_channel[0].channel == "{wanted}"}}',
                error_message=f"cluster.release_channel: {name} uses the channel ${{self.release_channel[0].channel}}, "
                "and Google does not support another channel under a mesh that it runs. Set the old channel; to change "
                "it, first run, with the old channel, `cdktf destroy ingress mesh` and `gcloud container clusters "
                f"update {name} --location {region.location} --release-channel {channel}`; then set {channel}, and "
                "deploy.",
            )
        ],
    )


def _secrets_encryption(key: str | None) -> ContainerClusterDatabaseEncryption:
    """Return the block, explicit also without a key: if absent, a key removed from the file would stay in use."""
    if key is None:
        return ContainerClusterDatabaseEncryption(state="DECRYPTED")
    return ContainerClusterDatabaseEncryption(state="ENCRYPTED", key_name=key)


def _secret_manager(enabled: bool | None) -> ContainerClusterSecretManagerConfig | None:
    """Return the block, explicit when it is off: if it goes, the provider sends an update without content.

    Source: resource_container_cluster.go of provider 6.50.0, expandSecretManagerConfig
    """
    return None if enabled is None else ContainerClusterSecretManagerConfig(enabled=enabled)


def _log_components(sources: Collection[LogSource]) -> list[str]:
    """Return the components in the order in which GKE returns them.

    To GKE they are a set, and to the provider before its version 8 a list: another order is a change in every plan.
    Source: https://github.com/GoogleCloudPlatform/magic-modules/pull/18262
    """
    return ["SYSTEM_COMPONENTS", *(component for source, component in LOG_COMPONENTS.items() if source in sources)]


def _maintenance(window: MaintenanceWindow) -> ContainerClusterMaintenancePolicy:
    return ContainerClusterMaintenancePolicy(
        recurring_window=ContainerClusterMaintenancePolicyRecurringWindow(
            start_time=window.start_time, end_time=window.end_time, recurrence=window.recurrence
        )
    )


def _dns_endpoint(*, open_: bool) -> ContainerClusterControlPlaneEndpointsConfig:
    """Return the block, explicit also when closed: if absent, an open endpoint would stay open."""
    return ContainerClusterControlPlaneEndpointsConfig(
        dns_endpoint_config=ContainerClusterControlPlaneEndpointsConfigDnsEndpointConfig(allow_external_traffic=open_)
    )


def _cidr_blocks(
    shape: Cluster, peer_api_clients: Sequence[AuthorizedNetwork]
) -> list[ContainerClusterMasterAuthorizedNetworksConfigCidrBlocks]:
    networks = [*shape.authorized_networks, *peer_api_clients]
    if shape.operator_address is not None:
        networks.append(AuthorizedNetwork(name="operator", cidr=shape.operator_address))
    return [
        ContainerClusterMasterAuthorizedNetworksConfigCidrBlocks(
            cidr_block=str(network.cidr), display_name=network.name
        )
        for network in networks
    ]

"""A private regional cluster, as the mesh needs it."""

from collections.abc import Sequence

from bindings import (
    ContainerCluster,
    ContainerClusterControlPlaneEndpointsConfig,
    ContainerClusterControlPlaneEndpointsConfigDnsEndpointConfig,
    ContainerClusterFleet,
    ContainerClusterIpAllocationPolicy,
    ContainerClusterMasterAuthorizedNetworksConfig,
    ContainerClusterMasterAuthorizedNetworksConfigCidrBlocks,
    ContainerClusterNodeConfig,
    ContainerClusterPrivateClusterConfig,
    ContainerClusterPrivateClusterConfigMasterGlobalAccessConfig,
    ContainerClusterReleaseChannel,
    ContainerClusterWorkloadIdentityConfig,
    Fn,
    TerraformResourceLifecycle,
    Token,
)
from config.cluster import AuthorizedNetwork, Cluster
from config.environment import ResolvedRegion
from constructs import Construct
from constructs.regional_subnet import RegionalSubnet


class PrivateCluster(Construct):
    """A cluster whose nodes have no external address, registered in the project's fleet.

    The pool that GKE insists on making is removed at once; `NodePool` makes the real one.

    Attributes:
        name, location: what gcloud and asmcli call the cluster.
        host: URL of the endpoint that the configuration chooses.
        ca_certificate: base64 of the control plane's CA; None with the DNS endpoint,
            whose certificate is a public one.
        private_endpoint: address inside the VPC, which the other clusters' meshes use.
        identity: changes when the cluster is made anew, or its CA is.
        membership: resource name of the fleet membership, ``projects/…/memberships/…``.
        membership_id, membership_location: its parts.
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
        watchers: Sequence[AuthorizedNetwork],
    ) -> None:
        """
        Args:
            watchers: who else in the mesh has to reach the control plane, besides the shape's own networks.
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
            private_cluster_config=ContainerClusterPrivateClusterConfig(
                enable_private_nodes=True,
                enable_private_endpoint=shape.endpoint != "public",
                master_ipv4_cidr_block=str(region.ranges.control_plane),
                # Other regions' meshes and operators reach the private address too.
                master_global_access_config=ContainerClusterPrivateClusterConfigMasterGlobalAccessConfig(enabled=True),
            ),
            control_plane_endpoints_config=_DNS_ENDPOINT if shape.endpoint == "dns" else None,
            # An empty list is not "everybody": the block itself turns authorized networks on.
            master_authorized_networks_config=ContainerClusterMasterAuthorizedNetworksConfig(
                cidr_blocks=_cidr_blocks(shape, watchers), gcp_public_cidrs_access_enabled=False
            ),
            workload_identity_config=ContainerClusterWorkloadIdentityConfig(workload_pool=f"{project}.svc.id.goog"),
            release_channel=ContainerClusterReleaseChannel(channel=shape.release_channel.upper()),
            fleet=ContainerClusterFleet(project=project),
            # What tells Cloud Service Mesh which clusters are one mesh.
            resource_labels={"mesh_id": f"proj-{project_number}"},
            remove_default_node_pool=True,
            initial_node_count=1,
            node_config=ContainerClusterNodeConfig(service_account=node_service_account),
            # Retiring a region is the consent to its cluster's deletion, which is the next step.
            deletion_protection=shape.deletion_protection and not region.retired,
            # node_config describes the removed pool: what GKE says of it later is no drift.
            lifecycle=TerraformResourceLifecycle(ignore_changes=["node_config"]),
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


_DNS_ENDPOINT = ContainerClusterControlPlaneEndpointsConfig(
    dns_endpoint_config=ContainerClusterControlPlaneEndpointsConfigDnsEndpointConfig(allow_external_traffic=True)
)


def _cidr_blocks(
    shape: Cluster, watchers: Sequence[AuthorizedNetwork]
) -> list[ContainerClusterMasterAuthorizedNetworksConfigCidrBlocks]:
    networks = [*shape.authorized_networks, *watchers]
    if shape.operator_address is not None:
        networks.append(AuthorizedNetwork(name="operator", cidr=shape.operator_address))
    return [
        ContainerClusterMasterAuthorizedNetworksConfigCidrBlocks(
            cidr_block=str(network.cidr), display_name=network.name
        )
        for network in networks
    ]

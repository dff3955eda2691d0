"""A cluster as the mesh sees it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MeshMember:
    """One cluster, as control planes and scripts need it.

    Attributes:
        key: the region's key.
        cluster: name of the GKE cluster.
        location: location of the GKE cluster.
        remote_name: the cluster's name in other clusters' meshes.
        private_endpoint: address of the GKE control plane inside the VPC.
        host: URL of the API server for terraform and the scripts.
        ca_certificate: its CA, base64 of PEM; None if the machine's own authorities suffice.
        identity: changes when the cluster or its CA is replaced.
        membership_id: id of the fleet membership.
        membership_location: location of the fleet membership.
    """

    key: str
    cluster: str
    location: str
    remote_name: str
    private_endpoint: str
    host: str
    ca_certificate: str | None
    identity: str
    membership_id: str
    membership_location: str

"""A cluster as the mesh sees it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MeshMember:
    """What a control plane and its scripts need to know of one cluster.

    Attributes:
        key: the region's key.
        cluster, location: what gcloud calls the cluster.
        remote_name: the name by which other clusters' meshes know it.
        private_endpoint: address of its control plane inside the VPC.
        host: URL of its API server, for whoever deploys.
        ca_certificate: of that, base64 of PEM; None where the machine's own authorities do.
        identity: changes when the cluster is made anew, or its CA is.
        membership_id, membership_location: of its membership in the fleet.
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

"""The kinds that somebody else brings into the clusters, and the stack `ingress` uses; `mesh` waits for them."""

AUTHORIZATION_POLICIES = "authorizationpolicies.security.istio.io"
PEER_AUTHENTICATIONS = "peerauthentications.security.istio.io"

ISTIO_CRDS = (
    "destinationrules.networking.istio.io",
    "gateways.networking.istio.io",
    "virtualservices.networking.istio.io",
    AUTHORIZATION_POLICIES,
    PEER_AUTHENTICATIONS,
)
MCI_CRDS = (
    "multiclusteringresses.networking.gke.io",
    "multiclusterservices.networking.gke.io",
)
"""Multi Cluster Ingress', in its config cluster only."""

CONTROL_PLANE_CRD = "controlplanerevisions.mesh.cloud.google.com"
"""What Google tells by in a cluster how far its control plane is."""


def required_crds(*, config_cluster: bool) -> tuple[str, ...]:
    """Return what a cluster has to serve before the stack `ingress` is planned.

    Args:
        config_cluster: it is the one that holds Multi Cluster Ingress' objects.
    """
    return ISTIO_CRDS + (MCI_CRDS if config_cluster else ())

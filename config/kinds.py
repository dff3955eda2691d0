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

CONTROL_PLANE_CRDS = ("controlplanerevisions.mesh.cloud.google.com",)
"""What Google tells by in a cluster how far its control plane is."""

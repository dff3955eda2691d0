"""The kinds that somebody else brings into the clusters, and the stack `ingress` uses; `mesh` waits for them."""

ISTIO_CRDS = (
    "destinationrules.networking.istio.io",
    "gateways.networking.istio.io",
    "virtualservices.networking.istio.io",
    "authorizationpolicies.security.istio.io",
    "peerauthentications.security.istio.io",
)
MCI_CRDS = (
    "multiclusteringresses.networking.gke.io",
    "multiclusterservices.networking.gke.io",
)
"""Multi Cluster Ingress', in its config cluster only."""

CONTROL_PLANE_CRDS = ("controlplanerevisions.mesh.cloud.google.com",)
"""What Google tells by in a cluster how far its control plane is."""

"""The kinds that somebody else brings into the clusters, and the stack `ingress` uses; `mesh` waits for them."""

ISTIO_CRDS = (
    "destinationrules.networking.istio.io",
    "gateways.networking.istio.io",
    "virtualservices.networking.istio.io",
)
MCI_CRDS = (
    "multiclusteringresses.networking.gke.io",
    "multiclusterservices.networking.gke.io",
)
"""Multi Cluster Ingress', in its config cluster only."""

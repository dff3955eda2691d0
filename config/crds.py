"""The CRDs that the stack `ingress` uses and others install; the stack `mesh` waits for them."""

from config.environment import Environment

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
"""Of Multi Cluster Ingress, in its config cluster only."""

EXPORT_CRD = "serviceexports.net.gke.io"
"""Of multi-cluster services, in every cluster of an environment that uses multi-cluster Gateway."""

GATEWAY_CRDS = (
    "serviceimports.net.gke.io",
    "gateways.gateway.networking.k8s.io",
    "httproutes.gateway.networking.k8s.io",
    "healthcheckpolicies.networking.gke.io",
    "gcpbackendpolicies.networking.gke.io",
    "gcpgatewaypolicies.networking.gke.io",
)
"""Of multi-cluster Gateway, in its config cluster only."""

TRAFFIC_DISTRIBUTION_CRD = "gcptrafficdistributionpolicies.networking.gke.io"
"""Of GKE's Gateway API; where a service has a failover threshold."""

SECRET_PROVIDER_CRD = "secretproviderclasses.secrets-store.csi.x-k8s.io"
"""Of GKE's Secret Manager add-on.

Source: https://cloud.google.com/secret-manager/docs/secret-manager-managed-csi-component
"""

CONTROL_PLANE_CRD = "controlplanerevisions.mesh.cloud.google.com"
"""Its objects report the state of a control plane that Google runs."""


def required_crds(environment: Environment, region: str) -> tuple[str, ...]:
    """Return the CRDs that a cluster has to serve before the stack `ingress` is planned.

    Args:
        environment: the configuration.
        region: key of the cluster's region.
    """
    ingress = environment.ingress
    is_config_cluster = region == ingress.config_cluster
    return (
        ISTIO_CRDS
        + (MCI_CRDS if is_config_cluster and ingress.api != "gateway" else ())
        + ((EXPORT_CRD,) if ingress.uses_gateway else ())
        + (GATEWAY_CRDS if is_config_cluster and ingress.uses_gateway else ())
        + ((TRAFFIC_DISTRIBUTION_CRD,) if environment.has_failover_threshold else ())
        + ((SECRET_PROVIDER_CRD,) if environment.cluster.secret_manager else ())
    )

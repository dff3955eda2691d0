"""Every name that is derived from the configuration, and how long it may be."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

STACKS = ("network", "clusters", "mesh", "ingress")
"""In the order in which they are deployed."""

MESH_NAMESPACE = "istio-system"
"""The mesh's root namespace: a policy in it is for the whole mesh."""

REVISION_LABEL = "istio.io/rev"
"""Label of a namespace, a pod or a webhook: the revision of a mesh control plane."""

INJECTION_LABEL = "istio-injection"
"""Label of a namespace: whether pods get sidecars, where no revision selects the control plane."""

MANIFEST_ANNOTATION = "multi-region-mesh/manifest"
"""On every object: its manifest, as the last deploy applied it (`constructs.manifest_file`)."""

FIELD_MANAGER = "multi-region-mesh"
"""Field manager of what a deploy applies to a part of an object; terraform's own is that of whole objects."""

DRAINED_SUFFIX = "-drained"
"""Of a second Service, which selects the pods of a service in a drained region."""

DRAINED_SELECTOR = {"multi-region-mesh/drained": "true"}
"""In the selector of each Service in a drained region: no pod has the label, so that the Service selects none."""

NAMESPACE_POLICY = "namespace-allow-from"
"""Policy for all pods of a namespace."""

GATEWAY_NAMESPACE = "istio-gateway"
GATEWAY_NAME = "istio-ingressgateway"
"""Of the gateways, and of the load balancer's objects."""

GATEWAY_LABELS = {"app": "istio-ingressgateway", "istio": "ingressgateway"}
"""Of the gateways' pods."""

ROUTES_GATEWAY = "ingress"
"""Name of the Gateway, in `GATEWAY_NAMESPACE`, of all routes but the demo's."""

SECRET_NAME_LONGEST = 63
"""Longest cluster name in a remote secret; asmcli shortens beyond it (KUBE_TAG_MAX_LEN)."""


@dataclass(frozen=True)
class Limit:
    """A derived name and the lengths that its kind allows, in characters."""

    kind: str
    name: str
    longest: int
    shortest: int = 1


@dataclass(frozen=True)
class ProjectNames:
    """Names of resources that exist once in an environment."""

    prefix: str

    @property
    def vpc(self) -> str:
        return f"{self.prefix}-vpc"

    @property
    def subnet(self) -> str:
        """One name for all regions: a subnet's name only has to be unique in its region."""
        return f"{self.prefix}-private-vm"

    @property
    def proxy_subnet(self) -> str:
        """The subnet of the internal load balancer's proxies, in each region."""
        return f"{self.prefix}-proxies"

    @property
    def internal_load_balancer_firewall(self) -> str:
        return f"{self.vpc}-internal-load-balancer"

    @property
    def pods_firewall(self) -> str:
        return f"{self.vpc}-istio-multicluster-pods"

    @property
    def ingress_address(self) -> str:
        return f"{self.prefix}-ingress"

    @property
    def gateway_address(self) -> str:
        """The address of multi-cluster Gateway; the other one is Multi Cluster Ingress'."""
        return f"{self.prefix}-gateway"

    @property
    def certificate_map(self) -> str:
        return f"{self.prefix}-ingress"

    @property
    def ssl_policy(self) -> str:
        return f"{self.prefix}-ingress"

    def certificate(self, domain: str) -> str:
        """Return the name of a domain's certificate. A certificate's domain can't change, so each domain has a name.

        The digest distinguishes a-b.example from a.b-example.
        """
        digest = hashlib.sha256(domain.encode()).hexdigest()[:8]
        readable = domain.replace(".", "-")[: 63 - len(self.prefix) - len(digest) - 2].rstrip("-")
        return f"{self.prefix}-{readable}-{digest}"

    def limits(self) -> Iterator[Limit]:
        """Sources: https://cloud.google.com/compute/docs/naming-resources (63 characters)."""
        yield Limit("VPC", self.vpc, 63)
        yield Limit("subnet", self.subnet, 63)
        yield Limit("firewall rule", self.pods_firewall, 63)
        yield Limit("firewall rule", self.internal_load_balancer_firewall, 63)
        yield Limit("subnet", self.proxy_subnet, 63)
        yield Limit("address", self.ingress_address, 63)
        yield Limit("address", self.gateway_address, 63)


@dataclass(frozen=True)
class RegionNames:
    """Names of resources that exist once in each region.

    Attributes:
        prefix: of the environment.
        key: of the region.
        pool_suffix: distinguishes a node pool from the one that it replaces.
    """

    prefix: str
    key: str
    pool_suffix: str = ""

    @property
    def _stem(self) -> str:
        return f"{self.prefix}-{self.key}"

    @property
    def router(self) -> str:
        return f"{self._stem}-router"

    @property
    def nat(self) -> str:
        return f"{self._stem}-nat"

    @property
    def cluster(self) -> str:
        return f"{self._stem}-cluster-1"

    @property
    def node_pool(self) -> str:
        return f"{self._stem}-nodes{self.pool_suffix}"

    @property
    def node_tag(self) -> str:
        return f"{self._stem}-node"

    @property
    def node_service_account(self) -> str:
        return f"{self._stem}-node"

    @property
    def webhook_firewall(self) -> str:
        return f"{self.prefix}-vpc-{self.key}-control-plane"

    def limits(self) -> Iterator[Limit]:
        """Sources: the naming rules of compute (63), GKE (40) and IAM service accounts (6 to 30)."""
        yield Limit("router", self.router, 63)
        yield Limit("NAT", self.nat, 63)
        yield Limit("cluster", self.cluster, 40)
        yield Limit("node pool", self.node_pool, 40)
        yield Limit("network tag", self.node_tag, 63)
        yield Limit("service account", self.node_service_account, 30, shortest=6)
        yield Limit("firewall rule", self.webhook_firewall, 63)


def subset_name(version: str) -> str:
    """Return the name of a version in a DestinationRule, where it is a DNS label."""
    return version.replace(".", "-")


def service_host(name: str, namespace: str) -> str:
    """Return the name by which the mesh knows a Service."""
    return f"{name}.{namespace}.svc.cluster.local"


def remote_cluster_name(project: str, location: str, cluster: str) -> str:
    """Return the name of a cluster in the meshes of other clusters.

    It is the name that ``asmcli create-mesh`` would choose (generate_secret_name
    in asmcli 1.28), so that a secret from either replaces the other's: two
    names would register one cluster twice. Up to 63 characters; longer ones are
    cut and get a digest.
    """
    name = f"gke-{project}-{location}-{cluster}"
    if len(name) <= SECRET_NAME_LONGEST:
        return name
    digest = hashlib.sha256(f"{name}\n".encode()).hexdigest()  # echo adds the newline
    return f"{name[:42]}-{digest[:20]}"


def remote_secret_name(remote_cluster: str) -> str:
    """Return the name that ``istioctl create-remote-secret`` gives the Secret."""
    return f"istio-remote-secret-{remote_cluster}"

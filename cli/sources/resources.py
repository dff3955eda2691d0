"""The catalogue of cloud resources: every kind, with how it is called, read, listed and deleted.

`expected_resources` names what the stacks create. `list_all` returns all that the project has of a kind, whatever
its name: controllers create resources under names of their own.
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from cli.sources.google import ApiError, GoogleClient, LookupResult
from cli.sources.kubernetes import cluster_path
from config import Environment, ResolvedRegion
from config.ingress import EXTERNAL


@dataclass(frozen=True)
class ResourceKind:
    """A kind of cloud resource.

    Attributes:
        singular: What one resource is called.
        api: One of `cli.sources.google.ENDPOINTS`.
        collection: The segment before the name in a path; in Compute Engine also the name in a list.
        gcloud: gcloud's command group.
        stack: The stack that creates such resources; empty if only controllers do.
        parent: gcloud's flag for the resource that this one is a component of; empty for a resource of its own.
        embedded: Whether the API returns it with that resource.
    """

    singular: str
    api: str
    collection: str
    gcloud: str
    stack: str = ""
    parent: str = ""
    embedded: bool = False

    @property
    def title(self) -> str:
        """What several resources are called."""
        if self.singular.endswith("y"):
            return f"{self.singular[:-1]}ies"
        return f"{self.singular}{'es' if self.singular.endswith('s') else 's'}"

    @property
    def list_request(self) -> tuple[str, str]:
        """The path of the list of all, from the project on, and the field of the response that holds the items."""
        match self.api:
            case "compute" if self in UNSCOPED:
                return f"global/{self.collection}", "items"
            case "compute":
                return f"aggregated/{self.collection}", "items"
            case "iam":
                return self.collection, "accounts"
            case "container" | "certificatemanager":
                return f"locations/-/{self.collection}", self.collection
            case _:
                return f"locations/{'global' if self is FEATURES else '-'}/{self.collection}", "resources"


FORWARDING_RULES = ResourceKind("forwarding rule", "compute", "forwardingRules", "compute forwarding-rules")
HTTP_PROXIES = ResourceKind("target HTTP proxy", "compute", "targetHttpProxies", "compute target-http-proxies")
HTTPS_PROXIES = ResourceKind("target HTTPS proxy", "compute", "targetHttpsProxies", "compute target-https-proxies")
URL_MAPS = ResourceKind("URL map", "compute", "urlMaps", "compute url-maps")
BACKEND_SERVICES = ResourceKind("backend service", "compute", "backendServices", "compute backend-services")
HEALTH_CHECKS = ResourceKind("health check", "compute", "healthChecks", "compute health-checks")
ENDPOINT_GROUPS = ResourceKind("endpoint group", "compute", "networkEndpointGroups", "compute network-endpoint-groups")
CERTIFICATES = ResourceKind("SSL certificate", "compute", "sslCertificates", "compute ssl-certificates", "ingress")
SSL_POLICIES = ResourceKind("SSL policy", "compute", "sslPolicies", "compute ssl-policies", "ingress")
MAPS = ResourceKind("certificate map", "certificatemanager", "certificateMaps", "certificate-manager maps", "ingress")
MAP_ENTRIES = ResourceKind(
    *("certificate map entry", "certificatemanager", "certificateMapEntries", "certificate-manager maps entries"),
    *("ingress", "map"),
)
MAP_CERTIFICATES = ResourceKind(
    "certificate", "certificatemanager", "certificates", "certificate-manager certificates", "ingress"
)
AUTHORIZATIONS = ResourceKind(
    *("DNS authorization", "certificatemanager", "dnsAuthorizations", "certificate-manager dns-authorizations"),
    "ingress",
)
ADDRESSES = ResourceKind("address", "compute", "addresses", "compute addresses", "ingress")
FIREWALL_RULES = ResourceKind("firewall rule", "compute", "firewalls", "compute firewall-rules", "network")
ROUTERS = ResourceKind("router", "compute", "routers", "compute routers", "network")
NATS = ResourceKind("NAT", "compute", "nats", "compute routers nats", "network", parent="router", embedded=True)
SUBNETS = ResourceKind("subnet", "compute", "subnetworks", "compute networks subnets", "network")
NETWORKS = ResourceKind("network", "compute", "networks", "compute networks", "network")
CLUSTERS = ResourceKind("cluster", "container", "clusters", "container clusters", "clusters")
NODE_POOLS = ResourceKind(
    "node pool", "container", "nodePools", "container node-pools", "clusters", parent="cluster", embedded=True
)
MEMBERSHIPS = ResourceKind("membership", "gkehub", "memberships", "container fleet memberships")
FEATURES = ResourceKind("fleet feature", "gkehub", "features", "container fleet", "mesh")
ACCOUNTS = ResourceKind("service account", "iam", "serviceAccounts", "iam service-accounts", "clusters")

LOAD_BALANCER = (FORWARDING_RULES, HTTP_PROXIES, HTTPS_PROXIES, URL_MAPS, BACKEND_SERVICES, HEALTH_CHECKS)
"""In the order in which they can be deleted: each refers to the next."""

LISTED = {
    "Load balancer": (
        *(*LOAD_BALANCER, CERTIFICATES, SSL_POLICIES),
        *(MAP_ENTRIES, MAPS, MAP_CERTIFICATES, AUTHORIZATIONS, ENDPOINT_GROUPS),
    ),
    "Fleet and clusters": (FEATURES, CLUSTERS, MEMBERSHIPS),
    "Network": (ADDRESSES, FIREWALL_RULES, ROUTERS, SUBNETS, NETWORKS),
    "Accounts": (ACCOUNTS,),
}
"""The kinds that `list_all` lists, by topic, in the order in which they can be deleted."""

UNSCOPED = (FIREWALL_RULES, NETWORKS)
"""What is in no region and in no zone: Compute Engine has no aggregated list of it, and gcloud no flag."""

MULTI_CLUSTER_SERVICES = "multiclusterservicediscovery"
"""The fleet feature by which clusters export Services; with multi-cluster Gateway only."""

FEATURE_GROUPS = {
    "servicemesh": "mesh",
    MULTI_CLUSTER_SERVICES: "multi-cluster-services",
    "multiclusteringress": "ingress",
}
"""gcloud's command group of each fleet feature that the mesh stack enables."""


@dataclass(frozen=True)
class CloudResource:
    """A resource that the project has or is to have.

    Attributes:
        kind: Its kind.
        path: Its path in the API, from ``projects/`` on.
        region: Key of the region that it is for; empty if there is one for the project, or if it was listed.
        content: The resource as a list returned it.
    """

    kind: ResourceKind
    path: str
    region: str = ""
    content: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The last segment of the path."""
        return self.path.rpartition("/")[2]

    @property
    def location(self) -> str:
        """``global``, a region or a zone; empty for what is in none."""
        parts = self.path.split("/")
        return "global" if parts[2] == "global" else parts[3] if len(parts) > 4 else ""

    @property
    def parent(self) -> str:
        """Path of the resource that this one is a component of; empty for a resource of its own."""
        return self.path.rsplit("/", 2)[0] if self.kind.parent else ""

    def is_on(self, network: str) -> bool:
        """Return whether the resource is on a network, by the network's path.

        Links may begin with the API's address, and a cluster names its network without a path. A full link has the
        project, as a network of another one may have the same name.
        """
        content = self.content
        link = content.get("networkConfig", {}).get("network") or content.get("network", "")
        return f"/{link}".endswith(f"/{network}") or link == network.rpartition("/")[2]

    @property
    def terraform_id(self) -> str:
        """Terraform's id of it: the path, but of a NAT, of which the API has none."""
        parts = self.path.split("/")
        return "/".join(parts[1::2]) if self.kind is NATS else self.path

    @property
    def delete_command(self) -> str:
        """The gcloud command that deletes it, and prompts before."""
        _, project, scope, *_ = self.path.split("/")
        if self.kind is FEATURES:
            return f"gcloud {self.kind.gcloud} {FEATURE_GROUPS[self.name]} disable --project {project}"
        words = ["gcloud", self.kind.gcloud, "delete", self.name]
        if self.parent:
            words += [f"--{self.kind.parent}", self.parent.rpartition("/")[2]]
        if self.location and self.kind not in UNSCOPED:
            words.append("--global" if scope == "global" else f"--{scope.removesuffix('s')} {self.location}")
        return " ".join((*words, "--project", project))


ExpectedResources = Mapping[CloudResource, LookupResult]
"""What the stacks create, with what the project has of it."""

ProjectResources = Mapping[ResourceKind, tuple[CloudResource, ...] | ApiError]
"""All resources of the project, by kind; an error where the list is not known."""


def fleet_features(environment: Environment) -> tuple[str, ...]:
    """Return the names of the fleet features that an environment has, in the order in which they are enabled."""
    return tuple(one for one in FEATURE_GROUPS if one != MULTI_CLUSTER_SERVICES or environment.ingress.uses_gateway)


def expected_resources(environment: Environment) -> list[CloudResource]:
    """Return what the stacks create under a name of the environment, in the order of creation."""
    home, names = f"projects/{environment.project.id}", environment.names
    found = [
        CloudResource(NETWORKS, f"{home}/global/networks/{names.vpc}"),
        CloudResource(FIREWALL_RULES, f"{home}/global/firewalls/{names.pods_firewall}"),
    ]
    for region in environment.resolved_regions():
        found += _expected_in_region(environment, region)
    found += [
        CloudResource(FEATURES, f"{home}/locations/global/features/{name}") for name in fleet_features(environment)
    ]
    return [*found, *_expected_for_ingress(environment)]


def _expected_for_ingress(environment: Environment) -> Iterator[CloudResource]:
    """Yield what the stack `ingress` creates for the load balancers."""
    home, names, ingress = f"projects/{environment.project.id}", environment.names, environment.ingress
    if ingress.uses_mci:
        yield CloudResource(ADDRESSES, f"{home}/global/addresses/{names.ingress_address}")
    if EXTERNAL in ingress.exposures:
        yield CloudResource(ADDRESSES, f"{home}/global/addresses/{names.gateway_address}")
    if ingress.domains and (ingress.uses_mci or environment.has_certificate_map):
        yield CloudResource(SSL_POLICIES, f"{home}/global/sslPolicies/{names.ssl_policy}")
    if ingress.uses_mci:
        for domain in ingress.domains:
            yield CloudResource(CERTIFICATES, f"{home}/global/sslCertificates/{names.certificate(domain)}")
    if environment.has_certificate_map:
        yield CloudResource(MAPS, f"{home}/locations/global/certificateMaps/{names.certificate_map}")
        for domain in ingress.domains:
            yield from certificate_resources(environment, domain)


def certificate_resources(environment: Environment, domain: str) -> list[CloudResource]:
    """Return what Certificate Manager has for a domain: authorization, certificate, and its entry in the map."""
    home, name = f"projects/{environment.project.id}/locations/global", environment.names.certificate(domain)
    return [
        CloudResource(AUTHORIZATIONS, f"{home}/dnsAuthorizations/{name}"),
        CloudResource(MAP_CERTIFICATES, f"{home}/certificates/{name}"),
        CloudResource(
            MAP_ENTRIES, f"{home}/certificateMaps/{environment.names.certificate_map}/certificateMapEntries/{name}"
        ),
    ]


def _expected_in_region(environment: Environment, region: ResolvedRegion) -> Iterator[CloudResource]:
    home, key, names = f"projects/{environment.project.id}", region.key, region.names
    regional, cluster = f"{home}/regions/{region.location}", cluster_path(environment, region)
    router = f"{regional}/routers/{names.router}"
    yield CloudResource(SUBNETS, f"{regional}/subnetworks/{environment.names.subnet}", key)
    if region.proxies is not None:
        yield CloudResource(SUBNETS, f"{regional}/subnetworks/{environment.names.proxy_subnet}", key)
    yield CloudResource(ROUTERS, router, key)
    yield CloudResource(NATS, f"{router}/nats/{names.nat}", key)
    if environment.control_plane.webhook_ports:
        yield CloudResource(FIREWALL_RULES, f"{home}/global/firewalls/{names.webhook_firewall}", key)
    email = f"{names.node_service_account}@{environment.project.id}.iam.gserviceaccount.com"
    yield CloudResource(ACCOUNTS, f"{home}/serviceAccounts/{email}", key)
    yield CloudResource(CLUSTERS, cluster, key)
    yield CloudResource(NODE_POOLS, f"{cluster}/nodePools/{names.node_pool}", key)


def look_up(google: GoogleClient, resources: Sequence[CloudResource], enabled: Set[str]) -> ExpectedResources:
    """Look up each resource; where an API is disabled, there is none.

    Args:
        google: The client.
        resources: What to look up.
        enabled: The enabled APIs, such as ``compute``.

    Raises:
        MeshError: There are no credentials.
    """
    wholes = [one for one in resources if not one.kind.embedded]
    with ThreadPoolExecutor(8) as pool:
        results = pool.map(partial(_look_up, google, enabled), wholes)
        found = dict(zip((one.path for one in wholes), results, strict=True))
    return {one: _component(one, found[one.parent]) if one.kind.embedded else found[one.path] for one in resources}


def _look_up(google: GoogleClient, enabled: Set[str], resource: CloudResource) -> LookupResult:
    return google.try_find(resource.kind.api, resource.path) if resource.kind.api in enabled else None


def _component(resource: CloudResource, whole: LookupResult) -> LookupResult:
    """Find a component in its parent; if the parent is missing or not known, so is the component."""
    if not isinstance(whole, dict):
        return whole
    return next((one for one in whole.get(resource.kind.collection, []) if one["name"] == resource.name), None)


def clusters_by_region(resources: ExpectedResources) -> dict[str, LookupResult]:
    """Return the clusters by region."""
    return {one.region: found for one, found in resources.items() if one.kind is CLUSTERS}


def list_all(google: GoogleClient) -> ProjectResources:
    """List the project's resources of every kind in `LISTED`.

    Raises:
        MeshError: There are no credentials.
    """

    def try_list(kind: ResourceKind) -> tuple[CloudResource, ...] | ApiError:
        try:
            return list_resources(google, kind)
        except ApiError as error:
            return () if error.api_is_off and kind.api == "certificatemanager" else error  # only a Gateway needs it

    kinds = [kind for topic in LISTED.values() for kind in topic]
    with ThreadPoolExecutor(8) as pool:
        return dict(zip(kinds, pool.map(try_list, kinds), strict=True))


def list_resources(google: GoogleClient, kind: ResourceKind) -> tuple[CloudResource, ...]:
    """List the project's resources of a kind, by path.

    Raises:
        ApiError: The list is refused, or is not complete.
        MeshError: There are no credentials.
    """
    if kind is MAP_ENTRIES:  # each map has a list of its own
        maps = [one.path for one in list_resources(google, MAPS)]
        entries = [
            one for path in maps for one in google.list_items(kind.api, f"{path}/{kind.collection}", kind.collection)
        ]
        return tuple(CloudResource(kind, path_in(one["name"], google.project), content=one) for one in entries)
    path, items = kind.list_request
    link = "name" if kind.api in ("iam", "gkehub", "certificatemanager") else "selfLink"
    found = google.list_items(kind.api, f"projects/{google.project}/{path}", items)
    resources = (CloudResource(kind, path_in(one[link], google.project), content=one) for one in found)
    return tuple(sorted(resources, key=lambda one: one.path))


def path_in(link: str, project: str) -> str:
    """Return a link from ``projects/`` on, as terraform has it.

    There a cluster's zone is a location, and a project is never a number.
    """
    rest = link[link.find("projects/") :].split("/", maxsplit=2)[2]
    return f"projects/{project}/{rest.replace('zones/', 'locations/', 1) if '/clusters/' in rest else rest}"

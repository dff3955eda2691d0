"""The network: the VPC, each region's subnet and NAT, and the firewall."""

from collections.abc import Iterator
from typing import Any

from config.environment import Environment, ResolvedRegion
from policy.addresses import address, after, ref, resource
from policy.claims import Claims, Path, Sentence
from policy.rule import rule
from policy.rules.terraform import kept_mode

VPC = ref("google_compute_network", "vpc", "self_link")
APIS = (
    *("binaryauthorization", "cloudresourcemanager", "cloudtrace", "compute", "container", "containersecurity"),
    *("gkehub", "iam", "iamcredentials", "logging", "mesh", "meshca", "meshconfig", "monitoring"),
    *("multiclusteringress", "multiclusterservicediscovery"),
)


def subnet(region: ResolvedRegion) -> Path:
    return resource("network", "google_compute_subnetwork", f"regions/{region.key}/subnet")


def nat(region: ResolvedRegion) -> Path:
    return resource("network", "google_compute_router_nat", f"regions/{region.key}/nat")


def _apis(environment: Environment) -> list[str]:
    return [
        *APIS,
        *(["anthos"] if environment.project.anthos_api else []),
        *(["secretmanager"] if environment.cluster.secret_manager else []),
        *(["dns", "trafficdirector"] if environment.ingress.uses_gateway else []),
        *(["certificatemanager"] if environment.has_certificate_map else []),
    ]


def _after_apis(environment: Environment) -> object:
    return after(*(address("google_project_service", f"apis/{name}") for name in _apis(environment)))


@rule("https://cloud.google.com/service-usage/docs/enable-disable")
def enabled_apis(environment: Environment) -> Claims:
    """Only the APIs that the system calls are enabled, and a destroy disables none."""
    for name in _apis(environment):
        content = {
            "project": environment.project.id,
            "service": f"{name}.googleapis.com",
            "disable_on_destroy": False,
            "depends_on": after("null_resource.tools") if environment.mesh.control_plane != "fleet" else None,
        }
        yield resource("network", "google_project_service", f"apis/{name}"), content


@rule("https://cloud.google.com/vpc/docs/vpc#subnet-ranges")
def custom_subnets(environment: Environment) -> Claims:
    """The VPC is in custom mode.

    Auto mode creates a subnet in every region of the world, with Google's ranges.
    """
    yield resource("network", "google_compute_network", "vpc"), {"auto_create_subnetworks": False}


@rule("https://cloud.google.com/vpc/docs/vpc#routing_for_hybrid_networks")
def vpc(environment: Environment) -> Claims:
    """There is one VPC, with global routes; its name and the control plane mode can't change."""
    name = environment.names.vpc
    kept = None
    if environment.backend.type == "local":
        kept = [kept_mode(environment.mesh.control_plane)]
    content = {
        "name": name,
        "description": Sentence(),
        "routing_mode": "GLOBAL",
        "depends_on": _after_apis(environment),
        "lifecycle": {
            "ignore_changes": ["name"],
            "precondition": kept,
            "postcondition": [{"condition": f'${{self.name == "{name}"}}', "error_message": Sentence("self.name")}],
        },
    }
    yield resource("network", "google_compute_network", "vpc"), content
    number = {"project_id": environment.project.id, "depends_on": _after_apis(environment)}
    yield ("network", "data", "google_project", "project"), number


@rule("https://cloud.google.com/kubernetes-engine/docs/concepts/alias-ips")
def subnets(environment: Environment) -> Claims:
    """Each region has one subnet, with the ranges of the configuration for nodes, pods and services."""
    for region in environment.resolved_regions():
        named = {"name": environment.names.subnet, "description": Sentence()}
        secondary = {"pods": region.ranges.pods, "services": region.ranges.services}
        ranges = [{"range_name": name, "ip_cidr_range": str(one)} for name, one in secondary.items()]
        place = {"region": region.location, "network": VPC, "ip_cidr_range": str(region.ranges.nodes)}
        yield subnet(region), {**named, **place, "secondary_ip_range": ranges}


@rule("https://cloud.google.com/load-balancing/docs/proxy-only-subnets")
def proxy_subnets(environment: Environment) -> Claims:
    """The proxies of the internal load balancer have a range of their own in each region."""
    for region in environment.resolved_regions():
        if region.proxies is not None:
            named = {"name": environment.names.proxy_subnet, "description": Sentence()}
            place = {"region": region.location, "network": VPC, "ip_cidr_range": str(region.proxies)}
            path = resource("network", "google_compute_subnetwork", f"regions/{region.key}/proxies")
            yield path, {**named, **place, "purpose": "GLOBAL_MANAGED_PROXY", "role": "ACTIVE"}


@rule("https://cloud.google.com/vpc/docs/private-google-access")
def private_google_access(environment: Environment) -> Claims:
    """Subnets have Private Google Access.

    Otherwise nodes reach Google's APIs through the NAT, over external addresses.
    """
    for region in environment.resolved_regions():
        yield subnet(region), {"private_ip_google_access": True}


@rule("https://cloud.google.com/vpc/docs/using-flow-logs")
def flow_logs(environment: Environment) -> Claims:
    """Every subnet has flow logs of half of its flows, unless the configuration turns them off.

    They are the only record of the connections of a compromised pod.
    """
    logs = {"aggregation_interval": "INTERVAL_10_MIN", "flow_sampling": 0.5, "metadata": "INCLUDE_ALL_METADATA"}
    for region in environment.resolved_regions():
        yield subnet(region), {"log_config": logs if environment.network.flow_logs else None}


@rule("https://cloud.google.com/nat/docs/overview")
def nat_own_subnets(environment: Environment) -> Claims:
    """The NAT serves the subnet of its region only."""
    for region in environment.resolved_regions():
        own = ref("google_compute_subnetwork", f"regions/{region.key}/subnet", "self_link")
        place = {"region": region.location}
        router = resource("network", "google_compute_router", f"regions/{region.key}/router")
        yield router, {**place, "name": region.names.router, "network": VPC}
        content = {
            **place,
            "name": region.names.nat,
            "router": ref("google_compute_router", f"regions/{region.key}/router", "name"),
            "nat_ip_allocate_option": "AUTO_ONLY",
            "source_subnetwork_ip_ranges_to_nat": "LIST_OF_SUBNETWORKS",
            "subnetwork": [{"name": own, "source_ip_ranges_to_nat": ["ALL_IP_RANGES"]}],
        }
        yield nat(region), content


@rule("https://cloud.google.com/nat/docs/monitoring")
def nat_logs(environment: Environment) -> Claims:
    """The NAT logs the connections that the configuration selects: all of them by default.

    All egress passes the NAT, and nothing else records it.
    """
    for region in environment.resolved_regions():
        yield nat(region), {"log_config": {"enable": True, "filter": environment.network.nat_log_filter}}


def _firewalls(environment: Environment) -> Iterator[tuple[Path, dict[str, Any], list[dict[str, Any]]]]:
    """Yield the firewall rules: path, names with sources and targets, and what is allowed."""
    regions, names = environment.resolved_regions(), environment.names
    tags = sorted(region.names.node_tag for region in regions)
    pods = sorted(str(region.ranges.pods) for region in regions)
    proxies = sorted(str(region.proxies) for region in regions if region.proxies)
    protocols = [{"protocol": protocol} for protocol in environment.network.pod_protocols]
    rules: dict[str, Any] = {"pods": (names.pods_firewall, pods, tags, protocols)}
    # The injector of an istiod on the nodes; with the fleet API, Google's own is called.
    for region in regions if environment.mesh.control_plane != "fleet" else ():
        ranges, injector = [str(region.ranges.control_plane)], [{"protocol": "tcp", "ports": ["15017"]}]
        name, tag = region.names.webhook_firewall, region.names.node_tag
        rules[f"control-plane-{region.key}"] = (name, ranges, [tag], injector)
    if proxies:
        gateways = [{"protocol": "tcp", "ports": ["80", "15021"]}]
        rules["internal-load-balancer"] = (names.internal_load_balancer_firewall, proxies, tags, gateways)
    for key, (name, ranges, targets, allowed) in rules.items():
        content = {"name": name, "source_ranges": ranges, "target_tags": targets}
        yield resource("network", "google_compute_firewall", f"firewall/{key}"), content, allowed


@rule("https://cloud.google.com/kubernetes-engine/docs/concepts/firewall-rules")
def firewall(environment: Environment) -> Claims:
    """Pods reach pods, GKE control planes the injectors on their nodes, and the internal load balancer the gateways.

    Nothing else is open. Sources are this environment's ranges, and targets its nodes. GKE adds rules of its own.
    """
    common = {"network": VPC, "direction": "INGRESS", "priority": 900, "description": Sentence()}
    for path, content, _ in _firewalls(environment):
        yield path, common | content


@rule("https://istio.io/latest/docs/ops/best-practices/security/#understand-traffic-capture-limitations")
def firewall_protocols(environment: Environment) -> Claims:
    """Pods send each other the configured protocols, tcp by default; injectors and gateways have their ports.

    Other protocols bypass the sidecars, and so mutual TLS.
    """
    for path, _, allowed in _firewalls(environment):
        yield path, {"allow": allowed}


@rule("https://cloud.google.com/firewall/docs/firewall-rules-logging")
def firewall_logs(environment: Environment) -> Claims:
    """Firewall rules have logs, unless the configuration turns them off."""
    logs = {"metadata": "INCLUDE_ALL_METADATA"} if environment.network.firewall_logs else None
    for path, _, _ in _firewalls(environment):
        yield path, {"log_config": logs}

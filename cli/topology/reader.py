"""Reads the topology from the synthesized JSON, and from nothing else."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import permutations, product
from typing import Any, NamedTuple

from cli.errors import MeshError
from cli.sources.described import AUTOMATIC
from cli.sources.synthesized import SYNTHESIZE, Synthesized
from cli.topology.graph import Arrow, Box, Graph, Group, Kind
from config.ingress import INTERNAL
from config.kinds import GATEWAY_API
from config.naming import DRAINED_SELECTOR, GATEWAY_NAMESPACE
from config.plural import counted

EXPORT_TO = "networking.istio.io/exportTo"
"""Annotation of a Service that no client in the mesh sees."""

Json = Mapping[str, Any]
STATIC_IP = "networking.gke.io/static-ip"
Pair = tuple[str, str]


def read_graph(synthesized: Synthesized) -> Graph:
    """Return the topology as a graph, or raise a MeshError for JSON of another project or of two syntheses."""
    try:
        return _Reader(synthesized).graph()
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise MeshError(f"{synthesized.folder} is not one synthesis of this project: {error!r}", SYNTHESIZE) from error


class _Users(NamedTuple):
    """The clients of a load balancer.

    Attributes:
        id: Of the box.
        lines: Its text.
    """

    id: str
    lines: tuple[str, ...]


USERS = _Users("users", ("users",))
VPC_CLIENTS = _Users("clients", ("clients", "in the VPC"))


class _LoadBalancer(NamedTuple):
    """A load balancer in front of the gateways.

    Attributes:
        id: Of the box.
        users: Its clients.
        lines: Its text.
        scheme: Of the requests.
    """

    id: str
    users: _Users
    lines: tuple[str, ...]
    scheme: str


class _Reader:
    """Builds the graph, with ids made of positions: a name may be a keyword of a format."""

    def __init__(self, synthesized: Synthesized) -> None:
        self._json = synthesized
        clusters = synthesized.resources("clusters", "google_container_cluster")
        providers = synthesized.stacks["ingress"]["provider"]["kubernetes"]
        self._keys = {self._follow("ingress", one["host"]): one["alias"] for one in providers}  # by address, and name
        self._clusters = {key: clusters[address] for address, key in self._keys.items()}
        if len(self._clusters) != len(clusters):
            raise ValueError("(a cluster that no provider reaches)")
        self._keys |= {cluster["name"]: key for key, cluster in self._clusters.items()}
        self._ids = {key: f"r{number}" for number, key in enumerate(self._clusters, 1)}
        self._objects: dict[Pair, list[Json]] = defaultdict(list)
        for key, manifest in synthesized.objects("ingress"):
            self._objects[key, manifest["kind"]].append(manifest)
        self._pods = {key: self._read_pods(key) for key in self._clusters}
        self._other_pipelines = {  # a budget for all pods of a service, of which there is no Deployment
            (key, f"{labels['app']}.{one['metadata']['namespace']}")
            for key in self._clusters
            for one in self._objects[key, "PodDisruptionBudget"]
            if (labels := one["spec"]["selector"]["matchLabels"]).keys() == {"app"}
        }
        self._safe = {
            (key, rule["spec"]["host"].removesuffix(".svc.cluster.local"))
            for (key, kind), rules in self._objects.items()
            for rule in rules
            if kind == "DestinationRule" and "outlierDetection" in rule["spec"]["trafficPolicy"]
        }
        self._drained = set(self._read_drained())
        self._control_planes = dict(self._read_control_planes())
        self._discovery = dict(self._read_discovery())
        self._arrows: list[Arrow] = []

    def graph(self) -> Graph:
        """Return the graph."""
        (vpc,) = self._network("network").values()
        project = self._json.stacks["network"]["provider"]["google"][0]["project"]
        above = tuple(self._load_balancers())
        regions = tuple(self._region(key) for key in self._clusters)
        if above:
            gateways = (f"{id_}_gateway" for key, id_ in self._ids.items() if key not in self._drained)
            boxes = {box.id for region in regions for box in region.groups[0].boxes}
            ends = tuple(one for one in gateways if one in boxes)
            balancers = tuple(one.id for one in above if one.kind is Kind.INGRESS)
            self._arrows.append(Arrow(Kind.INGRESS, ("nearest region",), balancers, ends))
        self._connect_regions("gateway" if above else "services")
        group = Group("vpc", (f"VPC {vpc['name']}, project {project}",), (), regions)
        return Graph(above, group, tuple(self._arrows))

    def _connect_regions(self, client: str) -> None:
        starts, ends = ({pair[side]: None for pair in self._discovery} for side in (0, 1))
        if {*self._discovery} != {pair for pair in product(starts, ends) if pair[0] != pair[1]}:
            raise ValueError("(endpoint discovery between some of the regions only)")
        serving = [
            key
            for key in ends
            if key not in self._drained
            and any((key, name) in self._safe and self._serves(key, name) for name in self._pods[key])
        ]
        sources = [key for key in starts if {*serving} - {key}]
        label = ("failover from", "another region")
        self._connect(Kind.FAILOVER, label, (sources, client), (serving, "services"))
        self._connect(Kind.DISCOVERY, ("endpoint", "discovery"), (starts, "mesh"), (ends, "gke"))

    def _serves(self, key: str, name: str) -> bool:
        """Return whether a service has pods in a cluster, or may have those of another pipeline."""
        return any(map(any, self._pods[key][name].values())) or (key, name) in self._other_pipelines

    def _follow(self, stack: str, reference: str) -> str:
        return self._json.resolve(stack, reference)[0]

    def _network(self, kind: str) -> Mapping[str, Json]:
        return self._json.resources("network", f"google_compute_{kind}")

    def _read_pods(self, key: str) -> Mapping[str, Mapping[str, tuple[int, int]]]:
        """Return the least and the largest number of pods by version of each service in a cluster."""
        limits = {
            (one["metadata"]["namespace"], one["spec"]["scaleTargetRef"]["name"]): one["spec"]
            for one in self._objects[key, "HorizontalPodAutoscaler"]
        }
        pods: dict[str, dict[str, tuple[int, int]]] = {
            f"{one['metadata']['name']}.{one['metadata']['namespace']}": {}
            for one in self._objects[key, "Service"]
            if one["metadata"]["namespace"] != GATEWAY_NAMESPACE  # the gateways, which are exported
            and EXPORT_TO not in one["metadata"].get("annotations", {})  # of pods in a drained region, for no client
        }
        for deployment in self._objects[key, "Deployment"]:
            labels, metadata = deployment["spec"]["selector"]["matchLabels"], deployment["metadata"]
            if (name := f"{labels['app']}.{metadata['namespace']}") not in pods:
                continue
            if (scaled := limits.get((metadata["namespace"], metadata["name"]))) is not None:
                pods[name][labels["version"]] = scaled["minReplicas"], scaled["maxReplicas"]
            else:
                pods[name][labels["version"]] = (deployment["spec"]["replicas"],) * 2
        return pods

    def _read_drained(self) -> Iterator[str]:
        """Yield the drained regions: those that the load balancer leaves out, or where Services select nothing."""
        services = [one["spec"] for key in self._clusters for one in self._objects[key, "MultiClusterService"]]
        lists = [one["clusters"] for one in services if "clusters" in one]
        for key, cluster in self._clusters.items():
            link = {"link": f"{cluster['location']}/{cluster['name']}"}
            selectors = [one["spec"]["selector"] for one in self._objects[key, "Service"]]
            if any(link not in links for links in lists) or any(
                DRAINED_SELECTOR.items() <= one.items() for one in selectors
            ):
                yield key

    def _read_control_planes(self) -> Iterator[tuple[str, Pair]]:
        """Yield the regions in the mesh, each with what runs its mesh control plane."""
        for _, instance in self._json.instances("cluster", "mode", "revision"):
            where = "istiod on the nodes" if instance["mode"] == "in-cluster" else "managed by Google"
            yield self._keys[instance["cluster"]], (where, f"revision {instance['revision']}")
        for feature in self._json.resources("mesh", "google_gke_hub_feature_membership").values():
            if feature["mesh"]["management"] == AUTOMATIC:
                key = self._keys[self._follow("mesh", feature["membership"])]
                yield key, ("managed by Google", "through the fleet")

    def _read_discovery(self) -> Iterator[tuple[Pair, str]]:
        """Yield pairs of regions, of which the first one's control plane reads the second one's endpoints, and how."""
        for _, instance in self._json.instances("holder_cluster", "remote_cluster"):
            yield (self._keys[instance["holder_cluster"]], self._keys[instance["remote_cluster"]]), "remote secrets"
        options = self._json.resources("mesh", "kubernetes_config_map_v1_data").values()
        modes = {one["provider"].removeprefix("kubernetes."): one["data"].get("multicluster_mode") for one in options}
        connected = [key for key in self._control_planes if modes.get(key) == "connected"]
        yield from dict.fromkeys(permutations(connected, 2), "connected mode").items()

    def _load_balancers(self) -> Iterator[Box]:
        """Yield the clients and the load balancers, where there are any."""
        found = list(self._read_load_balancers())
        for users in dict.fromkeys(one.users for one in found):
            yield Box(users.id, Kind.INFRASTRUCTURE, users.lines)
        for one in found:
            yield Box(one.id, Kind.INGRESS, ("load balancer", *one.lines))
            self._arrows.append(Arrow(Kind.INGRESS, (f"{one.scheme} requests",), (one.users.id,), (one.id,)))

    def _read_load_balancers(self) -> Iterator["_LoadBalancer"]:
        """Yield the load balancers of the config cluster: of Multi Cluster Ingress, and of each Gateway."""
        certificates = self._json.resources("ingress", "google_compute_managed_ssl_certificate").values()
        domains = [domain for one in certificates for domain in one["managed"]["domains"]]
        for key in self._clusters:
            for ingress in self._objects[key, "MultiClusterIngress"]:
                policies = [one["spec"].get("securityPolicy") for one in self._objects[key, "BackendConfig"]]
                lines = (
                    f"Multi Cluster Ingress {ingress['metadata']['name']}",
                    *self._address_lines([ingress["metadata"]["annotations"][STATIC_IP]]),
                    *(f"https://{domain}" for domain in domains),
                    *(f"Cloud Armor policy {one['name']}" for one in policies if one),
                )
                frontends = self._objects[key, "FrontendConfig"]
                redirected = any(one["spec"]["redirectToHttps"]["enabled"] for one in frontends)
                yield _LoadBalancer("lb", USERS, lines, _scheme(bool(domains), redirected))
            for gateway in self._objects[key, "Gateway"]:
                if gateway["apiVersion"].startswith(f"{GATEWAY_API}/"):
                    yield self._read_gateway(key, gateway)

    def _read_gateway(self, key: str, gateway: Json) -> "_LoadBalancer":
        """Read the load balancer of a Gateway.

        Args:
            key: Of the config cluster's region.
            gateway: The Gateway of the Gateway API.
        """
        name, spec = gateway["metadata"]["name"], gateway["spec"]
        routes = [
            one["spec"]
            for one in self._objects[key, "HTTPRoute"]
            if name in [parent["name"] for parent in one["spec"]["parentRefs"]]
        ]
        secure = any(one["protocol"] == "HTTPS" for one in spec["listeners"])
        redirected = any("filters" in rule for route in routes for rule in route["rules"])
        scheme = "https" if secure else "http"
        policies = [one["spec"]["default"].get("securityPolicy") for one in self._objects[key, "GCPBackendPolicy"]]
        lines = (
            f"multi-cluster Gateway {name}",
            *self._address_lines(one["value"] for one in spec["addresses"]),
            *(
                f"{scheme}://{one}"
                for one in dict.fromkeys(host for route in routes for host in route.get("hostnames") or ())
            ),
            *(f"Cloud Armor policy {one}" for one in policies if one),
        )
        users = VPC_CLIENTS if name == INTERNAL else USERS
        return _LoadBalancer(name, users, lines, _scheme(secure, redirected))

    def _address_lines(self, values: Iterable[str]) -> Iterator[str]:
        """Yield what is to be read of each address: the name of a reserved one, or the region of another."""
        reserved = self._json.resources("ingress", "google_compute_global_address")
        for value in values:
            one = reserved.get(self._follow("ingress", value))
            yield f"address {one['name']}" if one else f"address in {value}"

    def _region(self, key: str) -> Group:
        id_, cluster = self._ids[key], self._clusters[key]
        address = self._follow("clusters", cluster["subnetwork"])
        subnet = self._network("subnetwork")[address]
        routers = self._network("router_nat").values()
        nats = [one for one in routers if self._follow("network", one["subnetwork"][0]["name"]) == address]
        retired = key not in self._control_planes
        state = " (retired)" if retired else " (drained)" if key in self._drained else ""
        title = (
            f"{key}: {cluster['location']}{state}",
            f"subnet {subnet['name']} {subnet['ip_cidr_range']}",
            *(f"Cloud NAT {nat['name']}" for nat in nats),
            *(f"{one['range_name']} {one['ip_cidr_range']}" for one in subnet["secondary_ip_range"]),
        )
        feature = self._json.resources("mesh", "google_gke_hub_feature")["google_gke_hub_feature.multi-cluster-ingress"]
        membership = feature["spec"]["multiclusteringress"]["config_membership"]
        config = self._keys[self._follow("mesh", membership)] == key
        name = f"cluster {cluster['name']}{' (config cluster)' if config else ''}"
        inner = Group(f"{id_}_cluster", (name,), tuple(self._boxes(key)), retired=retired)
        return Group(id_, title, (), (inner,), retired)

    def _boxes(self, key: str) -> Iterator[Box]:
        """Yield what a cluster runs, and connect it within its region."""
        id_, cluster = self._ids[key], self._clusters[key]
        for deployment in self._objects[key, "Deployment"]:
            if deployment["metadata"]["namespace"] == GATEWAY_NAMESPACE:
                yield Box(f"{id_}_gateway", Kind.INGRESS, ("gateway", deployment["metadata"]["name"]))
        services = []
        for name, pods in self._pods[key].items():
            text = "; ".join(f"{version}, {_number_of_pods(*limits)}" for version, limits in pods.items())
            if (key, name) in self._other_pipelines:
                text = "pods of another pipeline"
            note = "" if (key, name) in self._safe else " (no failover)"
            services.append(f"{name}: {text or 'in other regions only'}{note}")
        if services:
            yield Box(f"{id_}_services", Kind.SERVICE, ("services", *services))
        if key not in self._drained and (paths := tuple(self._read_paths(key))):
            self._connect(Kind.SERVICE, ("requests to", *paths), ([key], "gateway"), ([key], "services"))
        if key in self._control_planes:
            modes = {f"endpoint discovery: {mode}" for (one, _), mode in self._discovery.items() if one == key}
            yield Box(f"{id_}_mesh", Kind.DISCOVERY, ("mesh control plane", *self._control_planes[key], *modes))
        private = cluster["private_cluster_config"]
        dns = cluster["control_plane_endpoints_config"]["dns_endpoint_config"]["allow_external_traffic"]
        endpoint = "DNS" if dns else "private" if private["enable_private_endpoint"] else "public"
        lines = ("GKE control plane", private["master_ipv4_cidr_block"], f"{endpoint} endpoint")
        yield Box(f"{id_}_gke", Kind.INFRASTRUCTURE, lines)
        pools = self._json.resources("clusters", "google_container_node_pool").values()
        (pool,) = (one for one in pools if self._keys[self._follow("clusters", one["cluster"])] == key)
        lines = ("nodes", pool["name"], pool["node_config"]["machine_type"])
        yield Box(f"{id_}_nodes", Kind.INFRASTRUCTURE, lines)
        for rule in self._network("firewall").values():
            if private["master_ipv4_cidr_block"] in rule["source_ranges"]:
                ports = tuple(f"{one['protocol']} {', '.join(one['ports'])}" for one in rule["allow"])
                self._connect(Kind.INFRASTRUCTURE, ports, ([key], "gke"), ([key], "nodes"))

    def _read_paths(self, key: str) -> list[str]:
        """Return the paths that a cluster's gateways send to services; a prefix stands for the path above it, too."""
        rules = (
            rule
            for one in self._objects[key, "VirtualService"]
            if one["spec"].get("gateways")  # others are for callers in the mesh
            for rule in one["spec"]["http"]
            if "route" in rule
        )
        uris = [match["uri"] for rule in rules for match in rule["match"]]
        below = {f"{one['prefix']}*" for one in uris if "prefix" in one}
        return sorted(below | {one["exact"] for one in uris if "exact" in one and f"{one['exact']}/*" not in below})

    def _connect(self, kind: Kind, label: tuple[str, ...], *sides: tuple[Iterable[str], str]) -> None:
        """Draw arrows from parts of regions to parts of regions, if there are both."""
        starts, ends = (tuple(f"{self._ids[key]}_{part}" for key in dict.fromkeys(keys)) for keys, part in sides)
        if starts and ends:
            self._arrows.append(Arrow(kind, label, starts, ends))


def _scheme(secure: bool, redirected: bool) -> str:
    """Return by which schemes a load balancer serves requests."""
    return "HTTP" if not secure else "HTTPS" if redirected else "HTTP and HTTPS"


def _number_of_pods(least: int, most: int) -> str:
    return counted(most, "pod") if least == most else f"{least} to {counted(most, 'pod')}"

"""Reads the topology from the synthesized JSON, and from nothing else."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import pairwise, permutations, product
from typing import Any

from cli.errors import MeshError
from cli.sources.described import AUTOMATIC
from cli.sources.synthesized import SYNTHESIZE, Synthesized
from cli.topology.graph import Edge, Graph, Group, Kind, Node

Json = Mapping[str, Any]
Pair = tuple[str, str]


def read_graph(synthesized: Synthesized) -> Graph:
    """Return the topology as a graph, or raise a MeshError for JSON of another project or of two syntheses."""
    try:
        return _Reader(synthesized).graph()
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise MeshError(f"{synthesized.folder} is not one synthesis of this project: {error!r}", SYNTHESIZE) from error


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
        self._safe = {
            (key, rule["spec"]["host"].removesuffix(".svc.cluster.local"))
            for (key, kind), rules in self._objects.items()
            for rule in rules
            if kind == "DestinationRule" and "outlierDetection" in rule["spec"]["trafficPolicy"]
        }
        self._control_planes = dict(self._read_control_planes())
        self._discovery = dict(self._read_discovery())
        self._junctions: list[Node] = []
        self._edges: list[Edge] = []

    def graph(self) -> Graph:
        """Return the graph."""
        (vpc,) = self._network("network").values()
        project = self._json.stacks["network"]["provider"]["google"][0]["project"]
        caption = Node("vpc_caption", Kind.CAPTION, (f"VPC {vpc['name']}", f"project {project}"))
        above = tuple(self._ingress())
        regions = {key: self._region(key) for key in self._clusters}
        columns = {key: (*region.groups[0].nodes, *region.nodes, caption) for key, region in regions.items()}
        failover = [
            (key, other)
            for key, other in self._discovery
            if any((key, name) in self._safe and any(pods.values()) for name, pods in self._pods[other].items())
        ]
        starts = {key: column[0].id for key, column in columns.items()}  # a gateway, or without ingress the services
        self._connect(Kind.FAILOVER, ("failover",), failover, starts, "services")
        starts = {key: f"{id_}_mesh" for key, id_ in self._ids.items()}
        self._connect(Kind.DISCOVERY, ("endpoint", "discovery"), [*self._discovery], starts, "gke")
        connected = {(edge.start, edge.end) for edge in self._edges}
        below = [(one.id, other.id) for column in columns.values() for one, other in pairwise(column)]
        edges = (*self._edges, *(Edge(*pair) for pair in below if pair not in connected))
        return Graph(above, Group("vpc", (*self._junctions, caption), tuple(regions.values())), edges)

    def _follow(self, stack: str, reference: str) -> str:
        return self._json.resolve(stack, reference)[0]

    def _network(self, kind: str) -> Mapping[str, Json]:
        return self._json.resources("network", f"google_compute_{kind}")

    def _read_pods(self, key: str) -> Mapping[str, Mapping[str, int]]:
        """Return the numbers of pods by version of each service in a cluster."""
        pods: dict[str, dict[str, int]] = {
            f"{one['metadata']['name']}.{one['metadata']['namespace']}": {} for one in self._objects[key, "Service"]
        }
        for deployment in self._objects[key, "Deployment"]:
            labels = deployment["spec"]["selector"]["matchLabels"]
            if (name := f"{labels['app']}.{deployment['metadata']['namespace']}") in pods:
                pods[name][labels["version"]] = deployment["spec"]["replicas"]
        return pods

    def _read_control_planes(self) -> Iterator[Pair]:
        """Yield the regions in the mesh, each with what runs its mesh control plane."""
        for _, instance in self._json.instances("cluster", "mode", "revision"):
            where = "istiod on the nodes" if instance["mode"] == "in-cluster" else "managed by Google"
            yield self._keys[instance["cluster"]], f"{instance['revision']}, {where}"
        for feature in self._json.resources("mesh", "google_gke_hub_feature_membership").values():
            if feature["mesh"]["management"] == AUTOMATIC:
                yield self._keys[self._follow("mesh", feature["membership"])], "managed by Google, through the fleet"

    def _read_discovery(self) -> Iterator[tuple[Pair, str]]:
        """Yield pairs of regions, of which the first one's control plane reads the second one's endpoints, and how."""
        for _, instance in self._json.instances("holder_cluster", "remote_cluster"):
            yield (self._keys[instance["holder_cluster"]], self._keys[instance["remote_cluster"]]), "remote secrets"
        options = self._json.resources("mesh", "kubernetes_config_map_v1_data").values()
        modes = {one["provider"].removeprefix("kubernetes."): one["data"].get("multicluster_mode") for one in options}
        connected = [key for key in self._control_planes if modes.get(key) == "connected"]
        yield from dict.fromkeys(permutations(connected, 2), "connected mode").items()

    def _ingress(self) -> Iterator[Node]:
        """Yield the users and the load balancer, where there is one."""
        addresses = self._json.resources("ingress", "google_compute_global_address").values()
        certificates = self._json.resources("ingress", "google_compute_managed_ssl_certificate").values()
        domains = [domain for one in certificates for domain in one["managed"]["domains"]]
        for key in self._clusters:
            for ingress in self._objects[key, "MultiClusterIngress"]:
                policies = [one["spec"].get("securityPolicy") for one in self._objects[key, "BackendConfig"]]
                lines = (
                    f"Multi Cluster Ingress {ingress['metadata']['name']}",
                    *(f"address {one['name']}" for one in addresses),
                    *(f"https://{domain}" for domain in domains),
                    *(f"Cloud Armor policy {one['name']}" for one in policies if one),
                )
                yield from (Node("users", Kind.INFRASTRUCTURE, ("users",)), Node("lb", Kind.INGRESS, lines))
                self._edges.append(Edge("users", "lb", Kind.INGRESS, ("HTTPS" if domains else "HTTP",)))

    def _region(self, key: str) -> Group:
        id_, cluster = self._ids[key], self._clusters[key]
        address = self._follow("clusters", cluster["subnetwork"])
        subnet = self._network("subnetwork")[address]
        routers = self._network("router_nat").values()
        nats = [one for one in routers if self._follow("network", one["subnetwork"][0]["name"]) == address]
        retired = key not in self._control_planes
        caption = (
            f"{key}: {cluster['location']}{' (retired)' if retired else ''}",
            f"subnet {subnet['name']} {subnet['ip_cidr_range']}",
            *(f"{one['range_name']} {one['ip_cidr_range']}" for one in subnet["secondary_ip_range"]),
            *(f"Cloud NAT {nat['name']}" for nat in nats),
        )
        inner = Group(f"{id_}_cluster", tuple(self._column(key)), retired=retired)
        return Group(id_, (Node(f"{id_}_caption", Kind.CAPTION, caption),), (inner,), retired)

    def _column(self, key: str) -> Iterator[Node]:
        """Yield what a cluster runs, from top to bottom, and connect it."""
        id_, cluster, edges = self._ids[key], self._clusters[key], self._edges
        for scaler in self._objects[key, "HorizontalPodAutoscaler"]:  # only a gateway has one
            yield Node(f"{id_}_gateway", Kind.INGRESS, (f"gateway {scaler['metadata']['name']}",))
            edges.append(Edge("lb", f"{id_}_gateway", Kind.INGRESS, ("nearest",)))
        services = []
        for name, pods in self._pods[key].items():
            text = "; ".join(f"{version}, {count} pod{'s' * (count != 1)}" for version, count in pods.items())
            note = "" if (key, name) in self._safe else " (no failover)"
            services.append(f"{name}: {text or 'in other regions only'}{note}")
        if services:
            yield Node(f"{id_}_services", Kind.SERVICE, ("services", *services))
        routes = [one["spec"]["http"][0]["match"][0]["uri"] for one in self._objects[key, "VirtualService"]]
        if paths := tuple(one.get("exact") or f"{one['prefix']}*" for one in routes):
            edges.append(Edge(f"{id_}_gateway", f"{id_}_services", Kind.INGRESS, paths))
        if key in self._control_planes:
            modes = {f"endpoint discovery: {mode}" for (one, _), mode in self._discovery.items() if one == key}
            yield Node(f"{id_}_mesh", Kind.DISCOVERY, ("mesh control plane", self._control_planes[key], *modes))
        private = cluster["private_cluster_config"]
        dns = cluster["control_plane_endpoints_config"]["dns_endpoint_config"]["allow_external_traffic"]
        endpoint = "DNS" if dns else "private" if private["enable_private_endpoint"] else "public"
        title = f"GKE control plane {private['master_ipv4_cidr_block']}"
        yield Node(f"{id_}_gke", Kind.INFRASTRUCTURE, (title, f"{endpoint} endpoint"))
        pools = self._json.resources("clusters", "google_container_node_pool").values()
        (pool,) = (one for one in pools if self._keys[self._follow("clusters", one["cluster"])] == key)
        yield Node(f"{id_}_nodes", Kind.INFRASTRUCTURE, (f"nodes {pool['name']}", pool["node_config"]["machine_type"]))
        for rule in self._network("firewall").values():
            if private["master_ipv4_cidr_block"] in rule["source_ranges"]:
                ports = tuple(f"{one['protocol']} {', '.join(one['ports'])}" for one in rule["allow"])
                edges.append(Edge(f"{id_}_gke", f"{id_}_nodes", Kind.INFRASTRUCTURE, ports))
        feature = self._json.resources("mesh", "google_gke_hub_feature")["google_gke_hub_feature.multi-cluster-ingress"]
        membership = feature["spec"]["multiclusteringress"]["config_membership"]
        config = self._keys[self._follow("mesh", membership)] == key
        caption = f"cluster {cluster['name']}{' (config cluster)' if config else ''}"
        yield Node(f"{id_}_cluster_caption", Kind.CAPTION, (caption,))

    def _connect(
        self, kind: Kind, label: tuple[str, ...], pairs: list[Pair], starts: Mapping[str, str], end: str
    ) -> None:
        """Draw arrows from region to region, or many of them through a junction, where that means the same."""
        sources, targets = ({pair[side]: None for pair in pairs} for side in (0, 1))
        if len(pairs) > 2 and len(pairs) == sum(one != other for one, other in product(sources, targets)):
            junction = Node(f"j{len(self._junctions)}", kind, (" ".join(label), "to another region"))
            self._junctions.append(junction)
            self._edges += [Edge(starts[key], junction.id, kind) for key in sources]
            self._edges += [Edge(junction.id, f"{self._ids[key]}_{end}", kind) for key in targets]
        else:
            self._edges += [Edge(starts[one], f"{self._ids[other]}_{end}", kind, label) for one, other in pairs]

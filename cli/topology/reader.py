"""Reads the topology from what cdktf has synthesized, and from nothing else."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import permutations
from typing import Any

from cli.errors import MeshError
from cli.sources.described import AUTOMATIC
from cli.sources.synthesized import SYNTHESIZE, Resource, Synthesized
from cli.topology.model import Cluster, Deployed, Entry, Gateway, Pool, Region, Rule, Service, Subnet, Topology
from config.terraform_text import unescape

Object = Mapping[str, Any]

IN_CLUSTER = "in-cluster"
"""The mode of scripts/install-mesh.sh with which the control plane runs on the nodes."""

CONNECTED = "connected"
MANAGED, OPTIONS = "google_gke_hub_feature_membership", "kubernetes_config_map_v1_data"
CLUSTER, NETWORK, SUBNET = "google_container_cluster", "google_compute_network", "google_compute_subnetwork"


def read_topology(synthesized: Synthesized) -> Topology:
    """Return the topology.

    Raises:
        MeshError: the JSON is not what this project synthesizes, or its stacks do not belong together.
    """
    try:
        return _Reader(synthesized).topology()
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise MeshError(
            f"{synthesized.folder} is not what this project synthesizes: {type(error).__name__} {error}", SYNTHESIZE
        ) from error


class _Reader:
    """What is looked up more than once while a topology is read."""

    def __init__(self, synthesized: Synthesized) -> None:
        self._of = synthesized
        self._clusters = synthesized.resources("clusters", CLUSTER)
        self._keys = self._region_keys()
        self._objects: dict[str, list[Object]] = {key: [] for key in self._keys.values()}
        for key, manifest in synthesized.objects("ingress"):
            if key not in self._objects:
                raise synthesized.inconsistent(f"an object is for the cluster of {key}, which is not there")
            self._objects[key].append(manifest)
        self._meshes = dict(self._installed()) | dict(self._managed())
        self._config_clusters = {
            synthesized.resolve("mesh", feature["spec"]["multiclusteringress"]["config_membership"])[0]
            for feature in synthesized.resources("mesh", "google_gke_hub_feature").values()
            if "multiclusteringress" in feature.get("spec", {})
        }

    def topology(self) -> Topology:
        synthesized = self._of
        networks = [network["name"] for network in synthesized.resources("network", NETWORK).values()]
        providers = synthesized.stacks["network"]["provider"]["google"]
        return Topology(
            project=str(providers[0].get("project", "")),
            vpc=", ".join(networks),
            regions=tuple(self._region(address) for address in self._keys),
            trust=frozenset((*self._by_secrets(), *self._by_mode())),
            by_secrets=not synthesized.resources("mesh", MANAGED),
            rules=tuple(_rules(synthesized.resources("network", "google_compute_firewall").values())),
            entries=tuple(self._entries()),
        )

    def _region_keys(self) -> dict[str, str]:
        """Return the regions' keys by their clusters' addresses, in the order of the configuration.

        A key is the alias of the provider that reaches the cluster. A retired region has one too.
        """
        keys = {}
        for provider in self._of.stacks["ingress"].get("provider", {}).get("kubernetes", []):
            address, _ = self._of.resolve("ingress", provider["host"])
            if address not in self._clusters:
                raise self._of.inconsistent(f"the provider {provider['alias']} reaches a cluster that is not there")
            keys[address] = provider["alias"]
        for address, cluster in self._clusters.items():
            if address not in keys:
                raise self._of.inconsistent(f"no provider reaches {cluster['name']}")
        return keys

    def _region(self, address: str) -> Region:
        cluster = self._clusters[address]
        subnet_address, _ = self._of.resolve("clusters", cluster["subnetwork"])
        subnet = self._of.resources("network", SUBNET).get(subnet_address)
        if subnet is None:
            raise self._of.inconsistent(f"the subnet of {cluster['name']} is not there")
        key = self._keys[address]
        return Region(key, cluster["location"], self._subnet(subnet, cluster), self._cluster(address, key))

    def _subnet(self, subnet: Resource, cluster: Resource) -> Subnet:
        ranges = {one["range_name"]: one["ip_cidr_range"] for one in subnet.get("secondary_ip_range", [])}
        policy = cluster["ip_allocation_policy"]
        nat, router = next(self._ways_out(subnet), ("", ""))
        return Subnet(
            name=subnet["name"],
            nodes=subnet["ip_cidr_range"],
            pods=ranges.get(policy["cluster_secondary_range_name"], ""),
            services=ranges.get(policy["services_secondary_range_name"], ""),
            nat=nat,
            router=router,
        )

    def _ways_out(self, subnet: Resource) -> Iterator[tuple[str, str]]:
        """Yield the names of each NAT and its router in a subnet's region and network."""
        routers = self._of.resources("network", "google_compute_router")
        for nat in self._of.resources("network", "google_compute_router_nat").values():
            router = routers[self._of.resolve("network", nat["router"])[0]]
            if (router["region"], router["network"]) == (subnet["region"], subnet["network"]):
                yield nat["name"], router["name"]

    def _cluster(self, address: str, key: str) -> Cluster:
        cluster = self._clusters[address]
        private = cluster["private_cluster_config"]
        endpoint = "public"
        if private["enable_private_endpoint"]:
            dns = cluster["control_plane_endpoints_config"]["dns_endpoint_config"]["allow_external_traffic"]
            endpoint = "dns" if dns else "private"
        objects = self._objects[key]
        gateways, services = list(_gateways(objects)), list(_services(objects))
        return Cluster(
            name=cluster["name"],
            control_plane=private["master_ipv4_cidr_block"],
            endpoint=endpoint,
            authorized=tuple(
                (network.get("display_name", ""), network["cidr_block"])
                for network in cluster["master_authorized_networks_config"].get("cidr_blocks") or []
            ),
            channel=cluster["release_channel"]["channel"].lower(),
            mesh=self._meshes.get(key, ""),
            member=key in self._meshes,
            config=address in self._config_clusters,
            pools=tuple(self._pools(address)),
            gateways=tuple(gateways),
            services=tuple(services),
            clients=tuple(_clients(objects, gateways)),
        )

    def _pools(self, cluster: str) -> Iterator[Pool]:
        for pool in self._of.resources("clusters", "google_container_node_pool").values():
            if self._of.resolve("clusters", pool["cluster"])[0] == cluster:
                yield Pool(
                    name=pool["name"],
                    machine=pool["node_config"]["machine_type"],
                    least=pool["autoscaling"]["min_node_count"],
                    most=pool["autoscaling"]["max_node_count"],
                    zones=tuple(pool.get("node_locations") or ()),
                    tags=tuple(pool["node_config"].get("tags") or ()),
                )

    def _installed(self) -> Iterator[tuple[str, str]]:
        """Yield the regions in whose cluster a script installs the mesh, each with who runs it then."""
        keys = {cluster["name"]: self._keys[address] for address, cluster in self._clusters.items()}
        for _, instance in self._of.instances("cluster", "mode", "revision"):
            if instance["cluster"] not in keys:
                raise self._of.inconsistent(
                    f"a mesh is installed in a cluster that is not there: {instance['cluster']}"
                )
            on_nodes = instance["mode"] == IN_CLUSTER
            who = f"istiod {instance['revision']} on the nodes" if on_nodes else f"{instance['revision']}, by asmcli"
            yield keys[instance["cluster"]], f"mesh: {who}"

    def _managed(self) -> Iterator[tuple[str, str]]:
        """Yield the regions whose mesh the fleet is told to make."""
        for feature in self._of.resources("mesh", MANAGED).values():
            address, _ = self._of.resolve("mesh", feature["membership"])
            if address not in self._keys:
                raise self._of.inconsistent("the fleet manages the mesh of a cluster that is not there")
            if feature.get("mesh", {}).get("management") == AUTOMATIC:
                yield self._keys[address], "mesh: managed by the fleet"

    def _by_mode(self) -> Iterator[tuple[str, str]]:
        """Yield the pairs of clusters that the fleet connects: both are told so."""
        managed = dict(self._managed())
        options = self._of.resources("mesh", OPTIONS).values()
        connected = {
            one["provider"].removeprefix("kubernetes.")
            for one in options
            if one["data"].get("multicluster_mode") == CONNECTED
        }
        yield from permutations((key for key in self._keys.values() if key in managed and key in connected), 2)

    def _by_secrets(self) -> Iterator[tuple[str, str]]:
        keys = {cluster["name"]: self._keys[address] for address, cluster in self._clusters.items()}
        for pair, instance in self._of.instances("holder_cluster", "remote_cluster"):
            holder, remote = instance["holder_cluster"], instance["remote_cluster"]
            for name in (holder, remote):
                if name not in keys:
                    raise self._of.inconsistent(f"the trust {pair} is of a cluster that is not there: {name}")
            yield keys[holder], keys[remote]

    def _entries(self) -> Iterator[Entry]:
        for key, objects in self._objects.items():
            for ingress in _of_kind(objects, "MultiClusterIngress"):
                yield self._entry(key, objects, ingress)

    def _entry(self, key: str, objects: Sequence[Object], ingress: Object) -> Entry:
        namespace = ingress["metadata"]["namespace"]
        backend = ingress["spec"]["template"]["spec"]["backend"]
        annotations = ingress["metadata"].get("annotations", {})
        text = annotations.get("networking.gke.io/static-ip", "")
        address, _ = self._of.resolve("ingress", text)
        named = self._of.resources("ingress", "google_compute_global_address").get(address)
        service = next(
            (
                one
                for one in _of_kind(objects, "MultiClusterService", namespace)
                if one["metadata"]["name"] == backend["serviceName"]
            ),
            None,
        )
        selector = None if service is None else service["spec"]["template"]["spec"]["selector"]
        return Entry(
            name=ingress["metadata"]["name"],
            namespace=namespace,
            held_by=key,
            address=named["name"] if named else text,
            domains=tuple(self._domains(annotations)),
            redirects=any(
                config["spec"].get("redirectToHttps", {}).get("enabled", False)
                for config in _of_kind(objects, "FrontendConfig", namespace)
                if config["metadata"]["name"] == annotations.get("networking.gke.io/frontend-config")
            ),
            guard="" if service is None else _guard(objects, service),
            service="" if service is None else service["metadata"]["name"],
            port=backend["servicePort"],
            health="" if service is None else _health(objects, service),
            reaches=tuple(
                (other, gateway.name)
                for other, here in self._objects.items()
                for gateway in _gateways(here)
                if selector is not None and gateway.namespace == namespace and _selects(selector, gateway.labels)
            ),
        )

    def _domains(self, annotations: Mapping[str, str]) -> Iterator[str]:
        """Yield the domains of an ingress' certificates; of one that is not made here, its name."""
        made = self._of.resources("ingress", "google_compute_managed_ssl_certificate")
        for text in filter(None, annotations.get("networking.gke.io/pre-shared-certs", "").split(",")):
            address, _ = self._of.resolve("ingress", text)
            yield from made[address]["managed"]["domains"] if address in made else (text,)


def _rules(firewalls: Iterable[Resource]) -> Iterator[Rule]:
    """Yield the rules that are in force."""
    for firewall in firewalls:
        if firewall.get("disabled"):
            continue
        outgoing = firewall.get("direction", "INGRESS") == "EGRESS"
        ranges = firewall.get("destination_ranges" if outgoing else "source_ranges") or []
        yield Rule(
            name=firewall["name"],
            action="allows" if firewall.get("allow") else "denies",
            traffic=tuple(
                " ".join([one["protocol"], ", ".join(one.get("ports") or [])]).strip()
                for one in firewall.get("allow") or firewall.get("deny") or []
            ),
            outgoing=outgoing,
            priority=firewall.get("priority", 1000),
            ends=(*ranges, *(firewall.get("source_tags") or ())),
            targets=tuple(firewall.get("target_tags") or ()),
            why=unescape(firewall.get("description", "")),
        )


def _of_kind(objects: Sequence[Object], kind: str, namespace: str | None = None) -> Iterator[Object]:
    for one in objects:
        if one["kind"] == kind and namespace in (None, one["metadata"].get("namespace")):
            yield one


def _selects(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return selector.items() <= labels.items()


def _pod_labels(deployment: Object) -> Mapping[str, str]:
    labels: Mapping[str, str] = deployment["spec"]["template"]["metadata"]["labels"]
    return labels


def _services(objects: Sequence[Object]) -> Iterator[Service]:
    for service in _of_kind(objects, "Service"):
        name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
        host = f"{name}.{namespace}.svc.cluster.local"
        selector = service["spec"]["selector"]
        yield Service(
            name=name,
            namespace=namespace,
            ports=tuple(port["port"] for port in service["spec"]["ports"]),
            deployed=tuple(
                Deployed(_pod_labels(one).get("version", ""), one["spec"].get("replicas", 1))
                for one in _of_kind(objects, "Deployment", namespace)
                if _selects(selector, _pod_labels(one))
            ),
            failover=any(
                rule["spec"]["host"] == host and "outlierDetection" in rule["spec"].get("trafficPolicy", {})
                for rule in _of_kind(objects, "DestinationRule")
            ),
        )


def _gateways(objects: Sequence[Object]) -> Iterator[Gateway]:
    """Yield the Deployments that hold a gateway's place: the mesh puts its proxy into them."""
    for deployment in _of_kind(objects, "Deployment"):
        annotations = deployment["spec"]["template"]["metadata"].get("annotations", {})
        if annotations.get("inject.istio.io/templates") != "gateway":
            continue
        name, namespace = deployment["metadata"]["name"], deployment["metadata"]["namespace"]
        pods = deployment["spec"].get("replicas", 1)
        scaler = next(
            (
                one["spec"]
                for one in _of_kind(objects, "HorizontalPodAutoscaler", namespace)
                if one["spec"]["scaleTargetRef"]["name"] == name
            ),
            {"minReplicas": pods, "maxReplicas": pods},
        )
        yield Gateway(
            name=name,
            namespace=namespace,
            labels=_pod_labels(deployment),
            least=scaler["minReplicas"],
            most=scaler["maxReplicas"],
            routes=tuple(_routes(objects, _pod_labels(deployment))),
        )


def _routes(objects: Sequence[Object], labels: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the paths that the gateway with these labels serves, each with the address of a service."""
    served = {
        (gateway["metadata"]["namespace"], gateway["metadata"]["name"])
        for gateway in _of_kind(objects, "Gateway")
        if _selects(gateway["spec"]["selector"], labels)
    }
    for route in _of_kind(objects, "VirtualService"):
        namespace = route["metadata"]["namespace"]
        # A gateway of another namespace is named NAMESPACE/NAME.
        names = [name.rpartition("/") for name in route["spec"].get("gateways", [])]
        if not served & {(given or namespace, name) for given, _, name in names}:
            continue
        for http in route["spec"]["http"]:
            paths = [_path(match["uri"]) for match in http.get("match") or [] if "uri" in match] or ["/*"]
            for destination in http["route"]:
                service = destination["destination"]["host"].removesuffix(".svc.cluster.local")
                for path in paths:
                    yield path, service if "." in service else f"{service}.{namespace}"


def _path(uri: Mapping[str, str]) -> str:
    (kind, path), *_ = uri.items()
    return {"exact": path, "prefix": f"{path}*"}.get(kind, f"{kind} {path}")


def _clients(objects: Sequence[Object], gateways: Sequence[Gateway]) -> Iterator[str]:
    """Yield the Deployments that are neither a service nor a gateway."""
    known = {(gateway.namespace, gateway.name) for gateway in gateways}
    for deployment in _of_kind(objects, "Deployment"):
        namespace, name = deployment["metadata"]["namespace"], deployment["metadata"]["name"]
        served = any(
            _selects(service["spec"]["selector"], _pod_labels(deployment))
            for service in _of_kind(objects, "Service", namespace)
        )
        if not served and (namespace, name) not in known:
            yield f"{name}.{namespace}"


def _guard(objects: Sequence[Object], service: Object) -> str:
    """Return the name of the Cloud Armor policy before the backend of a MultiClusterService."""
    return next((one["spec"].get("securityPolicy", {}).get("name", "") for one in _backends(objects, service)), "")


def _backends(objects: Sequence[Object], service: Object) -> Iterator[Object]:
    """Yield the BackendConfig that a MultiClusterService names."""
    annotation = service["metadata"].get("annotations", {}).get("cloud.google.com/backend-config", "{}")
    name = json.loads(annotation).get("default")
    for config in _of_kind(objects, "BackendConfig", service["metadata"]["namespace"]):
        if config["metadata"]["name"] == name:
            yield config


def _health(objects: Sequence[Object], service: Object) -> str:
    """Return how the backend of a MultiClusterService is asked whether it is ready."""
    for config in _backends(objects, service):
        check = config["spec"].get("healthCheck")
        if check:
            return f"{check.get('requestPath', '/')} on {check['port']}"
    return ""

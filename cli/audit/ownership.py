"""Which resources a deployed environment owns, and which are orphaned.

Subject to this are: resources on the environment's VPC; those whose name the configuration derives
(`config.naming`), for the configured regions and for regions that were removed from the file; and the parts of the
load balancers in front of the gateways (`cli.audit.load_balancer`). All others in the project are foreign.

Of these, the following are owned, and the rest is orphaned:

- What the stacks create (network, subnets, routers, firewall rules, address, clusters, node
  accounts, features) is owned if it is in terraform's state. Where the state of a stack is not
  on this machine (Terraform Cloud, a bucket, another checkout), it is owned as long as one of
  the configured clusters exists.
- A membership is owned if its cluster exists; a feature also as long as any cluster of the
  fleet does: it is the fleet's, and others may use it.
- GKE's firewall rules, ``gke-CLUSTER-HASH-*``, are owned if there is such a cluster.
- The same holds of the mesh's, ``gke-CLUSTER-HASH-mcsd``; like the mesh's endpoint groups, ``gsmrsvd-…``,
  it can outlive the cluster, and then no subnet and no network can be deleted.
- A network endpoint group is owned if the cluster whose id is in its description exists, and,
  if it is Multi Cluster Ingress', as long as there is a MultiClusterService; if it is that of the
  exported gateways, as long as there is a ServiceExport.
- Everything else of Multi Cluster Ingress is owned as long as there is a MultiClusterIngress or
  a MultiClusterService in a cluster.
- Everything else of multi-cluster Gateway is owned as long as there is a Gateway of one of its
  classes, and what multi-cluster services has as long as there is a ServiceExport.
- A remote secret is orphaned if the cluster that it names is gone, or if the control plane mode
  uses no remote secrets.
- The fleet's management of a mesh is owned if it is in terraform's state, or, where that is not
  here, if the configuration gives the cluster such a mesh.
- The rule that lets control planes reach a webhook on their nodes is orphaned where there is no
  such webhook. `cli.sources.mesh_components` defines what else of another mode is orphaned.
- A foreign firewall rule on the VPC is orphaned only if the VPC is: the rule blocks its deletion.

Where something that this depends on is not known, so is the ownership.

Sources: https://cloud.google.com/kubernetes-engine/docs/concepts/firewall-rules,
https://cloud.google.com/kubernetes-engine/docs/how-to/multi-cluster-ingress-setup,
kubernetes/ingress-gce, pkg/utils/negdescription.go.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cli.audit.load_balancer import (
    MULTI_CLUSTER_INGRESS,
    Controller,
    LoadBalancerParts,
    backend_controller,
    controller_of,
    described,
)
from cli.sources.described import AUTOMATIC
from cli.sources.google import ApiError
from cli.sources.interrupted import InterruptedObject
from cli.sources.kubernetes import cluster_path
from cli.sources.mesh_components import MeshComponent
from cli.sources.orphaned_objects import OrphanedObject
from cli.sources.resources import (
    ADDRESSES,
    CLUSTERS,
    ENDPOINT_GROUPS,
    FEATURE_GROUPS,
    FEATURES,
    FIREWALL_RULES,
    LOAD_BALANCER,
    MEMBERSHIPS,
    NETWORKS,
    CloudResource,
    ProjectResources,
    path_in,
)
from cli.sources.state import TerraformStates
from config import Environment
from config.naming import RegionNames, remote_cluster_name

_GKE_RULE = re.compile(r"gke-(.+)-[0-9a-f]{8}-[a-z-]+")
MESH_GROUP = "gsmrsvd-"
_MESH_RULE = re.compile(r"gke-.+-mcsd")
LEFT_BY_MESH = "left behind by the mesh"
"""How the reason begins why something is orphaned that a mesh of the implementation TRAFFIC_DIRECTOR creates.

Source: https://cloud.google.com/service-mesh/docs/troubleshooting/troubleshoot-cleanup
"""

_CUT_BELOW = 20
"""GKE truncates long cluster names in its rules; what is shorter than this is a whole name."""


@dataclass(frozen=True)
class ClusterContent:
    """The content of a cluster, as far as resources depend on it.

    Attributes:
        uid: Uid of its namespace kube-system, by which endpoint groups name the cluster.
        secrets: Names of its remote secrets.
        components: Components of a mesh, of any mode.
        kinds: Which kinds of objects it has, of those that load balancers are for.
        interrupted: What interrupted commands have left in it.
        orphaned: What interrupted deploys have left in it.
        unread: Why that is not known; empty if it is.
    """

    uid: str
    secrets: Sequence[str] = ()
    components: Sequence[MeshComponent] = ()
    kinds: frozenset[str] = frozenset()
    interrupted: Sequence[InterruptedObject] = ()
    orphaned: Sequence[OrphanedObject] = ()
    unread: str = ""


@dataclass(frozen=True)
class Ownership:
    """Whether a resource is owned: neither orphaned nor unknown.

    Attributes:
        orphaned: Why it is orphaned; empty if it is not.
        unknown: Why that is not known; empty if it is.
    """

    orphaned: str = ""
    unknown: str = ""


OWNED = Ownership()
"""Owned, or foreign."""

CLUSTERS_UNKNOWN = Ownership(unknown="the clusters of the project can't be listed")
CONTENT_UNKNOWN = Ownership(unknown="not all clusters on the network can be read")


class OwnershipRules:
    """Decides the ownership of one resource after the other.

    Attributes:
        environment: The environment.
    """

    def __init__(
        self,
        environment: Environment,
        resources: ProjectResources,
        states: TerraformStates,
        contents: Mapping[str, ClusterContent | None],
    ) -> None:
        """Keep what the rules depend on.

        Args:
            environment: The environment.
            resources: All resources of the project.
            states: Terraform's states.
            contents: Contents of the configured clusters that exist, by region; None where it is not known.
        """
        self.environment = environment
        self._states = states
        self._contents = contents
        self._vpc = f"projects/{environment.project.id}/global/networks/{environment.names.vpc}"
        networks, clusters, members = resources[NETWORKS], resources[CLUSTERS], resources[MEMBERSHIPS]
        self._networks = [] if isinstance(networks, ApiError) else [one.name for one in networks]
        self._clusters = None if isinstance(clusters, ApiError) else {one.path: one for one in clusters}
        self._members = None if isinstance(members, ApiError) else members
        self._load_balancer = self._find_load_balancer(resources)

    def of(self, resource: CloudResource) -> Ownership:
        """Return the ownership of a resource."""
        kind = resource.kind
        if kind in LOAD_BALANCER:
            return self._of_part(resource)
        if kind is ENDPOINT_GROUPS:
            ownership = self._of_endpoint_group(resource) if self._on_vpc(resource) else OWNED
            return self._by_mesh(ownership) if resource.name.startswith(MESH_GROUP) else ownership
        if kind is FIREWALL_RULES:
            ownership = self._of_firewall_rule(resource) if self._on_vpc(resource) else OWNED
            return self._by_mesh(ownership) if _MESH_RULE.fullmatch(resource.name) else ownership
        if kind is MEMBERSHIPS:
            return self._of_membership(resource)
        if kind is FEATURES:
            return self._of_feature(resource)
        return self._of_stack(resource) if self._has_derived_name(resource) else OWNED

    def _by_mesh(self, ownership: Ownership) -> Ownership:
        """Return the ownership of what a mesh creates on the network: the reason names the mesh and the network."""
        if not ownership.orphaned:
            return ownership
        return Ownership(
            f"{LEFT_BY_MESH}, and blocks the deletion of {self.environment.names.vpc}: {ownership.orphaned}"
        )

    def _find_load_balancer(self, resources: ProjectResources) -> LoadBalancerParts:
        rules, addresses = resources[FIREWALL_RULES], resources[ADDRESSES]
        own_rules = set() if isinstance(rules, ApiError) else {one.name for one in rules if self._on_vpc(one)}
        own_addresses = [] if isinstance(addresses, ApiError) else filter(self._has_derived_name, addresses)
        reserved = {str(one.content["address"]) for one in own_addresses if one.content.get("address")}
        return LoadBalancerParts(resources, self._vpc, reserved, own_rules, self._configured_paths())

    def _of_part(self, part: CloudResource) -> Ownership:
        """Return the ownership of a part of a load balancer."""
        controller = controller_of(part)
        if controller is None or not self._load_balancer.serves(part):
            return OWNED
        ownership, unknown = self._of_objects(controller), self._load_balancer.unknown(part)
        return Ownership(unknown=unknown) if unknown and ownership.orphaned else ownership

    def of_secret(self, name: str) -> Ownership:
        """Return the ownership of a remote secret; `mesh status` reports those of other names."""
        project = self.environment.project.id
        if not name.startswith(f"istio-remote-secret-gke-{project}-"):
            return OWNED
        if not self.environment.control_plane.uses_remote_secrets:
            return Ownership("the configured control plane mode does not use remote secrets, and it holds a token")
        if self._clusters is None:
            return CLUSTERS_UNKNOWN
        existing = {remote_cluster_name(project, one.location, one.name) for one in self._clusters.values()}
        named = name.removeprefix("istio-remote-secret-")
        return OWNED if named in existing else Ownership("its cluster does not exist any more")

    def of_management(self, feature: CloudResource) -> list[tuple[str, str, Ownership]]:
        """Return the ownership of the fleet's management of each mesh.

        Args:
            feature: The mesh feature, whose content configures the management by membership.

        Returns:
            Name and location of each managed membership, and the ownership.
        """
        found = []
        for path, spec in feature.content.get("membershipSpecs", {}).items():
            location, _, name = path.partition("/locations/")[2].partition("/memberships/")
            derived = self._is_region_name(name, lambda names: names.cluster)
            if derived and spec.get("mesh", {}).get("management") == AUTOMATIC:
                found.append((name, location, self._of_managed(name, location)))
        return sorted(found, key=lambda one: one[:2])

    def _of_managed(self, name: str, location: str) -> Ownership:
        state = self._states.get("mesh")
        if state is not None:
            tracked = ((one.attributes.get("membership"), one.attributes.get("membership_location")) for one in state)
            return OWNED if (name, location) in tracked else Ownership("missing from the state")
        if self.environment.control_plane.installer != "fleet-api":
            return Ownership("the configured control plane mode does not use fleet management")
        regions = (region for region in self.environment.resolved_regions() if not region.retired)
        wanted = any((region.names.cluster, region.location) == (name, location) for region in regions)
        return OWNED if wanted else Ownership("no configured region has this cluster")

    def _of_objects(self, controller: Controller, backend: bool = False) -> Ownership:
        """Return the ownership of what a controller creates for the objects of a cluster.

        Args:
            controller: The controller.
            backend: Whether it creates it for a backend, such as a MultiClusterService.
        """
        kinds = {controller.backend} if backend else {controller.kind}
        if controller is MULTI_CLUSTER_INGRESS:
            kinds.add(controller.backend)
        known = [one for one in self._contents.values() if one is not None]
        if any(kinds & one.kinds for one in known):
            return OWNED
        if self._clusters is None:
            return CLUSTERS_UNKNOWN
        if len(known) < len(self._contents) or self._has_other_clusters():
            return CONTENT_UNKNOWN
        kind = controller.backend if backend else controller.kind
        return Ownership(f"no {kind} exists any more")

    def _of_endpoint_group(self, group: CloudResource) -> Ownership:
        controller = backend_controller(group)
        ownership = OWNED if controller is None else self._of_objects(controller, backend=True)
        if self._clusters is None:
            return CLUSTERS_UNKNOWN
        if uid := str(described(group).get("cluster-uid", "")):
            if uid in [one.uid for one in self._contents.values() if one is not None]:
                return ownership
            if any(one is None for one in self._contents.values()) or self._has_other_clusters():
                return CONTENT_UNKNOWN
            return Ownership("its cluster does not exist any more")
        near = any(group.location.startswith(f"{one.location}-") for one in self._clusters_on_vpc())
        return ownership if near else Ownership("no cluster exists in its region any more")

    def _of_firewall_rule(self, rule: CloudResource) -> Ownership:
        if (controller := controller_of(rule)) is not None:
            return self._of_objects(controller)
        if found := _GKE_RULE.fullmatch(rule.name):
            return self._of_cluster(found[1])
        if rule.name.startswith("k8s-"):  # of a Service in one of the clusters; it does not name the cluster
            if self._clusters is None:
                return CLUSTERS_UNKNOWN
            return OWNED if self._clusters_on_vpc() else Ownership("no cluster exists on the network any more")
        if self._has_derived_name(rule):
            unknown = self._states.get(FIREWALL_RULES.stack) is None
            if unknown and self._is_for_webhooks(rule.name) and not self.environment.control_plane.webhook_ports:
                return Ownership("the configured control plane mode has no injection webhook on the nodes")
            return self._of_stack(rule)
        vpc = self._of_path(self._vpc, "network")
        return Ownership(f"foreign, but it blocks deleting {self.environment.names.vpc}") if vpc.orphaned else vpc

    def _of_cluster(self, part: str) -> Ownership:
        """Return the ownership of what a cluster with this name, or with this beginning of a long name, owns."""
        if self._clusters is None:
            return CLUSTERS_UNKNOWN
        names = [one.name for one in self._clusters.values()]
        exists = part in names or (len(part) >= _CUT_BELOW and any(name.startswith(part) for name in names))
        return OWNED if exists else Ownership(f"the cluster {part} does not exist")

    def _of_membership(self, membership: CloudResource) -> Ownership:
        if not self._is_region_name(membership.name, lambda names: names.cluster):
            return OWNED
        if self._clusters is None:
            return CLUSTERS_UNKNOWN
        link = membership.content.get("endpoint", {}).get("gkeCluster", {}).get("resourceLink", "")
        path = membership.path.replace("/memberships/", "/clusters/")
        if link:
            path = path_in(link, self.environment.project.id)
        return OWNED if path in self._clusters else Ownership("its cluster does not exist any more")

    def _of_feature(self, feature: CloudResource) -> Ownership:
        if feature.name not in FEATURE_GROUPS or self._is_tracked(feature.path, "mesh"):
            return OWNED
        if self._members is None or self._clusters is None:
            return CLUSTERS_UNKNOWN
        alive = any(not self._of_membership(one).orphaned for one in self._members)
        return OWNED if alive else Ownership("the fleet has no cluster any more")

    def _of_stack(self, resource: CloudResource) -> Ownership:
        return self._of_path(resource.path, resource.kind.stack)

    def _of_path(self, path: str, stack: str) -> Ownership:
        """Return the ownership of what a stack creates."""
        if self._states.get(stack) is not None:
            return OWNED if self._is_tracked(path, stack) else Ownership("missing from the state")
        if self._clusters is None:
            return CLUSTERS_UNKNOWN
        exists = any(path in self._clusters for path in self._configured_paths())
        return OWNED if exists else Ownership("none of the configured clusters exists")

    def _is_tracked(self, path: str, stack: str) -> bool:
        return path in [one.attributes.get("id") for one in self._states.get(stack) or ()]

    def _has_derived_name(self, resource: CloudResource) -> bool:
        names, name, is_global = self.environment.names, resource.name, resource.location == "global"
        match resource.kind.collection:
            case "addresses":
                return is_global and name in (names.ingress_address, names.gateway_address)
            case "sslPolicies":
                return is_global and name == names.ssl_policy
            case "sslCertificates":
                # Also that of a domain that was removed from the file.
                domains = resource.content.get("managed", {}).get("domains", [])
                return is_global and name in [names.certificate(domain) for domain in domains]
            case "certificateMaps":
                return name == names.certificate_map
            case "certificates" | "dnsAuthorizations" | "certificateMapEntries":
                content = resource.content
                domains = [
                    *content.get("managed", {}).get("domains", []),
                    content.get("domain"),
                    content.get("hostname"),
                ]
                return name in [names.certificate(domain) for domain in domains if domain]
            case "networks":
                return resource.path == self._vpc
            case "firewalls":
                own = (names.pods_firewall, names.internal_load_balancer_firewall)
                return name in own or self._is_for_webhooks(name)
            case "serviceAccounts":
                return self._is_region_name(name.partition("@")[0], lambda region: region.node_service_account)
            case _:
                return self._on_vpc(resource)

    def _is_for_webhooks(self, rule: str) -> bool:
        return self._is_region_name(rule, lambda region: region.webhook_firewall)

    def _is_region_name(self, name: str, of_region: Callable[[RegionNames], str]) -> bool:
        """Whether a name is derived from a region, of the configuration or removed from it."""
        prefix = self.environment.project.name_prefix
        if name in [of_region(region.names) for region in self.environment.resolved_regions()]:
            return True
        before, after = of_region(RegionNames(prefix, "\n")).split("\n")
        if not (name.startswith(before) and name.endswith(after) and len(name) > len(before) + len(after)):
            return False
        # matt-x-tokyo-node may be of an environment matt-x.
        others = (network.removesuffix("-vpc") for network in self._networks if network.endswith("-vpc"))
        return not any(other.startswith(f"{prefix}-") and name.startswith(f"{other}-") for other in others)

    def _on_vpc(self, resource: CloudResource) -> bool:
        return resource.is_on(self._vpc)

    def _clusters_on_vpc(self) -> list[CloudResource]:
        return [one for one in (self._clusters or {}).values() if self._on_vpc(one)]

    def _has_other_clusters(self) -> bool:
        """Whether there are clusters on the network that are not in the configuration: their content is not read."""
        configured = self._configured_paths()
        return any(one.path not in configured for one in self._clusters_on_vpc())

    def _configured_paths(self) -> list[str]:
        return [cluster_path(self.environment, region) for region in self.environment.resolved_regions()]

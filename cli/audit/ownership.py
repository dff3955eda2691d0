"""What belongs to a deployed environment, and what is left over.

Ours are: what is on the environment's VPC; what has a name that the configuration
derives (`config.naming`), for the configured regions and for those that have left the
file; and what Multi Cluster Ingress makes, ``mci-*`` (Google tells everybody else to
keep off that prefix). All else in the project is somebody else's and is not looked at.

Of that, these belong, and the rest is left over:

- What the stacks make (network, subnets, routers, our firewall rules, address,
  clusters, node accounts, features) belongs if it is in terraform's state. Where the
  state of a stack is not on this machine (Terraform Cloud, a bucket, another checkout), it belongs
  as long as one of the configured clusters is there.
- A membership belongs if its cluster is there; a feature also as long as any cluster of
  the fleet is there: it is the fleet's, and others may use it.
- GKE's firewall rules, ``gke-CLUSTER-HASH-*``, belong if there is such a cluster.
- A network endpoint group belongs if the cluster whose id it has in its description is
  there, and, if it is Multi Cluster Ingress', as long as there is a MultiClusterService.
- All else of Multi Cluster Ingress belongs as long as there is a MultiClusterIngress or
  a MultiClusterService in a cluster.
- A remote secret is left over if the cluster that it names is gone, or if the control
  plane knows none.
- That the fleet manages the mesh of one of our clusters belongs if it is in terraform's
  state, or, where that is not here, if the cluster is to be in such a mesh.
- The rule that lets control planes reach a webhook on their nodes is left over where
  there is no such webhook. What else of another way to a mesh is in a cluster is defined
  in `cli.sources.mesh_components`.
- Somebody else's firewall rule on our VPC is left over only if the VPC is: it holds it.

Where something that this depends on can't be asked, it is in doubt, and said to be.

Sources: https://cloud.google.com/kubernetes-engine/docs/concepts/firewall-rules,
https://cloud.google.com/kubernetes-engine/docs/how-to/multi-cluster-ingress-setup,
kubernetes/ingress-gce, pkg/utils/negdescription.go.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cli.sources.described import AUTOMATIC
from cli.sources.kubernetes import cluster_path
from cli.sources.mesh_components import MeshComponent
from cli.sources.project_resources import (
    ACCOUNTS,
    ADDRESSES,
    CERTIFICATES,
    CLUSTERS,
    ENDPOINT_GROUPS,
    FEATURE_COMMANDS,
    FEATURES,
    FIREWALL_RULES,
    LOAD_BALANCER,
    MEMBERSHIPS,
    NETWORKS,
    ROUTERS,
    SSL_POLICIES,
    SUBNETS,
    Listing,
    Thing,
    Unknown,
    path_in,
)
from cli.sources.state import TerraformStates
from config import Environment
from config.naming import RegionNames, remote_cluster_name

MCI = "mci-"
MCI_IN_GROUP = "-mci-"
"""In an endpoint group's name: the Services that the fleet derives are called ``mci-NAME-svc-HASH``."""

_GKE_RULE = re.compile(r"gke-(.+)-[0-9a-f]{8}-[a-z-]+")
_CUT_BELOW = 20
"""GKE cuts long cluster names in its rules; what is shorter than this is a whole name."""

STACKS = {
    ADDRESSES: "ingress",
    CERTIFICATES: "ingress",
    SSL_POLICIES: "ingress",
    CLUSTERS: "clusters",
    ACCOUNTS: "clusters",
    FEATURES: "mesh",
    FIREWALL_RULES: "network",
    ROUTERS: "network",
    SUBNETS: "network",
    NETWORKS: "network",
}
"""Which stack makes what."""


@dataclass(frozen=True)
class InCluster:
    """What a cluster says of itself.

    Attributes:
        uid: of its namespace kube-system, by which endpoint groups name it.
        secrets: names of its remote secrets.
        parts: of the ways to a mesh.
        has_ingress: a MultiClusterIngress or a MultiClusterService is in it.
        has_service: a MultiClusterService is.
    """

    uid: str
    secrets: Sequence[str] = ()
    parts: Sequence[MeshComponent] = ()
    has_ingress: bool = False
    has_service: bool = False


@dataclass(frozen=True)
class Verdict:
    """Attributes:
    left: why it is left over
    doubt: why that is not known. Empty: it belongs, or is not ours.
    """

    left: str = ""
    doubt: str = ""


BELONGS = Verdict()


class Ownership:
    """Judges one thing after the other."""

    def __init__(
        self, environment: Environment, listing: Listing, state: TerraformStates, inside: Mapping[str, InCluster | None]
    ) -> None:
        """
        Args:
            inside: by region, of the configured clusters that are there; None for one that does not say.
        """
        self._environment = environment
        self._state = state
        self._inside = inside
        self._vpc = f"projects/{environment.project.id}/global/networks/{environment.names.vpc}"
        networks = listing[NETWORKS]
        self._networks = [] if isinstance(networks, Unknown) else [one.name for one in networks]
        clusters = listing[CLUSTERS]
        self._clusters = None if isinstance(clusters, Unknown) else {one.path: one for one in clusters}
        members = listing[MEMBERSHIPS]
        self._members = None if isinstance(members, Unknown) else members

    def judge(self, thing: Thing) -> Verdict:
        kind = thing.kind
        if kind in LOAD_BALANCER:
            return self._of_ingress() if thing.name.startswith(MCI) else BELONGS
        if kind is ENDPOINT_GROUPS:
            return self._endpoint_group(thing) if self._on_vpc(thing) else BELONGS
        if kind is FIREWALL_RULES:
            return self._firewall_rule(thing) if self._on_vpc(thing) else BELONGS
        if kind is MEMBERSHIPS:
            return self._membership(thing)
        if kind is FEATURES:
            return self._feature(thing)
        return self._made_by_us(thing) if self._is_ours(thing) else BELONGS

    def judge_secret(self, name: str) -> Verdict:
        """Judge a remote secret by its name; one that doesn't follow our names is `mesh status`' business."""
        project = self._environment.project.id
        if not name.startswith(f"istio-remote-secret-gke-{project}-"):
            return BELONGS
        if not self._environment.control_plane.uses_remote_secrets:
            return Verdict("the configured control plane knows none, and it holds a token")
        if self._clusters is None:
            return Verdict(doubt=NO_CLUSTERS)
        there = {remote_cluster_name(project, one.place, one.name) for one in self._clusters.values()}
        named = name.removeprefix("istio-remote-secret-")
        return BELONGS if named in there else Verdict("it names a cluster that is gone")

    def managed(self, feature: Thing) -> list[tuple[str, str, Verdict]]:
        """Judge for which of our clusters the fleet manages the mesh.

        Args:
            feature: the mesh's; what it is told stands in it, by membership.

        Returns:
            The name and the location of each membership, and what is to be said of it.
        """
        found = []
        for path, spec in feature.content.get("membershipSpecs", {}).items():
            place, _, name = path.partition("/locations/")[2].partition("/memberships/")
            ours = self._has_our_name(name, lambda region: region.cluster)
            if ours and spec.get("mesh", {}).get("management") == AUTOMATIC:
                found.append((name, place, self._management(name, place)))
        return sorted(found, key=lambda one: one[:2])

    def _management(self, name: str, place: str) -> Verdict:
        kept = self._state.get("mesh")
        if kept is not None:
            there = ((one.attributes.get("membership"), one.attributes.get("membership_location")) for one in kept)
            return BELONGS if (name, place) in there else Verdict("it is not in terraform's state")
        if self._environment.control_plane.runs_local_scripts:
            return Verdict("the configured control plane is not made by the fleet")
        regions = (region for region in self._environment.resolved_regions() if not region.retired)
        wanted = any((region.names.cluster, region.location) == (name, place) for region in regions)
        return BELONGS if wanted else Verdict("no region of the configuration is to have it")

    def _of_ingress(self, service: bool = False) -> Verdict:
        """Of what is Multi Cluster Ingress'.

        Args:
            service: of what it makes for a service.
        """
        known = [one for one in self._inside.values() if one is not None]
        if any(one.has_service if service else one.has_ingress for one in known):
            return BELONGS
        if self._clusters is None:
            return Verdict(doubt=NO_CLUSTERS)
        if len(known) < len(self._inside) or self._unlooked_at():
            return Verdict(doubt=NO_ANSWER)
        return Verdict(f"there is no MultiCluster{'Service' if service else 'Ingress'} any more")

    def _endpoint_group(self, thing: Thing) -> Verdict:
        verdict = self._of_ingress(service=True) if MCI_IN_GROUP in thing.name else BELONGS
        if self._clusters is None:
            return Verdict(doubt=NO_CLUSTERS)
        if uid := _uid_in(thing):
            if uid in [one.uid for one in self._inside.values() if one is not None]:
                return verdict
            if any(one is None for one in self._inside.values()) or self._unlooked_at():
                return Verdict(doubt=NO_ANSWER)
            return Verdict("its cluster is gone")
        near = any(thing.place.startswith(f"{one.place}-") for one in self._own_clusters())
        return verdict if near else Verdict("no cluster is in its region any more")

    def _firewall_rule(self, thing: Thing) -> Verdict:
        name = thing.name
        if name.startswith(MCI):
            return self._of_ingress()
        if found := _GKE_RULE.fullmatch(name):
            return self._of_cluster(found[1])
        if name.startswith("k8s-"):  # of a Service in one of the clusters, it doesn't say which
            if self._clusters is None:
                return Verdict(doubt=NO_CLUSTERS)
            return BELONGS if self._own_clusters() else Verdict("no cluster is on the network any more")
        if self._is_ours(thing):
            unknown = self._state.get(STACKS[FIREWALL_RULES]) is None
            if unknown and self._is_for_webhooks(name) and not self._environment.control_plane.webhook_ports:
                return Verdict("with the configured control plane nothing on the nodes injects sidecars")
            return self._made_by_us(thing)
        network = self._kept(self._vpc, "network")
        return Verdict(f"somebody else's, and it holds {self._environment.names.vpc}") if network.left else network

    def _of_cluster(self, part: str) -> Verdict:
        """Args:
        part: a cluster's name, or its beginning.
        """
        if self._clusters is None:
            return Verdict(doubt=NO_CLUSTERS)
        names = [one.name for one in self._clusters.values()]
        there = part in names or (len(part) >= _CUT_BELOW and any(name.startswith(part) for name in names))
        return BELONGS if there else Verdict(f"there is no cluster {part}")

    def _membership(self, thing: Thing) -> Verdict:
        if not self._has_our_name(thing.name, lambda names: names.cluster):
            return BELONGS
        if self._clusters is None:
            return Verdict(doubt=NO_CLUSTERS)
        link = thing.content.get("endpoint", {}).get("gkeCluster", {}).get("resourceLink", "")
        path = (
            path_in(link, self._environment.project.id) if link else thing.path.replace("/memberships/", "/clusters/")
        )
        return BELONGS if path in self._clusters else Verdict("its cluster is gone")

    def _feature(self, thing: Thing) -> Verdict:
        if thing.name not in FEATURE_COMMANDS:
            return BELONGS
        kept = self._state.get("mesh")
        if kept is not None and thing.path in [one.attributes.get("id") for one in kept]:
            return BELONGS
        if self._members is None or self._clusters is None:
            return Verdict(doubt=NO_CLUSTERS)
        alive = [one for one in self._members if not self._membership(one).left]
        return BELONGS if alive else Verdict("no cluster is in the fleet any more")

    def _made_by_us(self, thing: Thing) -> Verdict:
        return self._kept(thing.path, STACKS[thing.kind])

    def _kept(self, path: str, stack: str) -> Verdict:
        """Of what terraform makes."""
        kept = self._state.get(stack)
        if kept is not None:
            there = path in [one.attributes.get("id") for one in kept]
            return BELONGS if there else Verdict("it is not in terraform's state")
        if self._clusters is None:
            return Verdict(doubt=NO_CLUSTERS)
        regions = self._environment.resolved_regions()
        alive = any(cluster_path(self._environment, region) in self._clusters for region in regions)
        return BELONGS if alive else Verdict("none of the configured clusters is there")

    def _is_ours(self, thing: Thing) -> bool:
        names = self._environment.names
        match thing.kind.collection:
            case "addresses":
                return thing.place == "global" and thing.name == names.ingress_address
            case "sslPolicies":
                return thing.place == "global" and thing.name == names.ssl_policy
            case "sslCertificates":
                # Also one of a domain that has left the file.
                domains = thing.content.get("managed", {}).get("domains", [])
                return thing.place == "global" and thing.name in [names.certificate(domain) for domain in domains]
            case "networks":
                return thing.path == self._vpc
            case "firewalls":
                own = thing.name == names.pods_firewall
                return own or self._is_for_webhooks(thing.name)
            case "serviceAccounts":
                account = thing.name.partition("@")[0]
                return self._has_our_name(account, lambda region: region.node_service_account)
            case _:
                return self._on_vpc(thing)

    def _is_for_webhooks(self, rule: str) -> bool:
        return self._has_our_name(rule, lambda region: region.webhook_firewall)

    def _has_our_name(self, name: str, of_region: Callable[[RegionNames], str]) -> bool:
        """Whether a name is one that a region gives, of those that are configured or of one that has left the file."""
        prefix = self._environment.project.name_prefix
        if name in [of_region(region.names) for region in self._environment.resolved_regions()]:
            return True
        before, after = of_region(RegionNames(prefix, "\n")).split("\n")
        if not (name.startswith(before) and name.endswith(after) and len(name) > len(before) + len(after)):
            return False
        # matt-x-tokyo-node may be of an environment matt-x.
        others = (network.removesuffix("-vpc") for network in self._networks if network.endswith("-vpc"))
        return not any(other.startswith(f"{prefix}-") and name.startswith(f"{other}-") for other in others)

    def _on_vpc(self, thing: Thing) -> bool:
        content = thing.content
        link = content.get("networkConfig", {}).get("network") or content.get("network", "")
        # With the project: a network of another one may be called the same.
        return link.endswith(f"/{self._vpc}") or link in (self._vpc, self._environment.names.vpc)

    def _own_clusters(self) -> list[Thing]:
        return [one for one in (self._clusters or {}).values() if self._on_vpc(one)]

    def _unlooked_at(self) -> bool:
        """Whether there are clusters on the network that the configuration does not have: they are not asked."""
        regions = self._environment.resolved_regions()
        configured = [cluster_path(self._environment, region) for region in regions]
        return any(one.path not in configured for one in self._own_clusters())


NO_CLUSTERS = "it is not known which clusters there are"
NO_ANSWER = "not all clusters on the network could be asked"


def _uid_in(group: Thing) -> str:
    """Return the id of the cluster that an endpoint group is for; empty if it doesn't say."""
    try:
        content = json.loads(group.content.get("description") or "{}")
    except ValueError:
        return ""
    return str(content.get("cluster-uid", "")) if isinstance(content, dict) else ""

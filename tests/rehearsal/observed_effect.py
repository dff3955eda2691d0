"""What a change did to an environment, seen in the simulated cloud and not in terraform's output."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from config.effects import Effect
from config.environment import Environment
from config.naming import GATEWAY_NAMESPACE
from tests.local_mesh.cluster import LocalCluster
from tests.rehearsal.simulated_cloud import SimulatedCloud
from tests.rehearsal.snapshot import GROUPS, Snapshot, take_snapshot

POOLS = "/nodePools/"
POOL_FIELDS = ("config", "locations")
"""Fields of a node pool that are fields of its nodes: GKE replaces these when the fields change.

Source: UpdateNodePoolRequest in container.v1's discovery document ("Initiates an upgrade operation …").
"""

REVISION = "deployment.kubernetes.io/revision"


@dataclass(frozen=True)
class EnvironmentState:
    """An environment at a moment.

    Attributes:
        snapshot: resources and objects.
        authorities: certificates of the clusters' CAs, which each new cluster has its own of.
        revisions: number of a Deployment's pod template, by region, namespace, name and uid.
        pods: uids of the pods whose number no autoscaler decides.
    """

    snapshot: Snapshot
    authorities: Mapping[str, str]
    revisions: Mapping[tuple[str, ...], str]
    pods: frozenset[str]


def observe(cloud: SimulatedCloud, environment: Environment) -> EnvironmentState:
    """Return the state of an environment now."""
    namespaces = {GATEWAY_NAMESPACE, *environment.namespaces()}
    clusters = cloud.clusters()
    revisions: dict[tuple[str, ...], str] = {}
    pods: set[str] = set()
    for region, cluster in clusters.items():
        for item in _items(cluster, "deployments", namespaces):
            metadata = item["metadata"]
            key = (region, metadata["namespace"], metadata["name"], metadata["uid"])
            revisions[key] = metadata.get("annotations", {}).get(REVISION, "")
        pods |= {
            item["metadata"]["uid"]
            for item in _items(cluster, "pods", namespaces - {GATEWAY_NAMESPACE})
            if "deletionTimestamp" not in item["metadata"]
        }
    return EnvironmentState(
        take_snapshot(cloud, identities=True, namespaces=namespaces),
        {region: cluster.certificate for region, cluster in clusters.items()},
        revisions,
        frozenset(pods),
    )


def seen_effect(before: EnvironmentState, after: EnvironmentState) -> Effect:
    """Return the strongest effect that is seen in the difference of two states."""
    if _changed(before.authorities, after.authorities):
        return Effect.REPLACES_CLUSTER
    if _pools(before.snapshot) != _pools(after.snapshot):
        return Effect.REPLACES_NODES
    if _changed(before.revisions, after.revisions):
        return Effect.RESTARTS_PODS
    if _keys(before.snapshot) != _keys(after.snapshot) or before.pods != after.pods:
        return Effect.ADDS_OR_DELETES
    return Effect.NOTHING if before.snapshot == after.snapshot else Effect.IN_PLACE


def _items(cluster: LocalCluster, kind: str, namespaces: set[str]) -> list[dict[str, Any]]:
    return [
        item for item in cluster.get(kind, "--all-namespaces")["items"] if item["metadata"]["namespace"] in namespaces
    ]


def _changed(before: Mapping[Any, str], after: Mapping[Any, str]) -> bool:
    """Return whether something that was and is there has another value."""
    return any(before[key] != after[key] for key in before.keys() & after.keys())


def _keys(snapshot: Snapshot) -> set[str]:
    """Return what there is, without endpoint groups: Google's controllers add and delete them some time later."""
    return {key for key in snapshot if GROUPS not in key}


def _pools(snapshot: Snapshot) -> dict[str, Any]:
    pools = {key: value for key, value in snapshot.items() if POOLS in key}
    return {key: [pool.get(field) for field in POOL_FIELDS] for key, pool in pools.items()}

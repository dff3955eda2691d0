"""Tests of what the simulated mesh makes, and of the tables about it."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.fake_cloud.store import Store
from tests.rehearsal.deployment import CommandRun
from tests.rehearsal.mesh_leftovers import HINT, stopped
from tests.rehearsal.test_control_plane_modes import FakeCluster, wait_until
from tests.rehearsal.traffic_director import TrafficDirector, digest_of, is_around_cluster, is_of_the_mesh

CLUSTER = "projects/p/locations/us-west1/clusters/tokyo-1"
NETWORKS = {"network": "projects/p/global/networks/vpc", "subnetwork": "projects/p/regions/us-west1/subnetworks/one"}


class Cluster(FakeCluster):
    """A cluster with two zones."""

    site = SimpleNamespace(zones=("us-west1-a", "us-west1-b"))

    def get(self, *_: str) -> dict[str, Any]:
        return {"metadata": {"uid": "of-kube-system"}}


def _service(namespace: str, name: str, **labels: str) -> dict[str, Any]:
    return {"kind": "Service", "metadata": {"name": name, "namespace": namespace, "labels": labels}}


def test_a_mesh_makes_groups_a_rule_and_services() -> None:
    cluster, store = Cluster(), Store()
    store.add(CLUSTER, {"networkConfig": NETWORKS})
    compute = SimpleNamespace(link="https://c/", resource=lambda path, body: body)
    for namespace, name in (("sample", "helloworld"), ("kube-system", "dns"), ("default", "kubernetes")):
        cluster.events.setdefault("services", []).append({"type": "ADDED", "object": _service(namespace, name)})
    director = TrafficDirector(cast(Any, cluster), CLUSTER, store, cast(Any, compute))
    director.start()
    made = {path: resource for path, resource in store.all().items() if is_around_cluster(path)}
    digest = digest_of(CLUSTER)
    assert set(made) == {
        f"projects/p/zones/us-west1-a/networkEndpointGroups/gsmrsvd-{digest}",
        f"projects/p/zones/us-west1-b/networkEndpointGroups/gsmrsvd-{digest}",
        f"projects/p/global/firewalls/gke-tokyo-1-{digest}-mcsd",
    }
    assert {one["network"] for one in made.values()} == {f"https://c/{NETWORKS['network']}"}
    wait_until(lambda: cluster.applied)
    [service] = cluster.applied.values()
    assert service["metadata"]["namespace"] == "sample"
    assert is_of_the_mesh(service)
    # Its own Service has none.
    cluster.events["services"] += [{"type": "ADDED", "object": service}, {**cluster.events["services"][0]}]
    cluster.events["services"][-1]["type"] = "DELETED"
    wait_until(lambda: any("delete" in call for call in cluster.calls))
    assert len(cluster.applied) == 1
    cluster.ended.set()


REFUSED = (
    "│ Error: Error when reading or editing Subnetwork: The subnetwork resource is already being used\n│ by 'gsmrsvd-1'"
)


@pytest.mark.parametrize(
    ("status", "output", "ok"),
    [
        (1, f"{REFUSED}\n{HINT} lists", True),
        (1, REFUSED, False),
        (1, f"Error: another\n{HINT} lists", False),
        (0, f"{REFUSED}\n{HINT} lists", False),
    ],
)
def test_a_destroy_has_to_stop_and_to_name_the_audit(status: int, output: str, ok: bool) -> None:
    assert stopped("destroy", CommandRun(status, 1, output), HINT).ok is ok

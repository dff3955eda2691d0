"""README's table of billed resources, held against the synthesized JSON of what `mesh init` writes."""

from collections.abc import Iterator
from typing import Any

import pytest

from cli.init.document import document
from config.kinds import GATEWAY_API
from config.paths import ROOT
from config.validation.nodes import ZONES_OF_A_REGION
from tests.synthesized import Synthesis, environment_of, synthesize

Counts = dict[str, tuple[int, int]]
"""Minimum and maximum by the resource's name in the table."""

QUICK_START = {
    "project": ["acme-mesh-prod"],
    "name_prefix": ["mesh"],
    "regions": ["tokyo=asia-northeast1", "osaka=asia-northeast2"],
}
"""The options of `mesh init` in README."""

COUNTED = {
    "google_container_cluster",
    "google_container_node_pool",
    "google_compute_router_nat",
    "google_compute_global_address",
    "google_gke_hub_feature_membership",
}
"""Google Cloud resources that the table has, by themselves or by what Google creates for them."""

NOT_BILLED = {
    "google_certificate_manager_certificate",
    "google_certificate_manager_certificate_map",
    "google_certificate_manager_certificate_map_entry",
    "google_certificate_manager_dns_authorization",
    "google_compute_firewall",
    "google_compute_network",
    "google_compute_router",
    "google_compute_ssl_policy",
    "google_compute_subnetwork",
    "google_gke_hub_feature",
    "google_project_iam_member",
    "google_project_service",
    "google_service_account",
}
"""Google Cloud resources without a price of their own, or with none below 100; README has what is billed by volume."""


@pytest.fixture(scope="module")
def quick_start(tmp_path_factory: pytest.TempPathFactory) -> Synthesis:
    return synthesize(environment_of(document(QUICK_START)), tmp_path_factory.mktemp("quick-start"))


@pytest.fixture(scope="module")
def with_domain(tmp_path_factory: pytest.TempPathFactory) -> Synthesis:
    text = document({**QUICK_START, "domains": ["shop.example.com"]})
    return synthesize(environment_of(text), tmp_path_factory.mktemp("with-domain"))


def test_the_table_has_the_counts_of_the_json(quick_start: Synthesis) -> None:
    assert _documented() == _synthesized(quick_start)


def test_a_domain_adds_a_forwarding_rule(quick_start: Synthesis, with_domain: Synthesis) -> None:
    before, after = _synthesized(quick_start), _synthesized(with_domain)
    assert {name for name in after if after[name] != before[name]} == {"Forwarding rules"}
    assert after["Forwarding rules"] == (2, 2)
    assert "2 with `ingress.domains`" in _row("Forwarding rules")


def test_every_google_resource_is_counted_or_has_no_price(quick_start: Synthesis, with_domain: Synthesis) -> None:
    stacks = [*quick_start.stacks.values(), *with_domain.stacks.values()]
    kinds = {kind for stack in stacks for kind in stack["resource"] if kind.startswith("google_")}
    assert kinds == COUNTED | NOT_BILLED


def test_the_options_are_those_of_the_quick_start() -> None:
    options = [f"--project {QUICK_START['project'][0]}", *(f"--region {one}" for one in QUICK_START["regions"])]
    assert f"mesh init {' '.join(options)} --plain-http" in _readme()


def _readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def _rows() -> Iterator[list[str]]:
    table = _readme().partition("| Billed resource |")[2].partition("\n\n")[0]
    for line in table.splitlines()[2:]:
        yield [cell.strip() for cell in line.strip("|").split("|")]


def _row(name: str) -> str:
    return next(" | ".join(row) for row in _rows() if row[0] == name)


def _documented() -> Counts:
    return {name: (int(least), int(most)) for name, _, least, most, _ in _rows()}


def _synthesized(synthesis: Synthesis) -> Counts:
    pools = synthesis.all("clusters", "google_container_node_pool").values()
    [shape] = {
        (config["machine_type"], config["disk_size_gb"], config["disk_type"])
        for config in (pool["node_config"] for pool in pools)
    }
    machine, disk_gb, disk_type = shape
    nodes = _sum((_zones(pool) * pool["autoscaling"][f"{one}_node_count"] for one in ("min", "max")) for pool in pools)
    autoscalers = [one["spec"] for one in synthesis.objects(kind="HorizontalPodAutoscaler")]
    gateways = _sum((one["minReplicas"], one["maxReplicas"]) for one in autoscalers)
    return {
        "Regional GKE clusters": _twice(len(synthesis.all("clusters", "google_container_cluster"))),
        f"Nodes, `{machine}`": nodes,
        f"Boot disks of nodes, {disk_gb} GB, `{disk_type}`": nodes,
        "Cloud NAT gateways": _twice(len(synthesis.all("network", "google_compute_router_nat"))),
        "Global external addresses": _twice(len(synthesis.all("ingress", "google_compute_global_address"))),
        "Forwarding rules": _twice(sum(map(_forwarding_rules, synthesis.objects(kind="Gateway")))),
        "Backends of Multi Cluster Ingress or multi-cluster Gateway: gateway pods": gateways,
        "Mesh clients: pods with a proxy, gateways included": _sum(iter((gateways, _deployed(synthesis)))),
    }


def _deployed(synthesis: Synthesis) -> tuple[int, int]:
    """Return the number of pods of the services and of the demo; the gateways' belongs to their autoscaler."""
    specs = [one["spec"] for one in synthesis.objects(kind="Deployment")]
    return _twice(sum(spec.get("replicas", 0) for spec in specs))


def _zones(pool: dict[str, Any]) -> int:
    return len(pool.get("node_locations", ())) or ZONES_OF_A_REGION


def _forwarding_rules(gateway: dict[str, Any]) -> int:
    """Return one for each listener and address of a load balancer; Istio's Gateways have none.

    Source: https://cloud.google.com/kubernetes-engine/docs/concepts/gateway-api
    """
    if not gateway["apiVersion"].startswith(f"{GATEWAY_API}/"):
        return 0
    return len(gateway["spec"]["listeners"]) * len(gateway["spec"]["addresses"])


def _twice(count: int) -> tuple[int, int]:
    """Return a count as minimum and maximum."""
    return count, count


def _sum(pairs: Iterator[Any]) -> tuple[int, int]:
    least, most = zip(*pairs, strict=True)
    return sum(least), sum(most)

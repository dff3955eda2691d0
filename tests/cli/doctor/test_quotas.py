"""`mesh doctor`: quotas."""

from collections.abc import Callable

import pytest

from cli.doctor.quota_demand import cpu_quotas
from tests.cli.doctor.diagnosis import OSAKA, PROJECT, TOKYO, diagnose, expect
from tests.cli.emulated_project import EmulatedProject
from tests.fake_cloud.faults import RequestFault

NODES = "3 to 10 e2-standard-4"
SOME_NODES = f"{NODES}, 3 exist"
BALANCER = "(the load balancer)"
Limits = dict[str, tuple[int, str, int]]


def increase(name: str, wanted: int) -> str:
    quota, _, place = name.partition(" in ")
    of = f"--quota-id={quota.replace('_', '-')}-per-project" + (f"-region --dimensions=region={place}" if place else "")
    return (
        f"gcloud beta quotas preferences create --service=compute.googleapis.com --project={PROJECT} "
        f"{of} --preferred-value={wanted}"
    )


QUOTAS: dict[str, Limits] = {
    "too small for the first deploy": {
        f"CPUS in {TOKYO}": (11, f"11 of 11 available; 12 to 40 required ({NODES}): 1 too few", 40),
        f"SSD_TOTAL_GB in {OSAKA}": (299, f"299 of 299 available; 300 to 1000 required ({NODES}): 1 too few", 1000),
        f"INSTANCES in {OSAKA}": (2, f"2 of 2 available; 3 to 10 required ({NODES}): 1 too few", 10),
        f"NETWORK_ENDPOINT_GROUPS in {OSAKA}": (
            2,
            "2 of 2 available; 3 required (endpoint groups of the gateways, one per zone): 1 too few",
            3,
        ),
        "CPUS_ALL_REGIONS": (23, "23 of 23 available; 24 to 80 required (nodes of all regions): 1 too few", 80),
        "NETWORKS": (0, "0 of 0 available; 1 required: 1 too few", 1),
        "SUBNETWORKS": (1, "1 of 1 available; 2 required: 1 too few", 2),
        "ROUTERS": (1, "1 of 1 available; 2 required: 1 too few", 2),
        "FIREWALLS": (
            13,
            "13 of 13 available; 14 required (including those of GKE and the load balancer): 1 too few",
            14,
        ),
        "STATIC_ADDRESSES": (0, "0 of 0 available; 1 required (the address of the load balancer): 1 too few", 1),
        **dict.fromkeys(
            ("FORWARDING_RULES", "TARGET_HTTP_PROXIES", "URL_MAPS", "BACKEND_SERVICES", "HEALTH_CHECKS"),
            (0, f"0 of 0 available; 1 required {BALANCER}: 1 too few", 1),
        ),
    },
    "too small for the autoscaler": {
        f"CPUS in {TOKYO}": (
            12,
            f"12 of 12 available; 12 to 40 required ({NODES}): 28 too few for the autoscaler's maximum",
            40,
        ),
        f"CPUS in {OSAKA}": (
            39,
            f"39 of 39 available; 12 to 40 required ({NODES}): 1 too few for the autoscaler's maximum",
            40,
        ),
        f"SSD_TOTAL_GB in {OSAKA}": (
            300,
            f"300 of 300 available; 300 to 1000 required ({NODES}): 700 too few for the autoscaler's maximum",
            1000,
        ),
        f"INSTANCES in {OSAKA}": (
            9,
            f"9 of 9 available; 3 to 10 required ({NODES}): 1 too few for the autoscaler's maximum",
            10,
        ),
        "CPUS_ALL_REGIONS": (
            79,
            "79 of 79 available; 24 to 80 required (nodes of all regions): 1 too few for the autoscaler's maximum",
            80,
        ),
    },
    "enough": {
        f"CPUS in {TOKYO}": (40, f"40 of 40 available; 12 to 40 required ({NODES})", 0),
        f"SSD_TOTAL_GB in {OSAKA}": (1000, f"1000 of 1000 available; 300 to 1000 required ({NODES})", 0),
        f"INSTANCES in {OSAKA}": (10, f"10 of 10 available; 3 to 10 required ({NODES})", 0),
        "CPUS_ALL_REGIONS": (80, "80 of 80 available; 24 to 80 required (nodes of all regions)", 0),
        "FIREWALLS": (14, "14 of 14 available; 14 required (including those of GKE and the load balancer)", 0),
        "FORWARDING_RULES": (1, f"1 of 1 available; 1 required {BALANCER}", 0),
    },
    "domains": {
        "SSL_CERTIFICATES": (1, "1 of 1 available; 2 required (certificates of 2 domains): 1 too few", 2),
        "TARGET_HTTPS_PROXIES": (0, f"0 of 0 available; 1 required {BALANCER}: 1 too few", 1),
    },
    "all is deployed": {
        f"CPUS in {TOKYO}": (40, f"28 of 40 available; 0 to 28 required ({SOME_NODES})", 0),
        f"CPUS in {OSAKA}": (
            12,
            f"0 of 12 available; 0 to 28 required ({SOME_NODES}): 28 too few for the autoscaler's maximum",
            40,
        ),
        f"SSD_TOTAL_GB in {TOKYO}": (1000, f"700 of 1000 available; 0 to 700 required ({SOME_NODES})", 0),
        f"INSTANCES in {TOKYO}": (10, f"7 of 10 available; 0 to 7 required ({SOME_NODES})", 0),
        f"NETWORK_ENDPOINT_GROUPS in {TOKYO}": (
            0,
            "0 of 0 available; no more required (endpoint groups of the gateways, one per zone)",
            0,
        ),
        "NETWORKS": (1, "0 of 1 available; no more required", 0),
        "FIREWALLS": (3, "0 of 3 available; no more required (including those of GKE and the load balancer)", 0),
        "STATIC_ADDRESSES": (1, "0 of 1 available; no more required (the address of the load balancer)", 0),
        "FORWARDING_RULES": (0, f"0 of 0 available; no more required {BALANCER}", 0),
    },
}
"""By case and quota: the limit, the expected text, and the limit to request (0 if there is enough)."""

CHANGES: dict[str, Callable[[EmulatedProject], None]] = {
    "domains": lambda project: project.configure("plain_http: true", "domains: [shop.example.com, www.example.com]"),
    # The usage counts what is deployed, so the need does not.
    "all is deployed": lambda project: project.deploy(),
}
"""Changes of the project before the first deploy, by case."""


@pytest.mark.parametrize("case", QUOTAS)
def test_quotas(project: EmulatedProject, case: str) -> None:
    limits = QUOTAS[case]
    if change := CHANGES.get(case):
        change(project)
    for name, (limit, _, _) in limits.items():
        quota, _, place = name.partition(" in ")
        project.server.quotas.limits[f"{place or 'project'}/{quota}"] = limit
    found = diagnose(project)
    for name, (_, text, wanted) in limits.items():
        state = "ok" if not wanted else "warning" if "autoscaler" in text else "failure"
        found.expect(name, state, text, increase(name, wanted) if wanted else "")
    assert set(found.bad()) == {name for name, (_, _, wanted) in limits.items() if wanted}


@pytest.fixture
def tokyo_deployed(project: EmulatedProject) -> EmulatedProject:
    """One of two clusters exists."""
    project.make_cluster("tokyo")
    project.write_state("clusters", *(path for path in project.server.cloud.store.all() if "/clusters/" in path))
    return project


def test_only_what_is_missing_counts(tokyo_deployed: EmulatedProject) -> None:
    found = diagnose(tokyo_deployed)
    assert "60 of 72 available; 0 to 28 required" in found.of(f"CPUS in {TOKYO}")[1]
    assert "72 of 72 available; 12 to 40 required" in found.of(f"CPUS in {OSAKA}")[1]
    assert "188 of 200 available; 12 to 68 required" in found.of("CPUS_ALL_REGIONS")[1]
    assert "9 required (including" in found.of("FIREWALLS")[1]
    assert found.status == 0


def test_other_machines_have_quotas_of_their_own(project: EmulatedProject) -> None:
    """And GKE's first pool, which goes at once, has small e2 machines with 100 GB each."""
    machine = "{machine_type: n2-standard-8, max_nodes: 2, disk_size_gb: 20}"
    project.configure("number: 0}", f"number: 0, zones: [{TOKYO}-a, {TOKYO}-b], cluster: {machine}}}")
    project.server.quotas.limits.update({f"{TOKYO}/N2_CPUS": 30, f"{TOKYO}/CPUS": 3})
    found, name = diagnose(project), f"N2_CPUS in {TOKYO}"
    text = "30 of 30 available; 16 to 40 required (2 to 5 n2-standard-8): 10 too few for the autoscaler's maximum"
    found.expect(name, "warning", text, increase(name, 40))
    text = "3 of 3 available; 4 required (GKE's default node pool, which is removed at once): 1 too few"
    found.expect(f"CPUS in {TOKYO}", "failure", text, increase(f"CPUS in {TOKYO}", 4))
    assert "200 required (2 to 5" in found.of(f"SSD_TOTAL_GB in {TOKYO}")[1]


def test_nodes_of_another_family_are_no_room_for_these(tokyo_deployed: EmulatedProject) -> None:
    """The pool is to have other machines: the present ones count against another quota."""
    tokyo_deployed.configure("number: 0}", "number: 0, cluster: {machine_type: n2-standard-4}}")
    text = "72 of 72 available; 12 to 40 required (3 to 10 n2-standard-4, 3 e2-standard-4 exist)"
    found = expect(tokyo_deployed, f"N2_CPUS in {TOKYO}", "ok", text)
    assert f"CPUS in {TOKYO}" not in found.findings


def test_a_family_whose_quota_is_not_shown(project: EmulatedProject) -> None:
    project.configure("number: 0}", "number: 0, cluster: {machine_type: c4-standard-4}}")
    text = "unknown, as Compute Engine does not report it; 12 to 40 required (3 to 10 c4-standard-4)"
    describe = "gcloud beta quotas info describe CPUS-PER-VM-FAMILY-per-project-region"
    fix = f"{describe} --service=compute.googleapis.com --project={PROJECT}"
    expect(project, f"C4_CPUS in {TOKYO}", "warning", text, fix)


@pytest.mark.parametrize(
    ("own", "shared", "states"),
    [(8, 72, ("warning", "ok")), (72, 8, ("ok", "warning")), (8, 8, ("failure", "failure"))],
)
def test_e2_counts_against_one_of_two(project: EmulatedProject, own: int, shared: int, states: tuple[str, str]) -> None:
    assert cpu_quotas("e2") == ("E2_CPUS", "CPUS")
    project.server.quotas.limits.update({f"{TOKYO}/E2_CPUS": own, f"{TOKYO}/CPUS": shared})
    found = diagnose(project)
    assert (found.of(f"E2_CPUS in {TOKYO}")[0], found.of(f"CPUS in {TOKYO}")[0]) == states
    assert found.status == ("failure" in states)


def test_quotas_that_are_not_told(project: EmulatedProject) -> None:
    project.server.cloud.faults.add(RequestFault(f"GET .*/regions/{TOKYO}$", 403, 9))
    fix = f"have roles/viewer granted to you in {PROJECT}, and run the command again"
    found = expect(project, f"quotas of {TOKYO}", "failure", "can't read them: injected: 403", fix)
    assert found.of(f"CPUS in {OSAKA}")[0] == "ok"

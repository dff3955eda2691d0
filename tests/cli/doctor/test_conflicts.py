"""`mesh doctor`: resources that are in the way of a deploy."""

import pytest

from cli.doctor.conflicts import ANOTHER_PROJECT, SHOW_PLANS
from cli.sources.google import GoogleClient
from cli.sources.remediation import REPAIR
from cli.sources.resources import (
    FEATURE_GROUPS,
    FEATURES,
    MEMBERSHIPS,
    MULTI_CLUSTER_SERVICES,
    CloudResource,
    expected_resources,
)
from config.paths import ROOT
from tests.cli.doctor.diagnosis import OSAKA, PROJECT, TOKYO, Body, diagnose, expect
from tests.cli.emulated_project import EmulatedProject
from tests.fake_cloud.faults import RequestFault
from tests.synthesized import Synthesis, environment_of

NAMES = (
    "network acme-vpc",
    "firewall rule acme-vpc-istio-multicluster-pods",
    "tokyo: subnet acme-private-vm",
    "tokyo: router acme-tokyo-router",
    "osaka: NAT acme-osaka-nat",
    "osaka: firewall rule acme-vpc-osaka-control-plane",
    f"osaka: service account acme-osaka-node@{PROJECT}.iam.gserviceaccount.com",
    "osaka: cluster acme-osaka-cluster-1",
    "tokyo: node pool acme-tokyo-nodes",
    "address acme-ingress",
)
"""Resources that are missing from the state."""


def test_names_that_are_taken(project: EmulatedProject) -> None:
    """All is deployed, and some of it is missing from the state."""
    project.deploy()
    untracked = {name.rpartition(" ")[2] for name in NAMES}
    kept = [
        path
        for path in project.server.cloud.store.all()
        if path.rpartition("/")[2] not in untracked or f"{OSAKA}/subnetworks" in path
    ]
    project.write_state("network", *kept)
    found = diagnose(project)
    assert set(found.bad()) == set(NAMES)
    text = "exists but is missing from the state, so a deploy can't create it"
    for name in NAMES:
        # Another prefix would make all anew for the sake of a part.
        whole = " NAT " not in name and " node pool " not in name
        rename = "; if it is not of this environment, set another project.name_prefix" if whole else ""
        found.expect(name, "failure", text + rename, REPAIR)
    # Whichever stack made it: all states are read.
    project.write_state("ingress", *(path for path in project.server.cloud.store.all() if "/addresses/" in path))
    assert set(diagnose(project).bad()) == set(NAMES) - {"address acme-ingress"}


def test_somebody_elses_nat_is_in_nobodys_way(project: EmulatedProject) -> None:
    project.deploy()
    (router,) = [path for path in project.server.cloud.store.all() if path.endswith("/acme-tokyo-router")]
    project.server.cloud.store.get(router)["nats"] = [{"name": "theirs"}]
    assert expect(project, "tokyo: NAT acme-tokyo-nat", "ok", "not created yet").bad() == []


@pytest.mark.parametrize("feature", FEATURE_GROUPS)
def test_a_fleet_feature_that_is_on_already(project: EmulatedProject, feature: str) -> None:
    if feature == MULTI_CLUSTER_SERVICES:
        project.configure("plain_http: true", "plain_http: true, api: gateway")
    spec = {
        "multiclusteringress": {
            "configMembership": f"projects/{PROJECT}/locations/global/memberships/acme-tokyo-cluster-1"
        }
    }
    has_cluster = "ingress" in feature
    project.add(f"locations/global/features/{feature}", **({"spec": spec} if has_cluster else {}))
    text = "enabled but missing from the state" + (
        "; its config cluster is acme-tokyo-cluster-1" if has_cluster else ""
    )
    name = f"fleet feature {feature}"
    assert expect(project, name, "failure", text, REPAIR).bad() == [name]


def test_a_fleet_feature_of_another_environment(project: EmulatedProject) -> None:
    """Its import would take the config cluster away from the other environment."""
    spec = {"multiclusteringress": {"configMembership": f"projects/{PROJECT}/locations/global/memberships/theirs"}}
    project.add("locations/global/features/multiclusteringress", spec=spec)
    text = "enabled but missing from the state; its config cluster is theirs, which belongs to another environment"
    expect(project, "fleet feature multiclusteringress", "failure", text, ANOTHER_PROJECT)


def test_one_project_is_one_environment(project: EmulatedProject) -> None:
    """A cluster of another environment, one that is in no mesh, and one of a region that was removed from the file."""
    name = "other environments in the project"
    labels = {"mesh_id": "proj-1"}
    home = f"locations/{TOKYO}/clusters"
    for cluster, network, given in (("web", "web", {}), ("acme-kyoto-cluster-1", "acme-vpc", labels)):
        project.add(f"{home}/{cluster}", name=cluster, location=TOKYO, network=network, resourceLabels=given)
    expect(project, name, "ok", "none")
    project.add(f"{home}/b", name="b", location=TOKYO, network="other-vpc", resourceLabels=labels)
    text = f"clusters of another environment are in the project's mesh: b in {TOKYO} on other-vpc"
    expect(project, name, "failure", text, ANOTHER_PROJECT)


def test_all_that_the_stacks_name_is_looked_for(reference: Synthesis) -> None:
    environment = environment_of((ROOT / "mesh.yaml").read_text(encoding="utf-8"))
    kinds = {
        "network": [f"compute_{kind}" for kind in ("network", "subnetwork", "router", "router_nat", "firewall")],
        "clusters": ["container_cluster", "container_node_pool", "service_account"],
        "mesh": ["gke_hub_feature"],
        "ingress": ["compute_global_address"],
    }
    found = [reference.all(stack, f"google_{kind}") for stack, names in kinds.items() for kind in names]
    made = {one.get("account_id") or one["name"] for resources in found for one in resources.values()}
    resources = expected_resources(environment)
    assert {one.name.partition("@")[0] for one in resources} == made
    assert len(resources) == 19
    assert {one.name for one in resources if one.kind is FEATURES} == set(FEATURE_GROUPS) - {MULTI_CLUSTER_SERVICES}


@pytest.mark.parametrize(
    ("backend", "place"),
    [
        ("{type: cloud, organization: acme}", "organization acme of app.terraform.io"),
        ("{type: gcs, bucket: acme-states}", "bucket acme-states"),
    ],
)
def test_a_state_elsewhere_is_not_known(project: EmulatedProject, backend: str, place: str) -> None:
    project.deploy()
    with project.config.open("a", encoding="utf-8") as file:
        file.write(f"backend: {backend}\n")
    text = f"exists; whether it is in the state in {place} is not checked"
    found = expect(project, "network acme-vpc", "warning", text, SHOW_PLANS)
    assert found.status == 0
    assert len(found.bad()) == 15


def test_a_state_that_can_not_be_read(project: EmulatedProject) -> None:
    (project.folder / "terraform.mesh.tfstate").write_text("{]\n}", encoding="utf-8")
    text = "can't read the state ...terraform.mesh.tfstate: ..."
    expect(
        project, "terraform's state", "failure", text, "restore it from terraform.mesh.tfstate.backup, if that exists"
    )


OURS, THEIRS = f"locations/{TOKYO}/clusters/acme-tokyo-cluster-1", "locations/us-east1/clusters/theirs"


@pytest.mark.parametrize(
    ("place", "name", "cluster", "text"),
    [
        ("global", "acme-tokyo-cluster-1", THEIRS, "the name is used in global by us-east1/clusters/theirs"),
        (TOKYO, "acme-tokyo-cluster-1", THEIRS, f"the name is used in {TOKYO} by us-east1/clusters/theirs"),
        (
            "global",
            "by-hand",
            OURS,
            "the cluster is registered in the fleet under another membership, by-hand in global",
        ),
    ],
)
def test_a_membership_in_the_way(project: EmulatedProject, place: str, name: str, cluster: str, text: str) -> None:
    link = f"//container.googleapis.com/projects/{PROJECT}/{cluster}"
    member = project.add(f"locations/{place}/memberships/{name}", endpoint={"gkeCluster": {"resourceLink": link}})
    member["name"] = f"projects/{PROJECT}/locations/{place}/memberships/{name}"
    fix = f"gcloud container fleet memberships delete {name} --location {place} --project {PROJECT}"
    membership = "tokyo: membership acme-tokyo-cluster-1"
    assert expect(project, membership, "failure", text, fix).bad() == [membership]


def test_a_list_of_memberships_with_a_place_missing(project: EmulatedProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """The membership in the way may be there."""
    get = GoogleClient.get

    def partial_get(self: GoogleClient, api: str, path: str, **query: str) -> Body:
        found = get(self, api, path, **query)
        return {**found, "unreachable": ["locations/us-east1"]} if path.endswith("/memberships") else found

    monkeypatch.setattr(GoogleClient, "get", partial_get)
    text = "can't list memberships: locations/us-east1 did not respond"
    assert expect(project, "memberships", "failure", text, "run the command again in a few minutes").bad() == [
        "memberships"
    ]


def test_delete_commands_name_the_place() -> None:
    """Where `mesh doctor` and `mesh audit` have none of the kind to show it."""
    member = CloudResource(MEMBERSHIPS, f"projects/{PROJECT}/locations/global/memberships/theirs")
    delete = "gcloud container fleet memberships delete theirs --location global"
    assert member.delete_command == f"{delete} --project {PROJECT}"


def test_a_resource_that_is_not_told(project: EmulatedProject) -> None:
    refused = (
        "failure",
        "unknown: injected: 403",
        f"have roles/viewer granted to you in {PROJECT}, and run the command again",
    )
    project.server.cloud.faults.add(RequestFault("GET .*/networks/acme-vpc$", 403, 9))
    assert expect(project, "network acme-vpc", *refused).bad() == ["network acme-vpc"]
    project.server.cloud.faults.add(RequestFault("GET .*/routers/acme-tokyo-router$", 403, 9))
    expect(project, "tokyo: NAT acme-tokyo-nat", *refused)

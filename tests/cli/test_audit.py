"""`mesh audit`: what is left over in a project, with the command that removes it, and nothing that belongs."""

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cli.audit.load_balancer import LoadBalancerParts
from cli.sources.google import ApiError
from cli.sources.remediation import as_deployer
from cli.sources.resources import (
    BACKEND_SERVICES,
    ENDPOINT_GROUPS,
    LOAD_BALANCER,
    CloudResource,
    ProjectResources,
)
from config.naming import MANIFEST_ANNOTATION, STACKS, ProjectNames
from config.output_folder import RECORD
from config.paths import ROOT
from config.synthesized import stack_file
from tests.cli.deployed_mesh import (
    LOCATIONS,
    PARENT,
    PROJECT,
    TOKEN,
    VPC,
    DeployedMesh,
    Object,
    cluster_name,
    endpoint_group,
    junit_failures,
    remote_secret,
)
from tests.fake_cloud.faults import RequestFault
from tests.fake_cloud.testing import ApiClient
from tests.synthesized import REFERENCE, load_without_variables

TO = f"--project {PROJECT}"
OLD_CERTIFICATE = ProjectNames("matt").certificate("old.example.com")
TOKYO = "kubectl --context gke_test-project_asia-northeast1_matt-tokyo-cluster-1"
ASIA = "asia-northeast1"


def test_what_is_deployed_belongs(mesh: DeployedMesh, tmp_path: Path) -> None:
    """And what is somebody else's is not ours: there is something of it of every kind."""
    answer = mesh.run_json("audit", "--junit", str(tmp_path / "audit.xml"))
    assert answer.status == 0, answer.findings("failure")
    assert set(answer.findings()) == set(answer.findings("ok"))
    assert answer.data["data"] == {"orphaned": []}
    sections = [section["title"] for section in answer.data["sections"]]
    assert sections[:3] == ["Deployed environment", "Remote secrets", "Other mesh control planes"]
    assert sections[3:] == ["Interrupted commands", "Load balancer", "Fleet and clusters", "Network", "Accounts"]
    assert junit_failures(tmp_path / "audit.xml") == set()
    assert mesh.gcp.server.journal.unknown() == []


# --- one thing is left over


class Case(NamedTuple):
    """Something that is left over.

    Attributes:
        spoil: leaves it.
        where: section and name of the only finding that says it.
        why: a part of its text.
        command: that removes it.
    """

    spoil: Callable[[DeployedMesh], Any]
    where: tuple[str, str]
    why: str
    command: str


def made(path: str, **content: Any) -> Callable[[DeployedMesh], None]:
    """Return what creates a resource, in the mesh's network if it is a firewall rule or a subnet.

    Args:
        path: Its path, after the project's.
        **content: Its content.
    """

    def spoil(mesh: DeployedMesh) -> None:
        link = f"{mesh.gcp.base}/compute/v1/{PARENT}/{path}"
        name = path.rpartition("/")[2]
        network = {"network": VPC} if path.split("/")[-2] in ("firewalls", "subnetworks") else {}
        mesh.cloud[f"{PARENT}/{path}"] = {"name": name, "selfLink": link, **network, **content}

    return spoil


def _group(name: str, uid: str, zone: str = f"{ASIA}-a") -> Callable[[DeployedMesh], None]:
    return made(f"zones/{zone}/networkEndpointGroups/{name}", **{**endpoint_group(name, "x"), **_described(uid)})


def _described(uid: str) -> Object:
    return {"description": json.dumps({"cluster-uid": uid, "service-name": "checkout"}) if uid else ""}


def _not_in_state(stack: str, address: str) -> Callable[[DeployedMesh], None]:
    def spoil(mesh: DeployedMesh) -> None:
        kept = mesh.states[stack]
        assert isinstance(kept, dict)
        del kept[address]

    return spoil


def _membership(mesh: DeployedMesh) -> None:
    name = f"{PARENT}/locations/{ASIA}/memberships/matt-paris-cluster-1"
    link = f"//container.googleapis.com/{PARENT}/locations/{ASIA}/clusters/matt-paris-cluster-1"
    mesh.cloud[name] = {"name": name, "endpoint": {"gkeCluster": {"resourceLink": link}}}


def _account(mesh: DeployedMesh) -> None:
    email = f"matt-paris-node@{PROJECT}.iam.gserviceaccount.com"
    mesh.cloud[f"{PARENT}/serviceAccounts/{email}"] = {"name": f"{PARENT}/serviceAccounts/{email}", "email": email}


def _cluster(mesh: DeployedMesh) -> None:
    path = f"{PARENT}/locations/{ASIA}/clusters/matt-paris-cluster-1"
    link = f"{mesh.gcp.base}/container/v1/{path}"
    found = {**mesh.cluster("tokyo"), "name": "matt-paris-cluster-1", "selfLink": link}
    mesh.cloud[path] = found


def _temporary(kind: str, name: str, command: str) -> Callable[[DeployedMesh], None]:
    """Return what creates an object of a command, and its CRD, if it has one."""

    def spoil(mesh: DeployedMesh) -> None:
        if kind == "Sidecar":
            status = {"conditions": [{"type": "Established", "status": "True"}]}
            crd = {"metadata": {"name": "sidecars.networking.istio.io"}, "status": status}
            mesh.add("tokyo", {"kind": "CustomResourceDefinition", **crd})
        labels = {"multi-region-mesh/temporary": command}
        mesh.add("tokyo", {"kind": kind, "metadata": {"name": name, "namespace": "sample", "labels": labels}})

    return spoil


def _drilled(mesh: DeployedMesh) -> None:
    found = mesh.object("tokyo", "Deployment", "helloworld")
    found["metadata"]["annotations"]["multi-region-mesh/drill"] = "3"


def _secret(mesh: DeployedMesh) -> None:
    secret = remote_secret("seoul")
    secret["metadata"]["name"] = f"istio-remote-secret-gke-{PROJECT}-{ASIA}-matt-paris-cluster-1"
    mesh.add("tokyo", secret)


def synthesize_nothing(mesh: DeployedMesh) -> None:
    """Write stacks without objects: the states have those that there are."""
    outdir = mesh.folder / "cdktf.out"
    for stack in STACKS:
        (file := stack_file(outdir, stack)).parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{}", encoding="utf-8")
    (outdir / RECORD).write_text(f"{(mesh.folder / 'mesh.yaml').resolve()}\n", encoding="utf-8")
    mesh.variables["CDKTF_OUTDIR"] = str(outdir)


def _orphaned_object(mesh: DeployedMesh) -> None:
    named = {"name": "shop", "namespace": "sample"}
    shop = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": named}
    live = {"annotations": {MANIFEST_ANNOTATION: json.dumps(shop)}, "creationTimestamp": "2026-11-28T03:00:00Z"}
    mesh.add("tokyo", {**shop, "metadata": {**named, **live}})
    synthesize_nothing(mesh)


CASES: dict[str, Case] = {
    "an endpoint group of a cluster that is gone": Case(
        _group("k8s1-9-apps-checkout-80-1", "kube-system-of-paris"),
        ("Load balancer", f"endpoint group k8s1-9-apps-checkout-80-1 in {ASIA}-a"),
        "its cluster does not exist any more",
        f"gcloud compute network-endpoint-groups delete k8s1-9-apps-checkout-80-1 --zone {ASIA}-a {TO}",
    ),
    "an endpoint group that does not say whose it is, where no cluster is": Case(
        _group("k8s1-9-apps-checkout-80-1", "", "europe-west9-a"),
        ("Load balancer", "endpoint group k8s1-9-apps-checkout-80-1 in europe-west9-a"),
        "no cluster exists in its region any more",
        f"gcloud compute network-endpoint-groups delete k8s1-9-apps-checkout-80-1 --zone europe-west9-a {TO}",
    ),
    "an endpoint group of the mesh of a cluster that is gone": Case(
        _group("gsmrsvd-0badcafe", "kube-system-of-paris"),
        ("Load balancer", f"endpoint group gsmrsvd-0badcafe in {ASIA}-a"),
        "left behind by the mesh, and blocks the deletion of matt-vpc: its cluster does not exist any more",
        f"gcloud compute network-endpoint-groups delete gsmrsvd-0badcafe --zone {ASIA}-a {TO}",
    ),
    "a rule of the mesh of a cluster that is gone": Case(
        made("global/firewalls/gke-matt-paris-cluster-1-0badcafe-mcsd"),
        ("Network", "firewall rule gke-matt-paris-cluster-1-0badcafe-mcsd"),
        "left behind by the mesh, and blocks the deletion of matt-vpc: the cluster matt-paris-cluster-1 does not exist",
        f"gcloud compute firewall-rules delete gke-matt-paris-cluster-1-0badcafe-mcsd {TO}",
    ),
    "a rule of a cluster that is gone": Case(
        made("global/firewalls/gke-matt-paris-cluster-1-0badcafe-all"),
        ("Network", "firewall rule gke-matt-paris-cluster-1-0badcafe-all"),
        "the cluster matt-paris-cluster-1 does not exist",
        f"gcloud compute firewall-rules delete gke-matt-paris-cluster-1-0badcafe-all {TO}",
    ),
    "a rule of a region that is gone": Case(
        made("global/firewalls/matt-vpc-paris-control-plane"),
        ("Network", "firewall rule matt-vpc-paris-control-plane"),
        "missing from the state",
        f"gcloud compute firewall-rules delete matt-vpc-paris-control-plane {TO}",
    ),
    "a rule that terraform does not know": Case(
        _not_in_state("network", "google_compute_firewall.firewall_pods"),
        ("Network", "firewall rule matt-vpc-istio-multicluster-pods"),
        "missing from the state",
        f"gcloud compute firewall-rules delete matt-vpc-istio-multicluster-pods {TO}",
    ),
    "a router that terraform does not know": Case(
        _not_in_state("network", "google_compute_router.tokyo"),
        ("Network", f"router matt-tokyo-router in {ASIA}"),
        "missing from the state",
        f"gcloud compute routers delete matt-tokyo-router --region {ASIA} {TO}",
    ),
    "a subnet that terraform does not know": Case(
        made("regions/europe-west9/subnetworks/matt-private-vm", ipCidrRange="10.251.0.0/20"),
        ("Network", "subnet matt-private-vm in europe-west9"),
        "missing from the state",
        f"gcloud compute networks subnets delete matt-private-vm --region europe-west9 {TO}",
    ),
    "an address that terraform does not know": Case(
        _not_in_state("ingress", "google_compute_global_address.address"),
        ("Network", "address matt-ingress"),
        "missing from the state",
        f"gcloud compute addresses delete matt-ingress --global {TO}",
    ),
    "a certificate of a domain that has left the file": Case(
        made("global/sslCertificates/" + OLD_CERTIFICATE, managed={"domains": ["old.example.com"]}),
        ("Load balancer", f"SSL certificate {OLD_CERTIFICATE}"),
        "missing from the state",
        f"gcloud compute ssl-certificates delete {OLD_CERTIFICATE} --global {TO}",
    ),
    "an SSL policy that terraform does not know": Case(
        made("global/sslPolicies/matt-ingress"),
        ("Load balancer", "SSL policy matt-ingress"),
        "missing from the state",
        f"gcloud compute ssl-policies delete matt-ingress --global {TO}",
    ),
    "a cluster that terraform does not know": Case(
        _cluster,
        ("Fleet and clusters", f"cluster matt-paris-cluster-1 in {ASIA}"),
        "missing from the state",
        f"gcloud container clusters delete matt-paris-cluster-1 --location {ASIA} {TO}",
    ),
    "a membership of a cluster that is gone": Case(
        _membership,
        ("Fleet and clusters", f"membership matt-paris-cluster-1 in {ASIA}"),
        "its cluster does not exist any more",
        f"gcloud container fleet memberships delete matt-paris-cluster-1 --location {ASIA} {TO}",
    ),
    "an account of a region that is gone": Case(
        _account,
        ("Accounts", f"service account matt-paris-node@{PROJECT}.iam.gserviceaccount.com"),
        "missing from the state",
        f"gcloud iam service-accounts delete matt-paris-node@{PROJECT}.iam.gserviceaccount.com {TO}",
    ),
    "a remote secret of a cluster that is gone": Case(
        _secret,
        (
            "Remote secrets",
            f"remote secret istio-remote-secret-gke-{PROJECT}-{ASIA}-matt-paris-cluster-1 in tokyo",
        ),
        "its cluster does not exist any more",
        f"{TOKYO} --namespace istio-system delete secret istio-remote-secret-gke-{PROJECT}-{ASIA}-matt-paris-cluster-1",
    ),
    "the client of an interrupted verification": Case(
        _temporary("Job", "mesh-verify-1f", "verify"),
        ("Interrupted commands", "Job sample/mesh-verify-1f in tokyo"),
        "mesh verify was interrupted, unless it still runs",
        f"{TOKYO} --namespace sample delete job.batch mesh-verify-1f",
    ),
    "the Sidecar of an interrupted drill": Case(
        _temporary("Sidecar", "mesh-drill", "drill"),
        ("Interrupted commands", "Sidecar sample/mesh-drill in tokyo"),
        "mesh drill was interrupted, unless it still runs",
        f"{TOKYO} --namespace sample delete sidecar.networking.istio.io mesh-drill",
    ),
    "a Deployment of an interrupted deploy": Case(
        _orphaned_object,
        ("Interrupted commands", "Deployment sample/shop in tokyo"),
        "a deploy has applied it, as its annotation shows, and no stack has it any more",
        f"{TOKYO} --namespace sample delete deployment.apps/shop --wait=false",
    ),
    "a Deployment of an interrupted drill": Case(
        _drilled,
        ("Interrupted commands", "Deployment sample/helloworld-v1 in tokyo"),
        "mesh drill has scaled it from 3 to 0, and was interrupted unless it still runs",
        f"{TOKYO} --namespace sample scale deployment.apps helloworld-v1 --replicas=3 && "
        f"{TOKYO} --namespace sample annotate deployment.apps helloworld-v1 multi-region-mesh/drill-",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_one_thing_is_left_over(mesh: DeployedMesh, name: str) -> None:
    case = CASES[name]
    case.spoil(mesh)
    answer = mesh.run_json("audit")
    failures = answer.findings("failure")
    assert set(failures) == {case.where}
    [said] = failures.values()
    assert case.why in said["text"]
    assert said["fix"] == case.command
    assert answer.status == 1
    assert answer.data["data"]["orphaned"] == [{"name": case.where[1], "why": said["text"], "command": case.command}]
    assert answer.findings("warning") == {}


OWN_BALANCER = r"/mci-8se3df-((80-|fw-)?istio-gateway|default-l7)$"


def test_a_load_balancer_without_its_objects(mesh: DeployedMesh) -> None:
    """In the order in which it can be taken down, and nothing that is the cluster's own."""
    for kind in ("MultiClusterIngress", "MultiClusterService"):
        mesh.remove("tokyo", kind)
    _group("k8s1-9-apps-checkout-80-1", "kube-system-of-osaka")(mesh)
    made("global/firewalls/k8s-fw-1a2b")(mesh)
    answer = mesh.run_json("audit")
    commands = [one["command"] for one in answer.data["data"]["orphaned"]]
    name = "mci-8se3df-istio-gateway"
    assert commands[:5] == [
        f"gcloud compute forwarding-rules delete mci-8se3df-fw-istio-gateway --global {TO}",
        f"gcloud compute target-http-proxies delete {name} --global {TO}",
        f"gcloud compute url-maps delete {name} --global {TO}",
        f"gcloud compute backend-services delete mci-8se3df-80-istio-gateway --global {TO}",
        f"gcloud compute health-checks delete mci-8se3df-80-istio-gateway --global {TO}",
    ]
    groups = commands[5:-1]
    assert len(groups) == 6
    assert all("network-endpoint-groups delete k8s1-" in one and "-mci-" in one for one in groups)
    assert commands[-1] == f"gcloud compute firewall-rules delete mci-8se3df-default-l7 {TO}"
    assert "no MultiClusterIngress exists any more" in answer.findings()["Load balancer", f"URL map {name}"]["text"]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_what_is_left_of_a_load_balancer(mesh: DeployedMesh, number: int) -> None:
    """Its parts are deleted from the forwarding rule on; another team's parts with the same prefix are not ours."""
    for kind in ("MultiClusterIngress", "MultiClusterService"):
        mesh.remove("tokyo", kind)
    parts = ("forwardingRules", "targetHttpProxies", "urlMaps", "backendServices", "healthChecks")
    for collection in parts[:number]:
        for path in [one for one in mesh.cloud if f"/{collection}/" in one and re.search(OWN_BALANCER, one)]:
            del mesh.cloud[path]
    left = [one["name"] for one in mesh.run_json("audit").data["data"]["orphaned"]]
    found = [name for name in left if "mci-8se3df" in name and "firewall" not in name]
    assert len(found) == len(parts) - number
    assert not [name for name in left if "storefront" in name]


def take_backends(mesh: DeployedMesh, own: bool) -> None:
    """Take the endpoint groups out of backend services, as the controller does first."""
    for path, content in mesh.cloud.items():
        if "/backendServices/" in path and bool(re.search(OWN_BALANCER, path)) == own:
            content["backends"] = []


@pytest.mark.parametrize("other_team", [False, True])
def test_parts_that_lead_nowhere(mesh: DeployedMesh, other_team: bool) -> None:
    """Where another team's load balancer has the same hash, no command is given that could delete its parts."""
    for kind in ("MultiClusterIngress", "MultiClusterService"):
        mesh.remove("tokyo", kind)
    take_backends(mesh, own=True)
    if not other_team:
        for path in [path for path in mesh.cloud if "/mci-8se3df" in path and "shop" in path]:
            del mesh.cloud[path]
    answer = mesh.run_json("audit")
    left = [one["name"] for one in answer.data["data"]["orphaned"]]
    assert len([name for name in left if "mci-8se3df" in name and "istio-gateway" in name]) == (0 if other_team else 5)
    assert not [name for name in left if "shop" in name]
    unknown = [
        text for text in (one["text"] for one in answer.findings("failure").values()) if "several networks" in text
    ]
    assert len(unknown) == (5 if other_team else 0)


def test_a_list_that_is_not_complete() -> None:
    part = CloudResource(BACKEND_SERVICES, "projects/p/global/backendServices/mci-1-a")
    other = CloudResource(BACKEND_SERVICES, "projects/p/global/backendServices/shop")
    lists: ProjectResources = {kind: () for kind in LOAD_BALANCER} | {BACKEND_SERVICES: (part, other)}
    parts = LoadBalancerParts({**lists, ENDPOINT_GROUPS: ApiError(403, "forbidden", "no")}, VPC, (), ())
    assert parts.serves(part)
    assert "can't all be listed" in parts.unknown(part)
    assert not parts.serves(other)
    parts = LoadBalancerParts({**lists, ENDPOINT_GROUPS: ()}, VPC, (), ())
    assert not parts.serves(part)


def test_a_load_balancer_with_one_of_its_objects(mesh: DeployedMesh) -> None:
    mesh.remove("tokyo", "MultiClusterIngress")
    assert mesh.run_json("audit").status == 0
    mesh.clusters["osaka"]["objects"] += mesh.objects("tokyo", "CustomResourceDefinition", "multicluster")
    mesh.clusters["osaka"]["objects"] += mesh.objects("tokyo", "MultiClusterService")
    mesh.remove("tokyo", "MultiClusterService")
    assert mesh.run_json("audit").status == 0


@pytest.mark.parametrize("missing", ["the synthesis", "a stack", "a state"])
def test_where_it_is_not_known_what_is_left_over(mesh: DeployedMesh, missing: str) -> None:
    _orphaned_object(mesh)
    assert mesh.run_json("audit").status == 1
    if missing == "the synthesis":
        (mesh.folder / "cdktf.out" / RECORD).unlink()
    elif missing == "a stack":
        stack_file(mesh.folder / "cdktf.out", STACKS[0]).unlink()
    else:
        mesh.states["mesh"] = None
    assert mesh.run_json("audit").findings("failure") == {}


def test_kinds_that_may_not_be_listed_do_not_hide_the_rest(mesh: DeployedMesh) -> None:
    synthesize_nothing(mesh)
    mesh.clusters["tokyo"]["forbidden"] = ["networkpolicies.networking.k8s.io"]
    answer = mesh.run_json("audit")
    assert (answer.status, answer.findings("failure")) == (0, {})
    (finding,) = answer.findings("warning").values()
    assert "what interrupted deploys left: Error from server (Forbidden)" in finding["text"]


# --- after a destroy


def destroy(mesh: DeployedMesh, *, completely: bool = False) -> None:
    """Take away the clusters and what is in the states.

    Args:
        mesh: The deployed mesh.
        completely: Delete also what is in the project.
    """
    ours = [one["id"] for stack in mesh.states.values() for one in (stack or {}).values() if "id" in one]  # type: ignore[union-attr]
    for path in list(mesh.cloud):
        if "matt-" in path and ("/clusters/" in path or "/memberships/" in path):
            del mesh.cloud[path]
    if completely:
        for path in [path for path in ours if path in mesh.cloud]:
            del mesh.cloud[path]
        for path in [path for path in mesh.cloud if re.search(f"{OWN_BALANCER}|-mci-istio|/gke-matt", path)]:
            del mesh.cloud[path]
    mesh.states = {stack: {} for stack in mesh.states}
    mesh.clusters = {}


def test_after_a_destroy_nothing_is_left(mesh: DeployedMesh) -> None:
    destroy(mesh, completely=True)
    del mesh.cloud[f"{PARENT}/global/firewalls/office"]
    answer = mesh.run_json("audit")
    assert answer.status == 0, answer.findings("failure")
    assert answer.findings()["Fleet and clusters", "clusters"]["text"] == "none in the project"
    mesh.states = {}  # in another checkout
    assert mesh.run_json("audit").status == 0


@pytest.mark.parametrize("state", ["empty", "elsewhere", "in the cloud", "in a bucket"])
def test_all_that_a_destroy_has_left_can_be_removed(mesh: DeployedMesh, state: str) -> None:
    """By the commands, in their order; then nothing is left. What is somebody else's is still there."""
    before = set(mesh.cloud)
    destroy(mesh)
    if state == "elsewhere":
        mesh.states = {}
    if state == "in the cloud":
        mesh.content["backend"] = {"type": "cloud", "organization": "acme"}
    if state == "in a bucket":
        mesh.content["backend"] = {"type": "gcs", "bucket": "acme-states"}
    answer = mesh.run_json("audit")
    assert answer.status == 1
    assert answer.findings("warning") == {}
    left = answer.data["data"]["orphaned"]
    assert len(left) == len(answer.findings("failure"))
    caller = ApiClient(mesh.gcp.base, mesh.token)
    for one in left:
        _remove(caller, one["command"])
    again = mesh.run_json("audit")
    assert again.status == 0, again.findings("failure")
    gone = [
        path
        for path in before - set(mesh.cloud)
        if not re.search(f"/operations/|/matt-|{OWN_BALANCER}|/gke-matt-|-mci-istio", path)
    ]
    assert gone == [f"{PARENT}/global/firewalls/office"]  # it held the network


COLLECTIONS = {
    "forwarding-rules": "forwardingRules",
    "target-http-proxies": "targetHttpProxies",
    "url-maps": "urlMaps",
    "backend-services": "backendServices",
    "health-checks": "healthChecks",
    "network-endpoint-groups": "networkEndpointGroups",
    "addresses": "addresses",
    "ssl-certificates": "sslCertificates",
    "ssl-policies": "sslPolicies",
    "firewall-rules": "firewalls",
    "routers": "routers",
    "networks subnets": "subnetworks",
    "networks": "networks",
}


def _remove(caller: ApiClient, command: str) -> None:
    """Do what gcloud would, and be refused what the cloud refuses."""
    words = re.fullmatch(r"gcloud (compute|container fleet|iam) ([a-z -]+?) (delete|disable)(?: (\S+))?(.*)", command)
    assert words is not None, command
    api, kind, _, name, rest = words.groups()
    assert TO in rest
    place = re.search(r"--(region|zone|location) (\S+)", rest)
    if api == "iam":
        path = f"/iam/v1/{PARENT}/serviceAccounts/{name}"
    elif api == "compute":
        where = f"{place[1]}s/{place[2]}" if place else "global"
        path = f"/compute/v1/{PARENT}/{where}/{COLLECTIONS[kind]}/{name}"
        assert place or "--global" in rest or kind in ("firewall-rules", "networks")
    else:
        feature = {"mesh": "servicemesh", "ingress": "multiclusteringress"}[kind]
        path = f"/gkehub/v1/{PARENT}/locations/global/features/{feature}"
    caller.ok("DELETE", path)


def test_clusters_are_removed_before_what_they_use(mesh: DeployedMesh) -> None:
    mesh.states = {stack: {} for stack in mesh.states}
    left = [one["name"] for one in mesh.run_json("audit").data["data"]["orphaned"]]
    clusters = [left.index(f"cluster {cluster_name(region)} in {place}") for region, place in LOCATIONS.items()]
    assert max(clusters) < left.index("network matt-vpc")
    assert max(clusters) < min(left.index(f"subnet matt-private-vm in {place}") for place in LOCATIONS.values())
    assert left.index("network matt-vpc") > max(
        left.index(f"subnet matt-private-vm in {one}") for one in LOCATIONS.values()
    )
    # The firewall rules of clusters that are there, and their memberships, go with them.
    assert not [name for name in left if "gke-matt" in name or "membership" in name]


# --- whose is it


def test_another_environment_with_a_longer_prefix(mesh: DeployedMesh) -> None:
    """matt-lab-tokyo-node may be of matt, with a region lab-tokyo, or of matt-lab: then that has a network."""
    email = f"matt-lab-tokyo-node@{PROJECT}.iam.gserviceaccount.com"
    mesh.cloud[f"{PARENT}/serviceAccounts/{email}"] = {"name": f"{PARENT}/serviceAccounts/{email}", "email": email}
    assert set(mesh.run_json("audit").findings("failure")) == {("Accounts", f"service account {email}")}
    made("global/networks/matt-lab-vpc")(mesh)
    assert mesh.run_json("audit").status == 0


def test_commands_act_as_the_account_that_deploys() -> None:
    account = "deployer@acme-mesh-prod.iam.gserviceaccount.com"
    hardened = load_without_variables(ROOT / "examples" / "hardened.yaml")
    assert as_deployer("gcloud x", hardened) == f"gcloud x --impersonate-service-account={account}"
    assert as_deployer("gcloud x", load_without_variables(REFERENCE)) == "gcloud x"


def test_a_feature_may_be_of_use_to_others(mesh: DeployedMesh) -> None:
    destroy(mesh, completely=True)
    feature = f"{PARENT}/locations/global/features/servicemesh"
    mesh.cloud[feature] = {"name": feature}
    del mesh.cloud[f"{PARENT}/global/firewalls/office"]
    assert mesh.run_json("audit").status == 0  # there is another cluster in the fleet
    del mesh.cloud[f"{PARENT}/locations/global/memberships/other"]
    [(where, said)] = mesh.run_json("audit").findings("failure").items()
    assert where == ("Fleet and clusters", "fleet feature servicemesh")
    assert said["fix"] == f"gcloud container fleet mesh disable {TO}"


def test_without_a_state_what_is_configured_belongs_while_a_cluster_is_there(mesh: DeployedMesh) -> None:
    mesh.states = {}
    answer = mesh.run_json("audit")
    assert answer.status == 0, answer.findings("failure")
    assert "none on this machine" in answer.findings()["Deployed environment", "terraform's state"]["text"]
    mesh.states = {"network": {}}
    failures = {name for _, name in mesh.run_json("audit").findings("failure")}
    assert "network matt-vpc" in failures
    assert "address matt-ingress" not in failures


# --- what can't be asked


@pytest.mark.parametrize(
    ("api", "names"),
    [
        ("compute", {"forwarding rules", "endpoint groups", "addresses", "firewall rules", "networks"}),
        ("gkehub", {"fleet features", "memberships"}),
        ("iam", {"service accounts"}),
        ("container", {"clusters"}),
    ],
)
def test_an_api_that_is_off(mesh: DeployedMesh, api: str, names: set[str]) -> None:
    destroy(mesh, completely=True)
    del mesh.cloud[f"{PARENT}/services/{api}.googleapis.com"]
    answer = mesh.run_json("audit")
    assert answer.status == 1
    failures = {name: one for (_, name), one in answer.findings("failure").items()}
    assert names <= set(failures)
    for name in names:
        assert "unknown" in failures[name]["text"]
        assert failures[name]["fix"] == f"gcloud services enable {api}.googleapis.com {TO}"


def test_who_may_not_list_clusters_is_told_what_is_in_doubt(mesh: DeployedMesh) -> None:
    mesh.gcp.server.cloud.faults.add(RequestFault("GET /container/v1/.*/clusters$", 403, 9))
    answer = mesh.run_json("audit")
    failures = {name: one for (_, name), one in answer.findings("failure").items()}
    assert answer.data["data"]["orphaned"] == []
    assert (
        failures.pop("clusters")["fix"] == f"have roles/viewer granted to you in {PROJECT}, and run the command again"
    )
    assert set(failures) == {
        *("forwarding rules", "target HTTP proxies", "URL maps", "backend services", "health checks"),
        *("endpoint groups", "memberships", "firewall rules"),
    }
    assert all("may be orphaned" in one["text"] for one in failures.values())
    assert "gke-matt-tokyo-cluster-1-1a2b3c4d-all" in failures["firewall rules"]["text"]


def test_a_list_with_a_place_missing_is_no_list(mesh: DeployedMesh) -> None:
    """Google's lists may come without what is in a zone that does not answer, and say so in between."""
    zone = "zones/asia-northeast1-a"
    mesh.gcp.server.compute.silent.add(zone)
    try:
        answer = mesh.run_json("audit")
    finally:
        mesh.gcp.server.compute.silent.clear()
    failures = {name: one for (_, name), one in answer.findings("failure").items()}
    assert set(failures) == {
        *("forwarding rules", "target HTTP proxies", "target HTTPS proxies", "URL maps", "backend services"),
        *("health checks", "SSL certificates", "SSL policies", "endpoint groups", "addresses", "routers", "subnets"),
    }
    assert failures["endpoint groups"]["text"] == f"unknown: {zone}: UNREACHABLE, says the fake cloud."


def test_a_cluster_that_does_not_answer(mesh: DeployedMesh) -> None:
    """It may be the one with the ingress' objects."""
    mesh.clusters["tokyo"]["error"] = "Unable to connect to the server: EOF"
    answer = mesh.run_json("audit")
    failures = {name: one for (_, name), one in answer.findings("failure").items()}
    assert "MESH_OPERATOR_ADDRESS" in failures.pop("cluster of tokyo")["fix"]
    assert (
        answer.findings("warning")["Remote secrets", "in tokyo"]["fix"]
        == "see cluster of tokyo, in Deployed environment"
    )
    assert set(failures) == {
        *("forwarding rules", "target HTTP proxies", "URL maps", "backend services", "health checks"),
        *("endpoint groups", "firewall rules"),
    }
    assert answer.data["data"]["orphaned"] == []
    mesh.clusters["tokyo"].pop("error")
    mesh.clusters["osaka"]["error"] = "Unable to connect to the server: EOF"
    failures = {name: one for (_, name), one in mesh.run_json("audit").findings("failure").items()}
    assert set(failures) == {"cluster of osaka", "endpoint groups"}
    assert "asia" not in failures["endpoint groups"]["text"]


# --- how it is told


def test_it_is_told_to_people_too(mesh: DeployedMesh, tmp_path: Path) -> None:
    _secret(mesh)
    _account(mesh)
    result = mesh.run("audit", "--junit", str(tmp_path / "audit.xml"))
    assert result.returncode == 1
    lines = [line.strip() for line in result.stdout.splitlines()]
    command = f"gcloud iam service-accounts delete matt-paris-node@{PROJECT}.iam.gserviceaccount.com {TO}"
    assert command in lines
    assert lines[-1].startswith("audit: ")
    assert "2 failures" in lines[-1]
    assert TOKEN not in result.stdout + result.stderr
    assert {suite for suite, _ in junit_failures(tmp_path / "audit.xml")} == {"Remote secrets", "Accounts"}


def test_it_changes_nothing(mesh: DeployedMesh) -> None:
    _secret(mesh)
    _orphaned_object(mesh)
    destroyed = copy.deepcopy(mesh.cloud)
    calls = mesh.gcp.server.journal.count()
    mesh.run_json("audit")
    assert mesh.cloud == destroyed
    assert mesh.gcp.server.journal.count() > calls
    words = ("get", "api-resources", "create", "delete", "patch", "apply")
    verbs = {next(word for word in call if word in words) for call in mesh.kubectl_calls}
    assert verbs == {"get", "api-resources"}

"""A mesh that is deployed: a fake Google Cloud, and clusters whose objects a fake kubectl serves.

Two regions serve and one is retired. A test changes the cloud, the objects, the configuration or terraform's states
before it runs a command.
"""

import base64
import copy
import hashlib
import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch
from xml.etree import ElementTree

import yaml

from config.loading.load import displayed
from config.naming import MANIFEST_ANNOTATION, STACKS
from config.output_folder import OutputFolder
from tests.cli.fake_kubectl import FakeKubectl, version_of
from tests.cli.invocation import invoke
from tests.fake_cloud.cloud import PROJECT_NUMBER
from tests.fake_cloud.testing import ApiClient, FakeGcp, check_conformance, enable, running

Object = dict[str, Any]

PROJECT = "test-project"
MANAGED, IN_CLUSTER, FLEET = "asmcli-managed", "asmcli-in-cluster", "fleet"
"""The control plane modes."""

REVISION = "asm-managed-stable"
IN_CLUSTER_REVISION = "asm-1285-12"
REVISIONS = {MANAGED: REVISION, IN_CLUSTER: IN_CLUSTER_REVISION, FLEET: REVISION}
GATEWAY = "istio-ingressgateway"
PARENT = f"projects/{PROJECT}"
VPC = f"{PARENT}/global/networks/matt-vpc"
TOKEN = "remote-token-of"
"""How the token of every remote secret begins. It must be in no output, no argument and no file."""

LOCATIONS = {"tokyo": "asia-northeast1", "osaka": "asia-northeast2", "seoul": "asia-northeast3"}
NUMBERS = {"tokyo": 0, "osaka": 8, "seoul": 4}
VERSIONS = {"tokyo": "v1", "osaka": "v2"}
POD_RANGES = {region: f"10.{4 * number}.0.0/14" for region, number in NUMBERS.items()}
ADDRESS = "198.51.100.1"

CONFIGURATION: dict[str, Any] = {
    "project": {"id": PROJECT, "name_prefix": "matt"},
    "regions": {key: {"region": place, "number": NUMBERS[key]} for key, place in LOCATIONS.items()},
    "cluster": {"endpoint": "public", "authorized_networks": [{"name": "office", "cidr": "203.0.113.0/24"}]},
    "ingress": {"config_cluster": "tokyo", "plain_http": True},
    "mesh": {"control_plane": MANAGED},
    "demo": {"versions": VERSIONS},
}
CONFIGURATION["regions"]["seoul"]["retired"] = True


def cluster_name(region: str) -> str:
    return f"matt-{region}-cluster-1"


def membership_key(region: str) -> str:
    """Return the name by which the fleet's features know a membership."""
    return f"projects/{PROJECT_NUMBER}/locations/{LOCATIONS[region]}/memberships/{cluster_name(region)}"


def automatic() -> Object:
    """Return the spec of a membership whose mesh the fleet manages."""
    return {"mesh": {"management": "MANAGEMENT_AUTOMATIC"}}


def certificate(region: str) -> str:
    return base64.b64encode(f"CA of {region}".encode()).decode()


def secret_name(region: str) -> str:
    return f"istio-remote-secret-gke-{PROJECT}-{LOCATIONS[region]}-{cluster_name(region)}"


@dataclass
class JsonReport:
    """The report of a command that ran with ``--json``."""

    status: int
    data: dict[str, Any]
    errors: str

    def findings(self, state: str = "") -> dict[tuple[str, str], Object]:
        """Return the findings, or those with a state, by section (without the name of its cluster) and name."""
        found = {}
        for section in self.data["sections"]:
            for one in section["findings"]:
                if state in ("", one["state"]):
                    found[section["title"].partition(":")[0], one["name"]] = one
        return found


@dataclass
class DeployedMesh:
    """A mesh on which commands of the CLI run.

    Attributes:
        gcp: the fake Google Cloud.
        folder: of the configuration and the states.
        token: with which the CLI calls Google's APIs.
        content: of the configuration.
        clusters: what `FakeKubectl` serves, by region.
        states: terraform's states by stack: attributes by address, the text of the file, or None for no file.
        variables: environment variables of the commands, besides those that every command has.
        kubectl_calls: the arguments of each call that the last command has made.
        health: what a load balancer's health checks report of the endpoints in each zone, by region.
    """

    gcp: FakeGcp
    folder: Path
    token: str
    content: dict[str, Any] = field(default_factory=lambda: copy.deepcopy(CONFIGURATION))
    clusters: dict[str, Object] = field(default_factory=dict)
    states: dict[str, dict[str, Object] | str | None] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    kubectl_calls: list[list[str]] = field(default_factory=list)
    health: dict[str, list[str]] = field(default_factory=lambda: {key: ["HEALTHY"] for key in VERSIONS})

    def endpoint_health(self, group: str) -> list[Object]:
        """Return the health of the endpoints of a group, by its path."""
        zone = group.split("/")[3]
        region = next(key for key, one in LOCATIONS.items() if zone.startswith(one))
        return [{"ipAddress": "10.0.0.1", "healthState": one} for one in self.health[region]]

    @property
    def cloud(self) -> dict[str, Object]:
        """The resources in Google Cloud, by path."""
        return self.gcp.server.cloud.store._resources

    def cluster(self, region: str) -> Object:
        """Return a cluster of the GKE API."""
        return self.cloud[f"{PARENT}/locations/{LOCATIONS[region]}/clusters/{cluster_name(region)}"]

    def pool(self, region: str) -> Object:
        return self.cloud[
            f"{PARENT}/locations/{LOCATIONS[region]}/clusters/{cluster_name(region)}/nodePools/matt-{region}-nodes"
        ]

    def feature(self, name: str) -> Object:
        return self.cloud[f"{PARENT}/locations/global/features/{name}"]

    def mesh_of(self, region: str) -> Object:
        """Return the state of a cluster's membership in the feature servicemesh."""
        [state] = [one for name, one in self.feature("servicemesh")["membershipStates"].items() if region in name]
        found: Object = state["servicemesh"]
        return found

    def objects(self, region: str, kind: str, name: str = "") -> list[Object]:
        """Return the objects of a kind whose name contains `name`."""
        found = self.clusters[region]["objects"]
        return [one for one in found if one["kind"] == kind and name in one["metadata"]["name"]]

    def object(self, region: str, kind: str, name: str = "") -> Object:
        return self.objects(region, kind, name)[0]

    def remove(self, region: str, kind: str, name: str = "") -> None:
        gone = self.objects(region, kind, name)
        assert gone, f"{region} has no {kind} {name}"
        self.clusters[region]["objects"] = [one for one in self.clusters[region]["objects"] if one not in gone]

    def applied(self, region: str, kind: str, name: str) -> Object:
        """Return the manifest of an object in terraform's state."""
        state = self.states["ingress"]
        assert isinstance(state, dict)
        found: Object = state[state_address(region, self.object(region, kind, name))]["manifest"]["value"]
        return found

    def apply(self, region: str, one: Object) -> None:
        """Add an object to a cluster and to the state, as a deploy does."""
        state = self.states["ingress"]
        assert isinstance(state, dict)
        apply_object(state, region, one)
        self.add(region, one)

    def apply_no_more(self, region: str, kind: str, name: str = "") -> None:
        """Remove objects from the state as well, as a deploy of another configuration does."""
        state = self.states["ingress"]
        assert isinstance(state, dict)
        for one in self.objects(region, kind, name):
            del state[state_address(region, one)]
        self.clusters[region]["objects"] = [
            one for one in self.clusters[region]["objects"] if one not in self.objects(region, kind, name)
        ]

    def add(self, region: str, one: Object) -> None:
        self.clusters[region]["objects"].append(one)

    def run_json(self, command: str, *arguments: str) -> JsonReport:
        """Run a command with ``--json``."""
        result = self.run(command, "--json", *arguments)
        assert TOKEN not in result.stdout + result.stderr
        assert self.token not in result.stdout + result.stderr
        assert "Traceback" not in result.stderr, result.stderr
        data = json.loads(result.stdout) if result.stdout else {"sections": []}
        assert result.returncode != 0 or data["ok"]
        return JsonReport(result.returncode, data, result.stderr)

    def run(self, command: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of the CLI as a user does."""
        self._write()
        kubectl = FakeKubectl(self.clusters)
        self.kubectl_calls = kubectl.calls
        variables = {
            "COLUMNS": "160",
            "GOOGLE_OAUTH_ACCESS_TOKEN": self.token,
            "HOME": str(self.folder),
            "PATH": str(self.folder / "bin"),
            **self.gcp.server.variables(),
            **self.variables,
        }
        with patch("cli.sources.kubernetes.run_kubectl", kubectl):
            return invoke([command, "--config", str(self.folder / "mesh.yaml"), *arguments], variables)

    def _write(self) -> None:
        """Write the configuration and terraform's state, and programs that may be looked for but not called."""
        (self.folder / "mesh.yaml").write_text(yaml.safe_dump(self.content, sort_keys=False), encoding="utf-8")
        (self.folder / "bin").mkdir(exist_ok=True)
        for program in ("kubectl", "gke-gcloud-auth-plugin"):
            file = self.folder / "bin" / program
            file.write_text("#!/bin/sh\nexit 99\n", encoding="utf-8")
            file.chmod(0o755)
        for stack in STACKS:
            file = self.folder / f"terraform.{stack}.tfstate"
            file.unlink(missing_ok=True)
            kept = self.states.get(stack)
            if isinstance(kept, str):
                file.write_text(kept, encoding="utf-8")
            elif kept is not None:
                resources = [_in_state(address, attributes) for address, attributes in kept.items()]
                file.write_text(json.dumps({"version": 4, "resources": resources}), encoding="utf-8")


@contextmanager
def restored(mesh: DeployedMesh) -> Iterator[DeployedMesh]:
    """Restore at the end of a block what the block changes."""
    before = copy.deepcopy((mesh.cloud, mesh.content, mesh.clusters, mesh.states, mesh.health))
    try:
        yield mesh
        check_conformance(mesh.gcp.server)
    finally:
        mesh.gcp.server.cloud.faults.clear()
        mesh.cloud.clear()
        mesh.cloud.update(before[0])
        mesh.content, mesh.clusters, mesh.states, mesh.health = before[1:]
        mesh.variables = {}


def junit_failures(file: Path) -> set[tuple[str, str]]:
    """Return suite and name of each failed case in a JUnit file."""
    return {
        (suite.attrib["name"], case.attrib["name"])
        for suite in ElementTree.parse(file).getroot().iter("testsuite")
        for case in suite.iter("testcase")
        if case.find("failure") is not None
    }


@contextmanager
def deploy(folder: Path, mode: str = MANAGED) -> Iterator[DeployedMesh]:
    """Create the mesh in the fake cloud, in the clusters and in terraform's states.

    Args:
        folder: for the configuration, and the states beside it.
        mode: control plane mode.
    """
    with running() as gcp:
        caller = gcp.client()
        enable(caller)
        mesh = DeployedMesh(gcp, folder, gcp.token())
        gcp.server.compute.endpoint_health = mesh.endpoint_health
        mesh.content["mesh"] = {"control_plane": mode, "asmcli": {"version": "1.28.5-asm.12+config1"}}
        states = _make_cloud(caller, mesh, mode)
        for region in LOCATIONS:
            mesh.clusters[region] = _cluster_objects(region, mode)
            for one in mesh.clusters[region]["objects"]:
                if one["kind"] in APPLIED and "istiod" not in one["metadata"]["name"]:
                    apply_object(states["ingress"], region, one)
        mesh.states = {**states}
        yield mesh


APPLIED = (
    "AuthorizationPolicy",
    "Deployment",
    "DestinationRule",
    "HorizontalPodAutoscaler",
    "MultiClusterIngress",
    "MultiClusterService",
    "PeerAuthentication",
    "Service",
)
"""Kinds of which all objects are in the state of the stack `ingress`."""


def apply_object(state: dict[str, Object], region: str, one: Object) -> None:
    """Add an object to a state, and its manifest to the object."""
    manifest = manifest_of(one)
    state[state_address(region, one)] = {"manifest": {"value": manifest}}
    one["metadata"].setdefault("annotations", {})[MANIFEST_ANNOTATION] = json.dumps(manifest)


def manifest_of(one: Object) -> Object:
    """Return the manifest by which a deploy has made an object."""
    metadata = {key: value for key, value in one["metadata"].items() if key != "uid"}
    fields = {key: value for key, value in one.items() if key not in ("metadata", "status")}
    manifest = copy.deepcopy({"apiVersion": version_of(one["kind"]), **fields, "metadata": metadata})
    if one["metadata"]["name"] == GATEWAY:
        manifest.get("spec", {}).pop("replicas", None)  # the autoscaler's
    return manifest


def state_address(region: str, one: Object) -> str:
    """Return terraform's address of an object, which begins with the region's key."""
    metadata = one["metadata"]
    where = f"_{metadata['namespace']}" if metadata.get("namespace") not in (None, "sample") else ""
    return f"kubernetes_manifest.{region}{where}_{one['kind'].lower()}_{metadata['name']}"


def _make_cloud(caller: ApiClient, mesh: DeployedMesh, mode: str) -> dict[str, dict[str, Object]]:
    """Create all resources in Google Cloud and return terraform's states: attributes by stack and address."""
    states: dict[str, dict[str, Object]] = {"network": {}, "clusters": {}, "mesh": _mesh_state(mode), "ingress": {}}

    def create(stack: str, address: str, path: str, **body: Any) -> None:
        collection, _, name = path.rpartition("/")
        caller.ok("POST", f"/compute/v1/{PARENT}/{collection}", {"name": name, **body})
        states[stack][address] = {"id": f"{PARENT}/{path}"}

    create("network", "google_compute_network.vpc", "global/networks/matt-vpc")
    create("ingress", "google_compute_global_address.address", "global/addresses/matt-ingress")
    firewalls = "global/firewalls/matt-vpc"
    create(
        "network",
        "google_compute_firewall.firewall_pods",
        f"{firewalls}-istio-multicluster-pods",
        network=VPC,
        **{"priority": 900, "direction": "INGRESS", "allowed": [{"IPProtocol": "tcp"}]},
        sourceRanges=[*POD_RANGES.values()],
        targetTags=[f"matt-{region}-node" for region in LOCATIONS],
    )
    for region, location in LOCATIONS.items():
        number, parent = NUMBERS[region], f"regions/{location}"
        ranges = {"pods": POD_RANGES[region], "services": f"10.64.{16 * number}.0/20"}
        if mode != FLEET:
            create(
                "network",
                f"google_compute_firewall.{region}",
                f"{firewalls}-{region}-control-plane",
                network=VPC,
                **{"priority": 900, "direction": "INGRESS"},
                allowed=[{"IPProtocol": "tcp", "ports": ["15017"]}],
                sourceRanges=[f"192.168.{number}.0/28"],
                targetTags=[f"matt-{region}-node"],
            )
        create(
            "network",
            f"google_compute_subnetwork.{region}",
            f"{parent}/subnetworks/matt-private-vm",
            network=VPC,
            ipCidrRange=f"172.{16 + number}.0.0/16",
            secondaryIpRanges=[{"rangeName": name, "ipCidrRange": one} for name, one in ranges.items()],
        )
        create("network", f"google_compute_router.{region}", f"{parent}/routers/matt-{region}-router", network=VPC)
        caller.ok("POST", f"/iam/v1/{PARENT}/serviceAccounts", {"accountId": f"matt-{region}-node"})
        _make_cluster(caller, region, mode)
        email, name = f"matt-{region}-node@{PROJECT}.iam.gserviceaccount.com", cluster_name(region)
        states["clusters"] |= {
            f"google_service_account.{region}": {"id": f"{PARENT}/serviceAccounts/{email}"},
            f"google_container_cluster.{region}": {
                "id": f"{PARENT}/locations/{location}/clusters/{name}",
                "name": name,
                "deletion_protection": region in VERSIONS,
            },
        }
    _make_load_balancer(caller)
    _create_foreign_resources(caller, mesh)
    for region, index in (("tokyo", 1), ("osaka", 2), ("seoul", 3)):
        cluster = mesh.cluster(region)
        address = f"192.168.{NUMBERS[region]}.2"
        cluster["privateClusterConfig"]["privateEndpoint"] = address
        cluster["controlPlaneEndpointsConfig"]["ipEndpointsConfig"]["privateEndpoint"] = address
        cluster["endpoint"] = f"192.0.2.{index}"
        cluster["masterAuth"] = {"clusterCaCertificate": certificate(region)}
    features = f"/gkehub/v1/{PARENT}/locations/global/features"
    caller.ok("POST", f"{features}?featureId=servicemesh", {})
    place = f"{PARENT}/locations/{LOCATIONS['tokyo']}/memberships/{cluster_name('tokyo')}"
    spec = {"multiclusteringress": {"configMembership": place}}
    caller.ok("POST", f"{features}?featureId=multiclusteringress", {"spec": spec})
    feature = mesh.feature("servicemesh")
    management = {
        "state": "ACTIVE",
        "implementation": "TRAFFIC_DIRECTOR" if mode == FLEET else "ISTIOD",
        "details": [{"code": "REVISION_READY", "details": f"Ready: {REVISION}"}],
    }
    state = {"servicemesh": {} if mode == IN_CLUSTER else {"controlPlaneManagement": management}}
    feature["membershipStates"] = {
        membership_key(region): {"state": {"code": "OK"}, **copy.deepcopy(state)} for region in VERSIONS
    }
    if mode == FLEET:
        feature["membershipSpecs"] = {membership_key(region): automatic() for region in VERSIONS}
    return states


def _make_load_balancer(caller: ApiClient) -> None:
    """Create what Multi Cluster Ingress and GKE create, with the names that they generate."""
    place = f"/compute/v1/{PARENT}/global"
    base = "https://www.googleapis.com"
    for zone, name in groups():
        region = next(key for key, one in LOCATIONS.items() if zone.startswith(one))
        caller.ok("POST", f"/compute/v1/{PARENT}/zones/{zone}/networkEndpointGroups", endpoint_group(name, region))
    links = [f"{base}/compute/v1/{PARENT}/zones/{zone}/networkEndpointGroups/{name}" for zone, name in groups()]
    for collection, body in load_balancer("mci-8se3df", "istio-gateway", links):
        caller.ok("POST", f"{place}/{collection}", body)
    caller.ok("POST", f"{place}/firewalls", {"name": "mci-8se3df-default-l7", "network": f"{base}/compute/v1/{VPC}"})
    for region in LOCATIONS:
        for suffix in ("all", "master", "vms", "exkubelet", "inkubelet"):
            rule = f"gke-{cluster_name(region)}-1a2b3c4d-{suffix}"
            caller.ok("POST", f"{place}/firewalls", {"name": rule, "network": VPC})


def load_balancer(prefix: str, namespace: str, groups: Sequence[str]) -> list[tuple[str, Object]]:
    """Return what Multi Cluster Ingress creates for an ingress, each with its collection.

    Args:
        prefix: What all names begin with.
        namespace: The ingress' namespace, which is in the names.
        groups: Links of the endpoint groups.
    """
    place = f"https://www.googleapis.com/compute/v1/{PARENT}/global"
    service, name = f"{prefix}-80-{namespace}", f"{prefix}-{namespace}"
    backends = [{"group": group, "balancingMode": "RATE", "maxRatePerEndpoint": 1} for group in groups]
    checks = [f"{place}/healthChecks/{service}"]
    return [
        ("healthChecks", {"name": service}),
        ("backendServices", {"name": service, "backends": backends, "healthChecks": checks}),
        ("urlMaps", {"name": name, "defaultService": f"{place}/backendServices/{service}"}),
        ("targetHttpProxies", {"name": name, "urlMap": f"{place}/urlMaps/{name}"}),
        ("forwardingRules", {"name": f"{prefix}-fw-{namespace}", "target": f"{place}/targetHttpProxies/{name}"}),
    ]


def endpoint_group(name: str, region: str, service: str = "mci-istio-ingressgateway-svc-1") -> Object:
    """Return an endpoint group with the description that GKE's controller writes."""
    uid = f"kube-system-of-{region}"
    description = {"cluster-uid": uid, "namespace": "istio-gateway", "service-name": service, "port": "80"}
    return {"name": name, "network": VPC, "description": json.dumps(description)}


def _create_foreign_resources(caller: ApiClient, mesh: DeployedMesh) -> None:
    """Create a resource of each kind that does not belong to the mesh: `mesh audit` must not list it."""
    compute = f"/compute/v1/{PARENT}"
    caller.ok("POST", f"{compute}/global/networks", {"name": "other-vpc"})
    other = {"network": VPC.replace("matt-vpc", "other-vpc")}
    for path, body in (
        ("global/firewalls", {"name": "gke-other-cluster-1a2b3c4d-all", **other}),
        ("global/firewalls", {"name": "mci-of-another-network", **other}),
        ("global/firewalls", {"name": "office", "network": VPC}),
        ("global/addresses", {"name": "other-address"}),
        ("regions/asia-northeast1/addresses", {"name": "matt-ingress"}),
        ("regions/asia-northeast1/routers", {"name": "matt-paris-router", **other}),
        ("regions/asia-northeast1/subnetworks", {"name": "other", "ipCidrRange": "10.250.0.0/20", **other}),
        ("zones/asia-northeast1-a/networkEndpointGroups", {"name": "k8s1-1-x-mci-y-80-1", **other}),
        ("zones/asia-northeast1-a/networkEndpointGroups", {"name": "gsmrsvd-1a2b3c4d", **other}),
        ("global/firewalls", {"name": "gke-other-cluster-1a2b3c4d-mcsd", **other}),
        ("global/firewalls", {"name": "mci-8se3df-other-l7", **other}),
        ("global/forwardingRules", {"name": "shop"}),
        ("global/targetHttpsProxies", {"name": "shop"}),
        ("global/sslCertificates", {"name": "shop", "managed": {"domains": ["shop.example"]}}),
        ("global/sslPolicies", {"name": "shop"}),
    ):
        caller.ok("POST", f"{compute}/{path}", body)
    # Of another team, on another network; Multi Cluster Ingress gives both the same prefix.
    group = f"https://www.googleapis.com{compute}/zones/asia-northeast1-a/networkEndpointGroups/k8s1-1-x-mci-y-80-1"
    for prefix in ("mci-8se3df", "mci-x9k2lm"):
        for collection, content in load_balancer(prefix, "shop-storefront", [group]):
            caller.ok("POST", f"{compute}/global/{collection}", content)
    for account in ("deployer", "other-tokyo-node"):
        caller.ok("POST", f"/iam/v1/{PARENT}/serviceAccounts", {"accountId": account})
    name = f"{PARENT}/locations/global/memberships/other"
    mesh.cloud[name] = {"name": name, "state": {"code": "READY"}}
    caller.ok("POST", f"/gkehub/v1/{PARENT}/locations/global/features?featureId=configmanagement", {})


SAFE_NODES: Object = {
    "workloadMetadataConfig": {"mode": "GKE_METADATA"},
    "shieldedInstanceConfig": {"enableSecureBoot": True, "enableIntegrityMonitoring": True},
    "kubeletConfig": {"insecureKubeletReadonlyPortEnabled": False},
}


def _hardened(region: str) -> Object:
    """Return the fields of a cluster that the configuration's defaults set."""
    day, start, end = {
        "tokyo": ("MO", "01T00", "01T12"),
        "osaka": ("FR", "05T00", "05T12"),
        "seoul": ("WE", "03T00", "03T12"),
    }[region]
    window = {"startTime": f"2024-01-{start}:00:00Z", "endTime": f"2024-01-{end}:00:00Z"}
    return {
        "binaryAuthorization": {"evaluationMode": "PROJECT_SINGLETON_POLICY_ENFORCE"},
        "loggingConfig": {"componentConfig": {"enableComponents": ["SYSTEM_COMPONENTS", "WORKLOADS", "APISERVER"]}},
        "maintenancePolicy": {
            "window": {"recurringWindow": {"window": window, "recurrence": f"FREQ=WEEKLY;BYDAY={day}"}}
        },
        "monitoringConfig": {"managedPrometheusConfig": {"enabled": True}},
        "networkConfig": {"datapathProvider": "ADVANCED_DATAPATH", "enableIntraNodeVisibility": True},
        "nodePoolDefaults": {
            "nodeConfigDefaults": {"nodeKubeletConfig": {"insecureKubeletReadonlyPortEnabled": False}}
        },
        "shieldedNodes": {"enabled": True},
    }


def _make_cluster(caller: ApiClient, region: str, mode: str) -> None:
    """Create a cluster and its node pool with the requests of terraform's provider."""
    place = LOCATIONS[region]
    clusters = f"/container/v1/{PARENT}/locations/{place}/clusters"
    networks = {"enabled": True, "cidrBlocks": [{"cidrBlock": "203.0.113.0/24", "displayName": "office"}]}
    if mode == IN_CLUSTER and region in VERSIONS:
        pods = [{"cidrBlock": POD_RANGES[one], "displayName": f"pods-{one}"} for one in VERSIONS if one != region]
        networks["cidrBlocks"] = [{"cidrBlock": "203.0.113.0/24", "displayName": "office"}, *pods]
    wanted = {
        "name": cluster_name(region),
        "network": VPC,
        "subnetwork": f"{PARENT}/regions/{place}/subnetworks/matt-private-vm",
        "ipAllocationPolicy": {"clusterSecondaryRangeName": "pods", "servicesSecondaryRangeName": "services"},
        **_hardened(region),
        "privateClusterConfig": {
            "enablePrivateNodes": True,
            "masterIpv4CidrBlock": f"192.168.{NUMBERS[region]}.0/28",
        },
        "controlPlaneEndpointsConfig": {"ipEndpointsConfig": {"enablePublicEndpoint": True}},
        "masterAuthorizedNetworksConfig": networks,
        "releaseChannel": {"channel": "STABLE"},
        "resourceLabels": {"mesh_id": f"proj-{PROJECT_NUMBER}"},
        "fleet": {"project": PROJECT},
    }

    def done(operation: Object) -> None:
        """Wait for an operation: a cluster refuses a second one meanwhile."""
        caller.wait(f"{clusters.removesuffix('clusters')}operations/{operation['name']}")

    done(caller.ok("POST", clusters, {"cluster": wanted}))
    done(caller.ok("DELETE", f"{clusters}/{cluster_name(region)}/nodePools/default-pool"))
    pool = {
        "name": f"matt-{region}-nodes",
        "config": {"machineType": "e2-standard-4", **SAFE_NODES},
        "autoscaling": {"enabled": True, "minNodeCount": 1, "maxNodeCount": 3},
    }
    done(caller.ok("POST", f"{clusters}/{cluster_name(region)}/nodePools", {"nodePool": pool}))


def _named(kind: str, name: str, namespace: str = "", **content: Any) -> Object:
    metadata = {"name": name, "uid": f"uid-of-{name}", **({"namespace": namespace} if namespace else {})}
    return {"kind": kind, "metadata": {**metadata, **content.pop("metadata", {})}, **content}


def condition(kind: str, status: str = "True") -> Object:
    return {"conditions": [{"type": kind, "status": status}]}


def pod(namespace: str, deployment: str, number: int = 1, revision: str | None = REVISION) -> Object:
    """Return a running pod of a Deployment.

    Args:
        namespace: of the pod.
        deployment: name of its Deployment.
        number: tells pods of one Deployment apart.
        revision: of the proxy in it; None for no proxy.
    """
    owner = {"kind": "ReplicaSet", "name": f"{deployment}-5d4f8"}
    injected = {} if revision is None else {"sidecar.istio.io/status": json.dumps({"revision": revision})}
    return _named(
        "Pod",
        f"{deployment}-5d4f8-{number}",
        namespace,
        metadata={"ownerReferences": [owner], "annotations": injected},
        spec={"containers": [{"name": one} for one in (deployment, "istio-proxy")[: 2 if injected else 1]]},
        status={"phase": "Running"},
    )


def deployment(namespace: str, name: str, replicas: int, labels: dict[str, str] | None = None) -> Object:
    status = {"replicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas}
    return _named(
        "Deployment", name, namespace, metadata={"labels": labels or {}}, spec={"replicas": replicas}, status=status
    )


def endpoints(namespace: str, service: str, *, ready: bool = True) -> Object:
    """Return the EndpointSlice of a Service with one endpoint."""
    labels = {"kubernetes.io/service-name": service}
    endpoint = {"addresses": ["10.0.0.7"], "conditions": {"ready": ready}}
    return _named("EndpointSlice", f"{service}-x7k2p", namespace, metadata={"labels": labels}, endpoints=[endpoint])


def remote_secret(region: str) -> Object:
    """Return a remote secret like those of ``istioctl create-remote-secret``."""
    kubeconfig = {
        "clusters": [
            {
                "name": region,
                "cluster": {
                    "server": f"https://192.168.{NUMBERS[region]}.2",
                    "certificate-authority-data": certificate(region),
                },
            }
        ],
        "users": [{"name": region, "user": {"token": f"{TOKEN}-{region}"}}],
    }
    name = secret_name(region)
    data = {name.removeprefix("istio-remote-secret-"): base64.b64encode(yaml.safe_dump(kubeconfig).encode()).decode()}
    annotations = {"multi-region-mesh/inputs": _checksum(_grant(region))}
    metadata = {"labels": {"istio/multiCluster": "true"}, "annotations": annotations}
    return _named("Secret", name, "istio-system", metadata=metadata, data=data)


def groups() -> list[tuple[str, str]]:
    """Return zone and name of each endpoint group of Multi Cluster Ingress."""
    return [
        (f"{LOCATIONS[region]}-{zone}", f"k8s1-{number}f3fb3a-istio-gate-mci-{GATEWAY}-80-c7b851a2")
        for number, region in enumerate(VERSIONS)
        for zone in "abc"
    ]


def istiod(revision: str = IN_CLUSTER_REVISION) -> Object:
    """Return the Deployment of a mesh control plane on the nodes."""
    return deployment("istio-system", f"istiod-{revision}", 2, {"app": "istiod", "istio.io/rev": revision})


def injector(revision: str = IN_CLUSTER_REVISION) -> Object:
    """Return the webhook of a mesh control plane on the nodes, which injects sidecars."""
    service = {"name": f"istiod-{revision}", "namespace": "istio-system", "path": "/inject", "port": 443}
    webhooks = [
        {"name": name, "clientConfig": {"service": service, "caBundle": "Q0E="}}
        for name in ("rev.namespace.sidecar-injector.istio.io", "rev.object.sidecar-injector.istio.io")
    ]
    labels = {"app": "sidecar-injector", "istio.io/rev": revision}
    name = f"istio-sidecar-injector-{revision}"
    return _named("MutatingWebhookConfiguration", name, metadata={"labels": labels}, webhooks=webhooks)


def job(name: str, created: str = "2026-11-20T00:00:00Z", **status: Any) -> Object:
    return _named("Job", name, "istio-system", metadata={"creationTimestamp": created}, status=status)


def _control_plane(region: str, mode: str) -> list[Object]:
    """Return the objects of a control plane mode in a cluster."""
    revision, other = REVISIONS[mode], "osaka" if region == "tokyo" else "tokyo"
    options = _named("ConfigMap", "asm-options", "istio-system", data={"multicluster_mode": "connected"})
    provisioned = _named("ControlPlaneRevision", revision, "istio-system", status=condition("ProvisioningFinished"))
    crd = _named(
        "CustomResourceDefinition", "controlplanerevisions.mesh.cloud.google.com", status=condition("Established")
    )
    marker = _named(
        "ConfigMap", "multi-region-mesh", "istio-system", data={"installed": _checksum(_inputs(region, mode))}
    )
    if mode == IN_CLUSTER:
        pods = [pod("istio-system", f"istiod-{revision}", number, revision=None) for number in (1, 2)]
        return [istiod(revision), injector(revision), *pods, marker, remote_secret(other)]
    if mode == MANAGED:
        return [crd, provisioned, options, marker, remote_secret(other)]
    waited = job(f"mesh-readiness-{region}", succeeded=1, **condition("Complete"))
    ended = {**pod("istio-system", waited["metadata"]["name"], revision=None), "status": {"phase": "Succeeded"}}
    return [crd, provisioned, options, waited, ended]


def _inputs(region: str, mode: str) -> dict[str, str]:
    """Return the inputs of the script that installs the mesh, as far as the CLI reads them."""
    asmcli_mode = mode.removeprefix("asmcli-")
    return {"asmcli_url": "https://storage.invalid/asmcli", "cluster": cluster_name(region), "mode": asmcli_mode}


def _grant(remote: str) -> dict[str, str]:
    """Return the inputs of the script that creates a remote secret, as far as the CLI reads them."""
    return {"remote_cluster": cluster_name(remote), "remote_server": f"https://192.168.{NUMBERS[remote]}.2"}


def _checksum(inputs: dict[str, str]) -> str:
    """Return the value of terraform's ``sha256(jsonencode(inputs))``."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _cluster_objects(region: str, mode: str) -> Object:
    kube_system = _named("Namespace", "kube-system", metadata={"uid": f"kube-system-of-{region}"})
    nodes = [_named("Node", f"{region}-{zone}", status=condition("Ready")) for zone in "abc"]
    found: list[Object] = [kube_system, _named("Namespace", "default"), *nodes]
    found.append(pod("kube-system", "kube-dns", revision=None))
    if region not in VERSIONS:
        return {"objects": found, "tokens": []}
    revision = REVISIONS[mode]
    labelled = {"labels": {"istio-injection": "enabled"} if mode == FLEET else {"istio.io/rev": revision}}
    crds = [f"{kind}.networking.istio.io" for kind in ("destinationrules", "gateways", "virtualservices")]
    crds += [f"{kind}.security.istio.io" for kind in ("authorizationpolicies", "peerauthentications")]
    if region == "tokyo":
        crds += [f"{kind}.networking.gke.io" for kind in ("multiclusteringresses", "multiclusterservices")]
    own = f"helloworld-{VERSIONS[region]}"
    found += [
        _named("Namespace", "istio-system"),
        *(_named("Namespace", name, metadata=labelled) for name in ("sample", "istio-gateway")),
        *(_named("CustomResourceDefinition", name, status=condition("Established")) for name in crds),
        *_control_plane(region, mode),
        _named("DestinationRule", "helloworld", "sample", spec={"trafficPolicy": {"outlierDetection": {}}}),
        _named("PeerAuthentication", "default", "istio-system", spec={"mtls": {"mode": "STRICT"}}),
        _named("AuthorizationPolicy", "default-deny", "istio-system"),
        _named("AuthorizationPolicy", GATEWAY, "istio-gateway"),
        _named("AuthorizationPolicy", "helloworld", "sample"),
        deployment("sample", own, 1, {"app": "helloworld", "version": VERSIONS[region]}),
        _named("Service", "helloworld", "sample", spec={"selector": {"app": "helloworld"}}),
        endpoints("sample", "helloworld"),
        deployment("sample", "sleep", 1),
        deployment("istio-gateway", GATEWAY, 2),
        _named("HorizontalPodAutoscaler", GATEWAY, "istio-gateway", spec={"minReplicas": 2, "maxReplicas": 5}),
        pod("sample", own, revision=revision),
        pod("sample", "sleep", revision=revision),
        *(pod("istio-gateway", GATEWAY, number, revision) for number in (1, 2)),
    ]
    if region == "tokyo":
        found += _ingress_objects()
    return {"objects": found, "tokens": [f"{TOKEN}-{region}"], "proxies": {}, "proxy": proxy_in(region)}


CAPTURED = Path(__file__).parent / "captured"
"""What the proxy of a client in Osaka has responded, in a mesh of two regions on one machine."""


def proxy_in(region: str) -> Object:
    """Return what the proxies in a region respond, by Envoy's path: the captured, with its times as of today."""
    clusters, certificates = (json.loads((CAPTURED / f"{name}.json").read_text()) for name in ("clusters", "certs"))
    for endpoint in endpoints_in(clusters):
        endpoint["priority"] = int(endpoint["locality"]["region"] != LOCATIONS[region])
    now = datetime.now(UTC)
    for one in certificates["certificates"]:
        for each in (*one["ca_cert"], *one["cert_chain"]):
            each["valid_from"] = f"{now - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
            each["expiration_time"] = f"{now + timedelta(hours=23):%Y-%m-%dT%H:%M:%SZ}"
    return {"clusters": clusters, "certs": certificates, "stats": (CAPTURED / "stats.txt").read_text()}


def endpoints_in(clusters: Object) -> list[Object]:
    """Return the endpoints of the demo service in what a proxy has responded."""
    return next(one["host_statuses"] for one in clusters["cluster_statuses"] if "helloworld" in one["name"])


def _ingress_objects() -> list[Object]:
    resources = {
        "BackendServices": ["mci-8se3df-80-istio-gateway"],
        "Firewalls": ["mci-8se3df-default-l7"],
        "ForwardingRules": ["mci-8se3df-fw-istio-gateway"],
        "HealthChecks": ["mci-8se3df-80-istio-gateway"],
        "NetworkEndpointGroups": [f"zones/{zone}/networkEndpointGroups/{name}" for zone, name in groups()],
        "TargetProxies": ["mci-8se3df-istio-gateway"],
        "UrlMap": "mci-8se3df-istio-gateway",
    }
    annotations = {"networking.gke.io/static-ip": ADDRESS}
    event = {"type": "Normal", "reason": "ADD", "message": f"istio-gateway/{GATEWAY}"}
    about = {"involvedObject": {"kind": "MultiClusterIngress", "name": GATEWAY}}
    status = {"VIP": ADDRESS, "CloudResources": resources}
    return [
        _named("MultiClusterIngress", GATEWAY, "istio-gateway", metadata={"annotations": annotations}, status=status),
        _named("MultiClusterService", GATEWAY, "istio-gateway"),
        _named("Event", f"{GATEWAY}.1", "istio-gateway", **event, **about),
    ]


def _mesh_state(mode: str) -> dict[str, Object]:
    """Return terraform's state of the stack mesh: attributes by address."""
    features = f"{PARENT}/locations/global/features"
    state: dict[str, Object] = {
        "google_gke_hub_feature.service-mesh": {"id": f"{features}/servicemesh"},
        "google_gke_hub_feature.multi-cluster-ingress": {"id": f"{features}/multiclusteringress"},
    }
    if mode == FLEET:
        for region in VERSIONS:
            place, name = LOCATIONS[region], cluster_name(region)
            state[f"google_gke_hub_feature_membership.{region}"] = {
                "id": f"{features}/servicemesh/membershipId/{name}",
                "feature": "servicemesh",
                "membership": name,
                "membership_location": place,
            }
    else:
        for region in VERSIONS:
            state[f'null_resource.control-plane_install_721FC8E9["{region}"]'] = {"triggers": _inputs(region, mode)}
        for holder, remote in permutations(VERSIONS, 2):
            state[f'null_resource.trust_grant_90F5B3F0["{holder}/{remote}"]'] = {"triggers": _grant(remote)}
    return state


def _in_state(address: str, attributes: Object) -> Object:
    kind, _, rest = address.partition(".")
    name, _, key = rest.partition("[")
    instance = {"attributes": attributes, **({"index_key": json.loads(key.rstrip("]"))} if key else {})}
    provider = f'provider["registry.terraform.io/hashicorp/kubernetes"].{name.partition("_")[0]}'
    return {"mode": "managed", "type": kind, "name": name, "provider": provider, "instances": [instance]}


DEPLOY = "cdktf deploy network clusters mesh ingress"


class Case(NamedTuple):
    """One thing that is wrong with a mesh, and the only finding of `mesh status` about it.

    Attributes:
        spoil: makes it wrong.
        where: section and name of the finding.
        text: a part of the finding's text.
        fix: a part of its remediation; a deploy if not given.
        state: of the finding.
    """

    spoil: Callable[[DeployedMesh], Any]
    where: tuple[str, str]
    text: str
    fix: str = DEPLOY
    state: str = "failure"

    def check(self, mesh: DeployedMesh) -> None:
        """Break the mesh, run `mesh status`, and compare its findings."""
        self.spoil(mesh)
        answer = mesh.run_json("status")
        wrong = answer.findings("failure") | answer.findings("warning")
        assert set(wrong) == {self.where}
        [finding] = wrong.values()
        assert finding["state"] == self.state
        assert self.text in finding["text"]
        stacks = displayed(OutputFolder.of(mesh.folder / "mesh.yaml").path / "stacks")
        assert self.fix.replace("cdktf.out/stacks", stacks) in finding["fix"]
        assert answer.status == (1 if self.state == "failure" else 0)

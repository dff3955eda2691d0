"""`mesh status`: each fault in an otherwise healthy environment makes exactly one finding."""

import base64
import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.naming import ProjectNames
from tests.cli.deployed_mesh import (
    ADDRESS,
    APPLIED,
    DEPLOY,
    GATEWAY,
    PARENT,
    PROJECT,
    REVISION,
    SAFE_NODES,
    TOKEN,
    VPC,
    Case,
    DeployedMesh,
    condition,
    deployment,
    junit_failures,
    pod,
    remote_secret,
    secret_name,
)
from tests.fake_cloud.faults import RequestFault

TOKYO = "kubectl --context gke_test-project_asia-northeast1_matt-tokyo-cluster-1"
AGAIN = "terraform -chdir=cdktf.out/stacks/mesh apply -replace='null_resource.trust_grant_90F5B3F0[\"tokyo/osaka\"]'"
INGRESS = "Multi Cluster Ingress"
PODS_RULE = f"{PARENT}/global/firewalls/matt-vpc-istio-multicluster-pods"
PODS_FINDING = "firewall rule matt-vpc-istio-multicluster-pods"
NETWORK_DEPLOY = "cdktf deploy network"
COMPUTE = "https://www.googleapis.com/compute/v1"
OSAKA_NODES = f"matt-osaka-node@{PROJECT}.iam.gserviceaccount.com"


def apply_again(address: str) -> str:
    """Return the command that applies one object of the stack `ingress`."""
    return f"terraform -chdir=cdktf.out/stacks/ingress apply -target='kubernetes_manifest.{address}'"


def test_all_is_well(mesh: DeployedMesh, tmp_path: Path) -> None:
    answer = mesh.run_json("status", "--junit", str(tmp_path / "status.xml"))
    assert answer.status == 0, answer.findings("failure")
    assert set(answer.findings()) == set(answer.findings("ok"))
    sections = [section["title"] for section in answer.data["sections"]]
    clusters = [f"{key}: matt-{key}-cluster-1" for key in ("tokyo", "osaka")]
    assert sections == ["Overview", *clusters, "seoul: matt-seoul-cluster-1, retired", "Network", "Fleet", INGRESS]
    line = ["matt-tokyo-cluster-1", "RUNNING", "3 of 3", "READY", "ACTIVE", "4 of 4", "1 of 1", "2"]
    assert answer.data["sections"][0]["rows"][0] == ["tokyo", *line]
    assert answer.data["data"]["vip"] == ADDRESS
    assert answer.data["data"]["revision"] == REVISION
    osaka = answer.data["data"]["clusters"]["osaka"]
    assert osaka["proxies"] == {"current": 4, "outdated": 0, "missing": 0}
    assert osaka["mesh"]["implementation"] == "ISTIOD"
    assert answer.data["data"]["clusters"]["seoul"]["retired"] is True
    said = answer.findings()
    assert "server https://192.168.8.2, token accepted" in said["tokyo", "remote secret for osaka"]["text"]
    assert "REVISION_READY" in said["osaka", "mesh control plane"]["text"]
    assert junit_failures(tmp_path / "status.xml") == set()
    assert mesh.gcp.server.journal.unknown() == []


# --- one thing is wrong


def updated(find: Callable[[DeployedMesh], dict[str, Any]], **changes: Any) -> Callable[[DeployedMesh], None]:
    return lambda mesh: find(mesh).update(changes)


def _tokyo(mesh: DeployedMesh) -> dict[str, Any]:
    return mesh.cluster("tokyo")


def _pool(mesh: DeployedMesh) -> dict[str, Any]:
    return mesh.pool("tokyo")


def _networks(mesh: DeployedMesh) -> dict[str, Any]:
    found: dict[str, Any] = mesh.cluster("tokyo")["masterAuthorizedNetworksConfig"]
    return found


def _let_in(cidr: str, name: str) -> Callable[[DeployedMesh], None]:
    def spoil(mesh: DeployedMesh) -> None:
        _networks(mesh)["cidrBlocks"].append({"cidrBlock": cidr, "displayName": name})

    return spoil


def _rule(**changes: Any) -> Callable[[DeployedMesh], None]:
    return lambda mesh: mesh.cloud[PODS_RULE].update(changes)


def _foreign_rule(**content: Any) -> Callable[[DeployedMesh], None]:
    rule = {"network": VPC, "direction": "INGRESS", "priority": 100, "denied": [{"IPProtocol": "tcp"}], **content}
    path = f"{PARENT}/global/firewalls/by-hand"
    return lambda mesh: mesh.cloud.update({path: {"name": "by-hand", "selfLink": f"{COMPUTE}/{path}", **rule}})


def _protection_off(mesh: DeployedMesh) -> None:
    clusters = mesh.states["clusters"]
    assert isinstance(clusters, dict)
    clusters["google_container_cluster.tokyo"]["deletion_protection"] = False


def _soft(field: str, text: str, **changes: Any) -> Case:
    """Return the case of a cluster's setting that is not hardened."""
    spoil = lambda mesh: _tokyo(mesh).setdefault(field, {}).update(changes)  # noqa: E731
    return Case(spoil, ("tokyo", "hardening"), text)


def _soft_nodes(field: str, text: str) -> Case:
    """Return the case of a node pool's setting that is absent."""
    return Case(lambda mesh: _pool(mesh)["config"].pop(field), ("tokyo", "hardening"), text)


def _other_pool(mesh: DeployedMesh) -> None:
    path = next(path for path in mesh.cloud if path.endswith("/nodePools/matt-tokyo-nodes"))
    mesh.cloud[path.replace("matt-tokyo-nodes", "by-hand")] = {**mesh.pool("tokyo"), "name": "by-hand"}


def _everybody_may_ask(mesh: DeployedMesh) -> None:
    mesh.content["mesh"]["default_deny"] = False
    mesh.apply_no_more("tokyo", "AuthorizationPolicy", "default-deny")


def _of_a_port(mode: str) -> dict[str, Any]:
    """Return a PeerAuthentication that is strict on all ports but one."""
    metadata = {"name": "metrics", "namespace": "sample"}
    spec = {"mtls": {"mode": "STRICT"}, "portLevelMtls": {"9090": {"mode": mode}}}
    return {"kind": "PeerAuthentication", "metadata": metadata, "spec": spec}


def _zones_given(mesh: DeployedMesh) -> None:
    mesh.content["regions"]["tokyo"]["zones"] = [f"asia-northeast1-{zone}" for zone in "abd"]


def _gone(region: str, kind: str, name: str = "") -> Callable[[DeployedMesh], None]:
    return lambda mesh: mesh.remove(region, kind, name)


def _labelled(name: str, label: str) -> Callable[[DeployedMesh], None]:
    def spoil(mesh: DeployedMesh) -> None:
        mesh.object("tokyo", "Namespace", name)["metadata"]["labels"] = {"istio.io/rev": label}

    return spoil


def _another_pod(*words: Any, **changes: Any) -> Callable[[DeployedMesh], None]:
    return lambda mesh: mesh.add("tokyo", pod(*words, **changes))


def _management(**changes: Any) -> Callable[[DeployedMesh], None]:
    return lambda mesh: mesh.mesh_of("tokyo")["controlPlaneManagement"].update(changes)


def _no_control_plane(mesh: DeployedMesh) -> None:
    del mesh.feature("servicemesh")["membershipStates"]
    mesh.remove("tokyo", "ControlPlaneRevision")


def _says(severity: str) -> Callable[[DeployedMesh], None]:
    page = "https://cloud.google.com/service-mesh/docs/x"
    said = {"code": "CNI_POD_UNSCHEDULABLE", "severity": severity, "details": "no room", "documentationLink": page}
    return lambda mesh: mesh.mesh_of("tokyo").update(conditions=[said])


def _secret(**changes: Any) -> Callable[[DeployedMesh], None]:
    """Change the content of Tokyo's remote secret of Osaka."""

    def spoil(mesh: DeployedMesh) -> None:
        secret = mesh.object("tokyo", "Secret")
        [(name, data)] = secret["data"].items()
        content = yaml.safe_load(base64.b64decode(data))
        cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
        for key, value in changes.items():
            (user if key == "token" else cluster)[key.replace("_", "-")] = value
        secret["data"] = {changes.get("name", name): base64.b64encode(yaml.safe_dump(content).encode()).decode()}

    return spoil


def _unreadable_secret(mesh: DeployedMesh) -> None:
    mesh.object("tokyo", "Secret")["data"] = {"x": base64.b64encode(f"{TOKEN}: [".encode()).decode()}


def _token_expired(mesh: DeployedMesh) -> None:
    mesh.clusters["osaka"]["tokens"] = []


def _scaled(name: str, replicas: int, available: int | None = None) -> Callable[[DeployedMesh], None]:
    def spoil(mesh: DeployedMesh) -> None:
        found = mesh.object("tokyo", "Deployment", name)
        found["spec"]["replicas"] = replicas
        count = replicas if available is None else available
        found["status"] = {"readyReplicas": count, "availableReplicas": count}

    return spoil


def _scaler(namespace: str, name: str) -> dict[str, Any]:
    return {
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"minReplicas": 2, "maxReplicas": 9},
    }


def _autoscaled(replicas: int, ready: int, *, scaler: bool = True) -> Callable[[DeployedMesh], None]:
    def spoil(mesh: DeployedMesh) -> None:
        autoscaling = {"max_replicas": 9, "cpu": 80}
        shop = {"image": "example.com/shop:1", "port": 80, "failover": False}
        shop |= {"namespace": "sample", "autoscaling": autoscaling}
        mesh.content["services"] = {"shop": {**shop, "regions": {"tokyo": {}}}}
        found = deployment("sample", "shop-v1", replicas, {"app": "shop"})
        found["status"] = {"readyReplicas": ready, "availableReplicas": ready, "unavailableReplicas": replicas - ready}
        mesh.add("tokyo", found)
        if scaler:
            mesh.add("tokyo", _scaler("sample", "shop-v1"))

    return spoil


def _elsewhere(mesh: DeployedMesh) -> None:
    mesh.add("tokyo", deployment("sample", "helloworld-v2", 1, {"app": "helloworld"}))


def _failover_off(mesh: DeployedMesh) -> None:
    mesh.content["demo"]["failover"] = False
    mesh.apply_no_more("osaka", "DestinationRule")


def _ingress(**changes: Any) -> Callable[[DeployedMesh], None]:
    return lambda mesh: mesh.object("tokyo", "MultiClusterIngress")["status"].update(changes)


def _without_osaka(mesh: DeployedMesh) -> None:
    resources = mesh.object("tokyo", "MultiClusterIngress")["status"]["CloudResources"]
    groups = resources["NetworkEndpointGroups"]
    resources["NetworkEndpointGroups"] = [one for one in groups if "asia-northeast1-" in one]


def _event(mesh: DeployedMesh) -> None:
    mesh.object("tokyo", "Event").update(type="Warning", reason="SYNC", message="no such BackendConfig")


def _of_osaka(mesh: DeployedMesh) -> None:
    place = f"{PARENT}/locations/asia-northeast2/memberships/matt-osaka-cluster-1"
    mesh.feature("multiclusteringress")["spec"] = {"multiclusteringress": {"configMembership": place}}


def _unregistered(mesh: DeployedMesh) -> None:
    del mesh.cluster("tokyo")["fleet"]
    mesh.content["ingress"]["config_cluster"] = "osaka"  # whose objects are not looked at here
    _of_osaka(mesh)
    for kind in ("MultiClusterIngress", "MultiClusterService", "CustomResourceDefinition", "Event"):
        there = {one["metadata"]["name"] for one in mesh.objects("osaka", kind)}
        missing = [one for one in mesh.objects("tokyo", kind) if one["metadata"]["name"] not in there]
        mesh.clusters["osaka"]["objects"] += missing


def _retired_stays(mesh: DeployedMesh) -> None:
    mesh.add("seoul", copy.deepcopy(mesh.object("tokyo", "Namespace", "istio-system")))


def _retired_serves(mesh: DeployedMesh) -> None:
    mesh.add("seoul", copy.deepcopy(mesh.object("tokyo", "Namespace", "sample")))


CASES: dict[str, Case] = {
    # the cluster itself
    "a cluster is broken": Case(
        updated(_tokyo, status="ERROR", conditions=[{"message": "no quota"}]),
        ("tokyo", "GKE control plane"),
        "ERROR, 1.34.2-gke.1000000: no quota",
        "gcloud container clusters describe matt-tokyo-cluster-1 --location asia-northeast1 --project test-project",
    ),
    "a cluster is being upgraded": Case(
        updated(_tokyo, status="RECONCILING"),
        ("tokyo", "GKE control plane"),
        "RECONCILING",
        "gcloud container clusters describe",
        "warning",
    ),
    "another channel": Case(
        updated(_tokyo, releaseChannel={"channel": "RAPID"}),
        ("tokyo", "release channel"),
        "rapid, but stable is configured",
    ),
    "no mesh label": Case(
        updated(_tokyo, resourceLabels={}), ("tokyo", "mesh label"), "not set, but must be proj-123456789012"
    ),
    "nodes with external addresses": Case(
        updated(_tokyo, privateClusterConfig={"privateEndpoint": "192.168.0.2"}),
        ("tokyo", "private nodes"),
        "new nodes have external addresses",
    ),
    "a pool with external addresses": Case(
        updated(_pool, networkConfig={"enablePrivateNodes": False}),
        ("tokyo", "private nodes"),
        "nodes of matt-tokyo-nodes have external addresses",
    ),
    "everybody is let in": Case(
        lambda mesh: _networks(mesh).update(enabled=False),
        ("tokyo", "authorized networks"),
        "disabled: the control plane accepts",
    ),
    "somebody is let in": Case(
        _let_in("192.0.2.0/24", "friend"),
        ("tokyo", "authorized networks"),
        "friend (192.0.2.0/24) is authorized, but not configured",
    ),
    "another operator is let in": Case(
        _let_in("192.0.2.7/32", "operator"),
        ("tokyo", "authorized networks"),
        "operator (192.0.2.7/32) is authorized",
        "MESH_OPERATOR_ADDRESS",
        "warning",
    ),
    "the office is not let in": Case(
        lambda mesh: _networks(mesh)["cidrBlocks"].clear(),
        ("tokyo", "authorized networks"),
        "office (203.0.113.0/24) is configured, but missing",
    ),
    "all of Google Cloud is let in": Case(
        lambda mesh: _networks(mesh).update(gcpPublicCidrsAccessEnabled=True),
        ("tokyo", "authorized networks"),
        "all public addresses of Google Cloud",
    ),
    "no public address": Case(
        lambda mesh: _tokyo(mesh)["controlPlaneEndpointsConfig"]["ipEndpointsConfig"].update(
            enablePublicEndpoint=False
        ),
        ("tokyo", "endpoints"),
        "the public address is off, but the endpoint public is configured",
    ),
    "an open DNS endpoint": Case(
        lambda mesh: _tokyo(mesh)["controlPlaneEndpointsConfig"]["dnsEndpointConfig"].update(allowExternalTraffic=True),
        ("tokyo", "endpoints"),
        "the DNS endpoint is on, but the endpoint public is configured",
    ),
    "the older dataplane": _soft("networkConfig", "the dataplane is not V2", datapathProvider="LEGACY_DATAPATH"),
    "pods of a node unseen": _soft("networkConfig", "intranode visibility is off", enableIntraNodeVisibility=False),
    "no binary authorization": _soft("binaryAuthorization", "authorization is off", evaluationMode="DISABLED"),
    "nodes that are not shielded": _soft("shieldedNodes", "shielded nodes is off, but on is configured", enabled=False),
    "attribute-based access": _soft("legacyAbac", "access is on, but off is configured", enabled=True),
    "a client certificate": _soft("masterAuth", "certificate is on, but off is configured", clientCertificate="x"),
    "new pools with an open port": _soft("nodePoolDefaults", "new node pools serve port 10255", nodeConfigDefaults={}),
    "no secure boot": _soft_nodes("shieldedInstanceConfig", "secure boot of matt-tokyo-nodes is off"),
    "nodes' own credentials": _soft_nodes("workloadMetadataConfig", "pods of matt-tokyo-nodes can use the credentials"),
    "an open port": _soft_nodes("kubeletConfig", "kubelets of matt-tokyo-nodes serve port 10255"),
    "another key": Case(
        updated(_tokyo, databaseEncryption={"state": "ENCRYPTED", "keyName": "projects/x/locations/y"}),
        ("tokyo", "Secrets encryption"),
        "with projects/x/locations/y, but a Google-managed key is configured",
    ),
    "no logs of workloads": Case(
        updated(_tokyo, loggingConfig={"componentConfig": {"enableComponents": ["SYSTEM_COMPONENTS"]}}),
        ("tokyo", "logs and metrics"),
        "logs of SYSTEM_COMPONENTS, but APISERVER, SYSTEM_COMPONENTS, WORKLOADS is configured",
    ),
    "no managed Prometheus": Case(
        updated(_tokyo, monitoringConfig={}), ("tokyo", "logs and metrics"), "Prometheus is off"
    ),
    "upgrades at any time": Case(
        updated(_tokyo, maintenancePolicy={}),
        ("tokyo", "maintenance"),
        "at any time, but monday 00:00 UTC, 12 hours is configured",
    ),
    "upgrades when another region has them": Case(
        lambda mesh: _tokyo(mesh).update(maintenancePolicy=mesh.cluster("osaka")["maintenancePolicy"]),
        ("tokyo", "maintenance"),
        "FREQ=WEEKLY;BYDAY=FR from 2024-01-05T00:00:00Z, but monday",
    ),
    "no deletion protection": Case(_protection_off, ("tokyo", "deletion protection"), "off, but on is configured"),
    "a pool is broken": Case(
        updated(_pool, status="ERROR", conditions=[{"message": "GCE_STOCKOUT"}]),
        ("tokyo", "node pool"),
        "ERROR: GCE_STOCKOUT",
        "gcloud container node-pools describe matt-tokyo-nodes --cluster matt-tokyo-cluster-1",
    ),
    "a pool is being upgraded": Case(
        updated(_pool, status="RECONCILING"),
        ("tokyo", "node pool"),
        "RECONCILING",
        "gcloud container node-pools describe",
        "warning",
    ),
    "other machines": Case(
        updated(_pool, config={"machineType": "e2-standard-8", **SAFE_NODES}),
        ("tokyo", "node pool configuration"),
        "the machine type is e2-standard-8, but e2-standard-4 is configured",
    ),
    "other limits": Case(
        updated(_pool, autoscaling={"enabled": True, "minNodeCount": 1, "maxNodeCount": 9}),
        ("tokyo", "node pool configuration"),
        "1 to 9 nodes per zone, but 1 to 3 is configured",
    ),
    "no autoscaling": Case(
        updated(_pool, autoscaling={}), ("tokyo", "node pool configuration"), "autoscaling is disabled"
    ),
    "other zones": Case(_zones_given, ("tokyo", "node pool configuration"), "but asia-northeast1-a"),
    "another pool": Case(
        _other_pool, ("tokyo", "other node pools"), "by-hand", "gcloud container node-pools list --cluster", "warning"
    ),
    "a node is not ready": Case(
        lambda mesh: mesh.object("tokyo", "Node", "-b").update(status=condition("Ready", "Unknown")),
        ("tokyo", "nodes"),
        "not ready: tokyo-b; 2 of 3 ready",
        f"{TOKYO} describe nodes",
    ),
    "a node is missing": Case(
        _gone("tokyo", "Node", "-b"), ("tokyo", "nodes"), "2 of 3 ready", f"{TOKYO} describe nodes"
    ),
    "a cluster is in no fleet": Case(_unregistered, ("tokyo", "membership"), "not registered in a fleet"),
    "a membership is not ready": Case(
        lambda mesh: mesh.cloud[f"{PARENT}/locations/asia-northeast1/memberships/matt-tokyo-cluster-1"].update(
            state={"code": "CREATING"}
        ),
        ("tokyo", "membership"),
        "CREATING, not READY",
        "gcloud container fleet memberships describe matt-tokyo-cluster-1 --location asia-northeast1",
    ),
    # the network between the regions
    "pods reach no other region": Case(
        lambda mesh: mesh.cloud.pop(PODS_RULE), ("Network", PODS_FINDING), "it is missing", NETWORK_DEPLOY
    ),
    "the rule between pods is disabled": Case(
        _rule(disabled=True), ("Network", PODS_FINDING), "it is disabled", NETWORK_DEPLOY
    ),
    "the rule leaves out a region's pods": Case(
        _rule(sourceRanges=["10.0.0.0/14", "10.16.0.0/14"]),
        ("Network", PODS_FINDING),
        "sources: 10.32.0.0/14 missing",
        NETWORK_DEPLOY,
    ),
    "the rule admits everybody": Case(
        _rule(sourceRanges=["0.0.0.0/0", "10.0.0.0/14", "10.16.0.0/14", "10.32.0.0/14"]),
        ("Network", PODS_FINDING),
        "sources: 0.0.0.0/0 added",
        NETWORK_DEPLOY,
    ),
    "the rule leaves out a region's nodes": Case(
        _rule(targetTags=["matt-tokyo-node", "matt-seoul-node"]),
        ("Network", PODS_FINDING),
        "target tags: matt-osaka-node missing",
        NETWORK_DEPLOY,
    ),
    "the rule has one port": Case(
        _rule(allowed=[{"IPProtocol": "tcp", "ports": ["443"]}]),
        ("Network", PODS_FINDING),
        "protocols: tcp missing; protocols: tcp:443 added",
        NETWORK_DEPLOY,
    ),
    "the injector can't be reached": Case(
        lambda mesh: mesh.cloud.pop(f"{PARENT}/global/firewalls/matt-vpc-osaka-control-plane"),
        ("Network", "firewall rule matt-vpc-osaka-control-plane"),
        "it is missing",
        NETWORK_DEPLOY,
    ),
    "a foreign rule denies the pods of a region": Case(
        _foreign_rule(sourceRanges=["10.32.0.0/16"], targetTags=["matt-tokyo-node"], priority=900),
        ("Network", "foreign firewall rule by-hand"),
        "it denies tcp from 10.32.0.0/16, with priority 900",
        f"gcloud compute firewall-rules delete by-hand --project {PROJECT}",
    ),
    "a foreign rule lets no pod out": Case(
        _foreign_rule(direction="EGRESS", destinationRanges=["10.0.0.0/8"], priority=60000),
        ("Network", "foreign firewall rule by-hand"),
        "it denies tcp to 10.0.0.0/8, with priority 60000",
        f"gcloud compute firewall-rules delete by-hand --project {PROJECT}",
    ),
    "a foreign rule denies all to the nodes' account": Case(
        _foreign_rule(denied=[{"IPProtocol": "all"}], targetServiceAccounts=[OSAKA_NODES]),
        ("Network", "foreign firewall rule by-hand"),
        "it denies all from 0.0.0.0/0, with priority 100",
        f"gcloud compute firewall-rules delete by-hand --project {PROJECT}",
    ),
    # the mesh
    "the mesh is not there yet": Case(
        _management(state="PROVISIONING", details=[{"code": "REVISION_PROVISIONING", "details": "wait"}]),
        ("tokyo", "mesh control plane"),
        "PROVISIONING (REVISION_PROVISIONING wait)",
        "gcloud container fleet mesh describe --project test-project",
    ),
    "the mesh's revision is not provisioned": Case(
        lambda mesh: mesh.object("tokyo", "ControlPlaneRevision").update(status={}),
        ("tokyo", "mesh control plane"),
        f"{REVISION} is not provisioned",
        "gcloud container fleet mesh describe --project test-project",
    ),
    "no mesh at all": Case(_no_control_plane, ("tokyo", "mesh control plane"), "none is installed"),
    "the mesh has an error": Case(
        _says("ERROR"), ("tokyo", "condition CNI_POD_UNSCHEDULABLE"), "no room", "https://cloud.google.com/service-mesh"
    ),
    "the mesh has a warning": Case(
        _says("WARNING"),
        ("tokyo", "condition CNI_POD_UNSCHEDULABLE"),
        "no room",
        "https://cloud.google.com/service-mesh",
        "warning",
    ),
    "clusters are not connected": Case(
        lambda mesh: mesh.object("tokyo", "ConfigMap").update(data={}),
        ("tokyo", "multicluster mode"),
        "not set",
        f"{TOKYO} --namespace istio-system patch configmap asm-options",
    ),
    "a kind is not served": Case(
        _gone("tokyo", "CustomResourceDefinition", "gateways"),
        ("tokyo", "CRDs"),
        "gateways.networking.istio.io is not established",
    ),
    "a kind is not served yet": Case(
        lambda mesh: mesh.object("osaka", "CustomResourceDefinition", "virtualservices").update(status={}),
        ("osaka", "CRDs"),
        "virtualservices.networking.istio.io is not established",
    ),
    "a namespace of another revision": Case(
        _labelled("sample", "asm-managed"),
        ("tokyo", "namespaces"),
        f"sample has the label istio.io/rev=asm-managed, not {REVISION}",
    ),
    "a namespace with the injection label of another mode": Case(
        lambda mesh: mesh.object("tokyo", "Namespace", "sample")["metadata"]["labels"].update(
            {"istio-injection": "disabled"}
        ),
        ("tokyo", "namespaces"),
        "sample has the label istio-injection=disabled, which disables injection by revision",
        f"{TOKYO} label namespace sample istio-injection-",
    ),
    "somebody else's namespace of another revision": Case(
        _labelled("default", "asm-managed"),
        ("tokyo", "other namespaces"),
        "default has the label istio.io/rev=asm-managed",
        f"{TOKYO} label namespace default istio.io/rev={REVISION} --overwrite",
        "warning",
    ),
    "old proxies": Case(
        lambda mesh: [_another_pod("sample", "sleep", number, revision="asm-1-20")(mesh) for number in (7, 8)],
        ("tokyo", "proxies"),
        "sample/sleep-5d4f8-7 has revision asm-1-20; sample/sleep-5d4f8-8 has revision asm-1-20",
        f"{TOKYO} --namespace sample rollout restart deployment sleep",
    ),
    "a pod without a sidecar": Case(
        _another_pod("sample", "checkout", revision=None),
        ("tokyo", "sidecars"),
        "missing in sample/checkout-5d4f8-1",
        f"{TOKYO} --namespace sample rollout restart deployment checkout",
    ),
    # trust
    "no remote secret": Case(_gone("tokyo", "Secret"), ("tokyo", "remote secret for osaka"), "missing", AGAIN),
    "a remote secret with the public address": Case(
        _secret(server="https://192.0.2.2"),
        ("tokyo", "remote secret for osaka"),
        "its server is https://192.0.2.2, but the private endpoint of osaka is https://192.168.8.2",
        AGAIN,
    ),
    "a remote secret with another CA": Case(
        _secret(certificate_authority_data="T1RIRVI="),
        ("tokyo", "remote secret for osaka"),
        "its CA certificate",
        AGAIN,
    ),
    "a remote secret for another cluster": Case(
        _secret(name="gke-other"), ("tokyo", "remote secret for osaka"), "it is for the cluster gke-other", AGAIN
    ),
    "a remote secret with another's token": Case(
        _secret(token=f"{TOKEN}-tokyo"),
        ("tokyo", "remote secret for osaka"),
        "osaka rejects its token",
        AGAIN,
    ),
    "a token that is not valid any more": Case(
        _token_expired, ("tokyo", "remote secret for osaka"), "osaka rejects its token", AGAIN
    ),
    "a remote secret that can't be read": Case(
        _unreadable_secret, ("tokyo", "remote secret for osaka"), "it has no kubeconfig", AGAIN
    ),
    "a remote secret of a retired region": Case(
        lambda mesh: mesh.add("tokyo", remote_secret("seoul")),
        ("tokyo", "other remote secrets"),
        secret_name("seoul"),
        f"{TOKYO} --namespace istio-system delete secret {secret_name('seoul')}",
    ),
    # what runs
    "a service is scaled to nothing": Case(
        _scaled("helloworld-v1", 0),
        ("tokyo", "Deployment sample/helloworld-v1"),
        "spec.replicas was changed from 1 to 0; an interrupted mesh drill may be the cause",
        f"{TOKYO} --namespace sample scale deployment.apps helloworld-v1 --replicas=1",
    ),
    "a service does not run": Case(
        _scaled("helloworld-v1", 1, 0),
        ("tokyo", "service helloworld"),
        "helloworld-v1: 0 of 1 available",
        f"{TOKYO} --namespace sample describe pods",
    ),
    "a service is not there": Case(
        _gone("tokyo", "Deployment", "helloworld"),
        ("tokyo", "Deployment sample/helloworld-v1"),
        "missing",
        apply_again("tokyo_deployment_helloworld-v1"),
    ),
    "a service runs where it should not": Case(
        _elsewhere,
        ("tokyo", "service helloworld"),
        "helloworld-v2 is not configured in this region",
        f"{TOKYO} --namespace sample delete deployment helloworld-v2",
    ),
    "an autoscaled service has as many pods as it may have": Case(
        _autoscaled(9, 9),
        ("tokyo", "service shop"),
        "9 pods ready, the configured maximum",
        "if that persists, raise services.shop.autoscaling.max_replicas",
        "warning",
    ),
    "an autoscaled service adds a pod": Case(
        _autoscaled(5, 4),
        ("tokyo", "service shop"),
        "4 pods ready, others are not",
        f"if that persists: {TOKYO} --namespace sample describe pods",
        "warning",
    ),
    "an autoscaled service has too few pods": Case(
        _autoscaled(2, 1),
        ("tokyo", "service shop"),
        "1 of 2 pods ready",
        f"{TOKYO} --namespace sample describe pods",
    ),
    "an autoscaled service is scaled to nothing": Case(
        _autoscaled(0, 0),
        ("tokyo", "service shop"),
        "shop-v1 has 0 replicas, at which its HorizontalPodAutoscaler does nothing",
        f"{TOKYO} --namespace sample scale deployment shop-v1 --replicas 2",
    ),
    "no autoscaler of a service": Case(
        _autoscaled(3, 3, scaler=False),
        ("tokyo", "service shop"),
        "the HorizontalPodAutoscaler shop-v1 does not exist",
    ),
    "an autoscaler that is not configured": Case(
        lambda mesh: mesh.add("tokyo", _scaler("sample", "helloworld-v1")),
        ("tokyo", "service helloworld"),
        "the HorizontalPodAutoscaler helloworld-v1 exists, but autoscaling is not configured",
        f"{TOKYO} --namespace sample delete hpa helloworld-v1",
    ),
    "no DestinationRule": Case(
        _gone("tokyo", "DestinationRule"),
        ("tokyo", "DestinationRule sample/helloworld"),
        "missing",
        apply_again("tokyo_destinationrule_helloworld"),
    ),
    "a DestinationRule that should not be": Case(
        _failover_off,
        ("tokyo", "failover of helloworld"),
        "the DestinationRule has outlier detection, but failover is off",
    ),
    "no client": Case(_scaled("sleep", 1, 0), ("tokyo", "client sleep"), "0 of 1", f"{TOKYO} --namespace sample"),
    "a gateway is not ready": Case(
        _scaled(GATEWAY, 2, 1),
        ("tokyo", "gateway"),
        "1 of 2 pods ready",
        f"{TOKYO} --namespace istio-gateway describe pods",
    ),
    "a gateway has all pods that it may have": Case(
        _scaled(GATEWAY, 5),
        ("tokyo", "gateway"),
        "the configured maximum",
        "if that persists, raise ingress.max_replicas",
        "warning",
    ),
    "no gateway": Case(
        _gone("tokyo", "Deployment", GATEWAY),
        ("tokyo", f"Deployment istio-gateway/{GATEWAY}"),
        "missing",
        apply_again(f"tokyo_istio-gateway_deployment_{GATEWAY}"),
    ),
    "no autoscaler": Case(
        _gone("tokyo", "HorizontalPodAutoscaler"),
        ("tokyo", f"HorizontalPodAutoscaler istio-gateway/{GATEWAY}"),
        "missing",
        apply_again(f"tokyo_istio-gateway_horizontalpodautoscaler_{GATEWAY}"),
    ),
    "a gateway with other limits": Case(
        lambda mesh: mesh.object("tokyo", "HorizontalPodAutoscaler").update(spec={"minReplicas": 1, "maxReplicas": 5}),
        ("tokyo", f"HorizontalPodAutoscaler istio-gateway/{GATEWAY}"),
        "spec.minReplicas was changed from 2 to 1",
        f"""{TOKYO} patch horizontalpodautoscaler.autoscaling {GATEWAY} --namespace istio-gateway --patch""",
    ),
    # the fleet and the ingress
    "the mesh's feature is broken": Case(
        lambda mesh: mesh.feature("servicemesh").update(state={"state": {"code": "ERROR", "description": "denied"}}),
        ("Fleet", "feature servicemesh"),
        "ACTIVE, ERROR: denied",
        "gcloud container fleet mesh describe --project test-project",
    ),
    "the mesh's feature warns": Case(
        lambda mesh: mesh.feature("servicemesh").update(state={"state": {"code": "WARNING", "description": "slow"}}),
        ("Fleet", "feature servicemesh"),
        "ACTIVE, WARNING: slow",
        "gcloud container fleet mesh describe --project test-project",
        "warning",
    ),
    "the ingress' feature is coming": Case(
        lambda mesh: mesh.feature("multiclusteringress").update(resourceState={"state": "ENABLING"}),
        ("Fleet", "feature multiclusteringress"),
        "ENABLING",
        "gcloud container fleet ingress describe --project test-project",
    ),
    "plain text may come in": Case(
        lambda mesh: mesh.object("tokyo", "PeerAuthentication").update(spec={"mtls": {"mode": "PERMISSIVE"}}),
        ("tokyo", "PeerAuthentication istio-system/default"),
        "spec.mtls.mode was changed from STRICT to PERMISSIVE; the next deploy restores it",
        f"{TOKYO} patch peerauthentication.security.istio.io default --namespace istio-system --type merge --patch",
    ),
    "the mesh says nothing of mutual TLS": Case(
        _gone("tokyo", "PeerAuthentication"),
        ("tokyo", "PeerAuthentication istio-system/default"),
        "missing",
        apply_again("tokyo_istio-system_peerauthentication_default"),
    ),
    "one namespace takes plain text": Case(
        lambda mesh: mesh.add("tokyo", _of_a_port("PERMISSIVE")),
        ("tokyo", "PeerAuthentication sample/metrics"),
        "no stack applies it; it is in effect in sample",
        f"{TOKYO} --namespace sample delete peerauthentication.security.istio.io metrics",
    ),
    "everybody may ask": Case(
        _gone("tokyo", "AuthorizationPolicy", "default-deny"),
        ("tokyo", "AuthorizationPolicy istio-system/default-deny"),
        "missing",
        apply_again("tokyo_istio-system_authorizationpolicy_default-deny"),
    ),
    "nobody may ask the demo": Case(
        _gone("osaka", "AuthorizationPolicy", "helloworld"),
        ("osaka", "AuthorizationPolicy sample/helloworld"),
        "missing",
        apply_again("osaka_authorizationpolicy_helloworld"),
    ),
    "nobody comes in": Case(
        _gone("osaka", "AuthorizationPolicy", GATEWAY),
        ("osaka", f"AuthorizationPolicy istio-gateway/{GATEWAY}"),
        "missing",
        apply_again(f"osaka_istio-gateway_authorizationpolicy_{GATEWAY}"),
    ),
    "refused against the configuration": Case(
        _everybody_may_ask, ("osaka", "authorization"), "mesh.default_deny is false"
    ),
    "another config cluster": Case(
        _of_osaka, (INGRESS, "config cluster"), "matt-osaka-cluster-1, but tokyo is configured"
    ),
    "no service of the ingress": Case(
        _gone("tokyo", "MultiClusterService"),
        ("tokyo", f"MultiClusterService istio-gateway/{GATEWAY}"),
        "missing",
        apply_again(f"tokyo_istio-gateway_multiclusterservice_{GATEWAY}"),
    ),
    "no ingress": Case(
        _gone("tokyo", "MultiClusterIngress"),
        ("tokyo", f"MultiClusterIngress istio-gateway/{GATEWAY}"),
        "missing",
        apply_again(f"tokyo_istio-gateway_multiclusteringress_{GATEWAY}"),
    ),
    "another address serves": Case(
        _ingress(VIP="198.51.100.9"),
        (INGRESS, "address"),
        f"{ADDRESS} is reserved, but the load balancer has 198.51.100.9",
        f"{TOKYO} --namespace istio-gateway describe multiclusteringresses.networking.gke.io {GATEWAY}",
    ),
    "no address serves": Case(
        _ingress(VIP=""),
        (INGRESS, "address"),
        "the load balancer has none",
        f"{TOKYO} --namespace istio-gateway describe",
    ),
    "another address is asked for": Case(
        lambda mesh: mesh.object("tokyo", "MultiClusterIngress")["metadata"].update(annotations={}),
        ("tokyo", f"MultiClusterIngress istio-gateway/{GATEWAY}"),
        "metadata.annotations.networking.gke.io/static-ip was removed",
        f"{TOKYO} patch multiclusteringress.networking.gke.io {GATEWAY} --namespace istio-gateway --type merge",
    ),
    "no address is reserved": Case(
        lambda mesh: mesh.cloud.pop(f"{PARENT}/global/addresses/matt-ingress"),
        (INGRESS, "address"),
        "matt-ingress is not reserved",
    ),
    "a load balancer without a forwarding rule": Case(
        lambda mesh: mesh.object("tokyo", "MultiClusterIngress")["status"]["CloudResources"].pop("ForwardingRules"),
        (INGRESS, "load balancer"),
        "not created yet: ForwardingRules",
        f"{TOKYO} --namespace istio-gateway describe multiclusteringresses.networking.gke.io",
    ),
    "a region that gets no requests": Case(
        _without_osaka,
        (INGRESS, "endpoints"),
        "none in osaka: the load balancer sends no requests there",
        f"{TOKYO} --namespace istio-gateway describe multiclusteringresses.networking.gke.io",
    ),
    "the ingress' controller warns": Case(
        _event, (INGRESS, "events"), "SYNC: no such BackendConfig", f"{TOKYO} --namespace istio-gateway", "warning"
    ),
    # a retired region
    "a retired region is in the mesh": Case(
        _retired_stays, ("seoul", "mesh removal"), "the namespace istio-system still exists"
    ),
    "a retired region watches others": Case(
        lambda mesh: mesh.add("seoul", remote_secret("tokyo")),
        ("seoul", "mesh removal"),
        f"the remote secret {secret_name('tokyo')} still exists",
    ),
    "a retired region has services": Case(_retired_serves, ("seoul", "namespaces"), "not deleted: sample"),
}


@pytest.mark.parametrize("name", CASES)
def test_one_thing_is_wrong(mesh: DeployedMesh, name: str) -> None:
    CASES[name].check(mesh)


def test_a_public_address_that_the_configuration_has_not(mesh: DeployedMesh) -> None:
    """What a deploy has not deleted yet is reported of every cluster."""
    del mesh.content["cluster"]["endpoint"]
    wrong = mesh.run_json("status").findings("failure")
    for key in ("tokyo", "osaka"):
        text = wrong[key, "endpoints"]["text"]
        assert "the public address is on, but the endpoint dns is configured" in text
        assert "the DNS endpoint is off, but the endpoint dns is configured" in text


# --- what is as it may be


def test_what_is_as_it_may_be(mesh: DeployedMesh) -> None:
    """Unusual, and right all the same."""
    mesh.remove("osaka", "ControlPlaneRevision")
    del mesh.feature("servicemesh")["membershipStates"][
        next(name for name in mesh.feature("servicemesh")["membershipStates"] if "tokyo" in name)
    ]
    mesh.add("tokyo", {**pod("sample", "job", revision=None), "status": {"phase": "Succeeded"}})
    agent = pod("sample", "agent", revision=None)
    agent["spec"]["hostNetwork"] = True
    mesh.add("tokyo", agent)
    without = pod("sample", "without", revision=None)
    without["metadata"]["labels"] = {"sidecar.istio.io/inject": "false"}
    mesh.add("tokyo", without)
    native = pod("sample", "native", revision=None)
    native["spec"]["initContainers"] = [{"name": "istio-proxy"}]
    native["metadata"]["labels"] = {"istio.io/rev": REVISION}
    mesh.add("tokyo", native)
    mesh.variables["MESH_OPERATOR_ADDRESS"] = "192.0.2.7/32"
    for region in ("tokyo", "osaka"):
        blocks = mesh.cluster(region)["masterAuthorizedNetworksConfig"]["cidrBlocks"]
        blocks.append({"cidrBlock": "192.0.2.7/32", "displayName": "operator"})
    mesh.states = {}
    answer = mesh.run_json("status")
    assert answer.status == 0, answer.findings("failure")
    assert set(answer.findings("warning")) == {("tokyo", "objects"), ("osaka", "objects")}
    assert "a missing object is not noticed" in answer.findings("warning")["osaka", "objects"]["text"]
    assert answer.findings()["tokyo", "proxies"]["text"] == f"5 with revision {REVISION}"
    assert "unknown" in answer.findings()["tokyo", "deletion protection"]["text"]


def test_the_revision_may_be_another_ones_name(mesh: DeployedMesh) -> None:
    """The installer chooses a revision, and tags it with the channel's name."""
    for one in mesh.objects("tokyo", "Pod"):
        if one["metadata"]["annotations"]:
            one["metadata"]["annotations"] = {"sidecar.istio.io/status": json.dumps({"revision": "asm-managed"})}
    assert set(mesh.run_json("status").findings("failure")) == {("tokyo", "proxies")}
    labels = {"istio.io/tag": REVISION, "istio.io/rev": "asm-managed"}
    mesh.add("tokyo", {"kind": "MutatingWebhookConfiguration", "metadata": {"name": "tag", "labels": labels}})
    assert mesh.run_json("status").status == 0


@pytest.mark.parametrize(
    "content",
    [
        {"priority": 901, "sourceRanges": ["10.0.0.0/8"]},
        {"sourceRanges": ["172.16.0.0/12"]},
        {"sourceRanges": ["2001:db8::/32"]},
        {"denied": [{"IPProtocol": "udp"}]},
        {"denied": [], "allowed": [{"IPProtocol": "tcp"}]},
        {"targetTags": ["web"]},
        {"disabled": True},
        {"network": f"{PARENT}/global/networks/other"},
    ],
)
def test_a_rule_that_denies_no_pod(mesh: DeployedMesh, content: dict[str, Any]) -> None:
    _foreign_rule(**content)(mesh)
    assert mesh.run_json("status").findings("failure") == {}


DOMAIN = "shop.example.com"
CERTIFICATE = ProjectNames("matt").certificate(DOMAIN)


def _with_a_domain(mesh: DeployedMesh, state: str) -> None:
    """Give the ingress a domain.

    Args:
        mesh: The mesh.
        state: Of the domain, as Compute Engine reports it; the certificate's own is another enum.
    """
    mesh.content["ingress"] = {"config_cluster": "tokyo", "domains": [DOMAIN]}
    whole = state if state == "ACTIVE" else "PROVISIONING"
    managed = {"domains": [DOMAIN], "status": whole, "domainStatus": {DOMAIN: state}}
    mesh.cloud[f"{PARENT}/global/sslCertificates/{CERTIFICATE}"] = {"name": CERTIFICATE, "managed": managed}
    annotations = mesh.object("tokyo", "MultiClusterIngress")["metadata"]["annotations"]
    annotations["networking.gke.io/pre-shared-certs"] = CERTIFICATE


def test_a_domain_has_its_certificate(mesh: DeployedMesh) -> None:
    _with_a_domain(mesh, "ACTIVE")
    answer = mesh.run_json("status")
    assert answer.status == 0, answer.findings("failure")
    assert answer.findings("ok")[INGRESS, f"certificate of {DOMAIN}"]["text"] == "active"


def test_a_certificate_waits_for_its_dns_record(mesh: DeployedMesh) -> None:
    _with_a_domain(mesh, "FAILED_NOT_VISIBLE")
    answer = mesh.run_json("status")
    assert answer.status == 0
    [(where, said)] = answer.findings("warning").items()
    assert where == (INGRESS, f"certificate of {DOMAIN}")
    assert "FAILED_NOT_VISIBLE" in said["text"]
    assert f"{DOMAIN}. A {ADDRESS}" in said["fix"]


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda mesh: mesh.cloud.pop(f"{PARENT}/global/sslCertificates/{CERTIFICATE}"), "missing"),
        (
            lambda mesh: mesh.object("tokyo", "MultiClusterIngress")["metadata"]["annotations"].pop(
                "networking.gke.io/pre-shared-certs"
            ),
            "the MultiClusterIngress does not reference it",
        ),
    ],
)
def test_a_domain_without_its_certificate(mesh: DeployedMesh, spoil: Callable[[DeployedMesh], Any], text: str) -> None:
    _with_a_domain(mesh, "ACTIVE")
    spoil(mesh)
    [(where, said)] = mesh.run_json("status").findings("failure").items()
    assert where == (INGRESS, f"certificate of {DOMAIN}")
    assert (said["text"], said["fix"]) == (text, DEPLOY)


def test_everybody_may_ask_if_the_configuration_says_so(mesh: DeployedMesh) -> None:
    mesh.content["mesh"] = mesh.content["mesh"] | {"default_deny": False, "mtls": "permissive"}
    for region in ("tokyo", "osaka"):
        mesh.apply_no_more(region, "AuthorizationPolicy", "default-deny")
        mesh.object(region, "PeerAuthentication")["spec"] = {"mtls": {"mode": "PERMISSIVE"}}
        mesh.applied(region, "PeerAuthentication", "default")["spec"] = {"mtls": {"mode": "PERMISSIVE"}}
    answer = mesh.run_json("status")
    assert answer.status == 0, answer.findings("failure")
    assert answer.findings()["osaka", "authorization"]["text"] == "every caller is authorized, as configured"


def test_without_the_demo_and_the_ingress(mesh: DeployedMesh) -> None:
    mesh.content["demo"] = {"enabled": False}
    mesh.content["ingress"]["enabled"] = False
    mesh.content["services"] = {"checkout": {"image": "x/y:1", "port": 80, "failover": False, "regions": {"osaka": {}}}}
    labels = {"labels": {"istio.io/rev": REVISION}}
    for region in ("tokyo", "osaka"):
        for kind in {*APPLIED} - {"PeerAuthentication"}:
            for name in ("helloworld", "sleep", GATEWAY):
                mesh.apply_no_more(region, kind, name)
        mesh.add(region, {"kind": "Namespace", "metadata": {"name": "apps", **labels}})
    mesh.add("osaka", deployment("apps", "checkout-v1", 2, {"app": "checkout"}))
    answer = mesh.run_json("status")
    assert answer.status == 0, answer.findings("failure")
    assert answer.findings()["tokyo", "service checkout"]["text"] == "not in this region, as configured"
    assert answer.findings()["osaka", "service checkout"]["text"] == "checkout-v1: 2 of 2 available"
    assert INGRESS not in {section for section, _ in answer.findings()}
    mesh.add("tokyo", deployment("istio-gateway", GATEWAY, 2))
    assert set(mesh.run_json("status").findings("failure")) == {("tokyo", "gateway")}


# --- what can't be asked


def test_a_cluster_that_does_not_answer_stops_nothing(mesh: DeployedMesh, tmp_path: Path) -> None:
    mesh.clusters["osaka"]["error"] = "Unable to connect to the server: dial tcp 192.0.2.2:443: i/o timeout"
    answer = mesh.run_json("status", "--junit", str(tmp_path / "status.xml"))
    assert answer.status == 1
    [(where, said)] = answer.findings("failure").items()
    assert where == ("osaka", "API server")
    assert "i/o timeout" in said["text"]
    assert "MESH_OPERATOR_ADDRESS" in said["fix"]
    assert answer.findings("warning") == {}
    assert "osaka does not respond" in answer.findings()["tokyo", "remote secret for osaka"]["text"]
    assert answer.findings()["tokyo", "service helloworld"]["state"] == "ok"
    assert answer.data["sections"][0]["rows"][1][3] == "unknown"
    assert junit_failures(tmp_path / "status.xml") == {("osaka: matt-osaka-cluster-1", "API server")}


def test_a_secret_is_wrong_also_where_its_cluster_does_not_answer(mesh: DeployedMesh) -> None:
    mesh.clusters["osaka"]["error"] = "Unable to connect to the server: EOF"
    _secret(server="https://192.0.2.2")(mesh)
    assert set(mesh.run_json("status").findings("failure")) == {
        ("osaka", "API server"),
        ("tokyo", "remote secret for osaka"),
    }


@pytest.mark.parametrize(
    ("error", "fix"),
    [
        ('Error from server (Forbidden): nodes is forbidden: User "x" cannot list', "roles/container.admin"),
        ("error: You must be logged in to the server (Unauthorized)", "gcloud auth application-default login"),
        ("Unable to connect to the server: tls: failed to verify certificate", f"{TOKYO} cluster-info"),
    ],
)
def test_what_to_do_where_a_cluster_does_not_answer(mesh: DeployedMesh, error: str, fix: str) -> None:
    mesh.clusters["tokyo"]["error"] = error
    answer = mesh.run_json("status")
    [(where, said)] = answer.findings("failure").items()
    assert where == ("tokyo", "API server")
    assert fix in said["fix"]
    assert answer.findings("warning") == {}


def test_a_cluster_that_is_not_there(mesh: DeployedMesh) -> None:
    for path in [path for path in mesh.cloud if "matt-osaka-cluster-1" in path]:
        del mesh.cloud[path]
    answer = mesh.run_json("status")
    [(where, said)] = answer.findings("failure").items()
    assert where == ("osaka", "GKE control plane")
    assert said["text"] == "the cluster matt-osaka-cluster-1 does not exist in asia-northeast2"
    assert said["fix"] == DEPLOY
    assert answer.findings("warning") == {}


def test_features_that_are_off_and_a_pool_that_is_not_there(mesh: DeployedMesh) -> None:
    for path in [path for path in mesh.cloud if "/features/" in path or "/nodePools/matt-osaka" in path]:
        del mesh.cloud[path]
    failures = mesh.run_json("status").findings("failure")
    assert set(failures) == {
        ("osaka", "node pool"),
        *(("Fleet", f"feature {name}") for name in ("servicemesh", "multiclusteringress")),
        (INGRESS, "config cluster"),
    }
    assert failures["osaka", "node pool"]["text"] == "matt-osaka-nodes does not exist"
    assert {one["fix"] for one in failures.values()} == {DEPLOY}


def test_a_retired_cluster_may_be_gone(mesh: DeployedMesh) -> None:
    for path in [path for path in mesh.cloud if "matt-seoul-cluster-1" in path]:
        del mesh.cloud[path]
    answer = mesh.run_json("status")
    assert answer.status == 0
    assert answer.findings()["seoul", "cluster"]["text"].startswith("deleted")


def test_a_retired_cluster_has_to_answer(mesh: DeployedMesh) -> None:
    mesh.clusters["seoul"]["error"] = "Unable to connect to the server: EOF"
    assert set(mesh.run_json("status").findings("failure")) == {("seoul", "API server")}


@pytest.mark.parametrize(
    ("api", "spoiled"),
    [
        ("container", {("tokyo", "GKE control plane"), ("osaka", "GKE control plane"), ("seoul", "cluster")}),
        (
            "gkehub",
            {
                ("tokyo", "membership"),
                ("osaka", "membership"),
                ("Fleet", "feature servicemesh"),
                ("Fleet", "feature multiclusteringress"),
                (INGRESS, "config cluster"),
            },
        ),
        ("compute", {(INGRESS, "address")}),
    ],
)
def test_an_api_that_is_off(mesh: DeployedMesh, api: str, spoiled: set[tuple[str, str]]) -> None:
    del mesh.cloud[f"{PARENT}/services/{api}.googleapis.com"]
    answer = mesh.run_json("status")
    failures = answer.findings("failure")
    assert answer.status == 1
    assert spoiled <= set(failures)
    for where in spoiled:
        assert "unknown" in failures[where]["text"]
        assert failures[where]["fix"] == f"gcloud services enable {api}.googleapis.com --project {PROJECT}"


def test_a_project_that_may_not_be_read(mesh: DeployedMesh) -> None:
    mesh.gcp.server.cloud.faults.add(RequestFault(f"GET /cloudresourcemanager/v1/projects/{PROJECT}$", 403, 9))
    answer = mesh.run_json("status")
    assert set(answer.findings("failure")) == {("tokyo", "mesh label"), ("osaka", "mesh label")}
    assert "roles/viewer" in answer.findings("failure")["tokyo", "mesh label"]["fix"]


# --- how it is told


def test_it_is_told_to_people_too(mesh: DeployedMesh, tmp_path: Path) -> None:
    _scaled("helloworld-v1", 0)(mesh)
    result = mesh.run("status", "--junit", str(tmp_path / "status.xml"))
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    failed = next(index for index, line in enumerate(lines) if "failure" in line)
    assert "Deployment sample/helloworld-v1: spec.replicas was changed from 1 to 0" in lines[failed]
    assert lines[failed + 1].strip() == f"{TOKYO} --namespace sample scale deployment.apps helloworld-v1 --replicas=1"
    assert any(line.split()[:3] == ["tokyo", "matt-tokyo-cluster-1", "RUNNING"] for line in lines)
    assert "1 failure" in lines[-1]
    assert TOKEN not in result.stdout + result.stderr
    assert junit_failures(tmp_path / "status.xml") == {
        ("tokyo: matt-tokyo-cluster-1", "Deployment sample/helloworld-v1")
    }


def test_tokens_go_nowhere_but_to_who_takes_them(mesh: DeployedMesh) -> None:
    mesh.run_json("status")
    calls = mesh.kubectl_calls
    assert TOKEN not in json.dumps(calls)
    reviews = [call for call in calls if "create" in call]
    assert len(reviews) == 2
    assert {Path(call[call.index("--kubeconfig") + 1]).stem for call in reviews} == {"tokyo", "osaka"}


def test_with_a_kubeconfig_of_ones_own(mesh: DeployedMesh) -> None:
    file = mesh.folder / "own.yaml"
    contexts = [{"name": name} for name in ("tokyo", f"gke_{PROJECT}_asia-northeast2_matt-osaka-cluster-1")]
    file.write_text(yaml.safe_dump({"contexts": contexts}), encoding="utf-8")
    mesh.clusters[contexts[1]["name"]] = mesh.clusters.pop("osaka")
    answer = mesh.run_json("status", "--kubeconfig", str(file))
    [(where, said)] = answer.findings("failure").items()
    assert where == ("seoul", "API server")
    assert "has no context seoul" in said["text"]
    contexts.append({"name": "seoul"})
    file.write_text(yaml.safe_dump({"contexts": contexts}), encoding="utf-8")
    assert mesh.run_json("status", "--kubeconfig", str(file)).status == 0


@pytest.mark.parametrize(
    ("variables", "state", "said"),
    [
        ({"GOOGLE_OAUTH_ACCESS_TOKEN": "somebody-elses"}, None, "gcloud auth application-default login"),
        ({"PATH": "/nowhere"}, None, "gcloud components install kubectl"),
        ({}, "{", "mesh repair"),
        ({}, "{]\n}", "restore it from terraform.mesh.tfstate.backup"),
        ({"MESH_OPERATOR_ADDRESS": "here"}, None, "MESH_OPERATOR_ADDRESS"),
    ],
)
def test_what_it_can_not_begin_without(
    mesh: DeployedMesh, variables: dict[str, str], state: str | None, said: str
) -> None:
    """Status 2, and a few lines: the problem and its remediation."""
    mesh.variables, mesh.states["mesh"] = variables, state
    result = mesh.run("status", "--json")
    assert result.returncode == 2
    assert said in "".join(json.loads(result.stdout)["error"].values())
    assert "Traceback" not in result.stderr
    assert said in result.stderr

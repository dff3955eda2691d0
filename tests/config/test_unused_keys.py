"""No key is dropped in silence: a change of it changes what the stacks are built from, or is reported.

Every key of the schema is changed in each context of `CONTEXTS`, which switches off what others depend on.
"""

import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from config.loading.load import parse_environment
from config.paths import ROOT
from config.problems import Problem
from config.reference import effects_of_keys
from config.services.probe import Probe
from config.services.volume import Volume

Data = dict[str, Any]

ROUTE: Data = {
    "path": "/shop",
    "cors": {"allow_origins": ["https://www.example.com"]},
}

BASE: Data = {
    "project": {"id": "test-project"},
    "regions": {
        "tokyo": {"region": "asia-northeast1", "number": 0},
        "osaka": {"region": "asia-northeast2", "number": 8},
    },
    "network": {
        "address_plan": {
            "nodes": {"pool": "172.16.0.0/12", "block": 16},
            "pods": {"pool": "10.0.0.0/10", "block": 14},
            "services": {"pool": "10.64.0.0/16", "block": 20},
            "control_plane": {"pool": "192.168.0.0/16", "block": 24, "size": 28},
            "proxies": {"pool": "10.65.0.0/16", "block": 23},
        }
    },
    "cluster": {
        "endpoint": "public",
        "max_nodes": 4,
        "authorized_networks": [{"name": "office", "cidr": "203.0.113.0/24"}],
    },
    "ingress": {"config_cluster": "tokyo", "domains": ["shop.example.com", "api.example.com"]},
    "mesh": {"namespaces": {"team-a": {}}},
    "services": {
        "shop": {
            "image": "example.com/shop:1",
            "port": 8080,
            "env": {"A": "b", "B": {"config_map": "settings", "key": "b"}},
            "env_from": [{"config_map": "settings"}],
            "volumes": {"/cache": {"config_map": "settings"}},
            "probes": {"liveness": {"http": "/up"}, "readiness": {"http": "/up"}, "startup": {"http": "/up"}},
            "routes": [ROUTE],
            "ports": {"admin": {"port": 8081}},
            "retries": {"retry_on": ["5xx"]},
            "connections": {"keepalive": {"time_seconds": 120}},
        },
        "old": {
            "image": "example.com/old:1",
            "port": 8080,
            "namespace": "legacy",
            "routes": [{"path": "/old", "redirect": {"path": "/shop"}}],
        },
        "cart": {
            "image": "example.com/cart:1",
            "port": 8080,
            "allow_from": ["shop"],
            "regions": {
                "tokyo": {"version": "v1"},
                "osaka": {"version": "v2", "env": {"B": {"config_map": "settings", "key": "b"}}},
            },
        },
    },
}

RANGES = {
    "tokyo": {
        "nodes": "10.128.0.0/20",
        "pods": "10.132.0.0/16",
        "services": "10.140.0.0/20",
        "control_plane": "10.141.0.0/28",
        "proxies": "10.144.0.0/26",
    },
    "osaka": {
        "nodes": "10.129.0.0/20",
        "pods": "10.133.0.0/16",
        "services": "10.142.0.0/20",
        "control_plane": "10.143.0.0/28",
        "proxies": "10.145.0.0/26",
    },
}
SHAPE = {"machine_type": "n2-standard-8", "min_nodes": 2, "max_nodes": 3, "disk_size_gb": 50, "secure_boot": True}

ALTERNATIVES = (Probe.alternatives, Volume.alternatives)
"""Keys of which a section has exactly one."""

PROBES = ("liveness", "readiness", "startup")
PROBE = {
    "exec": ["cat", "/tmp/ready"],
    "failure_threshold": 5,
    "grpc": "shop.Orders",
    "http": "/ready",
    "initial_delay_seconds": 7,
    "period_seconds": 7,
    "port": 9095,
    "tcp": True,
    "timeout_seconds": 7,
}

VARIABLE: Data = {
    "config_map": "other",
    "field": "status.podIP",
    "key": "other",
    "optional": True,
    "secret": "other",
}

OUTLIER_DETECTION = {
    "consecutive_5xx": 7,
    "consecutive_gateway_errors": 3,
    "consecutive_local_origin_failures": 3,
    "ejection_seconds": 7.5,
    "interval_seconds": 2,
    "max_ejection_percent": 50,
}

CHANGES: dict[str, Any] = {
    "project.anthos_api": True,
    "project.id": "other-project",
    "project.impersonate_service_account": "deploy@test-project.iam.gserviceaccount.com",
    "project.name_prefix": "other",
    **{f"regions.*.cluster.{key}": value for key, value in SHAPE.items()},
    "regions.*.cluster.secure_boot": False,
    "regions.*.maintenance_start": "saturday 15:00",
    "regions.*.number": 9,
    "regions.*.region": "asia-southeast1",
    "regions.*.drained": True,
    "regions.*.retired": True,
    "regions.*.secrets_key": "projects/k/locations/asia-northeast2/keyRings/mesh/cryptoKeys/secrets",
    **{f"regions.*.{kind}": value.replace("10.1", "10.2") for kind, value in RANGES["osaka"].items()},
    "regions.*.zones": ["asia-northeast2-a"],
    "network.address_plan.nodes.pool": "172.32.0.0/12",
    "network.address_plan.nodes.block": 17,
    "network.address_plan.nodes.size": 18,
    "network.address_plan.pods.pool": "10.128.0.0/10",
    "network.address_plan.pods.block": 15,
    "network.address_plan.pods.size": 16,
    "network.address_plan.proxies.pool": "10.66.0.0/16",
    "network.address_plan.proxies.block": 24,
    "network.address_plan.proxies.size": 25,
    "network.address_plan.services.pool": "10.65.0.0/16",
    "network.address_plan.services.block": 21,
    "network.address_plan.services.size": 22,
    "network.address_plan.control_plane.pool": "192.169.0.0/16",
    "network.address_plan.control_plane.block": 25,
    "network.address_plan.control_plane.size": 29,
    "network.firewall_logs": False,
    "network.flow_logs": False,
    "network.nat_log_filter": "ERRORS_ONLY",
    "network.pod_protocols": ["tcp", "udp"],
    "cluster.authorized_networks": [{"name": "home", "cidr": "198.51.100.0/24"}],
    "cluster.authorized_networks[].cidr": "198.51.100.0/24",
    "cluster.authorized_networks[].name": "home",
    "cluster.binary_authorization": False,
    "cluster.dataplane": "legacy",
    "cluster.deletion_protection": False,
    "cluster.disk_size_gb": 60,
    "cluster.endpoint": "dns",
    "cluster.intranode_visibility": False,
    "cluster.logs": ["workloads"],
    "cluster.machine_type": "n2-standard-16",
    "cluster.maintenance_start": "sunday 03:00",
    "cluster.maintenance_windows": False,
    "cluster.managed_prometheus": False,
    "cluster.max_nodes": 7,
    "cluster.max_pods_per_node": 64,
    "cluster.min_nodes": 3,
    "cluster.node_pool_rollout": "one_by_one",
    "cluster.operator_address": "198.51.100.7/32",
    "cluster.release_channel": "rapid",
    "cluster.secret_manager": True,
    "cluster.secure_boot": False,
    "mesh.asmcli.file": "asmcli",
    "mesh.asmcli.sha256": "0" * 64,
    "mesh.asmcli.version": "1.30.7-asm.9+config1",
    "mesh.control_plane": "asmcli-managed",
    "mesh.default_deny": False,
    "mesh.kubectl_image": "example.com/kubectl:v1.34.2",
    "mesh.mtls": "permissive",
    "mesh.namespaces": {"team-b": {}},
    "mesh.namespaces.*.allow_from": ["shop"],
    "mesh.namespaces.*.labels": {"team": "b"},
    "ingress.api": "gateway",
    "ingress.config_cluster": "osaka",
    "ingress.exposure": "external",
    "ingress.domains": ["shop.example.com"],
    "ingress.enabled": False,
    "ingress.max_replicas": 8,
    "ingress.min_replicas": 3,
    "ingress.plain_http": True,
    "ingress.security_policy": "edge",
    "ingress.single_replica": True,
    "demo.client_image": "example.com/curl:1",
    "demo.enabled": False,
    "demo.failover": False,
    "demo.image": "example.com/helloworld:1",
    **{f"demo.outlier_detection.{key}": value for key, value in OUTLIER_DETECTION.items()},
    "demo.versions": {"osaka": "v7"},
    "services.*.allow_from": ["cart"],
    "services.*.args": ["--port", "8080"],
    "services.*.command": ["/shop"],
    "services.*.connections.connect_timeout_seconds": 0.5,
    "services.*.connections.idle_timeout_seconds": 600,
    "services.*.connections.keepalive": {"time_seconds": 60},
    "services.*.connections.keepalive.interval_seconds": 10,
    "services.*.connections.keepalive.probes": 3,
    "services.*.connections.keepalive.time_seconds": 30,
    "services.*.connections.max_connections": 100,
    "services.*.connections.max_pending_requests": 100,
    "services.*.connections.max_requests": 100,
    "services.*.connections.max_requests_per_connection": 100,
    "services.*.drain_seconds": 7,
    "services.*.autoscaling": {"max_replicas": 6, "cpu": 50},
    "services.*.autoscaling.cpu": 70,
    "services.*.autoscaling.max_replicas": 9,
    "services.*.autoscaling.memory": 70,
    "services.*.autoscaling.min_replicas": 3,
    "services.*.env": {"C": "d"},
    **{f"services.*.env.*.{key}": value for key, value in VARIABLE.items()},
    "services.*.env_from": [{"secret": "other"}],
    "services.*.env_from[].config_map": "other",
    "services.*.env_from[].optional": True,
    "services.*.env_from[].prefix": "SHOP_",
    "services.*.env_from[].secret": "other",
    "services.*.failover": False,
    "services.*.failover_threshold": 50,
    "services.*.grace_seconds": 60,
    "services.*.image": "example.com/shop:2",
    "services.*.labels": {"team": "shop"},
    "services.*.namespace": "others",
    **{f"services.*.outlier_detection.{key}": value for key, value in OUTLIER_DETECTION.items()},
    "services.*.port": 9090,
    "services.*.probes.liveness": {"tcp": True},
    "services.*.probes.readiness": {"http": "/ready"},
    "services.*.probes.startup": {"tcp": True},
    **{f"services.*.probes.{kind}.{key}": value for kind in PROBES for key, value in PROBE.items()},
    "services.*.probes.readiness.success_threshold": 2,
    "services.*.regions": {"osaka": {"version": "v5"}},
    "services.*.regions.*.autoscaling": {"max_replicas": 6, "cpu": 50},
    "services.*.regions.*.autoscaling.cpu": 70,
    "services.*.regions.*.autoscaling.max_replicas": 9,
    "services.*.regions.*.autoscaling.memory": 70,
    "services.*.regions.*.autoscaling.min_replicas": 3,
    "services.*.regions.*.env": {"C": "d"},
    **{f"services.*.regions.*.env.*.{key}": value for key, value in VARIABLE.items()},
    "services.*.regions.*.image": "example.com/cart:2",
    "services.*.regions.*.replicas": 3,
    "services.*.regions.*.version": "v7",
    "services.*.replicas": 4,
    "services.*.resources.limits.cpu": "2",
    "services.*.resources.limits.ephemeral_storage": "1Gi",
    "services.*.resources.limits.memory": "1Gi",
    "services.*.resources.requests.cpu": "200m",
    "services.*.resources.requests.ephemeral_storage": "1Gi",
    "services.*.resources.requests.memory": "128Mi",
    "services.*.retries.attempts": 3,
    "services.*.retries.per_try_timeout_seconds": 2,
    "services.*.retries.retry_on": ["reset", 503],
    "services.*.root": True,
    "services.*.ports": {"other": {"port": 8082}},
    "services.*.ports.*.port": 8083,
    "services.*.ports.*.protocol": "grpc",
    "services.*.protocol": "http2",
    "services.*.routes": [{"path": "/other"}],
    "services.*.routes[].cors": {"allow_origins": ["https://other.example.com"]},
    "services.*.routes[].cors.allow_credentials": True,
    "services.*.routes[].cors.allow_headers": ["X-Other"],
    "services.*.routes[].cors.allow_methods": ["PUT"],
    "services.*.routes[].cors.allow_origins": ["https://other.example.com"],
    "services.*.routes[].cors.expose_headers": ["X-Other"],
    "services.*.routes[].cors.max_age_seconds": 60,
    "services.*.routes[].host": "api.example.com",
    "services.*.routes[].match": "prefix",
    "services.*.routes[].path": "/other",
    "services.*.routes[].port": "admin",
    "services.*.routes[].redirect": {"path": "/other"},
    "services.*.routes[].redirect.host": "www.example.com",
    "services.*.routes[].redirect.https": False,
    "services.*.routes[].redirect.path": "/other",
    "services.*.routes[].redirect.status": 308,
    **{
        f"services.*.routes[].{side}_headers.{change}": ["X-Other"] if change == "remove" else {"X-Other": "other"}
        for side in ("request", "response")
        for change in ("add", "remove", "set")
    },
    "services.*.routes[].rewrite": "/other",
    "services.*.service_account": "shop-pods@test-project.iam.gserviceaccount.com",
    "services.*.timeout_seconds": 2.5,
    "services.*.topology_spread.node": "required",
    "services.*.topology_spread.zone": "preferred",
    "services.*.user": 1234,
    "services.*.version_env": "VERSION",
    "services.*.versions": {"v1": 90, "v2": 10},
    "services.*.versions.*.image": "example.com/shop:2",
    "services.*.versions.*.replicas": 3,
    "services.*.versions.*.weight": 90,
    "services.*.mirror": {"service": "cart", "percent": 10},
    "services.*.mirror.percent": 20,
    "services.*.mirror.service": "old",
    "services.*.mirror.version": "v2",
    "services.*.region_weights": {"tokyo": {"tokyo": 90, "osaka": 10}},
    "services.*.volumes": {"/cache": {"size": "1Gi"}},
    "services.*.volumes.*.config_map": "other",
    "services.*.volumes.*.key": "other.conf",
    "services.*.volumes.*.memory": "64Mi",
    "services.*.volumes.*.secret": "other",
    "services.*.volumes.*.secret_manager": {"a": "projects/p/secrets/s/versions/1"},
    "services.*.volumes.*.size": "1Gi",
    "services.*.writable_root": True,
    "backend.type": "local",
    "backend.execution": "agent",
    "backend.hostname": "tfe.example.com",
    "backend.organization": "other",
    "backend.workspace_prefix": "other",
    "backend.bucket": "other-state",
    "backend.prefix": "other",
    "regions": {"tokyo": {"region": "asia-northeast1", "number": 0}},
    "services": {"other": {"image": "example.com/other:1", "port": 80}},
}
"""For each key of the schema, another value than in `BASE`."""

READ_ELSEWHERE = {
    "backend.execution": "config/validation/remote_runner.py, as backends.md says",
    "ingress.single_replica": "config/validation/ingress.py",
    "backend.type": "the value is the type of the context",
    "demo.client_image": "cli/traffic: `mesh verify` and `mesh drill` have it without the demo, too",
}
"""Keys that are not for the stacks, and what reads them."""


def _off(path: str, value: Any) -> Callable[[Data], None]:
    return lambda data: put(data, path, value)


def _own_shapes(data: Data) -> None:
    for number, region in enumerate(data["regions"].values()):
        region["cluster"] = SHAPE | {"disk_size_gb": 80 + number}


def _own_ranges(data: Data) -> None:
    for key, ranges in RANGES.items():
        data["regions"][key] |= ranges


def _own_windows(data: Data) -> None:
    for number, region in enumerate(data["regions"].values()):
        region["maintenance_start"] = f"tuesday {12 * number:02}:00"


def _own_ranges_and_windows(data: Data) -> None:
    _own_ranges(data)
    _own_windows(data)


def _own_services(data: Data) -> None:
    for region in data["services"]["cart"]["regions"].values():
        region["replicas"] = 1
    data["services"]["shop"]["regions"] = {"tokyo": {"replicas": 1}}


def _autoscaled(data: Data) -> None:
    data["services"]["shop"]["autoscaling"] = {"max_replicas": 5, "cpu": 80}
    data["services"]["cart"]["regions"]["osaka"]["autoscaling"] = {"max_replicas": 5, "cpu": 80}


def _autoscaled_everywhere(data: Data) -> None:
    _autoscaled(data)
    data["services"]["shop"]["regions"] = {"osaka": {"autoscaling": {"max_replicas": 5, "memory": 80}}}


def _versions(data: Data) -> None:
    data["services"]["shop"] |= {
        "versions": {"v1": {"weight": 100}, "v2": {"weight": 0, "image": "example.com/shop:3"}},
        "mirror": {"version": "v2", "percent": 10},
    }


def _versions_with_everything(data: Data) -> None:
    _versions(data)
    shop = data["services"]["shop"]
    shop["versions"]["v1"] |= {"image": "example.com/shop:4", "replicas": 3}
    shop["versions"]["v2"]["replicas"] = 1
    shop["regions"] = {"osaka": {"replicas": 5}}


def _versions_of_another_pipeline(data: Data) -> None:
    _of_another_pipeline(data)
    data["services"]["shop"]["versions"] = {"v1": 100, "v2": 0}


def _weights(data: Data) -> None:
    data["mesh"]["control_plane"] = "asmcli-managed"
    data["services"]["shop"]["region_weights"] = {"tokyo": {"tokyo": 50, "osaka": 50}}


def _retired(data: Data) -> None:
    data["regions"]["osaka"]["retired"] = True
    data["demo"] = {"versions": {"tokyo": "v1", "osaka": "v2"}}


def _retired_home(data: Data) -> None:
    data["regions"]["osaka"]["retired"] = True
    data["services"]["shop"]["regions"] = {"osaka": {}}
    data["demo"] = {"versions": {"osaka": "v2"}}


def _of_another_pipeline(data: Data) -> None:
    data["services"]["shop"] = {"port": 8080, "routes": [{"path": "/shop"}], "retries": {"retry_on": ["5xx"]}}


def _one_region(data: Data) -> None:
    del data["regions"]["osaka"]["number"]
    data["regions"] = {"osaka": data["regions"]["osaka"] | {"number": 8}}
    data["ingress"]["config_cluster"] = "osaka"
    del data["services"]["cart"]["regions"]["tokyo"]


def _gateway(data: Data) -> None:
    data["ingress"] |= {"api": "gateway", "exposure": "both"}


def _own_ranges_of_gateway(data: Data) -> None:
    _gateway(data)
    _own_ranges(data)


def _internal(data: Data) -> None:
    data["ingress"] |= {"api": "gateway", "exposure": "internal", "plain_http": True}


CONTEXTS: dict[str, Callable[[Data], None]] = {
    "everything is on": lambda data: None,
    "no ingress": _off("ingress.enabled", False),
    "no ingress, and plain HTTP": _off("ingress", {"config_cluster": "tokyo", "enabled": False, "plain_http": True}),
    "multi-cluster Gateway": _gateway,
    "multi-cluster Gateway, with ranges of their own": _own_ranges_of_gateway,
    "an internal load balancer": _internal,
    "both APIs": _off("ingress.api", "both"),
    "no demo": _off("demo", {"enabled": False}),
    "no maintenance windows": _off("cluster.maintenance_windows", False),
    "asmcli-managed": _off("mesh.control_plane", "asmcli-managed"),
    "asmcli-managed, with a file": _off("mesh", {"control_plane": "asmcli-managed", "asmcli": {"file": "asmcli"}}),
    "asmcli-in-cluster": _off(
        "mesh", {"control_plane": "asmcli-in-cluster", "asmcli": {"version": "1.31.3-asm.9+config1"}}
    ),
    "no default deny": _off("mesh.default_deny", False),
    "private": _off("cluster", {"endpoint": "private", "max_nodes": 4}),
    "by DNS": _off("cluster", {"endpoint": "dns", "max_nodes": 4, "dataplane": "legacy"}),
    "pools of one by one": _off("cluster.node_pool_rollout", "one_by_one"),
    "shapes of their own": _own_shapes,
    "ranges of their own": _own_ranges,
    "windows of their own": _own_windows,
    "ranges and windows of their own": _own_ranges_and_windows,
    "services of regions": _own_services,
    "a retired region": _retired,
    "a retired region with everything": _retired_home,
    "one region": _one_region,
    "no failover": _off("services.shop.failover", False),
    "a root service": _off("services.shop.root", True),
    "a service of another pipeline": _of_another_pipeline,
    "several versions": _versions,
    "several versions with everything": _versions_with_everything,
    "several versions of another pipeline": _versions_of_another_pipeline,
    "a mirrored service": _off("services.shop.mirror", {"service": "cart"}),
    "weights of regions": _weights,
    "a service without pods": _off("services.shop.replicas", 0),
    "autoscaled services": _autoscaled,
    "a service autoscaled in each of its regions": _autoscaled_everywhere,
    "a bucket": _off("backend", {"type": "gcs", "bucket": "acme-state"}),
    "a bucket with a prefix": _off("backend", {"type": "gcs", "bucket": "acme-state", "prefix": "mesh"}),
    "a cloud": _off("backend", {"type": "cloud", "organization": "acme"}),
    "a cloud with a prefix": _off("backend", {"type": "cloud", "organization": "acme", "workspace_prefix": "mesh"}),
    "an impersonated account": _off("project.impersonate_service_account", "mesh-ci@acme-ci.iam.gserviceaccount.com"),
}  # fmt: skip


LISTS: Data = {
    "authorized_networks": {"name": "office", "cidr": "10.250.0.0/24"},
    "env_from": {"config_map": "settings"},
}
"""An item for each list whose items' keys are changed, where a context has none."""


def put(data: Data, path: str, value: Any) -> None:
    *steps, last = path.split(".")
    here: Any = data
    for step in steps:
        if step in LISTS:
            here.setdefault(step, [copy.deepcopy(LISTS[step])])
        here = here[0] if step == "0" else here.setdefault(step, {})
    here[last] = copy.deepcopy(value)


def place(key: str) -> str:
    """Return where a key of the schema stands in `BASE`."""
    service = "cart" if ".regions.*" in key else "old" if ".redirect" in key else "shop"
    key = key.replace("services.*", f"services.{service}", 1).replace("regions.*", "regions.osaka", 1)
    for key_of_map, name in (("namespaces", "team-a"), ("ports", "admin"), ("env", "B"), ("volumes", "/cache")):
        key = key.replace(f"{key_of_map}.*", f"{key_of_map}.{name}")
    return key.replace("[]", ".0")


def _take_others_away(data: Data, where: str) -> None:
    """Take away the keys that exclude a key in its section."""
    *steps, key = where.split(".")
    here: Any = data
    for step in steps:
        here = here[0] if isinstance(here, list) else here.get(step, {})
    for group in ALTERNATIVES:
        for other in group if key in group else ():
            here.pop(other, None)


def text_of(context: str, key: str | None = None) -> str:
    data = copy.deepcopy(BASE)
    CONTEXTS[context](data)
    if key is not None:
        where = place(key)
        value = CHANGES[key]
        _take_others_away(data, where)
        if key == "mesh.control_plane" and data.get("mesh", {}).get("control_plane") == value:
            value = "fleet"
        if key.endswith(".redirect.https") and data["ingress"].get("exposure") == "internal":
            value = True  # False is the default there
        put(data, where, value)
    return yaml.safe_dump(data, sort_keys=False)


@pytest.fixture(scope="module")
def looked_at() -> dict[tuple[str, str | None], Data]:
    """What each change in each context does."""
    cases: list[tuple[str, str | None]] = [(context, key) for context in CONTEXTS for key in (None, *CHANGES)]
    result = subprocess.run(
        [sys.executable, "-m", "tests.config.recorded_stacks"],
        cwd=ROOT,
        input=json.dumps([text_of(*case) for case in cases]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return dict(zip(cases, json.loads(result.stdout), strict=True))


def test_every_key_of_the_schema_is_changed() -> None:
    keys = {key for key, effect in effects_of_keys().items() if effect is not None}
    assert CHANGES.keys() == keys


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.parametrize("context", CONTEXTS)
def test_no_key_is_dropped_in_silence(context: str, looked_at: dict[tuple[str, str | None], Data]) -> None:
    before = looked_at[context, None]
    assert "errors" not in before, before
    dropped = []
    for key in CHANGES:
        after = looked_at[context, key]
        if "errors" in after or after["environment"] == before["environment"] or key in READ_ELSEWHERE:
            continue  # refused, or no change in this context
        if after["digest"] == before["digest"] and not is_reported(key, after["warnings"]):
            dropped.append(key)
    assert dropped == []


def is_reported(key: str, warnings: list[str]) -> bool:
    """Return whether a warning names the key, or a section that contains it."""
    where = place(key).replace(".0", "[0]")
    sections = [where.rsplit(".", up)[0] for up in range(where.count(".") + 1)]
    sections += [one.removesuffix("[0]") for one in sections]  # the list itself
    patterns = [re.compile(rf"(?<![\w.]){re.escape(one)}(?![\w.\[])") for one in sections]
    return any(pattern.search(text) for pattern in patterns for text in warnings)


def warnings_of(data: Data) -> list[str]:
    found: list[Problem] = []
    parse_environment(yaml.safe_dump(data), "test.yaml", {}, lambda _, warning: found.append(warning))
    return [str(one) for one in found]


SHOP = "services.shop"


@pytest.mark.parametrize(
    ("changes", "path", "text"),
    [
        ({"ingress.enabled": False}, "ingress.domains", "has no effect: ingress.enabled is false"),
        ({"ingress.enabled": False}, f"{SHOP}.routes", "has no effect: ingress.enabled is false"),
        ({"ingress.enabled": False, "ingress.security_policy": "edge"}, "ingress.security_policy", "has no effect"),
        ({"ingress.enabled": False, "ingress.api": "gateway"}, "ingress.api", "has no effect: ingress.enabled is"),
        ({"regions.osaka.proxies": "10.66.0.0/26"}, "regions.osaka.proxies", "ingress.exposure is external"),
        ({"ingress.single_replica": True}, "ingress.single_replica", "has no effect: ingress.min_replicas is 2"),
        ({"demo": {"enabled": False, "failover": False}}, "demo.failover", "has no effect: demo.enabled is false"),
        (
            {"cluster.maintenance_windows": False, "regions.osaka.maintenance_start": "monday 00:00"},
            "regions.osaka.maintenance_start",
            "has no effect: cluster.maintenance_windows is false",
        ),
        ({"mesh.asmcli": {"sha256": "0" * 64}}, "mesh.asmcli.sha256", "mesh.control_plane is fleet"),
        (
            {"regions.osaka.retired": True, f"{SHOP}.regions": {"osaka": {}}},
            SHOP,
            "runs nowhere: osaka is retired",
        ),
        (
            {"regions.osaka.retired": True, "demo": {"versions": {"osaka": "v1"}}},
            "demo",
            "runs nowhere: osaka is retired",
        ),
        ({"mesh": {"default_deny": False}}, "services.cart.allow_from", "has no effect: mesh.default_deny is false"),
        (
            {"demo": {"failover": False, "outlier_detection": {"interval_seconds": 10}}},
            "demo.outlier_detection",
            "has no effect: demo.failover is false",
        ),
        (
            {f"{SHOP}.failover": False, f"{SHOP}.outlier_detection": {"consecutive_5xx": 7}},
            f"{SHOP}.outlier_detection",
            "has no effect: services.shop.failover is false",
        ),
        ({f"{SHOP}.replicas": 0}, SHOP, "has no pods: replicas is 0"),
        (
            {
                f"{SHOP}.replicas": 4,
                f"{SHOP}.regions": {"tokyo": {"autoscaling": {"max_replicas": 5, "cpu": 80}}, "osaka": {"replicas": 3}},
            },
            f"{SHOP}.replicas",
            "has no effect: each of its regions has its own",
        ),
        (
            {f"{SHOP}.autoscaling": {"max_replicas": 5, "cpu": 80}, f"{SHOP}.regions": {"tokyo": {"replicas": 3}}},
            f"{SHOP}.autoscaling",
            "has no effect: each of its regions has its own",
        ),
        ({f"{SHOP}.allow_from": ["aps/cart"]}, f"{SHOP}.allow_from[0]", "did you mean 'apps/cart'?"),
        ({f"{SHOP}.allow_from": ["apps/card"]}, f"{SHOP}.allow_from[0]", "did you mean 'apps/cart'?"),
        ({f"{SHOP}.allow_from": ["appps/*"]}, f"{SHOP}.allow_from[0]", "did you mean 'apps/*'?"),
        ({f"{SHOP}.allow_from": ["batch/nightly"]}, f"{SHOP}.allow_from[0]", "unless something else creates it"),
        (
            {"mesh": {"default_deny": False, "namespaces": {"team-a": {"allow_from": ["cart"]}}}},
            "mesh.namespaces.team-a.allow_from",
            "has no effect: mesh.default_deny is false",
        ),
        (
            {"mesh.namespaces": {"apps": {"allow_from": ["sample/sleep"]}}},
            "mesh.namespaces.apps.allow_from",
            "also authorizes its callers to call cart, shop",
        ),
        (
            {"mesh.namespaces.team-a.allow_from": ["tea/*"]},
            "mesh.namespaces.team-a.allow_from[0]",
            "is no namespace of",
        ),
        ({f"{SHOP}.allow_from": ["cart", "cart"]}, f"{SHOP}.allow_from[1]", "is listed twice"),
        (
            {f"{SHOP}.env_from": [{"secret": "a"}, {"config_map": "a"}, {"secret": "a"}]},
            f"{SHOP}.env_from[0]",
            "services.shop.env_from[2] is the same, and a later one has precedence",
        ),
        (
            {f"{SHOP}.routes": [{"path": "/x", "cors": {"allow_origins": ["https://a.example.com"] * 2}}]},
            f"{SHOP}.routes[0].cors.allow_origins[1]",
            "is listed twice",
        ),
        (
            {f"{SHOP}.routes": [{"path": "/x", "cors": {"allow_origins": ["*", "https://a.example.com"]}}]},
            f"{SHOP}.routes[0].cors.allow_origins",
            "has '*', which is all of them",
        ),
        (
            {
                f"{SHOP}.autoscaling": {"max_replicas": 5, "cpu": 200, "memory": 80},
                f"{SHOP}.resources": {"requests": {"cpu": 1}, "limits": {"cpu": 2, "memory": "64Mi"}},
            },
            f"{SHOP}.autoscaling.cpu",
            "is never exceeded, so that no pod is added: resources.limits.cpu is 2, 200 % of the request",
        ),
        (
            {
                "ingress.domains": [],
                "ingress.plain_http": True,
                f"{SHOP}.routes": [{"path": "/x", "redirect": {"path": "/y", "https": True}}],
            },
            f"{SHOP}.routes[0].redirect.https",
            "leads to HTTPS, which the load balancer does not serve without ingress.domains",
        ),
        ({f"{SHOP}.volumes": {"/c": {"size": "1Ti"}}}, f"{SHOP}.volumes./c.size", "its disk has 100 GB"),
        ({f"{SHOP}.volumes": {"/c": {"memory": "16Gi"}}}, f"{SHOP}.volumes./c.memory", "has 16 GiB of memory at most"),
        ({f"{SHOP}.routes": [{"path": "/x.*"}]}, f"{SHOP}.routes[0].path", "'x.*' too, which is no pattern"),
        ({f"{SHOP}.timeout_seconds": 1}, f"{SHOP}.timeout_seconds", "not retried elsewhere; set that to less"),
        ({f"{SHOP}.routes": [{"path": "/u/:id/x"}]}, f"{SHOP}.routes[0].path", "below /u write path: /u"),
    ],
)
def test_a_warning(changes: Data, path: str, text: str) -> None:
    data = copy.deepcopy(BASE)
    for where, value in changes.items():
        put(data, where, value)
    assert [one for one in warnings_of(data) if f": {path}" in f": {one.partition(': ')[2]}" and text in one]


@pytest.mark.parametrize(
    "changes",
    [
        {"timeout_seconds": 1.5},
        {"timeout_seconds": 0.5, "connections": {"connect_timeout_seconds": 0.25}},
        {"timeout_seconds": 0.5, "retries": {"attempts": 0}},
        {"timeout_seconds": 0.5, "retries": {"retry_on": ["connect-failure", "reset"], "per_try_timeout_seconds": 0.2}},
    ],
)
def test_retries_within_the_timeout(changes: Data) -> None:
    """A connection to a lost region fails in time, or a try ends in time, or nothing is retried."""
    data = copy.deepcopy(BASE)
    data["services"]["shop"] |= changes
    assert not [one for one in warnings_of(data) if "retried" in one]


def test_nothing_to_warn_of() -> None:
    assert warnings_of(BASE | {"network": {}}) == []
    for caller in (
        "apps/cart",
        "cart",
        "sample/sleep",
        "istio-gateway/istio-ingressgateway",
        "apps/*",
        "team-a/*",
        "team-a/any",
    ):
        data = copy.deepcopy(BASE) | {"network": {}}
        put(data, f"{SHOP}.allow_from", [caller])
        assert warnings_of(data) == [], caller


def test_a_drained_region_that_is_retired() -> None:
    """Its gateways get no request while they are deleted, and it is still drained if it is no longer retired."""
    data = copy.deepcopy(BASE)
    data["regions"]["osaka"] |= {"drained": True, "retired": True}
    assert not [one for one in warnings_of(data) if "drained" in one]

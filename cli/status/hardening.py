"""`mesh status`, of a cluster's hardening, against the configuration."""

from collections.abc import Iterator, Mapping
from typing import Any

from cli.report.findings import Finding
from cli.sources.member import ObservedCluster, failure_or_ok
from cli.sources.remediation import DEPLOY
from cli.status.comparison import differs, on_off
from config.cluster import LOG_COMPONENTS, Cluster, NodePoolShape

Described = Mapping[str, Any]
GOOGLE_KEY = "a Google-managed key"


def check_hardening(member: ObservedCluster, found: Described) -> Iterator[Finding]:
    """Yield how a cluster's endpoints, nodes, Secrets, logs and maintenance compare with the configuration."""
    shape = member.environment.cluster
    wrong = list(_endpoint_problems(shape, found))
    yield failure_or_ok("endpoints", wrong, f"{shape.endpoint} only, as configured", DEPLOY)
    yield failure_or_ok(
        "hardening", list(_hardening_problems(shape, member.region.nodes, found)), "as configured", DEPLOY
    )
    yield _check_secrets(member, found)
    yield _check_telemetry(shape, found)
    yield _check_maintenance(member, found)


def _endpoint_problems(shape: Cluster, found: Described) -> Iterator[str]:
    endpoints = found.get("controlPlaneEndpointsConfig", {})
    closed = found.get("privateClusterConfig", {}).get("enablePrivateEndpoint", False)
    public = endpoints.get("ipEndpointsConfig", {}).get("enablePublicEndpoint", not closed)
    by_name = endpoints.get("dnsEndpointConfig", {}).get("allowExternalTraffic", False)
    for name, on, wanted in (
        ("public address", public, shape.endpoint == "public"),
        ("DNS endpoint", by_name, shape.endpoint == "dns"),
    ):
        if on != wanted:
            yield f"the {name} is {on_off(on)}, but the endpoint {shape.endpoint} is configured"


def _hardening_problems(shape: Cluster, nodes: NodePoolShape, found: Described) -> Iterator[str]:
    network = found.get("networkConfig", {})
    if shape.dataplane == "v2" and network.get("datapathProvider") != "ADVANCED_DATAPATH":
        yield "the dataplane is not V2, which only a new cluster can have: cluster.dataplane"
    mode = found.get("binaryAuthorization", {}).get("evaluationMode", "DISABLED")
    for what, on, wanted in (
        ("intranode visibility", network.get("enableIntraNodeVisibility", False), shape.intranode_visibility),
        ("binary authorization", mode == "PROJECT_SINGLETON_POLICY_ENFORCE", shape.binary_authorization),
        ("shielded nodes", found.get("shieldedNodes", {}).get("enabled", False), True),
        ("attribute-based access", found.get("legacyAbac", {}).get("enabled", False), False),
        ("the client certificate", "clientCertificate" in found.get("masterAuth", {}), False),
    ):
        if on != wanted:
            yield f"{what} is {on_off(on)}, but {on_off(wanted)} is configured"
    defaults = found.get("nodePoolDefaults", {}).get("nodeConfigDefaults", {}).get("nodeKubeletConfig", {})
    if defaults.get("insecureKubeletReadonlyPortEnabled", True):
        yield "kubelets of new node pools serve port 10255 without authentication"
    for pool in found.get("nodePools", []):
        yield from _node_problems(nodes, pool["name"], pool.get("config", {}))


def _node_problems(shape: NodePoolShape, pool: str, config: Described) -> Iterator[str]:
    secure_boot = config.get("shieldedInstanceConfig", {}).get("enableSecureBoot", False)
    state = on_off(secure_boot)
    yield from differs(state, on_off(shape.secure_boot), f"secure boot of {pool} is {state}")
    if config.get("workloadMetadataConfig", {}).get("mode") != "GKE_METADATA":
        yield f"pods of {pool} can use the credentials of the nodes"
    if config.get("kubeletConfig", {}).get("insecureKubeletReadonlyPortEnabled", True):
        yield f"kubelets of {pool} serve port 10255 without authentication"


def _check_secrets(member: ObservedCluster, found: Described) -> Finding:
    encryption = found.get("databaseEncryption", {})
    key = encryption.get("keyName", GOOGLE_KEY) if encryption.get("state") == "ENCRYPTED" else GOOGLE_KEY
    wanted = member.region.secrets_key or GOOGLE_KEY
    return failure_or_ok("Secrets encryption", differs(key, wanted, f"with {key}"), f"with {key}", DEPLOY)


def _check_telemetry(shape: Cluster, found: Described) -> Finding:
    components = found.get("loggingConfig", {}).get("componentConfig", {}).get("enableComponents", [])
    kept = ", ".join(sorted(set(components))) or "nothing"
    wanted = ", ".join(sorted(("SYSTEM_COMPONENTS", *(LOG_COMPONENTS[source] for source in shape.logs))))
    prometheus = on_off(found.get("monitoringConfig", {}).get("managedPrometheusConfig", {}).get("enabled", False))
    wrong = differs(kept, wanted, f"logs of {kept}")
    wrong += differs(prometheus, on_off(shape.managed_prometheus), f"managed Prometheus is {prometheus}")
    return failure_or_ok("logs and metrics", wrong, f"logs of {kept}; managed Prometheus {prometheus}", DEPLOY)


def _check_maintenance(member: ObservedCluster, found: Described) -> Finding:
    name = "maintenance"
    window = found.get("maintenancePolicy", {}).get("window", {}).get("recurringWindow", {})
    times = window.get("window", {})
    kept = (times.get("startTime"), times.get("endTime"), window.get("recurrence"))
    wanted = member.region.maintenance
    if wanted is None:
        wrong = ["a maintenance window exists, but none is configured"] if window else []
        return failure_or_ok(name, wrong, "at any time, as configured", DEPLOY)
    is_wanted = kept == (wanted.start_time, wanted.end_time, wanted.recurrence)
    shown = f"{kept[2]} from {kept[0]}" if window else "at any time"
    wrong = [] if is_wanted else differs(shown, wanted)
    return failure_or_ok(name, wrong, str(wanted), DEPLOY)

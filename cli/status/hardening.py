"""`mesh status`, of what makes a cluster hard to break into, against the configuration."""

from collections.abc import Iterator, Mapping
from typing import Any

from cli.report.findings import Finding
from cli.sources.member import ObservedCluster, failure_or_ok
from cli.sources.remediation import DEPLOY
from config.cluster import LOG_COMPONENTS, Cluster

Described = Mapping[str, Any]


def look_at_hardening(member: ObservedCluster, found: Described) -> Iterator[Finding]:
    """Yield what the GKE API says of a cluster's ways in, its nodes, its Secrets, its logs and its upgrades."""
    shape = member.environment.cluster
    yield failure_or_ok(
        "endpoints", list(_ways_in(shape, found)), f"{shape.endpoint}, and no other from outside", DEPLOY
    )
    yield failure_or_ok("hardening", list(_soft_spots(shape, found)), "as configured", DEPLOY)
    yield _secrets(member, found)
    yield _logs_and_metrics(shape, found)
    yield _maintenance(member, found)


def _ways_in(shape: Cluster, found: Described) -> Iterator[str]:
    endpoints = found.get("controlPlaneEndpointsConfig", {})
    closed = found.get("privateClusterConfig", {}).get("enablePrivateEndpoint", False)
    public = endpoints.get("ipEndpointsConfig", {}).get("enablePublicEndpoint", not closed)
    by_name = endpoints.get("dnsEndpointConfig", {}).get("allowExternalTraffic", False)
    for name, on, wanted in (
        ("public address", public, shape.endpoint == "public"),
        ("DNS endpoint", by_name, shape.endpoint == "dns"),
    ):
        if on != wanted:
            yield f"the {name} is {_on(on)}, and the configuration says {shape.endpoint}"


def _soft_spots(shape: Cluster, found: Described) -> Iterator[str]:
    network = found.get("networkConfig", {})
    if shape.dataplane == "v2" and network.get("datapathProvider") != "ADVANCED_DATAPATH":
        yield "the dataplane is not V2, and another one is another cluster: cluster.dataplane"
    mode = found.get("binaryAuthorization", {}).get("evaluationMode", "DISABLED")
    for what, on, wanted in (
        ("intranode visibility", network.get("enableIntraNodeVisibility", False), shape.intranode_visibility),
        ("binary authorization", mode == "PROJECT_SINGLETON_POLICY_ENFORCE", shape.binary_authorization),
        ("shielded nodes", found.get("shieldedNodes", {}).get("enabled", False), True),
        ("attribute-based access", found.get("legacyAbac", {}).get("enabled", False), False),
        ("a client certificate", "clientCertificate" in found.get("masterAuth", {}), False),
    ):
        if on != wanted:
            yield f"{what} is {_on(on)}, and should be {_on(wanted)}"
    defaults = found.get("nodePoolDefaults", {}).get("nodeConfigDefaults", {}).get("nodeKubeletConfig", {})
    if defaults.get("insecureKubeletReadonlyPortEnabled", True):
        yield "kubelets of a new pool would answer anybody on 10255"
    for pool in found.get("nodePools", []):
        yield from _soft_spots_of_nodes(shape, pool["name"], pool.get("config", {}))


def _soft_spots_of_nodes(shape: Cluster, pool: str, config: Described) -> Iterator[str]:
    secure_boot = config.get("shieldedInstanceConfig", {}).get("enableSecureBoot", False)
    if secure_boot != shape.secure_boot:
        yield f"secure boot of {pool} is {_on(secure_boot)}, and the configuration says {_on(shape.secure_boot)}"
    if config.get("workloadMetadataConfig", {}).get("mode") != "GKE_METADATA":
        yield f"pods of {pool} reach the nodes' own credentials"
    if config.get("kubeletConfig", {}).get("insecureKubeletReadonlyPortEnabled", True):
        yield f"kubelets of {pool} answer anybody on 10255"


def _secrets(member: ObservedCluster, found: Described) -> Finding:
    encryption = found.get("databaseEncryption", {})
    key = encryption.get("keyName", "") if encryption.get("state") == "ENCRYPTED" else ""
    wanted = member.region.secrets_key or ""
    wrong = [] if key == wanted else [f"are encrypted with {_key(key)}, and the configuration says {_key(wanted)}"]
    return failure_or_ok("Secrets", wrong, f"encrypted with {_key(key)}", DEPLOY)


def _key(name: str) -> str:
    return name or "Google's own key"


def _logs_and_metrics(shape: Cluster, found: Described) -> Finding:
    kept = set(found.get("loggingConfig", {}).get("componentConfig", {}).get("enableComponents", []))
    wanted = {"SYSTEM_COMPONENTS", *(LOG_COMPONENTS[source] for source in shape.logs)}
    wrong = []
    if kept != wanted:
        wrong.append(f"of {_listed(kept)}, and the configuration says {_listed(wanted)}")
    prometheus = found.get("monitoringConfig", {}).get("managedPrometheusConfig", {}).get("enabled", False)
    if prometheus != shape.managed_prometheus:
        wrong.append(
            f"managed Prometheus is {_on(prometheus)}, and the configuration says {_on(shape.managed_prometheus)}"
        )
    return failure_or_ok("logs and metrics", wrong, f"of {_listed(kept)}", DEPLOY)


def _listed(components: set[str]) -> str:
    return ", ".join(sorted(components)) or "nothing"


def _maintenance(member: ObservedCluster, found: Described) -> Finding:
    name = "maintenance"
    window = found.get("maintenancePolicy", {}).get("window", {}).get("recurringWindow", {})
    kept = (
        window.get("window", {}).get("startTime"),
        window.get("window", {}).get("endTime"),
        window.get("recurrence"),
    )
    wanted = member.region.maintenance
    if wanted is None:
        wrong = ["has a window, and the configuration says none"] if window else []
        return failure_or_ok(name, wrong, "at any time, as configured", DEPLOY)
    as_wanted = kept == (wanted.start_time, wanted.end_time, wanted.recurrence)
    said = f"{kept[2]} from {kept[0]}" if window else "at any time"
    wrong = [] if as_wanted else [f"{said}, and the configuration says {wanted}"]
    return failure_or_ok(name, wrong, str(wanted), DEPLOY)


def _on(value: bool) -> str:
    return "on" if value else "off"

"""The Deployment of a service: its pods, as configured."""

import json
from collections.abc import Sequence
from typing import Any

from config.container_text import escape
from config.grammar.quantity import canonical_bytes, canonical_cpu
from config.services.pods import KUBERNETES_GRACE_SECONDS, RegionalDeployment
from config.services.resources import Limits, Requests, Resources
from config.services.service import Service
from config.services.topology_spread import TopologySpread
from config.services.variable import EnvVariable
from constructs.container_environment import env_source, variable
from constructs.container_volumes import container_volumes
from constructs.manifest_file import checksum, render
from constructs.probe import probe_manifest

TEMPLATE_LABEL = "multi-region-mesh/template"
"""Label of a service's pods: a checksum of what they are made from."""

ACCOUNT_ANNOTATION = "multi-region-mesh/google-service-account"
"""Of a service's pods: the account that they act as. With another one they restart, and keep no token of the first."""

FIRST_UNPRIVILEGED_PORT = 1024
"""Only root can listen on lower ports, unless a pod's sysctl allows it."""

PROXY_DRAIN_SECONDS = 5
"""Seconds that a terminating sidecar goes on by default (`terminationDrainDuration`).

https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#ProxyConfig
"""

ZONE_LABEL, NODE_LABEL = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
"""https://kubernetes.io/docs/reference/labels-annotations-taints/"""


def deployment_manifest(name: str, service: Service, deployment: RegionalDeployment, namespace: str) -> dict[str, Any]:
    """Return the Deployment of a service in one cluster.

    Args:
        name: the service's name.
        service: the service, as configured, with an image.
        deployment: what runs in the cluster.
        namespace: of the Deployment.
    """
    env: dict[str, EnvVariable] = {**service.env, **deployment.env}
    if service.version_env is not None:
        env[service.version_env] = deployment.version
    given = service.probes.given()
    probes = {key: probe_manifest(probe, service.probed_port(probe)) for key, probe in given.items()}
    requests, limits = _resources(service.resources)
    low_port = any(one.port < FIRST_UNPRIVILEGED_PORT for one in service.all_ports.values())
    annotations = _proxy_config(service.drain_seconds)
    if service.service_account:
        annotations[ACCOUNT_ANNOTATION] = service.service_account
    volumes, volume_mounts = container_volumes(name, service.volumes)
    scaling = service.scaling_in(deployment)
    rendered = render(
        "service/deployment.yaml",
        {
            "name": name,
            "namespace": namespace,
            "version": deployment.version,
            "annotations": annotations or None,
            "image": deployment.image or service.image,
            "replicas": scaling if isinstance(scaling, int) else None,
            "ports": [{"name": key, "containerPort": one.port} for key, one in service.all_ports.items()],
            "user": service.user,
            "run_as_non_root": not service.root,
            "read_only_root": not service.writable_root,
            "sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}] if low_port else None,
            "readiness_probe": probes["readiness"],
            "liveness_probe": probes.get("liveness"),
            "startup_probe": probes.get("startup"),
            "requests": requests,
            "limits": limits or None,
            "command": _words(service.command),
            "args": _words(service.args),
            "env": [variable(key, value) for key, value in sorted(env.items())] or None,
            "env_from": [env_source(one) for one in service.env_from] or None,
            "volumes": volumes,
            "volume_mounts": volume_mounts,
            "topology_spread": _spread_constraints(service.topology_spread, name, deployment.version) or None,
            "lifecycle": {"preStop": {"sleep": {"seconds": service.drain_seconds}}} if service.drain_seconds else None,
            "grace_seconds": service.grace_seconds if service.grace_seconds != KUBERNETES_GRACE_SECONDS else None,
        },
    )
    template = rendered["spec"]["template"]
    template["metadata"]["labels"] |= service.labels
    template["metadata"]["labels"][TEMPLATE_LABEL] = checksum(template)
    return rendered


def _words(words: Sequence[str]) -> list[str] | None:
    """Return a command or its arguments, which arrive as they are configured."""
    return [escape(word) for word in words] or None


def _proxy_config(drain_seconds: int) -> dict[str, str]:
    """Return the annotation with which a sidecar serves for as long as the application drains."""
    if drain_seconds <= PROXY_DRAIN_SECONDS:
        return {}
    return {"proxy.istio.io/config": json.dumps({"terminationDrainDuration": f"{drain_seconds}s"})}


def _spread_constraints(spread: TopologySpread, name: str, version: str) -> list[dict[str, Any]]:
    """Return the constraints of an even spread, for the pods of each template by itself.

    A zone or node whose taint keeps the pods away does not count: otherwise no pod could be scheduled elsewhere.
    """
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "DoNotSchedule" if strength == "required" else "ScheduleAnyway",
            "nodeTaintsPolicy": "Honor",
            "matchLabelKeys": ["pod-template-hash"],
            "labelSelector": {"matchLabels": {"app": name, "version": version}},
        }
        for key, strength in ((ZONE_LABEL, spread.zone), (NODE_LABEL, spread.node))
        if strength is not None
    ]


def _resources(resources: Resources) -> tuple[dict[str, str], dict[str, str]]:
    """Return requests and limits as the API server stores them. It takes a limit for a missing request."""
    requests, limits = _quantities(resources.requests), _quantities(resources.limits)
    return {name: limits[name] for name in limits if name not in requests} | requests, limits


def _quantities(resources: Requests | Limits) -> dict[str, str]:
    found: dict[str, str] = {}
    if resources.cpu is not None:
        found["cpu"] = canonical_cpu(resources.cpu)
    if resources.memory is not None:
        found["memory"] = canonical_bytes(resources.memory)
    if resources.ephemeral_storage is not None:
        found["ephemeral-storage"] = canonical_bytes(resources.ephemeral_storage)
    return found

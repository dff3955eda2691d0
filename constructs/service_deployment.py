"""The Deployment of a service: its pods, as configured."""

from typing import Any

from config.container_text import escape
from config.grammar.quantity import canonical_bytes, canonical_cpu
from config.services.pods import RegionalDeployment
from config.services.resources import Limits, Requests, Resources
from config.services.service import Service
from constructs.manifest_file import checksum, render
from constructs.probe import probe_manifest

TEMPLATE_LABEL = "multi-region-mesh/template"
"""Label of a service's pods: a checksum of what they are made from."""

ACCOUNT_ANNOTATION = "multi-region-mesh/google-service-account"
"""Of a service's pods: the account that they act as. With another one they restart, and keep no token of the first."""

FIRST_UNPRIVILEGED_PORT = 1024
"""Only root can listen on lower ports, unless a pod's sysctl allows it."""


def deployment_manifest(name: str, service: Service, deployment: RegionalDeployment, namespace: str) -> dict[str, Any]:
    """Return the Deployment of a service in one cluster.

    Args:
        name: the service's name.
        service: the service, as configured, with an image.
        deployment: what runs in the cluster.
        namespace: of the Deployment.
    """
    env = dict(service.env)
    if service.version_env is not None:
        env[service.version_env] = deployment.version
    probes = service.probes
    requests, limits = _resources(service.resources)
    low_port = any(one.port < FIRST_UNPRIVILEGED_PORT for one in service.all_ports.values())
    rendered = render(
        "service/deployment.yaml",
        {
            "name": name,
            "namespace": namespace,
            "version": deployment.version,
            "annotations": {ACCOUNT_ANNOTATION: service.service_account} if service.service_account else None,
            "image": deployment.image or service.image,
            "replicas": service.replicas_in(deployment),
            "ports": [{"name": key, "containerPort": one.port} for key, one in service.all_ports.items()],
            "user": service.user,
            "run_as_non_root": not service.root,
            "read_only_root": not service.writable_root,
            "sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}] if low_port else None,
            "readiness_probe": probe_manifest(probes.readiness, service.port),
            "liveness_probe": probe_manifest(probes.liveness, service.port) if probes.liveness else None,
            "startup_probe": probe_manifest(probes.startup, service.port) if probes.startup else None,
            "requests": requests,
            "limits": limits or None,
            "env": [_variable(key, value) for key, value in sorted(env.items())] or None,
        },
    )
    template = rendered["spec"]["template"]
    template["metadata"]["labels"][TEMPLATE_LABEL] = checksum(template)
    return rendered


def _variable(name: str, value: str) -> dict[str, str]:
    """Return an environment variable of a container, whose value arrives as it is configured.

    An empty value is left out: it means the same, and the API server leaves it out too, which the provider takes for
    an inconsistent result.
    """
    return {"name": name, "value": escape(value)} if value else {"name": name}


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

"""Pods: limits on a compromised container."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from config.environment import Environment
from config.services.service import Service
from policy.claims import Claims, Path
from policy.objects import manifest_path
from policy.rule import rule
from policy.rules.services import versions

NOBODY = {"runAsUser": 65534, "runAsGroup": 65534}
LEAST_PORT = 1024
"""Only root can listen on lower ports, unless a pod's sysctl allows it."""


@dataclass(frozen=True)
class Workload:
    """What has pods.

    Attributes:
        path: of its manifest.
        role: what it is: ``service``, ``gateway``, ``demo-client`` or ``readiness``.
        containers: how many of each list.
        service: the service.
    """

    path: Path
    role: str
    containers: dict[str, int]
    service: Service | None = None

    def claim(self, pod: dict[str, Any], container: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
        """Return the claim of a part of the pods, and of each of their containers."""
        every = {name: [container] * count for name, count in self.containers.items()} if container else {}
        return self.path, {"spec": {"template": {"spec": {**pod, **every}}}}


def workloads(environment: Environment) -> Iterator[Workload]:
    """Yield everything that has pods."""
    for region in environment.resolved_regions():
        if region.retired:
            continue
        home = f"regions/{region.key}"
        if environment.ingress.enabled:
            yield Workload(manifest_path("ingress", f"{home}/gateway/deployment"), "gateway", {"containers": 1})
        if environment.demo.enabled:
            yield Workload(manifest_path("ingress", f"{home}/sleep/deployment"), "demo-client", {"containers": 1})
        for name, service in environment.all_services().items():
            for _, suffix in versions(environment, service, region.key):
                path = manifest_path("ingress", f"{home}/service-{name}/deployment{suffix}")
                yield Workload(path, "service", {"containers": 1}, service)
        if environment.mesh.control_plane == "fleet":
            path = manifest_path("mesh", f"fleet-mesh/{region.key}/readiness")
            yield Workload(path, "readiness", {"containers": 1, "initContainers": 4})


@rule("https://kubernetes.io/docs/concepts/security/pod-security-standards/")
def not_privileged(environment: Environment) -> Claims:
    """No container is privileged, or can gain privileges.

    A privileged container is root on its node, and controls all pods there.
    """
    for one in workloads(environment):
        explicit = {"privileged": False} if one.role == "gateway" else {}
        yield one.claim({}, {"securityContext": {"allowPrivilegeEscalation": False, **explicit}})


@rule("https://kubernetes.io/docs/concepts/security/pod-security-standards/")
def not_root(environment: Environment) -> Claims:
    """No container runs as root, unless the configuration says so of a service.

    With a kernel vulnerability, root in a container becomes root on its node.
    """
    for one in workloads(environment):
        match one.role:
            case "service":
                assert one.service is not None
                user = one.service.user
                context = {"runAsNonRoot": not one.service.root, "runAsUser": user, "runAsGroup": user}
                yield one.claim({"securityContext": context}, {})
            case "readiness":
                user = 65532
                context = {"runAsNonRoot": True, "runAsUser": user, "runAsGroup": user}
                yield one.claim({"securityContext": context}, {})
            case "gateway":  # the mesh's template has the proxy's user
                yield one.claim({"securityContext": {"runAsNonRoot": True}}, {})
            case _:
                yield one.claim({}, {"securityContext": {"runAsNonRoot": True, **NOBODY}})


@rule("https://kubernetes.io/docs/concepts/security/pod-security-standards/")
def no_capabilities(environment: Environment) -> Claims:
    """No container has a capability.

    Each capability is one of root's privileges, and none is needed.
    """
    for one in workloads(environment):
        yield one.claim({}, {"securityContext": {"capabilities": {"drop": ["ALL"]}}})


@rule("https://kubernetes.io/docs/concepts/security/pod-security-standards/")
def seccomp(environment: Environment) -> Claims:
    """Every pod has the runtime's seccomp profile, and the sysctl for low ports only if it needs one.

    The profile blocks the system calls that container escapes use.
    """
    low_ports = [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]
    for one in workloads(environment):
        ports = one.service.all_ports.values() if one.service else []
        low = one.role == "gateway" or any(port.port < LEAST_PORT for port in ports)
        context = {"seccompProfile": {"type": "RuntimeDefault"}, "sysctls": low_ports if low else None}
        yield one.claim({"securityContext": context}, {})


@rule("https://kubernetes.io/docs/tasks/configure-pod-container/security-context/")
def read_only_root(environment: Environment) -> Claims:
    """Containers have a read-only root file system, unless the configuration says otherwise of a service.

    An attacker can then neither persist nor install tools.
    """
    for one in workloads(environment):
        read_only = one.service is None or not one.service.writable_root
        yield one.claim({}, {"securityContext": {"readOnlyRootFilesystem": read_only}})

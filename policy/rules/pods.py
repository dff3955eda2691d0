"""Pods: limits on a compromised container."""

from collections.abc import Callable, Iterator

from policy.environment import Block, Entity
from policy.rule import rule

PODS = ("CronJob", "DaemonSet", "Deployment", "Job", "Pod", "ReplicaSet", "StatefulSet")


def _spec(workload: Block) -> Block:
    spec: Block = workload["spec"]
    if workload["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    if workload["kind"] != "Pod":
        spec = spec["template"]["spec"]
    return spec


def _containers(workload: Block) -> Iterator[Block]:
    pod = _spec(workload)
    yield from pod["containers"]
    yield from pod.get("initContainers", [])
    yield from pod.get("ephemeralContainers", [])


def _every(workload: Block, holds: Callable[[Block], bool]) -> bool:
    containers = list(_containers(workload))
    return len(containers) > 0 and all(holds(container) for container in containers)


@rule(*PODS)
def not_privileged(workload: Block, _: Entity) -> bool:
    """No container is privileged, or can gain privileges.

    A privileged container is root on its node, and controls all pods there.
    Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/
    """
    return _every(
        workload,
        lambda one: (
            one["securityContext"]["allowPrivilegeEscalation"] is False and not one["securityContext"].get("privileged")
        ),
    )


@rule(*PODS)
def not_root(workload: Block, _: Entity) -> bool:
    """No container runs as root.

    With a kernel vulnerability, root in a container becomes root on its node.
    Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/
    """
    pod = _spec(workload).get("securityContext", {})

    def holds(container: Block) -> bool:
        merged = {**pod, **container.get("securityContext", {})}
        return merged["runAsNonRoot"] is True and merged.get("runAsUser") != 0

    return _every(workload, holds)


@rule(*PODS)
def no_capabilities(workload: Block, _: Entity) -> bool:
    """No container has a capability.

    Each capability is one of root's privileges, and none is needed.
    Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/
    """

    def holds(container: Block) -> bool:
        capabilities = container["securityContext"]["capabilities"]
        return "ALL" in capabilities["drop"] and not capabilities.get("add")

    return _every(workload, holds)


@rule(*PODS)
def seccomp(workload: Block, _: Entity) -> bool:
    """Every container has the runtime's seccomp profile.

    It blocks the system calls that container escapes use.
    Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/
    """
    pod = _spec(workload).get("securityContext", {})
    return _every(
        workload, lambda one: {**pod, **one.get("securityContext", {})}["seccompProfile"]["type"] == "RuntimeDefault"
    )


@rule(*PODS)
def read_only_root(workload: Block, _: Entity) -> bool:
    """Containers have a read-only root file system.

    An attacker can then neither persist nor install tools.
    Source: https://kubernetes.io/docs/tasks/configure-pod-container/security-context/
    """
    return _every(workload, lambda one: one["securityContext"]["readOnlyRootFilesystem"] is True)


@rule(*PODS)
def no_host(workload: Block, _: Entity) -> bool:
    """No pod uses its node's namespaces, ports or files.

    Each of them gives access to the node.
    Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/
    """
    pod = _spec(workload)
    return (
        not any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC"))
        and not any("hostPath" in volume for volume in pod.get("volumes", []))
        and _every(workload, lambda one: not any("hostPort" in port for port in one.get("ports", [])))
    )


@rule(*PODS)
def requests(workload: Block, _: Entity) -> bool:
    """Every container requests memory and CPU.

    A container without requests is evicted first when its node is full, and the scheduler can't plan for it. Limits
    are up to the service's owner.
    Source: https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/
    """
    return _every(
        workload, lambda one: bool(one["resources"]["requests"]["memory"]) and bool(one["resources"]["requests"]["cpu"])
    )


@rule(*PODS)
def own_account(workload: Block, _: Entity) -> bool:
    """No pod uses its namespace's default service account.

    The mesh authorizes callers by service account, and can't distinguish pods that share one.
    Source: https://istio.io/latest/docs/ops/best-practices/security/
    """
    return _spec(workload)["serviceAccountName"] not in {"", "default"}


@rule(*PODS)
def fixed_image(workload: Block, _: Entity) -> bool:
    """Every image has a fixed version.

    `latest` changes without a change of the configuration. `auto` is the mesh's proxy, at the mesh's version.
    Source: https://kubernetes.io/docs/concepts/containers/images/
    """

    def holds(container: Block) -> bool:
        image = container["image"]
        tag = image.rpartition("/")[2].partition(":")[2]
        return image == "auto" or "@sha256:" in image or tag not in {"", "latest"}

    return _every(workload, holds)

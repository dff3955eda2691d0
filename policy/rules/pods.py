"""Pods: what a container that has been taken over can do."""

from collections.abc import Callable, Iterator

from policy.environment import Block, Place
from policy.rule import rule

PODS = ("CronJob", "DaemonSet", "Deployment", "Job", "Pod", "ReplicaSet", "StatefulSet")


def _spec(thing: Block) -> Block:
    spec: Block = thing["spec"]
    if thing["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    if thing["kind"] != "Pod":
        spec = spec["template"]["spec"]
    return spec


def _containers(thing: Block) -> Iterator[Block]:
    pod = _spec(thing)
    yield from pod["containers"]
    yield from pod.get("initContainers", [])
    yield from pod.get("ephemeralContainers", [])


def _every(thing: Block, holds: Callable[[Block], bool]) -> bool:
    containers = list(_containers(thing))
    return len(containers) > 0 and all(holds(container) for container in containers)


@rule(*PODS)
def not_privileged(thing: Block, _: Place) -> bool:
    """No container is privileged, or can become so.

    A privileged container is root on its node, and so all pods there.
    Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/
    """
    return _every(
        thing,
        lambda one: (
            one["securityContext"]["allowPrivilegeEscalation"] is False and not one["securityContext"].get("privileged")
        ),
    )


@rule(*PODS)
def not_root(thing: Block, _: Place) -> bool:
    """No container runs as root.

    Root in a container is root on its node as soon as there is a hole in the kernel.
    Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/
    """
    pod = _spec(thing).get("securityContext", {})

    def holds(container: Block) -> bool:
        merged = {**pod, **container.get("securityContext", {})}
        return merged["runAsNonRoot"] is True and merged.get("runAsUser") != 0

    return _every(thing, holds)


@rule(*PODS)
def no_capabilities(thing: Block, _: Place) -> bool:
    """No container has a capability.

    Each is a part of root's power, and none is needed.
    Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/
    """

    def holds(container: Block) -> bool:
        capabilities = container["securityContext"]["capabilities"]
        return "ALL" in capabilities["drop"] and not capabilities.get("add")

    return _every(thing, holds)


@rule(*PODS)
def seccomp(thing: Block, _: Place) -> bool:
    """Every container has the runtime's seccomp profile.

    It leaves out the system calls that break out of containers.
    Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/
    """
    pod = _spec(thing).get("securityContext", {})
    return _every(
        thing, lambda one: {**pod, **one.get("securityContext", {})}["seccompProfile"]["type"] == "RuntimeDefault"
    )


@rule(*PODS)
def read_only_root(thing: Block, _: Place) -> bool:
    """No container can change its own file system.

    What gets in can then not stay, nor bring tools.
    Source: https://kubernetes.io/docs/tasks/configure-pod-container/security-context/
    """
    return _every(thing, lambda one: one["securityContext"]["readOnlyRootFilesystem"] is True)


@rule(*PODS)
def no_host(thing: Block, _: Place) -> bool:
    """No pod has its node's namespaces, ports or files.

    Any of them is a way onto the node.
    Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/
    """
    pod = _spec(thing)
    return (
        not any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC"))
        and not any("hostPath" in volume for volume in pod.get("volumes", []))
        and _every(thing, lambda one: not any("hostPort" in port for port in one.get("ports", [])))
    )


@rule(*PODS)
def requests(thing: Block, _: Place) -> bool:
    """Every container says what it needs.

    One that doesn't is the first to go when its node is full, and nobody plans for it. How much a
    service may take at most is its owner's to know.
    Source: https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/
    """
    return _every(
        thing, lambda one: bool(one["resources"]["requests"]["memory"]) and bool(one["resources"]["requests"]["cpu"])
    )


@rule(*PODS)
def own_account(thing: Block, _: Place) -> bool:
    """No pod acts as its namespace's default account.

    Who may ask whom in the mesh goes by accounts: pods that share one can't be told from each other.
    Source: https://istio.io/latest/docs/ops/best-practices/security/
    """
    return _spec(thing)["serviceAccountName"] not in {"", "default"}


@rule(*PODS)
def fixed_image(thing: Block, _: Place) -> bool:
    """Every image is of one version.

    What `latest` is changes without a change here. `auto` is the mesh's own proxy, at the mesh's version.
    Source: https://kubernetes.io/docs/concepts/containers/images/
    """

    def holds(container: Block) -> bool:
        image = container["image"]
        tag = image.rpartition("/")[2].partition(":")[2]
        return image == "auto" or "@sha256:" in image or tag not in {"", "latest"}

    return _every(thing, holds)

"""What kwokctl needs to know to start a Kubernetes control plane as programs of this machine."""

from collections.abc import Iterable, Mapping
from typing import Any

from tests.local_mesh.toolchain import Toolchain

CREATE_CLUSTER = ("create", "cluster", "--runtime", "binary", "--wait", "240s")
"""kwokctl's arguments that start a control plane and wait for it."""

CREATE_SECONDS = 300.0
"""Time for that on a busy machine. Alone on two cores it takes 10 s."""

_PROGRAMS = {
    "etcdBinary": "etcd",
    "kubeApiserverBinary": "kube-apiserver",
    "kubeControllerManagerBinary": "kube-controller-manager",
    "kubeSchedulerBinary": "kube-scheduler",
    "kwokControllerBinary": "kwok",
}

_FLAGS = {
    # Nothing outlives the run, and a slow disk would hold up every write.
    "etcd": {"unsafe-no-fsync": "true"},
    # There is one of each. On a busy machine they would lose their leases, and end.
    "kube-controller-manager": {"leader-elect": "false"},
    "kube-scheduler": {"leader-elect": "false"},
}


def kwok_configuration(
    tools: Toolchain,
    stages: Iterable[Mapping[str, Any]],
    *,
    options: Mapping[str, Any] | None = None,
    flags: Mapping[str, Mapping[str, str]] | None = None,
) -> list[Mapping[str, Any]]:
    """Return the documents of a configuration of kwokctl.

    Args:
        tools: has the control plane's programs.
        stages: kwok's, which say what becomes of pods.
        options: more of kwokctl's options.
        flags: more flags, by component and name.
    """
    # Flags are no arguments of kwokctl: it confuses those of one program with another's (0.7.0).
    patches = [
        {"name": component, "extraArgs": [{"key": key, "value": value} for key, value in given.items()]}
        for component, given in {**_FLAGS, **(flags or {})}.items()
    ]
    programs = {option: str(tools.path(program)) for option, program in _PROGRAMS.items()}
    configuration = {
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokctlConfiguration",
        "options": {**(options or {}), **programs},
        "componentsPatches": patches,
    }
    return [configuration, *stages]

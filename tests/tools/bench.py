"""Benchmark of synthesis: part of `make bench`.

Measures, in one run: the floor, a process that imports cdktf and loads the google and kubernetes
assemblies and does nothing else; our synthesis at 2 and at 12 regions; the same 2 regions with plain
imports; mesh.yaml; and 200 services in 5 regions. Each is a process of its own, they take turns, and
the fastest of each counts: the rest is other load of the machine. Exits with 1 if a target is missed.
"""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from config.paths import ROOT
from tests.config.large_files import SERVICES, configuration
from tests.reporting.report import Report
from tests.reporting.table import Table

ROUNDS = 5

SERVICES_LIMIT = 3
"""Most processor time of `many_services`, as a multiple of that of mesh.yaml."""

FLOOR = """
import os, sys
os.environ["JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION"] = "20"
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
import cdktf
for name in ("cdktf_cdktf_provider_google", "cdktf_cdktf_provider_kubernetes"):
    module = ModuleType(name)
    module.__path__ = list(find_spec(name).submodule_search_locations)
    sys.modules[name] = module
    import_module(name + "._jsii")
"""

PLAIN = f"""
import os, runpy
os.environ["JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION"] = "20"
import cdktf_cdktf_provider_google, cdktf_cdktf_provider_kubernetes, cdktf_cdktf_provider_null
runpy.run_path({str(ROOT / "main.py")!r}, run_name="__main__")
"""

MEGABYTE = 1024 * 1024 if sys.platform == "darwin" else 1024  # of ru_maxrss


@dataclass(frozen=True)
class Cost:
    """The cost of a process and its Node.js.

    Attributes:
        wall, cpu: seconds.
        memory: peak of the largest process, in MB.
    """

    wall: float
    cpu: float
    memory: float


def measure(arguments: list[str], config: Path, folder: Path) -> Cost:
    """Run a Python process to its end.

    Raises:
        RuntimeError if it fails.
    """
    output = folder / f"{config.stem}.out"
    variables = {**os.environ, "MESH_CONFIG": str(config), "CDKTF_OUTDIR": str(output), "PYTHONPATH": str(ROOT)}
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, *arguments], cwd=folder, env=variables)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"a process failed with status {process.returncode}: {arguments[0]} {arguments[1][:40]}")
    return Cost(time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / MEGABYTE)


def config_of(regions: int, folder: Path) -> Path:
    """Write a configuration with that many regions."""
    lines = [f"  r{number}: {{region: x-y{number}, number: {number}}}" for number in range(regions)]
    versions = ", ".join(f"r{number}: v{number}" for number in range(regions))
    text = "\n".join(
        [
            "project: {id: bench-project}",
            "regions:",
            *lines,
            "ingress: {config_cluster: r0, plain_http: true}",
            "cluster: {endpoint: dns}",
        ]
    )
    path = folder / f"{regions}.yaml"
    path.write_text(f"{text}\ndemo: {{versions: {{{versions}}}}}\n", encoding="utf-8")
    return path


def many_services(folder: Path) -> Path:
    """Write a configuration with the largest number of services, in 5 regions."""
    path = folder / "services.yaml"
    path.write_text(configuration(SERVICES, regions=5), encoding="utf-8")
    return path


def measure_all(report: Report, folder: Path) -> None:
    """Measure all subjects in turns, and compare the fastest of each with the targets."""
    two, twelve = config_of(2, folder), config_of(12, folder)
    script = str(ROOT / "main.py")
    subjects = {
        "floor: cdktf and two provider assemblies": (["-c", FLOOR], two),
        "2 regions": ([script, ""], two),
        "12 regions": ([script, ""], twelve),
        "2 regions, plain imports": (["-c", PLAIN], two),
        "mesh.yaml": ([script, ""], ROOT / "mesh.yaml"),
        f"{SERVICES} services in 5 regions": ([script, ""], many_services(folder)),
    }
    report.tried = f"the synthesis of 2 and 12 regions, and of {SERVICES} services, the fastest of {ROUNDS} rounds"
    costs: dict[str, list[Cost]] = {subject: [] for subject in subjects}
    for turn in range(ROUNDS):
        report.progress(f"round {turn + 1} of {ROUNDS}")
        for subject, (arguments, config) in subjects.items():
            costs[subject].append(measure(arguments, config, folder))
    best = {subject: min(found, key=lambda cost: cost.wall) for subject, found in costs.items()}
    floor, small, large, _, sample, services = best.values()
    table = Table(
        "Cost of a synthesis", ["Subject", "Wall time (s)", "CPU time (s)", "Memory (MB)", "Ratio to the floor"]
    )
    for subject, cost in best.items():
        measured = (f"{cost.wall:.2f}", f"{cost.cpu:.2f}", f"{cost.memory:.0f}", f"{cost.wall / floor.wall:.2f}")
        table.add(subject, *measured, ok=True)
    targets = Table("Targets", ["Subject", "Ratio", "Limit"])
    for name, ratio, limit in (
        ("2 regions / floor, wall time", small.wall / floor.wall, 1.25),
        ("12 regions / 2 regions, wall time", large.wall / small.wall, 1.5),
        (f"{SERVICES} services / mesh.yaml, CPU time", services.cpu / sample.cpu, SERVICES_LIMIT),
    ):
        targets.add(name, f"{ratio:.2f}", limit, ok=ratio <= limit)
        report.figure(name, f"{ratio:.2f}; the limit is {limit}")
    report.figure("2 regions", f"{small.wall:.1f} s, {small.memory:.0f} MB")
    report.add(table, targets)


def main() -> int:
    """Measure, print the report, and return 1 if a target is missed."""
    start = time.monotonic()
    report = Report(
        "Benchmark of synthesis",
        show=lambda text: print(f"bench: {text}", file=sys.stderr, flush=True),
        clock=lambda: time.monotonic() - start,
    )
    with tempfile.TemporaryDirectory() as name:
        return report.run(lambda: measure_all(report, Path(name)))


if __name__ == "__main__":
    sys.exit(main())

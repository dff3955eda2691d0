"""How long synthesis takes: `make bench`.

Prints, from one run and side by side: the floor, a process that imports cdktf and
loads the google and kubernetes assemblies and does nothing else; our synthesis at
2 and at 12 regions; and the same 2 regions with plain imports. Each is a process
of its own, they take turns, and the fastest of each is shown: the rest is what
else the machine was doing. Exits with 1 if a target is missed.
"""

import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from config.paths import ROOT

ROUNDS = 5

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
    """What a process took, its Node.js included.

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
    pid = os.fork()
    if pid == 0:
        os.chdir(folder)
        os.execve(sys.executable, [sys.executable, *arguments], variables)
    _, status, usage = os.wait4(pid, 0)
    if status != 0:
        raise RuntimeError(f"this failed: {arguments[0]} {arguments[1][:40]}")
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


def main() -> int:
    """Measure, print a table, and return 1 if a target is missed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        two, twelve = config_of(2, folder), config_of(12, folder)
        script = str(ROOT / "main.py")
        subjects = {
            "floor: cdktf and two assemblies": (["-c", FLOOR], two),
            "2 regions": ([script, ""], two),
            "12 regions": ([script, ""], twelve),
            "2 regions, plain imports": (["-c", PLAIN], two),
        }
        costs: dict[str, list[Cost]] = {subject: [] for subject in subjects}
        for turn in range(ROUNDS):
            for subject, (arguments, config) in subjects.items():
                print(f"\rround {turn + 1} of {ROUNDS}: {subject:<40}", end="", file=sys.stderr, flush=True)
                costs[subject].append(measure(arguments, config, folder))
    print(f"\r{'':<60}\r", end="", file=sys.stderr)
    best = {subject: min(found, key=lambda cost: cost.wall) for subject, found in costs.items()}
    floor, small, large, _ = best.values()
    print(f"{'':<34}{'wall s':>8}{'CPU s':>8}{'MB':>6}{'x floor':>9}")
    for subject, cost in best.items():
        ratio = cost.wall / floor.wall
        print(f"{subject:<34}{cost.wall:>8.2f}{cost.cpu:>8.2f}{cost.memory:>6.0f}{ratio:>9.2f}")
    targets = {
        "2 regions / floor, at most 1.25": (small.wall / floor.wall, 1.25),
        "12 regions / 2 regions, at most 1.5": (large.wall / small.wall, 1.5),
    }
    for target, (found, limit) in targets.items():
        print(f"{target}: {found:.2f}, {'reached' if found <= limit else 'MISSED'}")
    return 0 if all(found <= limit for found, limit in targets.values()) else 1


if __name__ == "__main__":
    sys.exit(main())

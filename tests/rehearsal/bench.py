"""Benchmark of a whole deploy at 2, 4 and 8 regions, with a latency model of the cloud: part of `make bench`.

Each deploy is a rehearsal of its own, with nothing but the deploy. The model is
`tests.fake_cloud.latencies`, scaled; the durations of the machine itself are not scaled. Exits with 1 if
8 regions take more than `MOST` times as long as 2. Without a prerequisite it prints what is missing.
"""

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Sequence

from config.naming import STACKS
from tests.local_mesh.prerequisites import EXIT_SKIPPED
from tests.reporting.report import Report
from tests.reporting.table import Table

REGIONS = (2, 4, 8)
MOST = 1.3
SCALE = 0.5
"""Scale of the cloud's durations. A small one measures this machine more than the model."""

ALL = "all"
_ROW = re.compile(rf"^ +({'|'.join((*STACKS, ALL))}) +(\d+) .* ok$", re.MULTILINE)


def seconds_of(output: str) -> dict[str, int]:
    """Return the seconds of a rehearsal's first deploy, by stack, and in all under `ALL`.

    Args:
        output: of the rehearsal.

    Raises:
        ValueError: it has no deploy of all stacks.
    """
    found: dict[str, int] = {}
    for name, seconds in _ROW.findall(output):
        found[name] = int(seconds)
        if name == ALL:
            break
    if set(found) != {*STACKS, ALL}:
        raise ValueError("no deploy of all stacks is in it")
    return found


def measure(regions: int, scale: float) -> dict[str, int]:
    """Deploy, and return the seconds as `seconds_of`.

    Args:
        regions: number of regions.
        scale: of the cloud's durations.

    Raises:
        RuntimeError: it failed.
    """
    command = [
        sys.executable,
        "-m",
        "tests.rehearsal",
        "--only-deploy",
        "--regions",
        str(regions),
        "--scale",
        str(scale),
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        if result.returncode == 0:
            return seconds_of(result.stdout)
    except ValueError:
        pass
    raise RuntimeError(f"a deploy of {regions} regions failed:\n{result.stdout}{result.stderr}")


def measure_all(report: Report, numbers: Sequence[int], scale: float) -> None:
    """Deploy each number of regions, and compare the last with the first."""
    report.tried = f"a first deploy of {', '.join(map(str, numbers))} regions, at {scale:g} of the cloud's durations"
    columns = ["Regions", *(f"{name} (s)" for name in (*STACKS, ALL))]
    table = Table("Duration of a first deploy", columns)
    whole: list[int] = []
    with report.filling(table):
        for regions in numbers:
            report.progress(f"deploying {regions} regions")
            seconds = measure(regions, scale)
            whole.append(seconds[ALL])
            table.add(regions, *(seconds[name] for name in (*STACKS, ALL)), ok=True)
    ratio = whole[-1] / whole[0]
    text = f"{numbers[-1]} regions take {ratio:.2f} times as long as {numbers[0]}; the limit is {MOST}"
    report.figure("Growth", text)
    target = Table("Target", ["Ratio", "Limit"])
    target.add(f"{ratio:.2f}", MOST, ok=ratio <= MOST)
    report.add(target)


def main() -> int:
    """Measure, print the report, and return 1 if the target is missed."""
    parser = argparse.ArgumentParser(prog="tests.rehearsal.bench")
    parser.add_argument("--scale", type=float, default=SCALE)
    parser.add_argument("--regions", type=int, nargs="+", default=REGIONS)
    arguments = parser.parse_args()
    check = subprocess.run(
        [sys.executable, "-m", "tests.rehearsal", "--check"], capture_output=True, text=True, check=False
    )
    if check.returncode != 0:
        print(f"bench: deploys were not measured: {check.stderr.strip()}")
        return 0 if check.returncode == EXIT_SKIPPED else 1
    start = time.monotonic()
    report = Report(
        "Benchmark of a deploy",
        show=lambda text: print(f"bench: {text}", file=sys.stderr, flush=True),
        clock=lambda: time.monotonic() - start,
    )
    return report.run(lambda: measure_all(report, arguments.regions, arguments.scale))


if __name__ == "__main__":
    sys.exit(main())

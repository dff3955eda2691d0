"""Benchmark of a whole deploy at 2, 4 and 8 regions, with a latency model of the cloud: part of `make bench`.

Each deploy is a rehearsal of its own, with nothing but the deploy. The model is
`tests.fake_cloud.latencies`, scaled; what the machine itself does, is not. Exits with 1 if
8 regions take more than `MOST` times as long as 2. Without a prerequisite it prints what is missing.
"""

import argparse
import re
import subprocess
import sys

from config.naming import STACKS
from tests.local_mesh.prerequisites import EXIT_SKIPPED

REGIONS = (2, 4, 8)
MOST = 1.3
SCALE = 0.5
"""Scale of the cloud's durations. A small one measures this machine more than the model."""

ALL = "all"
_ALL = re.compile(r"^ +(\d+) s in all$", re.MULTILINE)
_STACK = re.compile(rf"^ +({'|'.join(STACKS)}) +(\d+) .* ok$", re.MULTILINE)


def seconds_of(output: str) -> dict[str, int]:
    """Return the seconds of a rehearsal's first deploy, by stack, and in all under `ALL`.

    Args:
        output: of the rehearsal.

    Raises:
        ValueError: it has no deploy of all stacks.
    """
    whole = _ALL.search(output)
    found = {stack: int(seconds) for stack, seconds in _STACK.findall(output[: whole.end() if whole else 0])}
    if whole is None or set(found) != set(STACKS):
        raise ValueError("no deploy of all stacks is in it")
    return {**found, ALL: int(whole[1])}


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


def main() -> int:
    """Measure, print a table, and return 1 if the target is missed."""
    parser = argparse.ArgumentParser(prog="tests.rehearsal.bench")
    parser.add_argument("--scale", type=float, default=SCALE)
    parser.add_argument("--regions", type=int, nargs="+", default=REGIONS)
    arguments = parser.parse_args()
    check = subprocess.run(
        [sys.executable, "-m", "tests.rehearsal", "--check"], capture_output=True, text=True, check=False
    )
    if check.returncode != 0:
        print(f"deploys not measured: {check.stderr.strip()}")
        return 0 if check.returncode == EXIT_SKIPPED else 1
    columns = (*STACKS, ALL)
    print(f"seconds of a whole deploy, at {arguments.scale:g} of the cloud's durations:")
    print("  regions" + "".join(f"{name:>10}" for name in columns), flush=True)
    whole: list[int] = []
    for regions in arguments.regions:
        seconds = measure(regions, arguments.scale)
        whole.append(seconds[ALL])
        print(f"{regions:>9}" + "".join(f"{seconds[name]:>10}" for name in columns), flush=True)
    ratio = whole[-1] / whole[0]
    print(f"the most regions / the fewest, at most {MOST}: {ratio:.2f}, {'reached' if ratio <= MOST else 'MISSED'}")
    return 0 if ratio <= MOST else 1


if __name__ == "__main__":
    sys.exit(main())

"""How long a whole deploy takes at 2, 4 and 8 regions, with a latency model of the cloud: part of `make bench`.

Each deploy is a rehearsal of its own, with nothing but the deploy. The model is
`emulator.latencies`, scaled; what the machine itself does, is not. Exits with 1 if
8 regions take more than `MOST` times what 2 take, and with 77 if it can't be tried.
"""

import argparse
import re
import subprocess
import sys

from harness.isolation import NOT_POSSIBLE

REGIONS = (2, 4, 8)
MOST = 1.3
SCALE = 0.5
"""Of the cloud's durations. The smaller, the more of what is measured is this machine and not the model."""

_SECONDS = re.compile(r"(\d+) s in all")


def measure(regions: int, scale: float) -> int:
    """Return the seconds of one deploy. Raises: RuntimeError: it failed."""
    command = [sys.executable, "-m", "rehearsal", "--only-deploy", "--regions", str(regions), "--scale", str(scale)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    found = _SECONDS.search(result.stdout)
    if result.returncode != 0 or found is None:
        raise RuntimeError(f"a deploy of {regions} regions failed:\n{result.stdout}{result.stderr}")
    return int(found[1])


def main() -> int:
    """Measure, print a table, and return 1 if the target is missed."""
    parser = argparse.ArgumentParser(prog="rehearsal.bench")
    parser.add_argument("--scale", type=float, default=SCALE)
    parser.add_argument("--regions", type=int, nargs="+", default=REGIONS)
    arguments = parser.parse_args()
    check = subprocess.run([sys.executable, "-m", "rehearsal", "--check"], capture_output=True, text=True, check=False)
    if check.returncode != 0:
        print(f"deploys not measured: {check.stderr.strip()}")
        return 0 if check.returncode == NOT_POSSIBLE else 1
    print(f"a whole deploy, at {arguments.scale:g} of the cloud's durations:")
    seconds: dict[int, int] = {}
    for regions in arguments.regions:
        seconds[regions] = measure(regions, arguments.scale)
        print(f"{regions:>4} regions {seconds[regions]:>6} s", flush=True)
    ratio = seconds[arguments.regions[-1]] / seconds[arguments.regions[0]]
    print(f"the most / the fewest, at most {MOST}: {ratio:.2f}, {'reached' if ratio <= MOST else 'MISSED'}")
    return 0 if ratio <= MOST else 1


if __name__ == "__main__":
    sys.exit(main())

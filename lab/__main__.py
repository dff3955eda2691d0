"""``python -m lab [--regions N] [--shell]``. Runs outside first, and then again, isolated."""

import argparse
import fcntl
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from config import ConfigError, Environment, config_path, load
from harness.errors import HarnessError
from harness.isolation import check_isolation, is_inside, run_isolated, use_own_folders
from harness.toolbox import get_toolbox
from lab.environments import with_regions

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".lab"
LOGS = FOLDER / "logs"
STATE = FOLDER / "state"
"""Where a file system in memory is mounted inside; outside it stays empty."""

LEAST_REGIONS = 2
STARTED = "LAB_STARTED"
"""Set for the run inside: when the run outside was started."""


def main() -> int:
    """Return the exit status: 0 if all is as it has to be, 1 if it is not, 2 if it could not be tried."""
    parser = argparse.ArgumentParser(prog="lab", description="Prove the mesh on this machine.")
    parser.add_argument("--regions", type=int, help="so many regions; those of the configuration if not given")
    parser.add_argument("--shell", action="store_true", help="start the lab and open a shell in it")
    arguments = parser.parse_args()
    start = float(os.environ.setdefault(STARTED, str(time.monotonic())))

    def say(text: str) -> None:
        print(f"lab: {text} ({time.monotonic() - start:.0f} s)", flush=True)

    try:
        environment = _environment(arguments.regions)
        if is_inside():
            use_own_folders(STATE)
            # Imported late: outside, nothing of cdktf is needed, and inside it takes its folders when it is loaded.
            from lab.run import run  # noqa: PLC0415

            return run(environment, state=STATE, logs=LOGS, shell=arguments.shell, say=say)
        return _outside(say)
    except (ConfigError, HarnessError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 2


def _environment(regions: int | None) -> Environment:
    path = config_path(ROOT)
    environment = load(path)
    present = sum(not region.retired for region in environment.resolved_regions())
    if (present if regions is None else regions) < LEAST_REGIONS:
        raise HarnessError(f"there is no failover with one region: make lab REGIONS={LEAST_REGIONS}")
    return environment if regions is None else with_regions(path, regions, os.environ)


def _outside(say: Callable[[str], None]) -> int:
    """Check what can be checked at once, have the programs ready, and go inside."""
    check_isolation()
    if shutil.which("node") is None:
        raise HarnessError("Node.js is missing, which cdktf runs on: run `make lab`, which brings it")
    with _only_one():
        get_toolbox(say)
        shutil.rmtree(LOGS, ignore_errors=True)
        LOGS.mkdir()
        STATE.mkdir(exist_ok=True)
        return run_isolated([sys.executable, "-m", "lab", *sys.argv[1:]])


@contextmanager
def _only_one() -> Iterator[None]:
    """Keep a second lab of the same checkout out. The kernel lets go of the lock when we end, however that is."""
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HarnessError("a lab of this checkout is running; wait for it, or end it") from None
        yield


if __name__ == "__main__":
    sys.exit(main())

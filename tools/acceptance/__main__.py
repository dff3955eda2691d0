"""``python -m tools.acceptance --project ID [--yes]``: see docs/acceptance.md."""

import argparse
import sys
from datetime import UTC, datetime

from config import ConfigError
from tools.acceptance.commands import Signals, say
from tools.acceptance.configuration import ZONES, write_configuration
from tools.acceptance.estimate import estimate
from tools.acceptance.progress import Progress
from tools.acceptance.run import Acceptance
from tools.acceptance.steps import CHECKS, CLEAN_UP
from tools.acceptance.workspace import AcceptanceError, Workspace


def main() -> int:
    """Return the exit status: 0 if accepted, 1 if not, 2 if it did not start, 128 and its number after a signal."""
    parser = argparse.ArgumentParser(prog="acceptance", description="Check a small environment in a real project.")
    parser.add_argument("--project", required=True, help="use this Google Cloud project")
    parser.add_argument("--zones", default=" ".join(ZONES), help="use these zones, one per region (%(default)s)")
    parser.add_argument("--yes", action="store_true", help="create the environment without a confirmation prompt")
    arguments = parser.parse_args()
    try:
        workspace = Workspace.of(arguments.project)
        with workspace.locked():
            progress = Progress.read(workspace.progress)
            if progress is None:
                progress = _begin(workspace, arguments.zones.replace(",", " ").split(), arguments.yes)
            else:
                progress.resumed += 1
                say(f"continuing the interrupted run of {progress.began}")
            signals = Signals()
            signals.catch()
            progress.write()
            return Acceptance(workspace, progress, signals, CHECKS, CLEAN_UP).run()
    except (AcceptanceError, ConfigError, OSError) as error:
        print(f"acceptance: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # only before anything is created
        print("acceptance: nothing was created", file=sys.stderr)
        return 130


def _begin(workspace: Workspace, zones: list[str], agreed: bool) -> Progress:
    """Write the configuration, show what is going to be created, and ask.

    Raises:
        AcceptanceError: The answer is no, or there are states without a progress file.
    """
    if left := workspace.deployed():
        raise AcceptanceError(
            f"{workspace.folder} has terraform states with resources ({left}), but no {workspace.progress.name}. "
            f"Destroy the resources first: MESH_CONFIG={workspace.config} cdktf destroy --output {workspace.output} "
            f"{' '.join(left)}"
        )
    write_configuration(workspace, zones)
    for line in estimate(workspace.environment(), [*CHECKS, *CLEAN_UP]):
        print(line)
    if not agreed:
        if not sys.stdin.isatty():
            raise AcceptanceError("standard input is not a terminal: to continue without a prompt, set YES=1")
        if input("Create this environment? [y/N] ").strip().lower() not in ("y", "yes"):
            raise AcceptanceError("nothing was created")
    workspace.forget_earlier_run()
    return Progress(workspace.progress, datetime.now(UTC).isoformat(timespec="seconds"))


if __name__ == "__main__":
    sys.exit(main())

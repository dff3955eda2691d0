"""``python -m tests.lab [--regions N] [--services | --exercises | --budget [SERIES] | --shell | --check]``.

It runs outside, and then again, isolated.
"""

import argparse
import os
import sys

from config import ConfigError, Environment, config_path, load
from config.paths import ROOT
from tests.lab.budget.options import EVERY_FAULT, NAMES, Options
from tests.lab.environments import with_regions
from tests.local_mesh.errors import LocalMeshError
from tests.local_mesh.isolation import is_inside, use_private_folders
from tests.local_mesh.prerequisites import (
    EXIT_SKIPPED,
    MissingPrerequisiteError,
    check_prerequisites,
    inotify_prerequisite,
    local_mesh_prerequisites,
)
from tests.local_mesh.session import Session
from tests.local_mesh.toolchain import get_toolchain

LEAST_REGIONS = 2


def main() -> int:
    """Return the exit status: 0 if all checks pass, 1 if one fails, 2 after an error, 77 without a prerequisite."""
    parser = argparse.ArgumentParser(prog="lab", description="Check the mesh of a configuration on this machine.")
    parser.add_argument("--regions", type=int, help="number of regions (default: the regions of the configuration)")
    parser.add_argument("--services", action="store_true", help="check the keys of `services`, instead of the demo")
    parser.add_argument("--exercises", action="store_true", help="do the exercises of docs/exercises.md, instead")
    parser.add_argument("--budget", nargs="?", const="all", choices=NAMES, help="measure the failover budget, instead")
    parser.add_argument(
        "--runs", type=int, help="runs of a series of the budget (default: 30; 10 with more than two regions)"
    )
    parser.add_argument("--only", default=EVERY_FAULT, metavar="PATTERN", help="the budget's faults of these names")
    parser.add_argument("--shell", action="store_true", help="start the lab, and open a shell in it")
    parser.add_argument(
        "--check", action="store_true", help=f"exit with {EXIT_SKIPPED} if a prerequisite is missing, else with 0"
    )
    arguments = parser.parse_args()
    session = Session("lab", ROOT)
    prerequisites = local_mesh_prerequisites("lab")
    try:
        if arguments.check:
            check_prerequisites(prerequisites)
            return 0
        environment = _environment(arguments.regions)
        regions = sum(not region.retired for region in environment.resolved_regions())
        prerequisites.append(inotify_prerequisite(regions))
        if not is_inside():
            return session.run_inside(sys.argv[1:], prerequisites, lambda: get_toolchain(session.progress))
        use_private_folders(session.state)
        # Imported late: outside, nothing of cdktf is needed, and inside it takes its folders when it is loaded.
        from tests.lab.run import Lab  # noqa: PLC0415

        if arguments.shell:
            return Lab(environment, session.state, session.logs, session.progress).shell()
        with session.start_report("Lab") as report:
            lab = Lab(environment, session.state, session.logs, report.progress)
            if arguments.services:
                lab.check_services(report)
            elif arguments.exercises:
                lab.check_exercises(report)
            elif arguments.budget:
                options = Options.build(arguments.budget, arguments.runs, arguments.only, len(lab.regions))
                lab.measure_budget(options, report)
            else:
                lab.check(report)
        return report.status
    except (ConfigError, LocalMeshError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return EXIT_SKIPPED if isinstance(error, MissingPrerequisiteError) else 2


def _environment(regions: int | None) -> Environment:
    path = config_path(ROOT)
    environment = load(path)
    present = sum(not region.retired for region in environment.resolved_regions())
    if (present if regions is None else regions) < LEAST_REGIONS:
        raise LocalMeshError(f"the lab needs {LEAST_REGIONS} regions, for failover: make lab REGIONS={LEAST_REGIONS}")
    return environment if regions is None else with_regions(path, regions, os.environ)


if __name__ == "__main__":
    sys.exit(main())

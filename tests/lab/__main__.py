"""``python -m tests.lab [--regions N] [--shell | --check]``. Runs outside first, and then again, isolated."""

import argparse
import os
import sys

from config import ConfigError, Environment, config_path, load
from config.paths import ROOT
from tests.lab.environments import with_regions
from tests.local_mesh.errors import LocalMeshError
from tests.local_mesh.isolation import is_inside, use_private_folders
from tests.local_mesh.prerequisites import (
    EXIT_SKIPPED,
    MissingPrerequisiteError,
    check_prerequisites,
    local_mesh_prerequisites,
)
from tests.local_mesh.session import Session
from tests.local_mesh.toolchain import get_toolchain

LEAST_REGIONS = 2


def main() -> int:
    """Return the exit status: 0 if all checks pass, 1 if one fails, 2 after an error, 77 without a prerequisite."""
    parser = argparse.ArgumentParser(prog="lab", description="Prove the mesh on this machine.")
    parser.add_argument("--regions", type=int, help="so many regions; those of the configuration if not given")
    parser.add_argument("--shell", action="store_true", help="start the lab and open a shell in it")
    parser.add_argument("--check", action="store_true", help=f"exit with {EXIT_SKIPPED} if something needed is missing")
    arguments = parser.parse_args()
    session = Session("lab", ROOT)
    prerequisites = local_mesh_prerequisites("lab")
    try:
        if arguments.check:
            check_prerequisites(prerequisites)
            return 0
        environment = _environment(arguments.regions)
        if not is_inside():
            return session.run_inside(sys.argv[1:], prerequisites, lambda: get_toolchain(session.report))
        use_private_folders(session.state)
        # Imported late: outside, nothing of cdktf is needed, and inside it takes its folders when it is loaded.
        from tests.lab.run import run  # noqa: PLC0415

        return run(environment, state=session.state, logs=session.logs, shell=arguments.shell, report=session.report)
    except (ConfigError, LocalMeshError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return EXIT_SKIPPED if isinstance(error, MissingPrerequisiteError) else 2


def _environment(regions: int | None) -> Environment:
    path = config_path(ROOT)
    environment = load(path)
    present = sum(not region.retired for region in environment.resolved_regions())
    if (present if regions is None else regions) < LEAST_REGIONS:
        raise LocalMeshError(f"there is no failover with one region: make lab REGIONS={LEAST_REGIONS}")
    return environment if regions is None else with_regions(path, regions, os.environ)


if __name__ == "__main__":
    sys.exit(main())

"""``python -m tests.rehearsal [--control-plane NAME] [--regions N]``. Runs outside first, and then again, isolated."""

import argparse
import os
import sys
from pathlib import Path

from config import ConfigError, config_path, load
from config.control_plane import MODES
from config.paths import ROOT
from tests.fake_cloud.latencies import Latencies
from tests.lab.environments import content_with_regions
from tests.local_mesh.errors import LocalMeshError
from tests.local_mesh.isolation import is_inside, use_private_folders
from tests.local_mesh.prerequisites import (
    EXIT_SKIPPED,
    MissingPrerequisiteError,
    check_prerequisites,
)
from tests.local_mesh.session import Session
from tests.local_mesh.toolchain import get_toolchain
from tests.rehearsal.prerequisites import mirror_of, rehearsal_prerequisites
from tests.reporting.report import Report

EXAMPLES = ROOT / "examples"
RECORDED = ROOT / "tests" / "rehearsal" / "recorded"
IN_LAB = ("asmcli-managed", "fleet")
SCALE = 0.004
"""Scale of the cloud's durations: six minutes become one second and a half, besides the work of the machine itself.
At a larger scale the provider's polls, ten seconds apart, add up."""

HURRIED = 0.1
PATIENCE = 9.0
"""Below that scale, a poll waits for its operation for so many seconds, so that no second poll is necessary."""


def main() -> int:
    """Return the exit status: 0 if all checks pass, 1 if one fails, 2 after an error, 77 without a prerequisite."""
    parser = argparse.ArgumentParser(
        prog="rehearsal", description="Rehearse a whole deploy in an emulated Google Cloud."
    )
    parser.add_argument(
        "--control-plane", choices=MODES, help="use the example of this control plane mode (default: the configuration)"
    )
    parser.add_argument("--regions", type=int, help="number of regions (default: the regions of the configuration)")
    parser.add_argument("--faults", choices=("all", "small"), help="inject faults, one at a time")
    parser.add_argument("--seed", default="", metavar="TEXT", help="kill terraform at other random moments")
    parser.add_argument("--only", default="", metavar="PATTERN", help="only the faults or changes whose names match")
    parser.add_argument(
        "--day2",
        choices=("all", "small"),
        help="make all changes of the file, or the small set; with --short, between the other steps",
    )
    parser.add_argument(
        "--upgrade", action="store_true", help="deploy an environment that an earlier commit has deployed"
    )
    parser.add_argument(
        "--migration", action="store_true", help="migrate from Multi Cluster Ingress to multi-cluster Gateway, and back"
    )
    parser.add_argument("--without-terraform", action="store_true", help="rehearse the scripts and manifests only")
    fewer = parser.add_mutually_exclusive_group()
    fewer.add_argument("--only-deploy", action="store_true", help="only the first deploy")
    fewer.add_argument("--short", action="store_true", help="leave out adding and removing a region")
    parser.add_argument("--acceptance", action="store_true", help="rehearse `make acceptance`")
    parser.add_argument("--lab", action="store_true", help="run pods, and send requests to them")
    parser.add_argument("--shell", action="store_true", help="deploy, and open a shell in the environment")
    parser.add_argument(
        "--scale", type=float, default=SCALE, help="scale of the cloud's durations (default: %(default)s)"
    )
    parser.add_argument(
        "--check", action="store_true", help=f"exit with {EXIT_SKIPPED} if a prerequisite is missing, else with 0"
    )
    arguments = parser.parse_args()
    session = Session("rehearsal", ROOT)
    providers = session.folder / "providers"
    prerequisites = rehearsal_prerequisites(providers, with_terraform=not arguments.without_terraform)
    arguments.lab = arguments.lab or arguments.migration
    try:
        path = _path(arguments)
        if arguments.lab and load(path).mesh.control_plane not in IN_LAB:
            raise LocalMeshError(f"requests work with mesh.control_plane: {' or '.join(IN_LAB)} only")
        regions = arguments.regions or sum(not one.retired for one in load(path).resolved_regions())
        if arguments.check:
            check_prerequisites(prerequisites)
            return 0
        if not is_inside():
            return session.run_inside(sys.argv[1:], prerequisites, lambda: get_toolchain(session.progress))
        use_private_folders(session.state)
        if arguments.shell:
            arguments.lab = load(path).mesh.control_plane in IN_LAB
            report = Report("Rehearsal", show=session.progress, clock=session.elapsed)
            return _rehearse(arguments, path, regions, session, report)
        with session.start_report(_title(arguments)) as report:
            return _rehearse(arguments, path, regions, session, report)
    except (ConfigError, LocalMeshError) as error:
        print(f"rehearsal: {error}", file=sys.stderr)
        return EXIT_SKIPPED if isinstance(error, MissingPrerequisiteError) else 2


def _title(arguments: argparse.Namespace) -> str:
    """Return what is rehearsed."""
    if arguments.acceptance:
        return "Rehearsal of make acceptance"
    if arguments.day2:
        return "Rehearsal of changes"
    if arguments.upgrade:
        return "Rehearsal of an upgrade"
    if arguments.migration:
        return "Rehearsal of a migration"
    if arguments.without_terraform:
        return "Rehearsal of scripts"
    return "Rehearsal of faults" if arguments.faults else "Rehearsal"


def _rehearse(arguments: argparse.Namespace, path: Path, regions: int, session: Session, report: Report) -> int:
    """Rehearse, inside the namespaces, and return the exit status.

    Args:
        arguments: of the command.
        path: of the configuration.
        regions: number of regions.
        session: of this run.
        report: of this run.
    """
    # Imported late: inside, cdktf takes its folders when it is loaded.
    from tests.rehearsal.acceptance import acceptance_content, run_acceptance  # noqa: PLC0415
    from tests.rehearsal.context import create_context  # noqa: PLC0415
    from tests.rehearsal.day2 import read_changes, run_day2  # noqa: PLC0415
    from tests.rehearsal.fault_wrappers import FaultWrappers  # noqa: PLC0415
    from tests.rehearsal.faults import run_faults  # noqa: PLC0415
    from tests.rehearsal.injected_fault import FaultSelection  # noqa: PLC0415
    from tests.rehearsal.migration import run_migration  # noqa: PLC0415
    from tests.rehearsal.run import run  # noqa: PLC0415
    from tests.rehearsal.shell import run_shell  # noqa: PLC0415
    from tests.rehearsal.upgrade import run_upgrade  # noqa: PLC0415
    from tests.rehearsal.without_terraform import run_without_terraform  # noqa: PLC0415

    wrappers = FaultWrappers(session.state / "wrappers") if arguments.faults or arguments.without_terraform else None
    if arguments.acceptance:
        content = more = acceptance_content(session.state)
    else:
        content = content_with_regions(path, regions, os.environ)
        more = content_with_regions(path, regions if arguments.lab else regions + 1, os.environ)
    hurried = arguments.acceptance or arguments.scale < HURRIED
    context = create_context(
        content,
        more,
        tools=get_toolchain(report.progress),
        mirror=None if arguments.without_terraform else mirror_of(session.folder / "providers"),
        state=session.state,
        logs=session.logs,
        latencies=Latencies(arguments.scale, PATIENCE if hurried else 0.0),
        report=report,
        wrappers=wrappers,
        pods_run=arguments.lab or arguments.acceptance,
    )
    if arguments.shell:
        return run_shell(context)
    changes = read_changes(arguments.day2 == "small", arguments.only) if arguments.day2 else []
    if arguments.acceptance:
        run_acceptance(context)
    elif changes and not arguments.short:
        run_day2(context, changes)
    elif arguments.upgrade:
        run_upgrade(context, path.with_suffix(".tar.xz"))
    elif arguments.migration:
        run_migration(context)
    elif wrappers is None:
        run(context, "deploy" if arguments.only_deploy else "short" if arguments.short else "all", changes)
    elif arguments.without_terraform:
        run_without_terraform(context, wrappers, arguments.faults == "all")
    else:
        run_faults(context, wrappers, FaultSelection(arguments.faults == "small", arguments.only, arguments.seed))
    return report.status


def _path(arguments: argparse.Namespace) -> Path:
    """Return the configuration file that is rehearsed."""
    if arguments.upgrade:
        return RECORDED / f"{arguments.control_plane or IN_LAB[0]}.yaml"
    return EXAMPLES / f"{arguments.control_plane}.yaml" if arguments.control_plane else config_path(ROOT)


if __name__ == "__main__":
    sys.exit(main())

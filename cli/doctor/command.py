"""`mesh doctor`: whether a deploy can succeed from here, before it is tried. It looks, and changes nothing."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cli.doctor import conflicts, installer, permissions, project, quotas, tools
from cli.doctor import connectivity as reach
from cli.report.findings import FindingState, Report
from cli.report.output import Output
from cli.sources import apis, credentials
from cli.sources import expected_resources as inventory
from cli.sources.google import ApiError, GoogleClient
from config import Environment


def examine(environment: Environment, config: Path, output: Output) -> Report:
    """Look at everything that a deploy of this environment depends on.

    Raises:
        MeshError: the credentials have stopped to be of use in the middle.
    """
    google = GoogleClient(environment.project.id, environment.project.impersonate_service_account)
    report = Report("doctor")
    with ThreadPoolExecutor(2) as pool:
        on_this_machine = pool.submit(tools.check, environment)
        installation = (
            pool.submit(installer.check, environment.mesh.asmcli)
            if environment.control_plane.runs_local_scripts
            else None
        )
        with output.spinner("asking this machine's tools, and Google who may do what"):
            callers = credentials.check(environment, google)
            report.section("Tools on this machine").findings = on_this_machine.result()
            report.section("Credentials").findings = callers
        if all(one.state is not FindingState.FAILURE for one in callers):
            _look_at_google(environment, config, google, report, output)
        if installation is not None:
            report.section("Installer of the mesh, asmcli").findings = installation.result()
    return report


def _look_at_google(
    environment: Environment, config: Path, google: GoogleClient, report: Report, output: Output
) -> None:
    with output.spinner("looking at the project"):
        found = project.check(google)
        report.section("Project").findings = found
        on = apis.enabled(google)
        report.section("APIs").findings = apis.check(google, on)
        if found[0].state is FindingState.FAILURE or isinstance(on, ApiError):
            return  # every further question would have the same answer
        report.section("Roles of the caller").findings = permissions.check(google, environment)
    with output.spinner("looking at what is there, at the quotas and at the control planes"):
        there = inventory.take(google, inventory.things_of(environment), on)
        report.section("Quotas").findings = quotas.check(environment, google, there, on)
        attempts = reach.try_all(environment, there)
        report.section("Control planes").findings = reach.check(environment, attempts)
        report.section("Conflicts").findings = conflicts.check(
            environment, config, google, there, on, reached=reach.reached(attempts)
        )

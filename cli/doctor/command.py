"""`mesh doctor`: whether a deploy from this machine can succeed. It changes nothing."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path

from cli.doctor import (
    conflicts,
    connectivity,
    credentials,
    installer,
    locations,
    permissions,
    project,
    quotas,
    security_policy,
    service_accounts,
    support,
    tools,
)
from cli.report.findings import FindingState, Report, Section
from cli.report.output import Output
from cli.sources import apis
from cli.sources.google import ApiError, GoogleClient
from cli.sources.resources import expected_resources, look_up
from config import Environment


def examine(environment: Environment, config: Path, output: Output, *, today: date | None = None) -> Report:
    """Check everything that a deploy of an environment depends on.

    Args:
        environment: The environment.
        config: The configuration file, beside which terraform's state is.
        output: Where progress is shown.
        today: The date; None for that of the clock.

    Raises:
        MeshError: The credentials became invalid meanwhile.
    """
    google = GoogleClient.of(environment)
    report = Report("doctor")
    with ThreadPoolExecutor(2) as pool:
        on_this_machine = pool.submit(tools.check, environment)
        asmcli = environment.control_plane.runs_local_scripts
        installation = pool.submit(installer.check, environment.mesh.asmcli) if asmcli else None
        with output.spinner("checking the tools on this machine and the credentials"):
            callers = credentials.check(environment, google)
            report.section("Tools on this machine").findings = on_this_machine.result()
            report.section("Credentials").findings = callers
            mode = report.section("Control plane mode")
            mode.findings.append(support.check(environment, today or utc_today()))
        if credentials.usable(callers):
            _check_project(environment, config, google, report, output, mode=mode)
        if installation is not None:
            report.section("asmcli").findings = installation.result()
    return report


def utc_today() -> date:
    """Return the date of the clock, in UTC."""
    return datetime.now(UTC).date()


def _check_project(
    environment: Environment, config: Path, google: GoogleClient, report: Report, output: Output, *, mode: Section
) -> None:
    with output.spinner("checking the project, its APIs and its IAM roles"):
        found = project.check(google)
        report.section("Project").findings = found
        enabled = apis.enabled_apis(google)
        report.section("APIs").findings = apis.check(environment, google, enabled)
        if found[0].state is FindingState.FAILURE or isinstance(enabled, ApiError):
            return  # every further call would fail alike
        report.section("IAM roles").findings = permissions.check(google, environment)
        if accounts := service_accounts.check(environment, google, enabled):
            report.section("Service accounts").findings = accounts
        if policies := security_policy.check(environment, google, enabled):
            report.section("Cloud Armor").findings = policies
        report.section("Locations").findings = locations.check(environment, google, enabled)
    with output.spinner("checking quotas, GKE control planes and existing resources"):
        resources = look_up(google, expected_resources(environment), enabled)
        report.section("Quotas").findings = quotas.check(environment, google, resources, enabled)
        mode.findings += support.check_implementations(environment, resources)
        attempts = connectivity.try_all(environment, resources)
        report.section("GKE control planes").findings = connectivity.check(environment, attempts)
        report.section("Conflicts").findings = conflicts.check(
            environment, config, google, resources, enabled, connected=connectivity.connected(attempts)
        )

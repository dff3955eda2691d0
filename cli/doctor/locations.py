"""Whether Google has the regions, zones and machine types of the configuration."""

from collections.abc import Set
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from cli.report.findings import Finding, failure, ok, warning
from cli.sources.google import ApiError, GoogleClient
from cli.sources.remediation import api_error_fix
from config import Environment, ResolvedRegion


def check(environment: Environment, google: GoogleClient, enabled: Set[str]) -> list[Finding]:
    """Check each region, with its zones and its machine type.

    Args:
        environment: The environment.
        google: The client.
        enabled: The enabled APIs.

    Raises:
        MeshError: There are no credentials.
    """
    if "compute" not in enabled:
        return []  # the section of quotas names the command
    regions = environment.resolved_regions()
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(partial(_check_region, google), regions))


def _check_region(google: GoogleClient, region: ResolvedRegion) -> Finding:
    name, home = f"location of {region.key}", f"projects/{google.project}"
    found = google.try_find("compute", f"{home}/regions/{region.location}")
    if isinstance(found, ApiError):
        return warning(name, f"unknown: {found}", api_error_fix(found, "compute", google.project))
    if found is None:
        fix = f"gcloud compute regions list --project {google.project}; then correct regions.{region.key}.region"
        return failure(name, f"Google has no region {region.location} for this project", fix)
    zones = [link.rpartition("/")[2] for link in found.get("zones", [])]
    if missing := [zone for zone in region.zones if zone not in zones]:
        fix = f"choose from {', '.join(zones)} in regions.{region.key}.zones"
        return failure(name, f"{region.location} has no zone {', '.join(missing)}", fix)
    return _check_machine_type(google, region, region.zones or tuple(zones))


def _check_machine_type(google: GoogleClient, region: ResolvedRegion, zones: tuple[str, ...]) -> Finding:
    name, machine = f"location of {region.key}", region.nodes.machine_type
    absent = []
    for zone in zones:
        found = google.try_find("compute", f"projects/{google.project}/zones/{zone}/machineTypes/{machine}")
        if isinstance(found, ApiError):
            return warning(name, f"unknown: {found}", api_error_fix(found, "compute", google.project))
        if found is None:
            absent.append(zone)
    fix = (
        f"gcloud compute machine-types list --project {google.project} --filter='name={machine}'; then choose "
        f"a machine type or regions.{region.key}.zones"
    )
    if len(absent) == len(zones):
        return failure(name, f"{region.location} has no machine type {machine}", fix)
    if absent and region.zones:
        return failure(name, f"{', '.join(absent)} has no machine type {machine}", fix)
    if absent:  # GKE may choose other zones
        return warning(name, f"{', '.join(absent)} has no machine type {machine}, and GKE may choose it", fix)
    return ok(name, f"{region.location} has {machine} in {', '.join(zones)}")

"""Whether the project's quotas have room for what is still to be created."""

from collections.abc import Iterable, Iterator, Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from cli.doctor.quota_demand import QuotaDemand, quota_demand
from cli.report.findings import Finding, FindingState, failure, ok, warning
from cli.sources.google import ApiError, GoogleClient
from cli.sources.remediation import api_error_fix
from cli.sources.resources import ExpectedResources
from config import Environment

FAMILIES = "CPUS-PER-VM-FAMILY-per-project-region"
"""The newest families' quota, which Compute Engine's API does not show."""


@dataclass(frozen=True)
class Quota:
    """A quota of the project, or of a region.

    Attributes:
        limit: Its limit, in its own unit.
        usage: How much of it is used.
    """

    limit: float
    usage: float

    @property
    def free(self) -> float:
        return max(self.limit - self.usage, 0)


Quotas = Mapping[str, Quota] | ApiError
"""By metric, such as ``CPUS``."""


def check(
    environment: Environment, google: GoogleClient, resources: ExpectedResources, enabled: Set[str]
) -> list[Finding]:
    """Check each quota.

    Args:
        environment: The environment.
        google: The client.
        resources: The expected resources.
        enabled: The enabled APIs.

    Raises:
        MeshError: There are no credentials.
    """
    if "compute" not in enabled:
        fix = f"gcloud services enable compute.googleapis.com --project {google.project} && mesh doctor"
        return [
            warning(
                "quotas", "unknown until the API compute.googleapis.com is enabled, which the network stack does", fix
            )
        ]
    places = ["", *(region.location for region in environment.resolved_regions())]
    with ThreadPoolExecutor(8) as pool:
        found = dict(zip(places, pool.map(partial(_read_quotas, google), places), strict=True))
    findings: list[Finding] = []
    for place in [*places[1:], ""]:
        quotas = found[place]
        if isinstance(quotas, ApiError):
            name = f"quotas of {place or 'the project'}"
            findings.append(
                failure(name, f"can't read them: {quotas}", api_error_fix(quotas, "compute", google.project))
            )
        else:
            findings += _check_place(place, quotas, quota_demand(environment, resources), google.project)
    return findings


def _read_quotas(google: GoogleClient, place: str) -> Quotas:
    """Return the quotas of a region, or of the project.

    Source: https://cloud.google.com/compute/docs/reference/rest/v1/regions/get, and projects/get
    """
    path = f"projects/{google.project}"
    try:
        response = google.get("compute", f"{path}/regions/{place}" if place else path)
    except ApiError as error:
        return error
    return {one["metric"]: Quota(one.get("limit", 0), one.get("usage", 0)) for one in response.get("quotas", [])}


def _check_place(
    place: str, quotas: Mapping[str, Quota], demands: Iterable[QuotaDemand], project: str
) -> Iterator[Finding]:
    for demand in demands:
        if demand.place != place:
            continue
        known = [metric for metric in demand.quotas if metric in quotas]
        if not known and demand.cpus:
            yield _unknown_family(demand, project)
        found = [_check_quota(metric, quotas[metric], demand, project) for metric in known]
        some_room = any(one.state is not FindingState.FAILURE for one in found)
        for one in found:
            # It is not known which of several quotas counts.
            if some_room and one.state is FindingState.FAILURE:
                yield warning(
                    one.name, f"{one.text}; only one of the two quotas applies, and the other suffices", one.fix
                )
            else:
                yield one


def _check_quota(metric: str, quota: Quota, demand: QuotaDemand, project: str) -> Finding:
    name = f"{metric} in {demand.place}" if demand.place else metric
    text = f"{quota.free:g} of {quota.limit:g} available; {_wanted(demand)}"
    if demand.most <= 0:
        return ok(name, text)
    fix = _more(metric, quota.usage + demand.most, demand.place, project)
    if quota.free < demand.least:
        return failure(name, f"{text}: {demand.least - quota.free:g} too few", fix)
    if quota.free < demand.most:
        return warning(name, f"{text}: {demand.most - quota.free:g} too few for the autoscaler's maximum", fix)
    return ok(name, text)


def _wanted(demand: QuotaDemand) -> str:
    of = f" ({demand.of})" if demand.of else ""
    if demand.most <= 0:
        return f"no more required{of}"
    if demand.least == demand.most:
        return f"{demand.least:g} required{of}"
    return f"{demand.least:g} to {demand.most:g} required{of}"


def _unknown_family(demand: QuotaDemand, project: str) -> Finding:
    """Return the finding for a quota that Compute Engine does not show.

    Source: https://cloud.google.com/compute/resource-usage#cpus_per_vm_family
    """
    fix = f"gcloud beta quotas info describe {FAMILIES} --service=compute.googleapis.com --project={project}"
    text = f"unknown, as Compute Engine does not report it; {_wanted(demand)}"
    return warning(f"{demand.quotas[0]} in {demand.place}", text, fix)


def _more(metric: str, wanted: float, place: str, project: str) -> str:
    """Return the command that requests a higher quota, whose id is its metric with hyphens, and its scope.

    Source: https://cloud.google.com/docs/quotas/gcloud-cli-examples
    """
    quota = metric.replace("_", "-") + ("-per-project-region" if place else "-per-project")
    at = f" --dimensions=region={place}" if place else ""
    return (
        f"gcloud beta quotas preferences create --service=compute.googleapis.com --project={project} "
        f"--quota-id={quota}{at} --preferred-value={wanted:g}"
    )

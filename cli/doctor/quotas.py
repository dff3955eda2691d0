"""Whether the project's quotas have room for what this configuration still makes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from cli.doctor.quota_demand import Need, needs_of
from cli.report.findings import Finding, FindingState, failure, ok, warning
from cli.sources.expected_resources import Inventory
from cli.sources.google import ApiError, GoogleClient
from cli.sources.remediation import api_error_fix
from config import Environment

FAMILIES = "CPUS-PER-VM-FAMILY-per-project-region"
"""The newest families' quota, which Compute Engine's API does not show."""


@dataclass(frozen=True)
class Quota:
    """Attributes:
    limit, usage: in the quota's own unit, pieces or GB.
    """

    limit: float
    usage: float

    @property
    def free(self) -> float:
        return max(self.limit - self.usage, 0)


Quotas = Mapping[str, Quota] | ApiError
"""By metric, such as ``CPUS``."""


def check(environment: Environment, google: GoogleClient, inventory: Inventory, on: Set[str]) -> list[Finding]:
    """Return a finding for each quota.

    Args:
        on: the APIs that are on.

    Raises:
        MeshError: there are no credentials.
    """
    if "compute" not in on:
        fix = f"gcloud services enable compute.googleapis.com --project {google.project} && mesh doctor"
        return [warning("quotas", "not known before compute.googleapis.com is on; the network stack does that", fix)]
    places = ["", *(region.location for region in environment.resolved_regions())]
    with ThreadPoolExecutor(8) as pool:
        found = dict(zip(places, pool.map(lambda place: _quotas(google, place), places), strict=True))
    findings: list[Finding] = []
    for place in [*places[1:], ""]:
        quotas = found[place]
        if isinstance(quotas, ApiError):
            name = f"quotas of {place or 'the project'}"
            findings.append(failure(name, f"are not told: {quotas}", api_error_fix(quotas, "compute", google.project)))
        else:
            findings += _of_place(place, quotas, needs_of(environment, inventory), google.project)
    return findings


def _quotas(google: GoogleClient, place: str) -> Quotas:
    """Source: https://cloud.google.com/compute/docs/reference/rest/v1/regions/get, and projects/get"""
    path = f"projects/{google.project}"
    try:
        answer = google.get("compute", f"{path}/regions/{place}" if place else path)
    except ApiError as error:
        return error
    return {one["metric"]: Quota(one.get("limit", 0), one.get("usage", 0)) for one in answer.get("quotas", [])}


def _of_place(place: str, quotas: Mapping[str, Quota], needs: Iterable[Need], project: str) -> Iterator[Finding]:
    for need in needs:
        if need.place != place:
            continue
        known = [metric for metric in need.quotas if metric in quotas]
        if not known and need.cpus:
            yield _unknown_family(need, project)
        found = [_of_quota(metric, quotas[metric], need, project) for metric in known]
        yield from _any_of(found)


def _any_of(found: Sequence[Finding]) -> Sequence[Finding]:
    """Where it is not known which of several quotas counts, it is a failure only if none has room."""
    if all(one.state is FindingState.FAILURE for one in found):
        return found
    return [
        one
        if one.state is not FindingState.FAILURE
        else warning(one.name, f"{one.text}; the other quota has room, and one of the two counts", one.fix)
        for one in found
    ]


def _of_quota(metric: str, quota: Quota, need: Need, project: str) -> Finding:
    name = f"{metric} in {need.place}" if need.place else metric
    text = f"{quota.free:g} of {quota.limit:g} free; {_wanted(need)}"
    if need.most <= 0:
        return ok(name, text)
    fix = _more(metric, quota.usage + need.most, need.place, project)
    if quota.free < need.least:
        return failure(name, f"{text}: {need.least - quota.free:g} short", fix)
    if quota.free < need.most:
        return warning(name, f"{text}: the autoscaler would be {need.most - quota.free:g} short", fix)
    return ok(name, text)


def _wanted(need: Need) -> str:
    of = f" ({need.of})" if need.of else ""
    if need.most <= 0:
        return f"needs no more{of}"
    if need.least == need.most:
        return f"needs {need.least:g}{of}"
    return f"needs {need.least:g} to {need.most:g}{of}"


def _unknown_family(need: Need, project: str) -> Finding:
    """Source: https://cloud.google.com/compute/resource-usage#cpus_per_vm_family"""
    fix = f"gcloud beta quotas info describe {FAMILIES} --service=compute.googleapis.com --project={project}"
    text = f"Compute Engine does not show it; {_wanted(need)}"
    return warning(f"{need.quotas[0]} in {need.place}", text, fix)


def _more(metric: str, wanted: float, place: str, project: str) -> str:
    """Return the command that asks Google for more.

    A quota's id is its metric with hyphens, and where it holds.
    Source: https://cloud.google.com/docs/quotas/gcloud-cli-examples
    """
    quota = metric.replace("_", "-") + ("-per-project-region" if place else "-per-project")
    at = f" --dimensions=region={place}" if place else ""
    return (
        f"gcloud beta quotas preferences create --service=compute.googleapis.com --project={project} "
        f"--quota-id={quota}{at} --preferred-value={wanted:g}"
    )

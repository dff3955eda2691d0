"""What Google says of the environment's clusters and of its fleet, asked at once."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from cli.sources.google import ApiError, GoogleClient
from cli.sources.kubernetes import cluster_path
from config import Environment, ResolvedRegion

LookupResult = dict[str, Any] | ApiError | None
"""What is there; None if nothing is; an error if Google doesn't say."""

FEATURES = ("servicemesh", "multiclusteringress")
AUTOMATIC = "MANAGEMENT_AUTOMATIC"
"""What the mesh's feature is told of a cluster whose mesh Google is to make and to run."""


@dataclass(frozen=True)
class DescribedEnvironment:
    """
    Attributes:
        project: as Resource Manager describes it.
        clusters, memberships: by region.
        features: of the fleet, by name.
        address: the one that is reserved for the ingress.
        certificates: of the ingress, by domain.
    """

    project: LookupResult
    clusters: Mapping[str, LookupResult]
    memberships: Mapping[str, LookupResult]
    features: Mapping[str, LookupResult]
    address: LookupResult
    certificates: Mapping[str, LookupResult]

    def described(self) -> dict[str, dict[str, Any]]:
        """Return the clusters that there are, by region."""
        return {key: one for key, one in self.clusters.items() if isinstance(one, dict)}


def describe_environment(environment: Environment, google: GoogleClient) -> DescribedEnvironment:
    """Ask.

    Raises:
        MeshError: there are no credentials.
    """
    regions = environment.resolved_regions()
    home = f"projects/{google.project}"
    domains = environment.ingress.domains if environment.ingress.enabled else ()
    with ThreadPoolExecutor(8) as pool:
        questions: list[tuple[str, str]] = [
            ("projects", home),
            ("compute", f"{home}/global/addresses/{environment.names.ingress_address}"),
            *(("compute", f"{home}/global/sslCertificates/{environment.names.certificate(one)}") for one in domains),
            *(("gkehub", f"{home}/locations/global/features/{feature}") for feature in FEATURES),
            *(("container", cluster_path(environment, region)) for region in regions),
        ]
        project, address, *answers = pool.map(_asking(google), questions)
        certificates = dict(zip(domains, answers, strict=False))
        answers = answers[len(domains) :]
        features = dict(zip(FEATURES, answers, strict=False))
        clusters = {region.key: answer for region, answer in zip(regions, answers[len(FEATURES) :], strict=True)}
        members = [region for region in regions if membership_path(google.project, clusters[region.key])]
        found = pool.map(
            _asking(google),
            [("gkehub", membership_path(google.project, clusters[region.key])) for region in members],
        )
        memberships: dict[str, LookupResult] = {region.key: None for region in regions}
        memberships |= {region.key: answer for region, answer in zip(members, found, strict=True)}
    return DescribedEnvironment(project, clusters, memberships, features, address, certificates)


def membership_path(project: str, cluster: LookupResult) -> str:
    """Return where the fleet has a cluster, as the cluster itself says; empty if it is in none.

    GKE gives ``//gkehub.googleapis.com/projects/NUMBER/locations/L/memberships/M``.
    """
    link = cluster.get("fleet", {}).get("membership", "") if isinstance(cluster, dict) else ""
    return f"projects/{project}/locations/{link.partition('/locations/')[2]}" if link else ""


def membership_state(feature: LookupResult, region: ResolvedRegion, cluster: LookupResult) -> dict[str, Any]:
    """Return what a feature says of one cluster; empty if it says nothing.

    Source: https://cloud.google.com/service-mesh/docs/check-control-plane-implementation
    """
    return _of_member("membershipStates", feature, region, cluster)


def membership_spec(feature: LookupResult, region: ResolvedRegion, cluster: LookupResult) -> dict[str, Any]:
    """Return what a feature is told to do for one cluster; empty if nothing.

    Source: https://cloud.google.com/kubernetes-engine/fleet-management/docs/reference/rest/v1/projects.locations.features
    """
    return _of_member("membershipSpecs", feature, region, cluster)


def _of_member(what: str, feature: LookupResult, region: ResolvedRegion, cluster: LookupResult) -> dict[str, Any]:
    """Features call memberships by the project's number."""
    if not isinstance(feature, dict):
        return {}
    place = membership_path("", cluster).partition("/locations/")[2]
    place = place or f"{region.location}/memberships/{region.names.cluster}"
    for name, state in feature.get(what, {}).items():
        if name.endswith(f"/locations/{place}"):
            return dict(state)
    return {}


def _asking(google: GoogleClient) -> Callable[[tuple[str, str]], LookupResult]:
    def ask(question: tuple[str, str]) -> LookupResult:
        try:
            return google.find(*question)
        except ApiError as error:
            return error

    return ask

"""What Google's APIs report of the environment's clusters and of its fleet."""

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from cli.sources.google import ApiError, GoogleClient, LookupResult
from cli.sources.kubernetes import cluster_path
from cli.sources.resources import FIREWALL_RULES, CloudResource, certificate_resources, fleet_features, list_resources
from cli.sources.worker_pool import worker_pool
from config import Environment, ResolvedRegion
from config.ingress import EXTERNAL

AUTOMATIC = "MANAGEMENT_AUTOMATIC"
"""Value in the mesh feature for a cluster whose mesh Google installs and runs."""


NOT_ASKED = "notAsked"
"""Reason of the `ApiError` of everything that was not looked up."""


@dataclass(frozen=True)
class MapCertificate:
    """What Certificate Manager has of a domain.

    Attributes:
        authorization: Its DNS authorization.
        certificate: Its certificate.
        entry: Its entry in the certificate map.
    """

    authorization: LookupResult
    certificate: LookupResult
    entry: LookupResult


@dataclass(frozen=True)
class DescribedEnvironment:
    """The environment's resources, as their APIs have them.

    Attributes:
        project: The project, of Resource Manager.
        clusters: The clusters, by region.
        memberships: Their memberships in the fleet, by region.
        features: The fleet's features, by name.
        address: The address that is reserved for Multi Cluster Ingress; None without it.
        certificates: Its certificates, by domain.
        firewall_rules: All firewall rules of the project.
        gateway_address: The address that is reserved for the external Gateway.
        map_certificates: What Certificate Manager has for it, by domain.
        policy: The project's IAM policy; None without a Gateway.
    """

    project: LookupResult
    clusters: Mapping[str, LookupResult]
    memberships: Mapping[str, LookupResult]
    features: Mapping[str, LookupResult]
    address: LookupResult
    certificates: Mapping[str, LookupResult]
    firewall_rules: tuple[CloudResource, ...] | ApiError
    gateway_address: LookupResult = None
    map_certificates: Mapping[str, MapCertificate] = field(default_factory=dict)
    policy: LookupResult = None

    def existing_clusters(self) -> dict[str, dict[str, Any]]:
        """Return the clusters that exist, by region."""
        return {key: one for key, one in self.clusters.items() if isinstance(one, dict)}

    def without_response(self) -> list[ApiError]:
        """Return the errors of the lookups that got no response."""
        others = (self.clusters, self.memberships, self.features, self.certificates)
        found = [self.project, self.address, self.gateway_address, self.policy, self.firewall_rules]
        found += [one for each in others for one in each.values()]
        for each in self.map_certificates.values():
            found += [each.certificate, each.authorization, each.entry]
        return [one for one in found if isinstance(one, ApiError) and one.no_response]


def describe_environment(environment: Environment, google: GoogleClient) -> DescribedEnvironment:
    """Look everything up, several resources at a time.

    Raises:
        MeshError: There are no credentials.
    """
    regions = environment.resolved_regions()
    home, names, ingress = f"projects/{google.project}", environment.names, environment.ingress
    domains = ingress.domains if ingress.uses_mci else ()
    with worker_pool(8) as pool:

        def start(api: str, path: str) -> "Future[LookupResult]":
            return pool.submit(google.try_find, api, path)

        project = start("projects", home)
        rules = pool.submit(_list_firewall_rules, google)

        def look_up_address(name: str, *, exists: bool) -> "Future[LookupResult] | None":
            return start("compute", f"{home}/global/addresses/{name}") if exists else None

        address = look_up_address(names.ingress_address, exists=ingress.uses_mci)
        gateway_address = look_up_address(names.gateway_address, exists=EXTERNAL in ingress.exposures)
        certificates = {
            domain: start("compute", f"{home}/global/sslCertificates/{names.certificate(domain)}") for domain in domains
        }
        map_certificates = {
            domain: [start(one.kind.api, one.path) for one in certificate_resources(environment, domain)]
            for domain in (ingress.domains if environment.has_certificate_map else ())
        }
        policy = pool.submit(_read_policy, google) if ingress.uses_gateway else None
        features = {
            name: start("gkehub", f"{home}/locations/global/features/{name}") for name in fleet_features(environment)
        }
        started = {region.key: start("container", cluster_path(environment, region)) for region in regions}
        clusters = _results(started)
        paths = {key: membership_path(google.project, cluster) for key, cluster in clusters.items()}
        found = _results({key: start("gkehub", path) for key, path in paths.items() if path})
        memberships = {key: found.get(key) for key in clusters}
        return DescribedEnvironment(
            project.result(),
            clusters,
            memberships,
            _results(features),
            address.result() if address else None,
            _results(certificates),
            rules.result(),
            gateway_address.result() if gateway_address else None,
            {domain: MapCertificate(*(one.result() for one in each)) for domain, each in map_certificates.items()},
            policy.result() if policy else None,
        )


def undescribed_environment(environment: Environment, why: str) -> DescribedEnvironment:
    """Return an environment of which nothing was looked up.

    Args:
        environment: The environment.
        why: Why not.
    """
    error = ApiError(0, NOT_ASKED, why)
    by_region = {region.key: error for region in environment.resolved_regions()}
    features = dict.fromkeys(fleet_features(environment), error)
    return DescribedEnvironment(error, by_region, by_region, features, error, {}, error, error, {}, error)


def _read_policy(google: GoogleClient) -> LookupResult:
    try:
        return google.post("projects", f"projects/{google.project}:getIamPolicy", {})
    except ApiError as error:
        return error


def _list_firewall_rules(google: GoogleClient) -> tuple[CloudResource, ...] | ApiError:
    try:
        return list_resources(google, FIREWALL_RULES)
    except ApiError as error:
        return error


def _results(started: Mapping[str, "Future[LookupResult]"]) -> dict[str, LookupResult]:
    return {key: future.result() for key, future in started.items()}


def membership_path(project: str, cluster: LookupResult) -> str:
    """Return the path of the membership that a cluster names; empty if it names none.

    GKE gives ``//gkehub.googleapis.com/projects/NUMBER/locations/L/memberships/M``.
    """
    link = cluster.get("fleet", {}).get("membership", "") if isinstance(cluster, dict) else ""
    return f"projects/{project}/locations/{link.partition('/locations/')[2]}" if link else ""


def membership_state(feature: LookupResult, region: ResolvedRegion, cluster: LookupResult) -> dict[str, Any]:
    """Return a feature's state of one cluster; empty if there is none.

    Source: https://cloud.google.com/service-mesh/docs/check-control-plane-implementation
    """
    return _of_membership("membershipStates", feature, region, cluster)


def membership_spec(feature: LookupResult, region: ResolvedRegion, cluster: LookupResult) -> dict[str, Any]:
    """Return a feature's configuration for one cluster; empty if there is none.

    Source: https://cloud.google.com/kubernetes-engine/fleet-management/docs/reference/rest/v1/projects.locations.features
    """
    return _of_membership("membershipSpecs", feature, region, cluster)


def _of_membership(field: str, feature: LookupResult, region: ResolvedRegion, cluster: LookupResult) -> dict[str, Any]:
    """Return an entry of a feature, whose keys have the project's number."""
    if not isinstance(feature, dict):
        return {}
    place = membership_path("", cluster).partition("/locations/")[2]
    place = place or f"{region.location}/memberships/{region.names.cluster}"
    for name, entry in feature.get(field, {}).items():
        if name.endswith(f"/locations/{place}"):
            return dict(entry)
    return {}

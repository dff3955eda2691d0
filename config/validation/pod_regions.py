"""Which regions have pods of a service, and of each of its versions."""

from config.environment import Environment
from config.services.service import Service

ALL_PODS = ""
"""Stands for the version of a service without `versions`."""


def regions_with_pods(environment: Environment, service: Service) -> dict[str, list[str]]:
    """Return the keys of the regions with pods of a service, by version.

    Retired regions have none. Every region has some of a service whose pods another pipeline deploys.
    """
    found: dict[str, list[str]] = {version: [] for version in service.versions or (ALL_PODS,)}
    for key in environment.regions_of(service):
        for version, scaling in zip(found, service.scalings_in(key), strict=True):
            if service.image is None or scaling != 0:
                found[version].append(key)
    return found


def requested_versions(service: Service) -> list[str]:
    """Return the versions that get requests."""
    return [version for version, weight in service.weights.items() if weight] or [ALL_PODS]

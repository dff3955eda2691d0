"""The environments of the lab, derived from the configured one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from config.environment import DEMO_SERVICE, Environment
from config.loading.load import parse_environment
from config.problems import ConfigError
from tests.local_mesh.errors import LocalMeshError

OTHER_REGIONS = (
    "asia-northeast3",
    "us-central1",
    "europe-west1",
    "asia-southeast1",
    "us-east4",
    "europe-west3",
    "australia-southeast1",
    "us-west1",
    "southamerica-east1",
    "asia-south1",
)
"""Regions that are added if the lab has more regions than the configuration."""

MOST_NUMBERS = 64


@dataclass(frozen=True)
class DemoSteps:
    """The environments of the demo's steps.

    Attributes:
        a: the demo without failover.
        b: with failover.
        c: with failover and ingress.
        d: `c`, with its last region with the demo drained.
    """

    a: Environment
    b: Environment
    c: Environment
    d: Environment

    @property
    def drained_region(self) -> str:
        """Key of the drained region."""
        return next(region.key for region in self.d.resolved_regions() if region.drained)


def demo_steps(environment: Environment) -> DemoSteps:
    """Return an environment's demo steps. Without certificates, the load balancers serve plain HTTP."""
    demo = environment.demo.model_copy(update={"enabled": True, "failover": True})
    ingress = environment.ingress.model_copy(update={"enabled": True, "plain_http": True})
    c = environment.model_copy(update={"demo": demo, "ingress": ingress})
    b = c.model_copy(update={"ingress": ingress.model_copy(update={"enabled": False})})
    a = b.model_copy(update={"demo": demo.model_copy(update={"failover": False})})
    last = list(c.deployments(c.all_services()[DEMO_SERVICE]))[-1]
    regions = {**c.regions, last: c.regions[last].model_copy(update={"drained": True})}
    return DemoSteps(a, b, c, d=c.model_copy(update={"regions": regions}))


def with_regions(file: Path, number: int, variables: Mapping[str, str]) -> Environment:
    """Return the environment of a configuration file with another number of regions, as `content_with_regions` does."""
    return _parse(content_with_regions(file, number, variables), variables)


def content_with_regions(file: Path, number: int, variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the content of a configuration file with another number of regions.

    The config cluster stays, then the other regions in their order; more are added at the end.

    Args:
        file: the configuration.
        number: of regions.
        variables: environment variables of the configuration.

    Raises:
        LocalMeshError: there are too few regions, or ranges for them.
    """
    data: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    configured: dict[str, Any] = data["regions"]
    first = data["ingress"]["config_cluster"]
    keys = [first, *(key for key in configured if key != first and not configured[key].get("retired"))]
    data["regions"] = {key: configured[key] for key in configured if key in keys[:number]}
    _remove_regions(data, set(configured) - set(data["regions"]))
    names = _other_regions({region["region"] for region in configured.values()})
    free = (key for key in map("region{}".format, count(len(data["regions"]) + 1)) if key not in configured)
    for _ in range(len(data["regions"]), number):
        _add_region(data, next(free), next(names, None), variables)
    return data


def _remove_regions(data: dict[str, Any], removed: set[str]) -> None:
    """Remove regions from the settings by region."""
    sections = [data.get("demo", {}).get("versions", {})]
    sections += [service.get("regions", {}) for service in data.get("services", {}).values()]
    for section in sections:
        for key in removed & set(section):
            del section[key]


def _add_region(data: dict[str, Any], key: str, name: str | None, variables: Mapping[str, str]) -> None:
    """Add a region with the first number whose ranges are free."""
    if name is None:
        raise LocalMeshError(f"at most {len(OTHER_REGIONS)} regions can be added to the configured ones")
    versions = data.get("demo", {}).get("versions")
    if versions:
        versions[key] = key
    problem = ""
    for number in range(MOST_NUMBERS):
        data["regions"][key] = {"region": name, "number": number}
        try:
            _parse(data, variables)
        except ConfigError as error:
            problem = str(error)
        else:
            return
    raise LocalMeshError(f"no address ranges are free for another region: {problem}")


def _other_regions(used: set[str]) -> Iterator[str]:
    return (name for name in OTHER_REGIONS if name not in used)


def _parse(data: dict[str, Any], variables: Mapping[str, str]) -> Environment:
    return parse_environment(yaml.safe_dump(data, sort_keys=False), "the lab's configuration", variables)

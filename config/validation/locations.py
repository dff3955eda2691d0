"""Warnings about regions, zones and machine types that are close to a known name, and are none.

Google adds others, so that an unknown name is accepted. `mesh doctor` looks every name up.
"""

import re
from collections.abc import Iterator, Sequence

from config.environment import Environment
from config.google_names import AS_OF, CUSTOM_SERIES, MACHINE_TYPES, REGIONS, zones_of
from config.problems import Problem
from config.spelling import distance

FARTHEST = 2
"""Most letters by which a name that is probably misspelt differs from the known one."""

_CUSTOM = re.compile(rf"(({'|'.join(CUSTOM_SERIES)})-)?custom-(\d+|micro|small|medium)-\d+(-ext)?")


def check_locations(environment: Environment) -> Iterator[Problem]:
    """Yield a warning for each region, zone and machine type that is probably misspelt."""
    for key, region in environment.regions.items():
        yield from _check_name(f"regions.{key}.region", region.region, "regions", REGIONS)
        if region.region in REGIONS:
            for index, zone in enumerate(region.zones):
                path = f"regions.{key}.zones[{index}]"
                if "-ai" not in zone.removeprefix(region.region):  # AI zones are few, and change often
                    yield from _check_name(path, zone, "zones", zones_of(region.region))
        if region.cluster.machine_type is not None:
            yield from _check_machine_type(f"regions.{key}.cluster.machine_type", region.cluster.machine_type)
    yield from _check_machine_type("cluster.machine_type", environment.cluster.machine_type)


def _check_machine_type(path: str, name: str) -> Iterator[Problem]:
    if _CUSTOM.fullmatch(name):
        return
    # A series that is known has no other sizes and shapes.
    of_series = [one for one in MACHINE_TYPES if one.partition("-")[0] == name.partition("-")[0]]
    yield from _check_name(
        path, name, "machine types", of_series or MACHINE_TYPES, len(name) if of_series else FARTHEST
    )


def _check_name(path: str, name: str, kind: str, known: Sequence[str], farthest: int = FARTHEST) -> Iterator[Problem]:
    if name in known:
        return
    alike = [one for one in known if abs(len(one) - len(name)) <= farthest and len(set(name) - set(one)) <= farthest]
    nearest = min(alike, key=lambda one: distance(name, one), default=None)  # the others are farther away
    if nearest is not None and distance(name, nearest) <= farthest:
        rule = f"is not among Google's {kind} of {AS_OF}; did you mean {nearest!r}? `mesh doctor` looks it up at Google"
        yield Problem(path, rule, name)

"""Derived names: every one fits its kind's length limits."""

from collections.abc import Iterator

from config.environment import Environment
from config.naming import Limit, RegionNames
from config.problems import Problem


def check_names(environment: Environment) -> Iterator[Problem]:
    yield from _check_lengths("project.name_prefix", environment.names.limits())
    for key in environment.regions:
        yield from _check_lengths(f"regions.{key}", RegionNames(environment.project.name_prefix, key).limits())


def _check_lengths(path: str, limits: Iterator[Limit]) -> Iterator[Problem]:
    for limit in limits:
        if len(limit.name) > limit.longest:
            rule = (
                f"the {limit.kind} would be called {limit.name!r}, {len(limit.name)} characters of {limit.longest} "
                "at most; shorten project.name_prefix or the region's key"
            )
            yield Problem(path, rule)
            return
        if len(limit.name) < limit.shortest:
            yield Problem(path, f"the {limit.kind} would be called {limit.name!r}, shorter than {limit.shortest}")
            return

"""Derived names: every one fits its kind's length limits."""

from collections.abc import Iterator

from config.environment import Environment
from config.naming import Limit
from config.problems import Problem

CONTROLLERS = {
    "gkemcg1": "multi-cluster Gateway",
    "gkemcs": "multi-cluster Services",
    "gsmrsvd": "Cloud Service Mesh",
    "mci": "Multi Cluster Ingress",
}
"""What the names of a Google controller's resources begin with, before a hyphen.

Sources: https://cloud.google.com/kubernetes-engine/docs/how-to/troubleshooting-and-ops,
https://cloud.google.com/kubernetes-engine/docs/how-to/deploying-multi-cluster-gateways,
https://cloud.google.com/service-mesh/docs/troubleshooting/troubleshoot-cleanup
"""


def check_names(environment: Environment) -> Iterator[Problem]:
    prefix = environment.project.name_prefix
    if controller := CONTROLLERS.get(prefix.partition("-")[0]):
        rule = (
            f"begins like the names that Google's {controller} gives: {prefix.partition('-')[0]}-…; choose another one"
        )
        yield Problem("project.name_prefix", rule, prefix)
    yield from _check_lengths("project.name_prefix", environment.names.limits())
    for key in environment.regions:
        yield from _check_lengths(f"regions.{key}", environment.region_names(key).limits())


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

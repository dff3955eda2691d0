"""`replicas` and `autoscaling` of services: one of them in each place, with bounds and metrics that fit."""

from collections.abc import Iterator

from config.environment import Environment
from config.problems import Problem
from config.services.pods import Pods, RegionalDeployment


def check_scaling(environment: Environment) -> Iterator[Problem]:
    for name, service in environment.services.items():
        yield from _check(f"services.{name}", service)
        for key, deployment in service.regions.items():
            yield from _check(f"services.{name}.regions.{key}", deployment)


def _check(path: str, one: Pods | RegionalDeployment) -> Iterator[Problem]:
    scaling = one.autoscaling
    if scaling is None:
        return
    if "replicas" in one.model_fields_set:
        rule = "can't be combined with autoscaling, which sets the number of pods; remove one of them"
        yield Problem(f"{path}.replicas", rule, one.replicas)
    if scaling.min_replicas > scaling.max_replicas:
        least = f"{scaling.min_replicas}{'' if 'min_replicas' in scaling.model_fields_set else ' by default'}"
        rule = f"is less than min_replicas, {least}"
        yield Problem(f"{path}.autoscaling.max_replicas", rule, scaling.max_replicas)
    if not scaling.targets:
        rule = "has no metric; add cpu or memory, a percentage of what the container requests"
        yield Problem(f"{path}.autoscaling", rule)

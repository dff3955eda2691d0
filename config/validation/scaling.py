"""`replicas` and `autoscaling` of services: one of them in each place, with bounds and metrics that fit."""

from collections.abc import Iterator

from config.environment import Environment
from config.grammar.quantity import AMOUNTS
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


def check_reachable_targets(environment: Environment) -> Iterator[Problem]:
    """Warn of targets that no use exceeds, because of the limit of the container, so that no pod is ever added."""
    for name, service in environment.services.items():
        requests, limits = service.resources.requests, service.resources.limits
        places: dict[str, Pods | RegionalDeployment] = {f"services.{name}": service}
        places |= {f"services.{name}.regions.{key}": one for key, one in service.regions.items()}
        for path, one in places.items():
            for key, percent in one.autoscaling.targets.items() if one.autoscaling else ():
                limit, amount = getattr(limits, key), AMOUNTS[key]
                if limit is not None and amount(limit) * 100 <= percent * amount(getattr(requests, key)):
                    rule = (
                        f"is never exceeded, so that no pod is added: resources.limits.{key} is {limit}, "
                        f"{amount(limit) * 100 // amount(getattr(requests, key))} % of the request; lower it, or raise "
                        "the limit"
                    )
                    yield Problem(f"{path}.autoscaling.{key}", rule, percent)

"""Pods of `services`: their resources."""

from collections.abc import Callable, Iterator

from config.cluster import vcpus
from config.environment import Environment
from config.grammar.quantity import byte_count, millicpus
from config.problems import Problem
from config.services.service import Service

AMOUNTS: dict[str, Callable[[str], int]] = {"cpu": millicpus, "memory": byte_count, "ephemeral_storage": byte_count}
"""How each resource is counted."""


def check_pods(environment: Environment) -> Iterator[Problem]:
    for name, service in environment.services.items():
        if service.image is None:
            continue  # check_services reports keys of pods
        path = f"services.{name}"
        yield from _check_limits(f"{path}.resources", service)
        yield from _check_nodes(environment, f"{path}.resources", service)


def _check_limits(path: str, service: Service) -> Iterator[Problem]:
    """Check that no request is more than its limit, which the API server refuses."""
    for key, amount in AMOUNTS.items():
        request, limit = (getattr(one, key) for one in (service.resources.requests, service.resources.limits))
        if request is not None and limit is not None and amount(limit) < amount(request):
            rule = f"is less than requests.{key}: {request}; raise it, or lower the request"
            yield Problem(f"{path}.limits.{key}", rule, limit)


def _check_nodes(environment: Environment, path: str, service: Service) -> Iterator[Problem]:
    """Check that a node of each region has the CPUs that a pod requests. Some of them are the node's own."""
    requested = service.resources.requests.cpu
    for key in service.regions or environment.regions:
        if key not in environment.regions:
            continue  # check_services reports it
        machine = environment.cluster.node_pool(environment.regions[key].cluster).machine_type
        cpus = vcpus(machine)
        if cpus is not None and millicpus(requested) >= cpus * 1000:
            rule = (
                f"is more than a node in {key} can give: {machine} has {cpus} vCPUs, some of them for the node itself; "
                "lower it, or choose another machine_type"
            )
            yield Problem(f"{path}.requests.cpu", rule, requested)
            return

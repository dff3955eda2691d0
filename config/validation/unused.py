"""Keys that do nothing: what a file gives, and another of its keys switches off. Each is a warning, which says why.

A key with its default value is not reported. `tests/config/test_unused_keys.py` compares every
key of the schema with what the stacks are built from.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pydantic import BaseModel

from config.demo import CLIENT_APP, DEMO_NAMESPACE
from config.environment import DEMO_SERVICE, Environment
from config.ingress import INTERNAL
from config.naming import GATEWAY_NAME, GATEWAY_NAMESPACE
from config.problems import Problem, Suggestion
from config.services.cors import ANY, Cors
from config.services.outlier_detection import OutlierDetection
from config.services.service import Service
from config.services.versions import version_settings
from config.validation.addresses import PROXIES, range_kinds
from config.validation.duplicates import check_duplicates
from config.validation.ingress import LEAST_REPLICAS

SHAPE = ("machine_type", "min_nodes", "max_nodes", "disk_size_gb", "secure_boot")
"""Keys of ``cluster`` that a region can have of its own."""

MOST_NAMED = 5
"""Most keys that one warning names."""


def check_unused(environment: Environment) -> Iterator[Problem]:
    """Warn of keys that have no effect, in an environment without problems."""
    yield from _check_switches(environment)
    yield from _check_overridden(environment)
    yield from _check_retired(environment)
    yield from _check_services(environment)
    yield from _check_callers(environment)
    yield from _check_lists(environment)


def _check_lists(environment: Environment) -> Iterator[Problem]:
    """Check lists of services, of which an item repeats or includes another one."""
    for name, service in environment.services.items():
        seen: dict[tuple[object, ...], int] = {}
        for index, source in enumerate(service.env_from):
            first = seen.setdefault((source.chosen, getattr(source, source.chosen), source.prefix), index)
            if first != index:
                path = f"services.{name}.env_from"
                yield _unused(f"{path}[{first}]", f"{path}[{index}] is the same, and a later one has precedence")
        for index, route in enumerate(service.routes):
            if route.cors is not None:
                yield from _check_cors(f"services.{name}.routes[{index}].cors", route.cors)


def _check_cors(path: str, cors: Cors) -> Iterator[Problem]:
    for key in ("allow_origins", "allow_methods", "allow_headers", "expose_headers"):
        values = getattr(cors, key)
        yield from check_duplicates(f"{path}.{key}", values)
        if ANY in values and any(value != ANY for value in values):
            yield Problem(f"{path}.{key}", "has '*', which is all of them; take the others away, or '*'")


def _check_switches(environment: Environment) -> Iterator[Problem]:
    """Check sections whose switch is off, or whose control plane mode does not read them."""
    ingress, cluster = environment.ingress, environment.cluster
    if not ingress.enabled:
        for key in _given(ingress, but=("enabled", "config_cluster")):
            yield _unused(f"ingress.{key}", "ingress.enabled is false")
        for name, service in environment.services.items():
            if service.routes:
                yield _unused(f"services.{name}.routes", "ingress.enabled is false")
    if INTERNAL not in ingress.exposures:
        why = "ingress.exposure is external" if ingress.enabled else "ingress.enabled is false"
        for key in _given(environment.network.address_plan, only=(PROXIES,)):
            yield _unused(f"network.address_plan.{key}", why)
        for region, one in environment.regions.items():
            if one.proxies is not None:
                yield _unused(f"regions.{region}.{PROXIES}", why)
    if ingress.enabled and ingress.single_replica and ingress.min_replicas >= LEAST_REPLICAS:
        yield _unused("ingress.single_replica", f"ingress.min_replicas is {ingress.min_replicas}")
    if not environment.demo.enabled:
        for key in _given(environment.demo, but=("enabled", "client_image")):  # Jobs of `mesh verify` have it, too
            yield _unused(f"demo.{key}", "demo.enabled is false")
    elif not environment.demo.failover and environment.demo.outlier_detection != OutlierDetection():
        yield _unused("demo.outlier_detection", "demo.failover is false")
    for name, service in environment.services.items():
        if not service.failover and service.outlier_detection != OutlierDetection():
            yield _unused(f"services.{name}.outlier_detection", f"services.{name}.failover is false")
    if not environment.mesh.default_deny:
        authorized = "mesh.default_deny is false, so that every caller is authorized"
        for name, service in environment.services.items():
            if service.allow_from:
                yield _unused(f"services.{name}.allow_from", authorized)
        for name, namespace in environment.mesh.namespaces.items():
            if namespace.allow_from:
                yield _unused(f"mesh.namespaces.{name}.allow_from", authorized)
    if not cluster.maintenance_windows:
        for path in _maintenance_starts(environment):
            yield _unused(path, "cluster.maintenance_windows is false")
    mode = environment.mesh.control_plane
    if environment.control_plane.installer == "asmcli":
        for key in _given(environment.mesh, only=("kubectl_image",)):
            yield _unused(f"mesh.{key}", f"mesh.control_plane is {mode}, which runs no Job")
        asmcli = environment.mesh.asmcli
        if asmcli.file is not None and not environment.control_plane.runs_on_nodes:
            for key in _given(asmcli, only=("version",)):
                yield _unused(f"mesh.asmcli.{key}", "mesh.asmcli.file is used in place of the download")
    else:
        for key in _given(environment.mesh.asmcli):
            yield _unused(f"mesh.asmcli.{key}", f"mesh.control_plane is {mode}, which needs no asmcli")


def _maintenance_starts(environment: Environment) -> Iterator[str]:
    for key in _given(environment.cluster, only=("maintenance_start",)):
        yield f"cluster.{key}"
    for region, one in environment.regions.items():
        if one.maintenance_start is not None:
            yield f"regions.{region}.maintenance_start"


def _check_overridden(environment: Environment) -> Iterator[Problem]:
    """Check what holds for all regions, where each region has its own."""
    regions = environment.regions.values()
    cluster = environment.cluster
    for key in _given(cluster, only=SHAPE):
        if all(getattr(region.cluster, key) is not None for region in regions):
            yield _unused(f"cluster.{key}", "each region has its own")
    windows = cluster.maintenance_windows
    if windows and all(region.maintenance_start is not None for region in regions):
        for key in _given(cluster, only=("maintenance_start",)):
            yield _unused(f"cluster.{key}", "each region has its own")
    kinds = range_kinds(environment)
    for kind in _given(environment.network.address_plan, only=kinds):
        if all(getattr(region, kind) is not None for region in regions):
            yield _unused(f"network.address_plan.{kind}", f"each region gives its own {kind}")
    for key, region in environment.regions.items():
        has_ranges = all(getattr(region, kind) is not None for kind in kinds)
        if region.number is not None and has_ranges and (region.maintenance_start is not None or not windows):
            yield _unused(
                f"regions.{key}.number", "the region gives all its ranges, and its maintenance does not follow"
            )
    for name, service in environment.services.items():
        yield from _check_overridden_pods(f"services.{name}", service)


def _check_overridden_pods(path: str, service: Service) -> Iterator[Problem]:
    """Check the pods of a service, where each of its regions or versions has settings of its own."""
    versions = [version_settings(one) for one in service.versions.values()]
    if versions and all(one.image is not None for one in versions):
        yield _unused(f"{path}.image", "each of its versions has its own; leave out that of one version")
    number = ("replicas", "autoscaling")
    if versions and all(one.replicas is not None for one in versions):
        for key in _given(service, only=number):
            yield _unused(f"{path}.{key}", "each of its versions has its own")
        for region, one in service.regions.items():
            for key in _given(one, only=number):
                yield _unused(f"{path}.regions.{region}.{key}", "each version has its own")
    elif service.regions and all(
        one.replicas is not None or one.autoscaling is not None for one in service.regions.values()
    ):
        for key in _given(service, only=number):
            yield _unused(f"{path}.{key}", "each of its regions has its own")


def _check_retired(environment: Environment) -> Iterator[Problem]:
    """Check what is given for regions in which nothing runs any more: one warning for each region."""
    for key, region in environment.regions.items():
        if not region.retired:
            continue
        idle = [f"services.{name}.regions.{key}" for name, one in environment.services.items() if key in one.regions]
        if environment.demo.enabled and key in environment.demo.versions:
            idle.append(f"demo.versions.{key}")
        if idle:
            more = f" and {len(idle) - MOST_NAMED} more" if len(idle) > MOST_NAMED else ""
            names = f"{', '.join(idle[:MOST_NAMED])}{more}"
            rule = f"leaves {names} without effect, as nothing runs in a retired region; remove them"
            yield Problem(f"regions.{key}.retired", rule)


def _check_services(environment: Environment) -> Iterator[Problem]:
    """Check that each service, and the demo, has pods somewhere."""
    for name, service in environment.all_services().items():
        path = "demo" if name == DEMO_SERVICE and environment.demo.enabled else f"services.{name}"
        runs = environment.regions_of(service)
        if not runs:
            rule = f"runs nowhere: {', '.join(service.regions)} {_are(service.regions)} retired; name another region"
            yield Problem(path, rule)
        elif service.image is not None and all(one == 0 for key in runs for one in service.scalings_in(key)):
            yield Problem(path, "has no pods: replicas is 0 in each of its regions, so that calls fail")


def _are(names: Sequence[str] | Any) -> str:
    return "is" if len(names) == 1 else "are"


def _check_callers(environment: Environment) -> Iterator[Problem]:
    """Check that callers are services of this file, where they seem to be meant, and whom a namespace authorizes."""
    if not environment.mesh.default_deny:
        return  # they are reported as a whole
    services = environment.all_services()
    known = {f"{one.namespace}/{name}": None for name, one in services.items()}
    if environment.demo.enabled:
        known[f"{DEMO_NAMESPACE}/{CLIENT_APP}"] = None
    if environment.ingress.enabled:
        known[f"{GATEWAY_NAMESPACE}/{GATEWAY_NAME}"] = None
    given = [
        *((f"services.{name}.allow_from", one.allow_from) for name, one in environment.services.items()),
        *((f"mesh.namespaces.{name}.allow_from", one.allow_from) for name, one in environment.mesh.namespaces.items()),
    ]
    for path, callers in given:
        yield from _check_known_callers(path, callers, known, environment.mesh.namespaces)
    for name, namespace in environment.mesh.namespaces.items():
        inside = [key for key, one in environment.services.items() if one.namespace == name]
        if namespace.allow_from and inside:
            more = f" and {len(inside) - MOST_NAMED} more" if len(inside) > MOST_NAMED else ""
            rule = (
                f"also authorizes its callers to call {', '.join(inside[:MOST_NAMED])}{more}, as policies add up; to "
                "prevent that, choose another namespace for services"
            )
            yield Problem(f"mesh.namespaces.{name}.allow_from", rule)


def _check_known_callers(
    path: str, callers: Sequence[str], known: Iterable[str], others: Iterable[str]
) -> Iterator[Problem]:
    """Check callers of one list.

    Args:
        path: of the list.
        callers: the list.
        known: accounts of this file.
        others: namespaces whose accounts other pipelines create.
    """
    accounts = dict.fromkeys(known)
    spaces = dict.fromkeys([*(f"{one.partition('/')[0]}/*" for one in accounts), *(f"{one}/*" for one in others)])
    yield from check_duplicates(path, callers)
    for index, caller in enumerate(callers):
        namespace, _, account = caller.partition("/")
        candidates = spaces if account == "*" else accounts
        if account and caller not in candidates and namespace not in others:
            what = "namespace" if account == "*" else "account"
            rule = f"is no {what} of this file; unless something else creates it, the entry authorizes nothing"
            yield Problem(f"{path}[{index}]", rule, caller, Suggestion(caller, candidates))


def _given(model: BaseModel, only: Sequence[str] | None = None, but: Sequence[str] = ()) -> Iterator[str]:
    """Yield the keys of a section that the file gives, with another value than the default."""
    for key, field in type(model).model_fields.items():
        wanted = key not in but if only is None else key in only
        if wanted and key in model.model_fields_set and getattr(model, key) != field.default:
            yield key


def _unused(path: str, why: str) -> Problem:
    return Problem(path, f"has no effect: {why}")

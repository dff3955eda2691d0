"""`services` and `demo`: names, callers and Deployments."""

from collections.abc import Iterator, Mapping, Sequence

from config.environment import DEMO_SERVICE, Environment
from config.grammar import reserved
from config.problems import Problem, Suggestion, quoted
from config.services.pods import Pods
from config.services.service import Service
from config.services.versions import VersionSettings
from config.validation.references import check_region_key


def check_services(environment: Environment) -> Iterator[Problem]:
    demo = environment.demo
    known = environment.all_services()
    for key in demo.versions:
        yield from check_region_key(environment, f"demo.versions.{key}", key)
    for name, namespace in environment.mesh.namespaces.items():
        yield from _check_callers(f"mesh.namespaces.{name}", namespace.allow_from, known)
    for name, service in environment.services.items():
        path = f"services.{name}"
        if name in (DEMO_SERVICE, "sleep") and demo.enabled:
            yield Problem(path, "is the name of a part of the demo; choose another, or set demo.enabled: false")
        for key in service.regions:
            yield from check_region_key(environment, f"{path}.regions.{key}", key)
        yield from _check_callers(path, service.allow_from, known)
        yield from _check_own_pods(path, service) if service.image else _check_pods_of_another_pipeline(path, service)
        yield from _check_failover_threshold(environment, path, service)
    yield from _check_deployment_names(environment)


def _check_callers(path: str, allow_from: Sequence[str], known: Mapping[str, Service]) -> Iterator[Problem]:
    for index, caller in enumerate(allow_from):
        if "/" not in caller and caller not in known:
            rule = f"is no service of this file ({', '.join(known)}); others are written NAMESPACE/ACCOUNT"
            yield Problem(f"{path}.allow_from[{index}]", rule, caller, Suggestion(caller, known))


def _check_own_pods(path: str, service: Service) -> Iterator[Problem]:
    if service.root and service.user is not None:
        yield Problem(f"{path}.root", f"does not go with user: {service.user}; take one of them away", True)
    places = {"env": service.env, **{f"regions.{key}.env": one.env for key, one in service.regions.items()}}
    if found := [place for place, env in places.items() if service.version_env in env]:
        yield Problem(f"{path}.version_env", f"is also in {found[0]}; remove one of them", service.version_env)
    for label, owner in reserved.POD_LABELS.items():
        if label in service.labels:
            yield Problem(f"{path}.labels.{label}", f"{owner}; remove it", service.labels[label])


def _check_pods_of_another_pipeline(path: str, service: Service) -> Iterator[Problem]:
    """Check that a service without an image has no key of pods, which another pipeline deploys."""
    given = [f"{path}.{key}" for key in Pods.model_fields if key in service.model_fields_set]
    given += [f"{path}.regions.{key}.{own}" for key, one in service.regions.items() for own in one.model_fields_set]
    for version, settings in service.versions.items():
        if isinstance(settings, VersionSettings):
            own = sorted(settings.model_fields_set - {"weight"})
            given += [f"{path}.versions.{quoted(version)}.{key}" for key in own]
    for key in given:
        rule = (
            f"describes pods, which another pipeline deploys (docs/workloads.md), as {path} has no image; take it "
            "away, or give the service an image"
        )
        yield Problem(key, rule)


def _check_failover_threshold(environment: Environment, path: str, service: Service) -> Iterator[Problem]:
    if service.failover_threshold is None:
        return
    if not environment.control_plane.takes_failover_threshold:
        rule = (
            f"has no effect with mesh.control_plane: {environment.mesh.control_plane}, whose proxies fail over by "
            "outlier detection; leave it out, or choose mesh.control_plane: fleet"
        )
        yield Problem(f"{path}.failover_threshold", rule, service.failover_threshold)
    elif not service.failover:
        rule = "does not go with failover: false; take one of them away"
        yield Problem(f"{path}.failover_threshold", rule, service.failover_threshold)


def _check_deployment_names(environment: Environment) -> Iterator[Problem]:
    """Check that no two Deployments have one name: it is SERVICE-VERSION, so a-b of c is also a of b-c."""
    owners: dict[tuple[str, str, str], str] = {}
    for name, service in _with_prefixes(environment.all_services()).items():
        for key in (service.regions or environment.regions) if service.image is not None else ():
            deployments = [f"{name}-{one.version}" for one in service.deployments_in(key)]
            taken = [(one, owners.setdefault((key, service.namespace, one), name)) for one in deployments]
            if others := [(one, owner) for one, owner in taken if owner != name]:
                deployment, owner = others[0]
                rule = (
                    f"its Deployment in {key} would be called {deployment!r}, and so is that of {owner}; "
                    "choose another name, version or namespace"
                )
                yield Problem(f"services.{name}", rule)
                break


def _with_prefixes(services: Mapping[str, Service]) -> dict[str, Service]:
    """Return the services whose names begin with that of another one and a hyphen, and those others."""
    found = set()
    for name in services:
        parts = name.split("-")
        above = {"-".join(parts[:count]) for count in range(1, len(parts))} & services.keys()
        found |= above | {name} if above else set()
    return {name: one for name, one in services.items() if name in found}

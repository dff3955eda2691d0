"""`regions.*.drained`: what is left to serve."""

from collections.abc import Iterator

from config.environment import Environment
from config.problems import Problem, quoted
from config.validation.pod_regions import ALL_PODS, regions_with_pods, requested_versions


def check_drained(environment: Environment) -> Iterator[Problem]:
    in_mesh = {key: region for key, region in environment.regions.items() if not region.retired}
    serving = {key for key, region in in_mesh.items() if not region.drained}
    if in_mesh.keys() == serving:
        return
    if not serving:
        rule = "all are drained or retired, so that nothing is served; set drained: false for one of them"
        yield Problem("regions", rule)
        return
    for name, service in environment.all_services().items():
        regions = regions_with_pods(environment, service)
        for version in requested_versions(service):
            if regions[version] and not serving.intersection(regions[version]):
                are = "which is" if len(regions[version]) == 1 else "which are"
                rule = (
                    f"has pods only in {', '.join(regions[version])}, {are} drained, so that no region serves it; run "
                    "it in another region too, or set drained: false there"
                )
                path = "demo" if name == environment.demo_name else f"services.{name}"
                yield Problem(path if version == ALL_PODS else f"{path}.versions.{quoted(version)}", rule)

"""`regions.*.drained`: what is left to serve."""

from collections.abc import Iterator

from config.environment import Environment
from config.problems import Problem
from config.services.pods import RegionalDeployment


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
        deployments = service.regions or dict.fromkeys(in_mesh, RegionalDeployment())
        pods = [
            key
            for key, one in deployments.items()
            if key in in_mesh and (service.image is None or service.scaling_in(one) != 0)
        ]
        if pods and not serving.intersection(pods):
            are = "which is" if len(pods) == 1 else "which are"
            rule = (
                f"has pods only in {', '.join(pods)}, {are} drained, so that no region serves it; run it in another "
                "region too, or set drained: false there"
            )
            yield Problem("demo" if name == environment.demo_name else f"services.{name}", rule)

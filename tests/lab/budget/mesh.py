"""The services of the budget in a running lab, and the load on them."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from config.demo import CLIENT_APP, DEMO_NAMESPACE
from config.environment import Environment
from config.loading.load import parse_environment
from config.naming import GATEWAY_NAME, GATEWAY_NAMESPACE
from tests.lab.budget.faults import NAMESPACE
from tests.lab.budget.limits import LOAD_BALANCER
from tests.lab.budget.load import Load, Target
from tests.lab.demo import PUBLIC_HOST
from tests.local_mesh.front_end import Endpoints, FrontEnd
from tests.local_mesh.load_balancer import LoadBalancer
from tests.local_mesh.rendered import Object
from tests.local_mesh.toolchain import Toolchain

if TYPE_CHECKING:  # unit tests do not need the lab's packages
    from tests.local_mesh.environment import LocalMesh

FILE = Path(__file__).parent / "services.yaml"
PORT = 8080


def with_budget_services(environment: Environment, services: Mapping[str, Any]) -> Environment:
    """Return an environment with services in every region, each with a route of its name.

    Args:
        environment: of the lab.
        services: in the language of ``services`` in mesh.yaml.
    """
    content = environment.model_dump(mode="json", exclude_defaults=True)
    regions = [region.key for region in environment.resolved_regions() if not region.retired]
    content["services"] = {
        name: copy.deepcopy(service)  # YAML would have an alias for a part of two services
        | {
            "regions": {region: {"version": region} for region in regions},
            "routes": [{"path": f"/{name}", "match": "prefix"}],
        }
        for name, service in services.items()
    }
    return parse_environment(yaml.safe_dump(content, sort_keys=False), "the budget's services", {})


def with_drained(environment: Environment, region: str) -> Environment:
    """Return an environment with a drained region."""
    content = environment.model_dump(mode="json", exclude_defaults=True)
    content["regions"][region]["drained"] = True
    return parse_environment(yaml.safe_dump(content, sort_keys=False), "the drained environment", {})


def read_services() -> dict[str, Any]:
    """Return the services of `FILE`."""
    content = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return {name: content["common"] | keys for name, keys in content["services"].items()}


def outlier_numbers(objects: Sequence[Object], service: str) -> str:
    """Return the numbers of a service's outlier detection: the first one has none of its own."""
    [rule] = [
        one["spec"]["trafficPolicy"]["outlierDetection"]
        for one in objects
        if (one["kind"], one["metadata"]["name"]) == ("DestinationRule", service)
    ]
    return f"{rule['consecutive5xxErrors']} errors, interval {rule['interval']}, ejection {rule['baseEjectionTime']}"


ClientKey = tuple[str, str]
"""Name of a client, and its region."""

Plan = Mapping[ClientKey, tuple[Sequence[str], int]]
"""For each client, the services that it calls, and the requests a second to each."""


class BudgetMesh:
    """The clients of the services.

    Attributes:
        lab: the running mesh.
        load_balancer: in front of its gateways.
        front_end: what it serves.
    """

    def __init__(self, lab: "LocalMesh", tools: Toolchain, front_end: FrontEnd, folder: Path, log: Path) -> None:
        """Prepare the load balancer.

        Args:
            lab: the running mesh, with the services.
            tools: the toolchain.
            front_end: of the load balancer.
            folder: for files.
            log: of the load balancer.
        """
        self.front_end = front_end
        self.lab = lab
        self._tools = tools
        self._folder = folder
        self._loads = 0
        self._addresses: dict[tuple[str, str], str] = {}
        self.load_balancer = LoadBalancer(tools, list(lab.regions), folder / "load-balancer", log)

    def gateways(self, drained: str | None = None) -> Endpoints:
        """Return the addresses of the gateways that the load balancer uses."""
        found = {
            key: [str(pod.address) for pod in region.agent.pods(GATEWAY_NAMESPACE, GATEWAY_NAME)]
            for key, region in self.lab.regions.items()
            if key != drained
        }
        return dict.fromkeys(self.front_end.backends, found)

    @contextmanager
    def clients(self, plan: Plan) -> Iterator[dict[ClientKey, Load]]:
        """Send requests while the block runs, and yield the load of each client."""
        with ExitStack() as stack:
            yield {key: stack.enter_context(self._load(*key, *what)) for key, what in plan.items()}

    def _load(self, client: str, region: str, services: Sequence[str], rate: int) -> Load:
        self._loads += 1
        folder = self._folder / "load" / str(self._loads)
        if client == LOAD_BALANCER:
            address = self.load_balancer.address(region)
            host = next(iter(self.front_end.hosts), PUBLIC_HOST)
            return Load(self._tools, [Target(name, address, host) for name in services], rate, folder, None)
        pod = self.lab.pod(region, DEMO_NAMESPACE, CLIENT_APP)
        targets = [
            Target(name, f"{self._address(region, name)}:{PORT}", f"{name}.{NAMESPACE}:{PORT}") for name in services
        ]
        return Load(self._tools, targets, rate, folder, self.lab.network.pod(f"{region}.{pod.name}"))

    def _address(self, region: str, name: str) -> str:
        if (region, name) not in self._addresses:
            self._addresses[region, name] = self.lab.regions[region].service_address(NAMESPACE, name)
        return self._addresses[region, name]

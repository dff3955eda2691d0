"""The services of `services.yaml` in a running lab, and the environments that have them."""

import copy
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from config.demo import CLIENT_APP, DEMO_NAMESPACE
from config.environment import Environment
from config.loading.load import parse_environment
from config.naming import GATEWAY_NAME, GATEWAY_NAMESPACE
from tests.lab.authorization import copy_client
from tests.lab.demo import GATEWAY_PORT, SETTLE_SECONDS
from tests.lab.pipeline import WORKLOADS, render_kustomize
from tests.local_mesh.application.facts import JSON
from tests.local_mesh.grpc_client import GrpcClient
from tests.local_mesh.rendered import Object
from tests.local_mesh.traffic import Client, TcpClient

if TYPE_CHECKING:  # unit tests do not need the lab's packages
    from tests.local_mesh.environment import LocalMesh
    from tests.local_mesh.namespace import Namespace

FILE = Path(__file__).parent / "services.yaml"

NAMESPACE = "lab"
HTTP, HTTP2, GRPC, TCP = "lab-http", "lab-http2", "lab-grpc", "lab-tcp"
"""The services, each named after the protocol of its main port."""

VERSIONS, WEIGHTS = "lab-versions", "lab-weights"
"""Services whose requests are split: between versions, and between regions."""

OTHER_WEIGHT = 30
"""Percentage of the requests of the first region's clients that go to the second region."""

SHOP_HOST, API_HOST, OTHER_HOST = "shop.lab.example", "api.lab.example", "other.lab.example"
"""Hosts of the load balancer: two with routes of their own, and one without."""

DEMO_CALLER = f"{DEMO_NAMESPACE}/{CLIENT_APP}"
"""The demo's client, as the services' `allow_from` has it."""

SHOP, CATALOG, PRICES, JOBS = "shop", "catalog", "prices", "shop-jobs"
"""Of the example of another pipeline: the namespace, its two services, and a namespace without a service."""


def with_services(environment: Environment) -> Environment:
    """Return an environment with the lab's services, and those of the example of another pipeline."""
    content = environment.model_dump(mode="json", exclude_defaults=True)
    regions = [region.key for region in environment.resolved_regions() if not region.retired]
    services: dict[str, Any] = _read(FILE)
    for service in services.values():
        service["regions"] = {region: {} if "versions" in service else {"version": region} for region in regions}
    if len(regions) > 1 and not environment.control_plane.takes_failover_threshold:
        first, second = regions[:2]
        services[WEIGHTS]["region_weights"] = {first: {first: 100 - OTHER_WEIGHT, second: OTHER_WEIGHT}}
    example = _read(WORKLOADS / "mesh.yaml")
    example["services"][PRICES]["regions"] = {regions[-1]: {}}
    content["services"] = {**content.get("services", {}), **services, **example["services"]}
    mesh = content.setdefault("mesh", {})
    mesh["namespaces"] = {**mesh.get("namespaces", {}), **example["mesh"]["namespaces"]}
    if domains := content["ingress"].get("domains"):
        content["ingress"]["domains"] = [*domains, SHOP_HOST, API_HOST, OTHER_HOST]
    return parse_environment(yaml.safe_dump(content, sort_keys=False), "the lab's services", {})


def with_pipeline(rendered: Mapping[str, Sequence[Object]], kubectl: Path) -> dict[str, list[Object]]:
    """Return the objects of each region with those that terraform does not create.

    They are the Deployments of the example of another pipeline, with one pod each, and a copy of the demo's
    client in a namespace without a service.

    Args:
        rendered: the objects that the project renders.
        kubectl: the program.
    """
    last = [region for region, objects in rendered.items() if objects][-1]  # a retired region has none
    found = {}
    for region, objects in rendered.items():
        deployed = render_kustomize("osaka" if region == last else "tokyo", kubectl)
        for one in deployed:
            one["spec"]["replicas"] = 1
        found[region] = [*objects, *copy_client(objects, JOBS), *deployed]
    return found


def with_tag(rendered: Mapping[str, Sequence[Object]], region: str, tag: str) -> dict[str, list[Object]]:
    """Return the objects of each region, with another tag for the images of the lab's services in one region."""
    return {
        key: [_with_tag(one, tag) if key == region else one for one in objects] for key, objects in rendered.items()
    }


def _with_tag(manifest: Object, tag: str) -> Object:
    if manifest["kind"] != "Deployment" or manifest["metadata"]["namespace"] != NAMESPACE:
        return manifest
    changed = copy.deepcopy(manifest)
    for container in changed["spec"]["template"]["spec"]["containers"]:
        container["image"] = f"{container['image'].rpartition(':')[0]}:{tag}"
    return changed


def _read(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return content


@dataclass(frozen=True)
class LabServices:
    """The clients of the services.

    Attributes:
        lab: the running mesh.
        environment: of the lab.
    """

    lab: "LocalMesh"
    environment: Environment

    @property
    def regions(self) -> list[str]:
        """Keys of the regions."""
        return list(self.lab.regions)

    def gateway(self, region: str, host: str, method: str = "GET", headers: dict[str, str] | None = None) -> Client:
        """Return a client that sends requests to a gateway as the load balancer does."""
        pod = self.lab.pod(region, GATEWAY_NAMESPACE, GATEWAY_NAME)
        return Client(str(pod.address), GATEWAY_PORT, host, headers={"Accept": JSON, **(headers or {})}, method=method)

    def http(self, region: str, service: str, port: int, caller: str = DEMO_CALLER) -> Client:
        """Return a client in a region's pod, which sends HTTP/1.1 to its sidecar.

        Args:
            region: of the client.
            service: NAMESPACE/NAME of the service that gets the requests.
            port: of the service.
            caller: NAMESPACE/APP of the client.
        """
        namespace, _, name = service.partition("/")
        caller_namespace, _, app = caller.partition("/")
        client = self.lab.pod(region, caller_namespace, app)
        return Client(
            self.lab.regions[region].service_address(namespace, name),
            port,
            f"{name}.{namespace}:{port}",
            where=self.lab.network.pod(f"{region}.{client.name}"),
            headers={"Accept": JSON},
        )

    def gateway_namespace(self, region: str) -> "Namespace":
        """Return where the gateway runs that gets the requests of `gateway`."""
        return self.lab.network.pod(f"{region}.{self.lab.pod(region, GATEWAY_NAMESPACE, GATEWAY_NAME).name}")

    def outsider(self, region: str, service: str, port: int) -> Client:
        """Return a client without a sidecar, which sends requests to a pod of a service."""
        namespace, _, name = service.partition("/")
        return Client(str(self.lab.pod(region, namespace, name).address), port, name)

    def grpc(self, region: str, caller: str = DEMO_CALLER) -> GrpcClient:
        client = self.http(region, f"{NAMESPACE}/{GRPC}", 9000, caller)
        assert client.where is not None
        return GrpcClient(client.address, client.port, client.host, client.where)

    def tcp(self, region: str, caller: str = DEMO_CALLER) -> TcpClient:
        client = self.http(region, f"{NAMESPACE}/{TCP}", 5432, caller)
        assert client.where is not None
        return TcpClient(client.address, client.port, client.where)

    def nearest_grpc_pods(self, region: str) -> int:
        """Return how many pods share the requests of the demo's client: those in its zone, else all of the region.

        Source: https://istio.io/latest/docs/tasks/traffic-management/locality-load-balancing/
        """
        client = self.lab.pod(region, DEMO_NAMESPACE, CLIENT_APP)
        nodes = [pod.node for pod in self.lab.regions[region].agent.pods(NAMESPACE, GRPC)]  # one for each zone
        return nodes.count(client.node) or len(nodes)

    def settle(self) -> None:
        """Send requests until every region uses its own pods, all of them, or for a minute.

        Proxies take some seconds to know all services. Checks send their own requests afterwards.
        """
        deadline = time.monotonic() + SETTLE_SECONDS
        for region in self.regions:
            while not self._uses_own_pods(region) and time.monotonic() < deadline:
                self.lab.check()
                time.sleep(0.2)

    def _uses_own_pods(self, region: str) -> bool:
        grpc = self.grpc(region).send(20)
        responses = [
            *self.gateway(region, SHOP_HOST).send("/", 3),
            *self.gateway(region, API_HOST).send("/", 3),
            *self.http(region, f"{NAMESPACE}/{HTTP}", 8080).send("/", 3),
            *self.tcp(region).send(3),
            *grpc,
        ]
        pods = {response.facts.get("instance") for response in grpc}
        return all(response.version == region for response in responses) and len(pods) == self.nearest_grpc_pods(region)

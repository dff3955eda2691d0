"""The demo in a running lab."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from config.demo import CLIENT_APP
from config.environment import DEMO_SERVICE, Environment
from config.naming import GATEWAY_NAME, GATEWAY_NAMESPACE
from config.services.service import Service
from tests.local_mesh.errors import LocalMeshError
from tests.local_mesh.traffic import Client, DemoResponse

if TYPE_CHECKING:  # unit tests do not need the lab's packages
    from tests.local_mesh.environment import LocalMesh

GATEWAY_PORT = 80
STATUS_PORT = 15021
STATUS_PATH = "/healthz/ready"
TRUST_DOMAIN = "cluster.local"
PUBLIC_HOST = "mesh.example"

SETTLE_SECONDS = 60


@dataclass(frozen=True)
class LabDemo:
    """The demo's clients, gateways and versions.

    Attributes:
        lab: the running mesh.
        environment: of the lab.
    """

    lab: "LocalMesh"
    environment: Environment

    @property
    def versions(self) -> dict[str, str]:
        """The version in each region that has the service."""
        deployments = self.environment.deployments(self.service)
        return {key: deployment.version for key, (deployment,) in deployments.items()}

    @property
    def service(self) -> Service:
        return self.environment.all_services()[DEMO_SERVICE]

    @property
    def path(self) -> str:
        return str(self.service.routes[0].path[0])

    @property
    def client_identity(self) -> str:
        """Identity in the certificate of the client's sidecar."""
        return f"URI=spiffe://{TRUST_DOMAIN}/ns/{self.service.namespace}/sa/{CLIENT_APP}"

    def client(self, region: str) -> Client:
        """Return the client in a region, which sends requests as ``curl helloworld.sample:5000`` does."""
        service = self.service
        return self.lab.client(
            region, namespace=service.namespace, app=CLIENT_APP, service=DEMO_SERVICE, port=service.port
        )

    def gateways(self, region: str) -> list[Client]:
        """Return a client for each gateway of a region, which sends requests as the load balancer does."""
        pods = self.lab.regions[region].agent.pods(GATEWAY_NAMESPACE, GATEWAY_NAME)
        if not pods:
            raise LocalMeshError(f"{region} has no gateway pod")
        return [Client(str(pod.address), GATEWAY_PORT, PUBLIC_HOST) for pod in pods]

    def reaches(self, region: str, other: str) -> bool:
        """Return whether a pod of a region reaches a gateway of another one directly, without the mesh."""
        gateway = self.gateways(other)[0]
        status = Client(gateway.address, STATUS_PORT, PUBLIC_HOST, where=self.client(region).where)
        return status.send(STATUS_PATH, 1)[0].ok

    def settle(
        self, clients: Sequence[Client], condition: Callable[[Sequence[DemoResponse]], bool], batch: int
    ) -> float:
        """Send requests until all clients' responses meet a condition, or for a minute.

        The control planes need some seconds to configure all proxies. Checks send their own
        requests afterwards.

        Args:
            clients: that send the requests.
            condition: of the responses of a batch.
            batch: number of requests.

        Returns:
            The seconds that it took.
        """
        start = time.monotonic()
        for client in clients:
            while not condition(client.send(self.path, batch)) and time.monotonic() < start + SETTLE_SECONDS:
                self.lab.check()
                time.sleep(0.2)
        return time.monotonic() - start

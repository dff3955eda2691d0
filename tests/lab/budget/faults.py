"""The faults of the budget: those of a service's pods in one region, and those of a whole region."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from config.naming import GATEWAY_NAME, GATEWAY_NAMESPACE
from tests.lab.budget.measurement import Fault
from tests.local_mesh.errors import LocalMeshError
from tests.local_mesh.istiod import NAMESPACE as ISTIO_NAMESPACE
from tests.local_mesh.network import REGIONAL_FRONT_END
from tests.local_mesh.pod import Pod

if TYPE_CHECKING:  # unit tests do not need the lab's packages
    from tests.local_mesh.environment import LocalMesh, LocalRegion

NAMESPACE = "budget"

ENDPOINTS_REMOVED = "endpoints-removed"
CONNECTION_REFUSED = "connection-refused"
RETURNS_503 = "returns-503"
SLOW = "slow"
HANGING = "hanging"
ONE_OF_THREE_PODS = "one-of-three-pods"
SERVICE_FAULTS = (ENDPOINTS_REMOVED, CONNECTION_REFUSED, RETURNS_503, SLOW, HANGING, ONE_OF_THREE_PODS)
"""Each is also the name of the service that has it."""

HEALTHY = "healthy"
"""The service without a fault of its own."""

REGION_CUT_OFF = "region-cut-off"
GATEWAYS_KILLED = "gateways-killed"
ISTIOD_GONE = "istiod-gone"
REGION_FAULTS = (REGION_CUT_OFF, GATEWAYS_KILLED, ISTIOD_GONE)

READY_SECONDS = 60.0
POLL_SECONDS = 0.05


def service_fault(name: str, service: str, home: "LocalRegion", client: Pod) -> Fault:
    """Return a fault of a service in one region.

    Args:
        name: one of `SERVICE_FAULTS`.
        service: its name.
        home: the region.
        client: whose nearest pod is the faulty one, if only one is.
    """
    pods = home.agent.pods(NAMESPACE, service)

    def each(work: Callable[[Pod], None], chosen: Sequence[Pod] = pods) -> Callable[[], None]:
        def call() -> None:
            for pod in chosen:
                work(pod)

        return call

    names = {pod.name for pod in pods}
    recover = each(Pod.recover)
    match name:
        case "endpoints-removed":
            return Fault(name, lambda: _scale(home, service, 0), lambda: _scale(home, service, len(pods)), names)
        case "connection-refused":
            return Fault(name, each(Pod.kill_sidecar), each(home.agent.restart_sidecar), names)
        case "returns-503":
            return Fault(name, each(Pod.return_503), recover, names)
        case "slow":  # it still serves
            return Fault(name, each(Pod.respond_slowly), recover)
        case "hanging":
            return Fault(name, each(Pod.hang), recover, names)
        case "one-of-three-pods":
            one = next((pod for pod in pods if pod.node == client.node), pods[0])
            return Fault(name, one.return_503, one.recover, {one.name})
    raise ValueError(f"no fault {name}")


def _scale(home: "LocalRegion", name: str, replicas: int) -> None:
    """Scale the service's Deployment, and wait until its pods are ready."""
    deployment = f"deployment/{name}-{home.key}"
    home.cluster.kubectl("scale", deployment, "--namespace", NAMESPACE, f"--replicas={replicas}")
    if replicas:
        _wait_for(lambda: sum(pod.ready for pod in home.agent.pods(NAMESPACE, name)) == replicas, f"pods of {name}")


def region_fault(name: str, lab: "LocalMesh", home: str) -> Fault:
    """Return a fault of a whole region.

    Args:
        name: one of `REGION_FAULTS`.
        lab: the running mesh.
        home: the region.
    """
    region = lab.regions[home]

    def cut_off() -> None:  # from other regions, and from the load balancer; its nodes go on
        lab.network.cut_off(home)
        lab.network.block(home, REGIONAL_FRONT_END)

    def reconnect() -> None:
        lab.network.unblock(home, REGIONAL_FRONT_END)
        lab.network.reconnect(home)

    def scale_istiod(replicas: int) -> None:
        [deployment] = region.cluster.get("deployments", "--namespace", ISTIO_NAMESPACE)["items"]
        name = f"deployment/{deployment['metadata']['name']}"
        region.cluster.kubectl("scale", name, "--namespace", ISTIO_NAMESPACE, f"--replicas={replicas}")
        _wait_for(lambda: region.istiod.is_serving() == bool(replicas), f"istiod of {home}")

    match name:
        case "region-cut-off":
            return Fault(name, cut_off, reconnect)
        case "gateways-killed":
            gateways = region.agent.pods(GATEWAY_NAMESPACE, GATEWAY_NAME)

            def kill() -> None:
                with ThreadPoolExecutor(len(gateways)) as pool:  # at the same moment, also on a busy machine
                    list(pool.map(Pod.kill_sidecar, gateways))

            def restart() -> None:
                for pod in gateways:
                    region.agent.restart_sidecar(pod)

            return Fault(name, kill, restart)
        case "istiod-gone":
            return Fault(name, lambda: scale_istiod(0), lambda: scale_istiod(1))
    raise ValueError(f"no fault {name}")


def _wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise LocalMeshError(f"{what} not ready after {READY_SECONDS:g} s")
        time.sleep(POLL_SECONDS)

"""A service's Services: the one by whose name it is called, and the one of its pods in a drained region."""

from typing import Any

from config.naming import DRAINED_SELECTOR, DRAINED_SUFFIX
from config.services.port import ServicePort
from config.services.service import Service
from constructs.manifest_file import render


def service_manifest(name: str, service: Service, *, is_demo: bool, drained: bool) -> dict[str, Any]:
    """Return the Service. In a drained region it selects no pod.

    Args:
        name: the service's name.
        service: the service.
        is_demo: its ports have names alone.
        drained: no request goes to the region.
    """
    selector = {"app": name} | (DRAINED_SELECTOR if drained else {})
    values = {"name": name, "namespace": service.namespace, "selector": selector, "ports": _ports(service, is_demo)}
    return render("service/service.yaml", values)


def drained_service_manifest(name: str, service: Service, *, is_demo: bool) -> dict[str, Any]:
    """Return the Service that selects the pods while the region is drained; no client calls it."""
    names = {"name": f"{name}{DRAINED_SUFFIX}", "namespace": service.namespace, "app": name}
    return render("service/drained-service.yaml", {**names, "ports": _ports(service, is_demo)})


def _ports(service: Service, is_demo: bool) -> list[dict[str, Any]]:
    return [_port(key, one, is_demo=is_demo) for key, one in service.all_ports.items()]


def _port(name: str, port: ServicePort, *, is_demo: bool) -> dict[str, Any]:
    """Return a port of a Service. The mesh reads its protocol from `appProtocol`, or else from the port's name.

    The demo has the name alone.
    """
    number = {"name": name, "port": port.port, "targetPort": port.port}
    return number if is_demo else {**number, "appProtocol": port.protocol}

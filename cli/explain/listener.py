"""How a request gets to a proxy: whether it is captured, and the listener that takes it."""

from cli.explain.capture import outbound_exception
from cli.explain.context import RequestContext
from cli.explain.proxy import Part, Proxy, filter_chains, http_manager
from cli.explain.repair import repair_object
from cli.explain.routes import virtual_host
from cli.report.findings import Finding, failure
from cli.sources.remediation import DEPLOY, kubectl_command
from config.naming import MESH_NAMESPACE

SIDECAR = "sidecar.networking.istio.io"


def not_captured(context: RequestContext) -> Finding:
    """Return why a pod's requests do not pass a proxy, and what comes of it."""
    client, metadata = context.client, context.pod["metadata"]
    text = f"{client} has no sidecar: it connects {_plain_text(context)}, and never fails over"
    labels, annotations = metadata.get("labels", {}), metadata.get("annotations", {})
    if context.pod["spec"].get("hostNetwork"):
        fix = "a pod with hostNetwork can't have a sidecar: leave spec.hostNetwork out"
        return failure("client", text, fix)
    if "false" in (labels.get("sidecar.istio.io/inject"), annotations.get("sidecar.istio.io/inject")):
        text += "; its label sidecar.istio.io/inject is false"
        return failure("client", text, "remove that label from the template of its pods")
    wanted = context.environment.injection_labels
    namespace = context.cluster.find("namespaces", client.namespace) or {"metadata": {}}
    there = namespace["metadata"].get("labels", {})
    restart = kubectl_command(context.cluster, "--namespace", client.namespace, "delete", "pod", client.pod)
    if not wanted.items() <= there.items():
        missing = [f"{key}={value}" for key, value in wanted.items() if there.get(key) != value]
        text += f"; the namespace {client.namespace} has no label {', '.join(missing)}"
        label = kubectl_command(context.cluster, "label", "namespace", client.namespace, *missing, "--overwrite")
        return failure("client", text, f"{label} && {restart}").about(f"Namespace {client.namespace}")
    return failure("client", f"{text}; it started before its namespace had the label of injection", restart)


def _plain_text(context: RequestContext) -> str:
    refused = ", which strict mutual TLS refuses" if context.environment.mesh.mtls == "strict" else ""
    return f"in plain text{refused}"


def client_listener(context: RequestContext, proxy: Proxy) -> Part | Finding:
    """Return the listener of a client's proxy for the service's address; without one, why."""
    service, request = context.object_in(context.region), context.request
    if service is None:
        text = f"the Service {context.callee} does not exist in {context.region}: its name can't be resolved there"
        return failure("service", text, DEPLOY).about(f"Service {context.callee}", service=context.callee.name)
    ports = {one["port"]: one for one in service["spec"].get("ports", ())}
    if request.port not in ports:
        repair = repair_object(context.cluster, service, "spec.ports")
        shown = ", ".join(map(str, ports))
        text = f"the Service {context.callee} has no port {request.port}, but {shown}: spec.ports{repair.how}"
        fix = repair.command or f"mesh explain {context.callee.name} --port {next(iter(ports), 0)}"
        return failure("service", text, fix).about(f"Service {context.callee}", service=context.callee.name)
    address = service["spec"].get("clusterIP", "")
    if annotation := outbound_exception(context.pod, address, request.port):
        return _bypassed(context, annotation)
    listener = proxy.listener(address, request.port)
    return listener if listener is not None else unknown_service(context, f"no listener for port {request.port}")


def _bypassed(context: RequestContext, annotation: str) -> Finding:
    """Return that a client's connections to the service do not pass its proxy."""
    text = (
        f"{context.client} bypasses its proxy for {context.callee}, {_plain_text(context)}; its annotation {annotation}"
    )
    return failure("client", text, f"remove {annotation} from the template of its pods")


def unknown_service(context: RequestContext, what: str) -> Finding:
    """Return why a client's proxy does not know a Service that is there: a Sidecar, or a stale configuration."""
    text = f"the client's proxy has {what} of {context.callee.host}: requests leave it {_plain_text(context)}"
    for namespace in (context.client.namespace, MESH_NAMESPACE):
        found = context.cluster.find(SIDECAR, "--namespace", namespace, "--show-managed-fields")
        for one in (found or {}).get("items", ()):
            labels = one["spec"].get("workloadSelector", {}).get("labels", {})
            if one["spec"].get("egress") and labels.items() <= context.pod["metadata"].get("labels", {}).items():
                key = f"Sidecar {namespace}/{one['metadata']['name']}"
                repair = repair_object(context.cluster, one)
                edit = ("edit", SIDECAR, one["metadata"]["name"], "--namespace", namespace)
                fix = repair.command or kubectl_command(context.cluster, *edit)
                return failure("listener", f"{text}; {key}, spec.egress, leaves it out{repair.how}", fix).about(key)
    fix = kubectl_command(context.cluster, "--namespace", MESH_NAMESPACE, "get", "pods")
    return failure("listener", f"{text}; the mesh control plane has not sent it", fix)


def gateway_listener(context: RequestContext, proxy: Proxy) -> Part | Finding:
    """Return the listener of a gateway that has a virtual host for the request, or else any for HTTP."""
    listeners = [one for one in proxy.listeners.values() if manager_of(one) is not None]
    for one in listeners:
        if (routes := routes_of(proxy, one)) is not None and virtual_host(routes, context.request.host) is not None:
            return one
    if listeners:
        return listeners[0]
    text = "the gateway has no listener: no Gateway is in effect, and the load balancer's connections are refused"
    return failure("listener", text, DEPLOY)


def manager_of(listener: Part) -> Part | None:
    return next((one for one in map(http_manager, filter_chains(listener)) if one is not None), None)


def routes_of(proxy: Proxy, listener: Part) -> Part | None:
    """Return the routes of a listener; None if the control plane has not sent them."""
    manager = manager_of(listener)
    if manager is None:
        return None
    if "route_config" in manager:
        return manager["route_config"]  # type: ignore[no-any-return]
    return proxy.routes.get(manager.get("rds", {}).get("route_config_name", ""))

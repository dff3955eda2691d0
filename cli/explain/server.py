"""What the proxy of a server does with a request: mutual TLS, authorization, and the port of the application."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from cli.explain.authorization import Decision, Peer, decide
from cli.explain.capture import inbound_exception
from cli.explain.configured_by import configured_by
from cli.explain.context import RequestContext
from cli.explain.listening import listening_ports, shown_ports
from cli.explain.proxy import Part, Proxy, http_manager, read_proxy
from cli.explain.repair import find_and_repair, repair_object
from cli.explain.tls import Inbound, TlsMode, inbound_to, tls_to
from cli.report.findings import Finding, failure, ok, warning
from cli.sources.cluster_objects import Object
from cli.sources.kubernetes import ClusterClient, KubectlError
from cli.sources.proxies import ProxyEndpoint, has_proxy
from cli.sources.remediation import DEPLOY, kubectl_command
from config.naming import GATEWAY_NAME

AUTHORIZATION_POLICY = "authorizationpolicy.security.istio.io"
SIDECARS = "sidecars.networking.istio.io"
NAME, SERVER = "authorization", "server"


NOT_RUNNING = ("connection refused", "Failed to connect", "Couldn't connect", "Could not connect")
"""What `pilot-agent` writes when Envoy's administration interface does not respond."""


@dataclass(frozen=True)
class Connection:
    """A connection from a client's proxy to an endpoint.

    Attributes:
        proxy: Of the client.
        cluster: Envoy's, of the service.
        endpoint: Where it goes.
    """

    proxy: Proxy
    cluster: Part
    endpoint: ProxyEndpoint

    @property
    def tls(self) -> TlsMode:
        return tls_to(self.proxy, self.cluster, self.endpoint.address)

    @property
    def peer(self) -> Peer:
        """The client, as the server's proxy sees it in its own network."""
        return Peer(self.proxy.identity if self.tls is TlsMode.MUTUAL else "", "")


@dataclass(frozen=True)
class Gate:
    """A proxy whose policies decide.

    Attributes:
        cluster: Its own.
        region: Key of its region.
        pod: Its pod.
    """

    cluster: ClusterClient
    region: str
    pod: Object

    @property
    def namespace(self) -> str:
        return str(self.pod["metadata"]["namespace"])

    @property
    def name(self) -> str:
        return str(self.pod["metadata"]["name"])

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name} in {self.region}"

    def command(self, *words: str) -> str:
        """Return a kubectl command for its namespace."""
        return kubectl_command(self.cluster, "--namespace", self.namespace, *words)

    @property
    def restart(self) -> str:
        """The command that replaces the pod by a new one."""
        return self.command("delete", "pod", self.name)

    @property
    def logs(self) -> str:
        return self.command("logs", self.name, "--all-containers", "--since=10m")


def check_server(context: RequestContext, connection: Connection) -> Iterator[Finding]:
    """Yield what an endpoint's pod does with the request; after a failure nothing more."""
    endpoint = connection.endpoint
    found = context.pod_at(endpoint.address)
    if found is None:
        yield warning(SERVER, f"no pod that was read has the address {endpoint.address}: its policies are not known")
        return
    region, pod = found
    gate = Gate(context.workloads[region].cluster, region, pod)
    if not has_proxy(pod):
        yield _without_proxy(gate, connection)
        return
    if (annotation := inbound_exception(pod, endpoint.port)) and connection.tls is not TlsMode.PLAIN:
        text = f"503 UF: the client's proxy uses {connection.tls}, and connections to {gate} bypass its proxy"
        fix = f"remove {annotation} from the template of the pods"
        yield failure("TLS", f"{text}; its annotation {annotation}", fix)
        return
    try:
        proxy = read_proxy(gate.cluster, gate.namespace, gate.name)
    except KubectlError as error:
        yield _no_proxy(gate, error)
        return
    words = [f"{gate}, port {endpoint.port}", connection.tls.value]
    inbound = inbound_to(proxy, endpoint.port)
    if inbound is not None:
        chain = inbound.chain(connection.tls)
        if chain is None:
            yield _refused(context, gate, connection, inbound)
            return
        peer = replace(connection.peer, address=context.pod.get("status", {}).get("podIP", ""))
        decision = decide(_filters(chain), replace(context.request, port=endpoint.port), peer)
        wrong_port = any(one.field == "to" for one in decision.near)
        if wrong_port and (problem := _check_listening(context, gate, proxy, endpoint.port)) is not None:
            yield problem  # policies name the right one
        if decision.allowed is not True:
            yield check_decision(context, gate, decision, peer)
        words.append(f"allowed by {decision.rule}" if decision.rule else "no policy denies it")
        words += ["an external authorizer decides, too"] if decision.external else []
    if (expiry := check_certificate(proxy, gate)) is not None:
        yield expiry
    if (problem := _check_listening(context, gate, proxy, endpoint.port)) is not None:
        yield problem
    yield ok(SERVER, ", ".join(words))


def is_down(error: KubectlError) -> bool:
    """Return whether a proxy could not be read because it does not run."""
    return any(word in str(error) for word in NOT_RUNNING)


def _no_proxy(gate: Gate, error: KubectlError) -> Finding:
    if is_down(error):
        return failure(SERVER, f"503 UF: the proxy of {gate} does not run: {error}", gate.restart)
    return warning(SERVER, f"the proxy of {gate} could not be read, so its policies are not known: {error}", gate.logs)


def check_certificate(proxy: Proxy, gate: Gate) -> Finding | None:
    """Return a failure if the certificate of a proxy has expired."""
    if proxy.expires is None or proxy.expires > current_time():
        return None
    return failure("certificate", f"503 UF: the certificate of {gate} expired at {proxy.expires:%FT%TZ}", gate.restart)


def current_time() -> datetime:
    """Return the time now. Tests of recorded certificates replace this function."""
    return datetime.now(UTC)


def check_decision(context: RequestContext, gate: Gate, decision: Decision, peer: Peer) -> Finding:
    """Return why policies deny a request, or on what they let it depend.

    Args:
        context: The request.
        gate: Whose policies decide.
        decision: What they decide.
        peer: The sender, as the gate sees it.
    """
    who = peer.identity or ("the load balancer" if context.client.is_gateway else "a client without mutual TLS")
    rule = decision.rule
    if rule is not None and decision.allowed is None:
        text = f"{rule}, at {gate}, depends on a header or a token: 403 without it"
        return warning(NAME, text).about(rule.key, service=context.callee.name)
    if rule is not None:
        repair = find_and_repair(gate.cluster, AUTHORIZATION_POLICY, rule.namespace, rule.policy)
        text = f"403: {rule}, denies {who} at {gate}{repair.how}"
        return failure(NAME, text, repair.command).about(rule.key, service=context.callee.name)
    text = f"403: no AuthorizationPolicy at {gate} allows {who}"
    return _check_near(context, gate, decision, text) or _check_missing(context, gate, decision, text)


def _check_near(context: RequestContext, gate: Gate, decision: Decision, text: str) -> Finding | None:
    """Return a failure of a rule that would allow the request if a part of it were another."""
    expected = context.authorized
    for near in decision.near:
        rule = near.rule
        repair = find_and_repair(gate.cluster, AUTHORIZATION_POLICY, rule.namespace, rule.policy)
        if repair.how or expected:
            text = f"{text}; {rule}.{near.field} does not match{repair.how}"
            return failure(NAME, text, repair.command).about(rule.key, service=context.callee.name)
    return None


def _check_missing(context: RequestContext, gate: Gate, decision: Decision, text: str) -> Finding:
    """Return a failure of a client for which no rule is there."""
    in_effect = ", ".join(dict.fromkeys(f"{one.namespace}/{one.policy}" for one in decision.policies))
    text = f"{text}; in effect: {in_effect or 'none'}"
    is_server = gate.namespace == context.callee.namespace
    name = context.callee.name if is_server else GATEWAY_NAME
    key = f"AuthorizationPolicy {gate.namespace}/{name}"
    if not is_server or context.authorized:
        return failure(NAME, f"{text}; {key} is missing", DEPLOY).about(key, service=context.callee.name)
    caller = f"{context.client.namespace}/{context.client.account}"
    fix = f"add {caller} to services.{context.callee.name}.allow_from, and run: {DEPLOY}"
    return failure(NAME, text, fix).about(key, service=context.callee.name)


def _filters(chain: Part) -> Sequence[Part]:
    manager = http_manager(chain)
    network: Sequence[Part] = chain.get("filters", ())
    return [*network, *(manager.get("http_filters", ()) if manager else ())]


def _without_proxy(gate: Gate, connection: Connection) -> Finding:
    if connection.tls is TlsMode.PLAIN:
        return warning(SERVER, f"{gate} has no sidecar: plain text, and no policy is in effect", gate.restart)
    text = f"503 UF: the client's proxy uses {connection.tls}, and {gate} has no sidecar"
    return failure("TLS", text, gate.restart)


def _refused(context: RequestContext, gate: Gate, connection: Connection, inbound: Inbound) -> Finding:
    """Return why the server's proxy closes the connection."""
    wanted = TlsMode.MUTUAL if inbound.plain is None else TlsMode.PLAIN
    text = f"503 UC: the client's proxy uses {connection.tls}, and that of {gate} accepts {wanted} only"
    rule = configured_by(connection.cluster)
    if wanted is TlsMode.PLAIN:
        fix = kubectl_command(gate.cluster, "get", "peerauthentications.security.istio.io", "--all-namespaces")
        return failure("TLS", f"{text}; a PeerAuthentication disables mutual TLS", fix)
    if rule is None:
        text += "; the pod has no label security.istio.io/tlsMode=istio"
        return failure("TLS", text, gate.restart)
    repair = find_and_repair(context.cluster, rule.resource, rule.namespace, rule.name)
    text += f"; {rule} in {context.region}, spec.trafficPolicy.tls{repair.how}"
    return failure("TLS", text, repair.command).about(str(rule), service=context.callee.name)


def _check_listening(context: RequestContext, gate: Gate, proxy: Proxy, port: int) -> Finding | None:
    """Return a failure if nothing in the pod listens on the port to which its proxy sends requests."""
    target, redirected = _inbound_target(proxy, port)
    listening = listening_ports(gate.cluster, gate.namespace, gate.name)
    if listening is None:
        refused = sum(one.unconnected for one in proxy.endpoints if one.cluster.startswith(f"inbound|{port}|"))
        text = f"503 UF: the application of {gate} has refused {refused} connections on port {target}"
        return failure("port", text, gate.logs) if refused else None
    if listening.get(target) or (redirected and target in listening):
        return None
    if redirected:
        return _check_redirection(context, gate, target)
    if target in listening:
        text = f"503 UF: {gate} listens on port {target} of 127.0.0.1 only, where the mesh sends no request"
        return failure("port", text, "let the application listen on 0.0.0.0")
    return _check_target_port(context, gate, port, listening)


def _inbound_target(proxy: Proxy, port: int) -> tuple[int, bool]:
    """Return the port to which a server's proxy sends requests, and whether that is on its own loopback address."""
    for group in proxy.clusters.get(f"inbound|{port}||", {}).get("load_assignment", {}).get("endpoints", ()):
        for one in group.get("lb_endpoints", ()):
            address = one.get("endpoint", {}).get("address", {}).get("socket_address")
            if address is not None:
                return int(address.get("port_value", port)), True
    return port, False


def _check_redirection(context: RequestContext, gate: Gate, target: int) -> Finding:
    text = f"503 UF: the proxy of {gate} sends requests to 127.0.0.1:{target}, where nothing listens"
    found = gate.cluster.get(SIDECARS, "--namespace", gate.namespace, "--show-managed-fields")
    for one in found["items"]:
        if one["spec"].get("ingress"):
            key, repair = f"Sidecar {gate.namespace}/{one['metadata']['name']}", repair_object(gate.cluster, one)
            text = f"{text}; {key}, spec.ingress{repair.how}"
            fix = repair.command or gate.command("edit", SIDECARS, one["metadata"]["name"])
            return failure("port", text, fix).about(key, service=context.callee.name)
    return failure("port", text, kubectl_command(gate.cluster, "get", SIDECARS, "--all-namespaces"))


def _check_target_port(context: RequestContext, gate: Gate, port: int, listening: Mapping[int, bool]) -> Finding:
    text = f"nothing listens on port {port} of {gate}, but on {shown_ports(listening)}: 503 UF, or 403"
    service = context.object_in(gate.region)
    repair = None if service is None else repair_object(gate.cluster, service, "spec.ports")
    if repair is None or not repair.command:
        return failure("port", text, gate.logs)
    text += f"; Service {context.callee}, spec.ports[].targetPort{repair.how}"
    return failure("port", text, repair.command).about(f"Service {context.callee}", service=context.callee.name)

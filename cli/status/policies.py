"""`mesh status`, of authentication and authorization in one cluster: mutual TLS, and the policies."""

from collections.abc import Iterator

from cli.report.findings import Finding
from cli.sources.cluster_objects import Object, identity
from cli.sources.member import ObservedCluster, failure_or_ok
from cli.sources.remediation import DEPLOY, chained
from cli.status.comparison import differs
from config.authorization import authorized_callers, namespace_callers
from config.naming import GATEWAY_NAME, GATEWAY_NAMESPACE, MESH_NAMESPACE, NAMESPACE_POLICY
from config.plural import counted

MESH_WIDE = (MESH_NAMESPACE, "default")
DEFAULT_DENY = (MESH_NAMESPACE, "default-deny")
WEAK = ("PERMISSIVE", "DISABLE")


def check_policies(member: ObservedCluster) -> Iterator[Finding]:
    """Yield whether the mesh authenticates and authorizes as configured."""
    yield _check_mutual_tls(member)
    yield _check_default_deny(member)


def _check_mutual_tls(member: ObservedCluster) -> Finding:
    found = {identity(one): one for one in member.live.authentications}
    wanted = member.environment.mesh.mtls.upper()
    mode = _mode(found[MESH_WIDE]) if MESH_WIDE in found else "not set"
    wrong = differs(mode, wanted, f"{mode} mesh-wide")
    fixes = [DEPLOY] if wrong else []
    about = [MESH_WIDE] if wrong else []
    for (namespace, name), one in sorted(found.items()):
        if (namespace, name) != MESH_WIDE and wanted == "STRICT" and (weak := _weak(one)):
            wrong.append(f"{namespace}/{name} has {weak}, which accepts plain text")
            fixes.append(f"{member.kubectl} --namespace {namespace} delete peerauthentication {name}")
            about.append((namespace, name))
    objects = (f"PeerAuthentication {'/'.join(one)}" for one in about)
    return failure_or_ok("mutual TLS", wrong, f"{wanted} mesh-wide", chained(fixes)).about(*objects)


def _check_default_deny(member: ObservedCluster) -> Finding:
    """Check the policies of the configuration; those that others add are theirs."""
    name = "authorization"
    found = {identity(one) for one in member.live.authorizations}
    if not member.environment.mesh.default_deny:
        there = DEFAULT_DENY in found
        wrong = ["default deny is on, but mesh.default_deny is false"] if there else []
        finding = failure_or_ok(name, wrong, "every caller is authorized, as configured", DEPLOY)
        return finding.about(f"AuthorizationPolicy {'/'.join(DEFAULT_DENY)}")
    wanted = [DEFAULT_DENY, *_allow_policies(member)]
    missing = [f"AuthorizationPolicy {'/'.join(one)}" for one in wanted if one not in found]
    right = f"default deny, with {counted(len(wanted) - 1, 'allow policy', 'allow policies')}"
    return failure_or_ok(name, [f"the {one} is missing" for one in missing], right, DEPLOY).about(*missing)


def _allow_policies(member: ObservedCluster) -> Iterator[tuple[str, str]]:
    environment = member.environment
    if environment.ingress.enabled:
        yield GATEWAY_NAMESPACE, GATEWAY_NAME
    for namespace in environment.namespaces():
        if namespace_callers(environment, namespace):
            yield namespace, NAMESPACE_POLICY
    for name, service in environment.all_services().items():
        if member.key in environment.deployments(service) and authorized_callers(environment, name):
            yield service.namespace, name


def _mode(policy: Object) -> str:
    return str(policy.get("spec", {}).get("mtls", {}).get("mode", "not set"))


def _weak(policy: Object) -> str:
    """Return the mode with which a policy accepts plain text, on all ports or on one; empty if it doesn't."""
    ports = policy.get("spec", {}).get("portLevelMtls", {}).values()
    return next((mode for mode in (_mode(policy), *(str(one.get("mode")) for one in ports)) if mode in WEAK), "")

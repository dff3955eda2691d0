"""`mesh status`, of who may ask whom in one cluster: mutual TLS, and the policies that allow and refuse."""

from collections.abc import Iterator

from cli.report.findings import Finding
from cli.sources.cluster_objects import Object
from cli.sources.member import ObservedCluster, failure_or_ok
from cli.sources.remediation import DEPLOY, chained
from config.authorization import authorized_callers
from config.naming import GATEWAY_NAME, GATEWAY_NAMESPACE, MESH_NAMESPACE

FOR_THE_MESH = (MESH_NAMESPACE, "default")
DEFAULT_DENY = (MESH_NAMESPACE, "default-deny")
WEAK = ("PERMISSIVE", "DISABLE")


def look_at_policies(member: ObservedCluster) -> Iterator[Finding]:
    """Yield whether the mesh takes in and lets ask whom the configuration says, and nobody else."""
    yield _mutual_tls(member)
    yield _refusal(member)


def _mutual_tls(member: ObservedCluster) -> Finding:
    assert member.objects is not None
    found = {_identity(one): one for one in member.objects.authentications}
    wanted = member.environment.mesh.mtls.upper()
    mode = _mode(found[FOR_THE_MESH]) if FOR_THE_MESH in found else "not set"
    wrong = [] if mode == wanted else [f"{mode} for the mesh, and the configuration says {wanted}"]
    fixes = [DEPLOY] if wrong else []
    for (namespace, name), one in sorted(found.items()):
        if (namespace, name) != FOR_THE_MESH and wanted == "STRICT" and (weak := _weak(one)):
            wrong.append(f"{namespace}/{name} says {weak}, and plain text gets in")
            fixes.append(f"{member.kubectl} --namespace {namespace} delete peerauthentication {name}")
    return failure_or_ok("mutual TLS", wrong, f"{wanted} for the mesh", chained(fixes))


def _refusal(member: ObservedCluster) -> Finding:
    """Somebody else's policies are left alone: who adds one that allows, means it."""
    assert member.objects is not None
    name = "policies"
    found = {_identity(one) for one in member.objects.authorizations}
    if not member.environment.mesh.default_deny:
        there = DEFAULT_DENY in found
        wrong = ["what no policy allows is refused, and mesh.default_deny is false"] if there else []
        return failure_or_ok(name, wrong, "everybody may ask everybody, as configured", DEPLOY)
    wanted = [DEFAULT_DENY, *_allowing(member)]
    wrong = [f"there is no {'/'.join(one)}" for one in wanted if one not in found]
    return failure_or_ok(name, wrong, f"what no policy allows is refused; {len(wanted) - 1} of ours allow", DEPLOY)


def _allowing(member: ObservedCluster) -> Iterator[tuple[str, str]]:
    environment = member.environment
    if environment.ingress.enabled:
        yield GATEWAY_NAMESPACE, GATEWAY_NAME
    for name, service in environment.all_services().items():
        if member.key in environment.deployments(service) and authorized_callers(environment, name):
            yield service.namespace, name


def _identity(thing: Object) -> tuple[str, str]:
    return thing["metadata"]["namespace"], thing["metadata"]["name"]


def _mode(thing: Object) -> str:
    return str(thing.get("spec", {}).get("mtls", {}).get("mode", "not set"))


def _weak(thing: Object) -> str:
    """Return the mode by which one lets plain text in, on all ports or on one; empty if it doesn't."""
    ports = thing.get("spec", {}).get("portLevelMtls", {}).values()
    return next((mode for mode in (_mode(thing), *(str(one.get("mode")) for one in ports)) if mode in WEAK), "")

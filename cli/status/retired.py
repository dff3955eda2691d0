"""`mesh status`, of a retired region: its cluster may still be there, but has to have left the mesh."""

from collections.abc import Iterator

from cli.report.findings import Finding, failure, ok
from cli.sources.described import AUTOMATIC, LookupResult, membership_spec
from cli.sources.google import ApiError
from cli.sources.member import ObservedCluster, failure_or_ok
from cli.sources.remediation import DEPLOY, api_error_fix
from cli.status.control_plane import istiods_in, let_go
from cli.status.mesh import namespaces_of
from config.naming import MESH_NAMESPACE


def look_at_retired(member: ObservedCluster, feature: LookupResult) -> Iterator[Finding]:
    """Yield what is left of a retired region's cluster in the mesh.

    Args:
        feature: ``servicemesh``, of the fleet.
    """
    found = member.described
    if isinstance(found, ApiError):
        fix = api_error_fix(found, "container", member.environment.project.id)
        yield failure("cluster", f"not known: {found}", fix)
        return
    if found is None:
        yield ok("cluster", "gone; its key may go from the file")
        return
    yield ok("cluster", f"{found.get('status', '?')}; it goes when its key goes from the file")
    if membership_spec(feature, member.region, found).get("mesh", {}).get("management") == AUTOMATIC:
        # Not a part of what is said of the cluster's inside: it can be known where that does not answer.
        yield failure("fleet's management", f"{AUTOMATIC}: Google still makes a mesh here", let_go(member))
    objects = member.objects
    if objects is None:
        return
    left = ["the mesh's namespace is still there"] if objects.namespace(MESH_NAMESPACE) else []
    control_planes = [*objects.revisions, *istiods_in(objects)]
    left += [f"a control plane of the mesh, {one['metadata']['name']}" for one in control_planes]
    left += [f"it watches another cluster, by {one['metadata']['name']}" for one in objects.secrets]
    yield failure_or_ok("left the mesh", left, "yes", DEPLOY)
    there = [name for name in namespaces_of(member.environment) if objects.namespace(name)]
    yield failure_or_ok("services", [f"still there: {', '.join(there)}"] if there else [], "none is left", DEPLOY)

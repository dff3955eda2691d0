"""`mesh status`, of a retired region, whose cluster may still exist but is no part of the mesh."""

from collections.abc import Iterator

from cli.report.findings import Finding, failure, ok
from cli.sources.described import AUTOMATIC, membership_spec
from cli.sources.google import ApiError, LookupResult
from cli.sources.member import ObservedCluster, failure_or_ok
from cli.sources.remediation import DEPLOY
from cli.status.comparison import unknown
from cli.status.control_plane import istiods, unmanage
from cli.status.mesh import namespaces_of
from config.naming import MESH_NAMESPACE


def check_retired(member: ObservedCluster, feature: LookupResult) -> Iterator[Finding]:
    """Yield whether a retired region's cluster has left the mesh.

    Args:
        member: The cluster.
        feature: ``servicemesh``, of the fleet.
    """
    found = member.described
    if isinstance(found, ApiError):
        yield unknown("cluster", found, "container", member.project)
        return
    if found is None:
        yield ok("cluster", "deleted; remove the region from the configuration")
        return
    yield ok("cluster", f"{found.get('status', '?')}; it is deleted when the region is removed from the configuration")
    if membership_spec(feature, member.region, found).get("mesh", {}).get("management") == AUTOMATIC:
        # The fleet knows this even of a cluster that does not respond.
        yield failure(
            "fleet management",
            f"{AUTOMATIC}: Google still runs a mesh control plane for this cluster",
            unmanage(member),
        )
    objects = member.objects
    if objects is None:
        return
    left = [f"the namespace {MESH_NAMESPACE} still exists"] if objects.namespace(MESH_NAMESPACE) else []
    control_planes = [*objects.revisions, *istiods(objects)]
    left += [f"the mesh control plane {one['metadata']['name']} still exists" for one in control_planes]
    left += [f"the remote secret {one['metadata']['name']} still exists" for one in objects.secrets]
    yield failure_or_ok("mesh removal", left, "complete", DEPLOY)
    there = [name for name in namespaces_of(member.environment) if objects.namespace(name)]
    yield failure_or_ok("namespaces", [f"not deleted: {', '.join(there)}"] if there else [], "deleted", DEPLOY)

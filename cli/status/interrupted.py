"""`mesh status`, of what an interrupted `mesh drill` or `mesh verify` has left."""

from collections.abc import Iterator

from cli.report.findings import Finding, failure, warning
from cli.sources.interrupted import drilled_deployments, temporary_objects
from cli.sources.member import ObservedCluster
from cli.sources.temporary import VERIFY
from cli.status.foreign import has_effect, made


def check_interrupted(member: ObservedCluster) -> Iterator[Finding]:
    """Yield each object that a command has created or changed for a while; `check_foreign` has those in effect."""
    for each in (*member.live.applied, *member.live.jobs):
        for one in temporary_objects(member.kubectl, [each]):
            if not has_effect(one.key, each):
                state = warning if one.command == VERIFY else failure
                yield state(str(one.key), one.cause + made(each["metadata"]), one.fix).about(str(one.key))
    for one in drilled_deployments(member.kubectl, member.live.deployments):
        yield failure(str(one.key), one.cause, one.fix).about(str(one.key))

"""`mesh status`, of what an interrupted `mesh drill` or `mesh verify` has left: each object carries its name."""

from collections.abc import Iterator

from cli.report.findings import Finding, failure, warning
from cli.sources.applied import ObjectKey
from cli.sources.cluster_objects import Object
from cli.sources.member import ObservedCluster
from cli.sources.remediation import chained
from cli.sources.temporary import DRILL_ANNOTATION, TEMPORARY_LABEL, VERIFY
from cli.status.foreign import has_effect, made


def check_interrupted(member: ObservedCluster) -> Iterator[Finding]:
    """Yield each object that a command has created or changed for a while; `check_foreign` has those in effect."""
    for one in (*member.live.applied, *member.live.jobs):
        key, command = ObjectKey.of(one), one["metadata"].get("labels", {}).get(TEMPORARY_LABEL)
        if command is None or has_effect(key, one):
            continue
        where = f"--namespace {key.namespace} " if key.namespace else ""
        text = f"mesh {command} was interrupted, unless it still runs{made(one['metadata'])}"
        state = warning if command == VERIFY else failure
        yield state(str(key), text, f"{member.kubectl} {where}delete {key.resource} {key.name}").about(str(key))
    for one in member.live.deployments:
        if (replicas := drilled(one)) is not None:
            key = ObjectKey.of(one)
            kubectl = f"{member.kubectl} --namespace {key.namespace}"
            commands = [
                f"{kubectl} scale {key.resource} {key.name} --replicas={replicas}",
                f"{kubectl} annotate {key.resource} {key.name} {DRILL_ANNOTATION}-",
            ]
            text = f"mesh drill has scaled it from {replicas} to 0, and was interrupted unless it still runs"
            yield failure(str(key), text, chained(commands)).about(str(key))


def drilled(deployment: Object) -> str | None:
    """Return the number of replicas that a Deployment had before a drill; None without a drill."""
    found: str | None = deployment["metadata"].get("annotations", {}).get(DRILL_ANNOTATION)
    return found

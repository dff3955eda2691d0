"""`mesh status`, of the objects that the stacks apply: each is in the cluster, whole, and nothing else is in effect."""

import json
from collections.abc import Iterator, Mapping

from cli.report.findings import Finding, failure, ok, warning
from cli.sources.applied import ObjectKey
from cli.sources.cluster_objects import COMPARED_ELSEWHERE, Object
from cli.sources.interrupted import drilled
from cli.sources.member import ObservedCluster
from cli.sources.remediation import DEPLOY, chained
from cli.sources.synthesized import SYNTHESIZE
from cli.status.drift import REPLICAS, Difference, changed_by, changes_in, restore_commands
from cli.status.foreign import check_foreign
from cli.status.former_managers import check_former_managers
from cli.status.interrupted import check_interrupted
from config import Environment
from config.kinds import is_restored
from config.naming import MANIFEST_ANNOTATION
from config.plural import counted

NAME = "objects"

Live = Mapping[ObjectKey, Object]


def check_objects(member: ObservedCluster) -> Iterator[Finding]:
    """Yield a failure for each object that is missing, changed or foreign, or that there is none."""
    live = {ObjectKey.of(one): one for one in member.live.applied}
    manifests = _manifests(member, live)
    found = [*_missing(member, live), *_changed(member, manifests, live)]
    found += [*check_foreign(member, manifests.keys(), live), *check_interrupted(member)]
    yield from found
    yield from check_former_managers(member)
    if member.applied is None:
        text = "terraform's state and a synthesis are not on this machine, so a missing object is not noticed"
        yield warning(NAME, f"{counted(len(manifests), 'object')} compared; {text}", SYNTHESIZE)
    elif not any(one.is_problem for one in found):
        yield ok(NAME, f"all {len(manifests)} are as applied, and no other one is in effect")


def _manifests(member: ObservedCluster, live: Live) -> dict[ObjectKey, Object]:
    """Return what was applied, by object: as the state has it, or else as the object itself says."""
    annotated = {
        key: json.loads(text)
        for key, one in live.items()
        if (text := one["metadata"].get("annotations", {}).get(MANIFEST_ANNOTATION))
    }
    if member.applied is None:
        return annotated
    expected = [one for one in member.applied if one.key.kind not in COMPARED_ELSEWHERE]
    return {one.key: one.manifest if one.known else annotated.get(one.key, one.manifest) for one in expected}


def _missing(member: ObservedCluster, live: Live) -> Iterator[Finding]:
    """Yield a failure for each object that is gone; of a namespace that is gone, only that."""
    served = set(member.live.served.values())
    gone = [one for one in member.applied or () if one.key not in live and one.key[:2] in served]
    namespaces = {one.key.name for one in gone if one.key.kind == "Namespace"}
    within = [one for one in gone if one.key.namespace in namespaces]
    for one in gone:
        if one in within or one.key.kind in COMPARED_ELSEWHERE:
            continue
        text, fix, about = "missing", one.apply_command, [one]
        if one.key.kind == "Namespace":
            about += [each for each in within if each.key.namespace == one.key.name]
            text, fix = f"missing, and with it {counted(len(about) - 1, 'object')}", DEPLOY
        service = service_of(member.environment, one.key)
        yield failure(str(one.key), text, fix).about(*(str(each.key) for each in about), service=service)


def _changed(member: ObservedCluster, manifests: Mapping[ObjectKey, Object], live: Live) -> Iterator[Finding]:
    for key, manifest in manifests.items():
        changes = changes_in(member.cluster, manifest, live[key]) if key in live else []
        if key in live and drilled(live[key]) is not None:  # which another finding says
            changes = [one for one in changes if one.path != REPLICAS]
        if not changes:
            continue
        text = ". ".join(_line(key, one, live[key]) for one in changes)
        fix = chained(restore_commands(member.kubectl, manifest, changes))
        yield failure(str(key), text, fix).about(str(key), service=service_of(member.environment, key))


def _line(key: ObjectKey, change: Difference, live: Object) -> str:
    who = changed_by(live, change.path)
    if change.own is None:
        end = "a deploy does not remove it"
    elif is_restored(key.group, key.kind) or (key.kind == "Namespace" and change.path[:2] == ("metadata", "labels")):
        end = "the next deploy restores it"
    else:
        end = "a deploy restores it only after a change of this object in the configuration"
    if change.path == REPLICAS and change.live == 0:
        end = "an interrupted mesh drill may be the cause"
    return f"{change}{f' by {who}' if who else ''}; {end}"


def service_of(environment: Environment, key: ObjectKey) -> str:
    """Return the service that an object is of, which begins its name; empty if it is of none."""
    services = environment.all_services().items()
    named = [name for name, one in services if one.namespace == key.namespace and f"{key.name}-".startswith(f"{name}-")]
    return max(named, key=len, default="")

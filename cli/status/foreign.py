"""`mesh status`, of objects that no stack has applied, and that are in effect all the same.

Every kind of Istio's groups takes effect by where it is: in the mesh's root namespace for all of the mesh, in a
namespace for its pods. Some reach further: a host or a gateway that they name.
https://istio.io/latest/docs/reference/config/
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from cli.report.findings import Finding, failure, ok, warning
from cli.sources.applied import DEPLOYERS, ObjectKey
from cli.sources.cluster_objects import ISTIO_GROUPS, Object
from cli.sources.member import ObservedCluster
from cli.sources.temporary import DRILL, DRILL_SIDECAR, TEMPORARY_LABEL
from config.naming import GATEWAY_NAME, GATEWAY_NAMESPACE, MANIFEST_ANNOTATION, MESH_NAMESPACE, service_host
from config.plural import counted

ACCEPTED = "multi-region-mesh/accepted"
"""Annotation by which whoever adds an object says why it is there."""

CONTROL_PLANE_LABELS = ("operator.istio.io/", "install.operator.istio.io/")
"""How labels begin of what an installation of Istio consists of."""

OBSERVING = frozenset({"Telemetry"})
"""Kinds that change what is reported of requests, and not what happens to them."""


def check_foreign(
    member: ObservedCluster, own: Collection[ObjectKey], live: Mapping[ObjectKey, Object]
) -> Iterator[Finding]:
    """Yield a failure for each object that is in effect, and neither applied by a stack nor accepted.

    Args:
        member: The cluster.
        own: What the stacks apply.
        live: What there is.
    """
    accepted = []
    for key, one in sorted(live.items()):
        if key in own or not has_effect(key, one) or not (effect := _effect(member, key, one)):
            continue
        metadata = one["metadata"]
        if ACCEPTED in metadata.get("annotations", {}):
            accepted.append(str(key))
            continue
        text = f"no stack applies it; {effect}"
        if command := _temporary(key, metadata):
            text = f"a mesh {command} has made it, and was interrupted unless it still runs; {effect}"
        elif MANIFEST_ANNOTATION in metadata.get("annotations", {}):
            text = f"an earlier deploy has applied it, and it is in no state; {effect}"
        where = f"--namespace {key.namespace} " if key.namespace else ""
        fix = f"{member.kubectl} {where}delete {key.resource} {key.name}"
        finding = (warning if key.kind in OBSERVING else failure)(str(key), text + made(metadata), fix)
        yield finding.about(str(key))
    if accepted:
        yield ok("accepted objects", f"{counted(len(accepted), 'object')}: {', '.join(accepted)}")


def has_effect(key: ObjectKey, one: Object) -> bool:
    """Return whether an object is of a kind that changes what a mesh does, and of no installation of it."""
    labels = one["metadata"].get("labels", {})
    if any(label.startswith(CONTROL_PLANE_LABELS) for label in labels):
        return False
    return key.group.endswith(ISTIO_GROUPS) or key.kind == "NetworkPolicy"


def _temporary(key: ObjectKey, metadata: Mapping[str, Any]) -> str:
    """Return the command that has made an object for a while; empty if it is none of these."""
    named = DRILL if key.name.startswith(DRILL_SIDECAR) else ""
    return str(metadata.get("labels", {}).get(TEMPORARY_LABEL, named))


def _effect(member: ObservedCluster, key: ObjectKey, one: Object) -> str:
    """Return what an object is in effect for; empty if that is nothing of the environment."""
    if key.kind != "NetworkPolicy" and key.namespace == MESH_NAMESPACE:
        return "it is in effect in the whole mesh"
    # Not those of `mesh.namespaces`, which are for what others add.
    services = member.environment.all_services()
    if key.namespace in (MESH_NAMESPACE, GATEWAY_NAMESPACE, *(one.namespace for one in services.values())):
        return f"it is in effect in {key.namespace}"
    if key.kind == "NetworkPolicy":
        return ""
    spec: Mapping[str, Any] = one.get("spec", {})
    if spec.get("exportTo") in (["."], ["~"]):
        return ""
    if key.kind == "Gateway" and (spec.get("selector") or {}).items() <= _gateway_labels(member).items():
        return f"it is in effect in the gateways of {GATEWAY_NAMESPACE}"
    if key.kind in ("VirtualService", "ServiceEntry"):
        ingress = member.environment.ingress
        own = {service_host(name, one.namespace) for name, one in services.items()}
        hosts = own | set(ingress.domains if ingress.enabled else ())
        named = sorted(one for one in hosts if any(_covers(host, one) for host in spec.get("hosts", ())))
        gateways = [each for each in spec.get("gateways", ()) if each.startswith(f"{GATEWAY_NAMESPACE}/")]
        if named or gateways:
            return f"it is in effect for {', '.join([*named, *gateways])}"
    return ""


def _covers(host: str, name: str) -> bool:
    """Return whether a host of Istio's, which may begin with a wildcard, is that of a name."""
    return name.endswith(host[1:]) if host.startswith("*") else name == host


def _gateway_labels(member: ObservedCluster) -> Mapping[str, str]:
    """Return the labels of the gateways' pods."""
    found = member.live.deployment(GATEWAY_NAMESPACE, GATEWAY_NAME) or {}
    labels: Mapping[str, str] = found.get("spec", {}).get("template", {}).get("metadata", {}).get("labels", {})
    return labels


def made(metadata: Mapping[str, Any]) -> str:
    """Return who has made an object, and when, as far as the API server says so."""
    managers = sorted({one["manager"] for one in metadata.get("managedFields", [])} - DEPLOYERS)
    when = metadata.get("creationTimestamp")
    who = f" by {', '.join(managers)}" if managers else ""
    return f"; made{who} at {when}" if when else ""

"""`mesh status`, of Deployments that changed between replicas and an autoscaler."""

import json
import shlex
from collections.abc import Iterator

from cli.report.findings import Finding, warning
from cli.sources.applied import TERRAFORM
from cli.sources.cluster_objects import Object
from cli.sources.member import ObservedCluster
from config.naming import FIELD_MANAGER, MANIFEST_ANNOTATION


def check_former_managers(member: ObservedCluster) -> Iterator[Finding]:
    """Yield a warning for each Deployment of which the field manager of earlier deploys still owns fields."""
    yield from (finding for one in member.live.applied if (finding := _check(member, one)) is not None)


def _check(member: ObservedCluster, live: Object) -> Finding | None:
    """Return a warning about a Deployment of which the field manager of earlier deploys still owns fields.

    A Deployment with replicas has another one than a Deployment with an autoscaler (`constructs.manifest_file`). What a
    deploy no longer applies stays as long as any field manager owns it. So the former one gives up all but the
    replicas: a number that its only owner gives up becomes 1.
    """
    text = live["metadata"].get("annotations", {}).get(MANIFEST_ANNOTATION)
    if live["kind"] != "Deployment" or not text:
        return None
    manifest = json.loads(text)
    former = FIELD_MANAGER if "replicas" in manifest["spec"] else TERRAFORM
    kept = {"spec": {"replicas": live["spec"]["replicas"]}} if former == TERRAFORM else {}
    least: Object = {"f:spec": {"f:replicas": {}}}
    for entry in live["metadata"].get("managedFields", []):
        if entry.get("operation") == "Apply" and entry["manager"] == former and entry["fieldsV1"] != least:
            namespace, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
            identity = {key: manifest[key] for key in ("apiVersion", "kind")}
            applied = {**identity, "metadata": {"name": name, "namespace": namespace}, **kept}
            return warning(
                f"Deployment {namespace}/{name}",
                f"the field manager {former} of earlier deploys still owns fields, so that a deploy does not remove "
                "what you remove from the configuration",
                f"echo {shlex.quote(json.dumps(applied))} | {member.kubectl} apply --server-side "
                f"--field-manager {former} --validate=false --filename -",
            )
    return None

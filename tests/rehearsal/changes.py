"""Who changed what since a moment: calls to the cloud, and requests to the API servers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from tests.rehearsal.simulated_cloud import World

DRY_RUN = "dryRun=All"


@dataclass(frozen=True)
class Mark:
    """A moment: how many calls, and bytes of each cluster's audit log, there were."""

    calls: int
    logs: Mapping[str, int]


def mark(world: World) -> Mark:
    """Return the present."""
    logs = {region: cluster.audit_log for region, cluster in world.clusters().items()}
    sizes = {region: log.stat().st_size if log.exists() else 0 for region, log in logs.items()}
    return Mark(world.server.journal.count(), sizes)


def changes_since(world: World, moment: Mark) -> list[str]:
    """Return the changes that the deploying account made, a line each."""
    lines = [str(call) for call in world.server.journal.calls(moment.calls) if call.changes]
    for region, cluster in world.clusters().items():
        if not cluster.audit_log.exists():
            continue
        with cluster.audit_log.open("rb") as log:
            log.seek(moment.logs.get(region, 0))
            events = [json.loads(line) for line in log if line.endswith(b"\n")]
        lines += [
            f"{region}: {event['verb']} {event['requestURI']}"
            for event in events
            if event["user"].get("username") == world.cloud.identity.email
            and DRY_RUN not in event["requestURI"]
            and "selfsubject" not in event["requestURI"]
        ]
    return lines

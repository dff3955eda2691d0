"""Changes by the deploying account: calls to the cloud, and requests to the API servers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from tests.rehearsal.simulated_cloud import SimulatedCloud

DRY_RUN = "dryRun=All"


@dataclass(frozen=True)
class Checkpoint:
    """A moment: the number of calls to the cloud, and the size of each cluster's audit log."""

    calls: int
    logs: Mapping[str, int]


def take_checkpoint(cloud: SimulatedCloud) -> Checkpoint:
    """Return the current moment."""
    logs = {region: cluster.audit_log for region, cluster in cloud.clusters().items()}
    sizes = {region: log.stat().st_size if log.exists() else 0 for region, log in logs.items()}
    return Checkpoint(cloud.server.journal.count(), sizes)


def changes_since(cloud: SimulatedCloud, checkpoint: Checkpoint) -> list[str]:
    """Return the changes by the deploying account since a checkpoint, a line each."""
    lines = [str(call) for call in cloud.server.journal.calls(checkpoint.calls) if call.changes]
    for region, cluster in cloud.clusters().items():
        if not cluster.audit_log.exists():
            continue
        with cluster.audit_log.open("rb") as log:
            log.seek(checkpoint.logs.get(region, 0))
            events = [json.loads(line) for line in log if line.endswith(b"\n")]
        lines += [
            f"{region}: {event['verb']} {event['requestURI']}"
            for event in events
            if event["user"].get("username") == cloud.fake.identity.email
            and DRY_RUN not in event["requestURI"]
            and "selfsubject" not in event["requestURI"]
        ]
    return lines

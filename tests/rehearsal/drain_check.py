"""`mesh drain` and `mesh undrain` of a deployed environment, each followed by a deploy that changes nothing."""

import json
import time
from collections.abc import Iterator
from typing import Any

import yaml

from config.naming import DRAINED_SUFFIX, GATEWAY_NAME, GATEWAY_NAMESPACE
from tests.rehearsal import checks
from tests.rehearsal.changes import changes_since, take_checkpoint
from tests.rehearsal.context import RehearsalContext
from tests.rehearsal.snapshot import differences, take_snapshot
from tests.reporting.table import Table

SECONDS = 300
"""Timeout of a command."""

GROUP_OBJECT = "ServiceNetworkEndpointGroup"
"""Kind of GKE's object for a Service's endpoint groups."""

MOST_LINES = 12


class DrainCheck:
    """The commands on one region, which is not that of the config cluster."""

    def __init__(self, context: RehearsalContext) -> None:
        self._context = context
        self._deployment = context.deployment
        self._objects = 0
        environment = context.environment
        self.region = next(
            one.key
            for one in reversed(environment.resolved_regions())
            if one.serves and one.key != environment.ingress.config_cluster
        )

    def run(self) -> Iterator[Table]:
        """Drain the region, put it back into service, and yield the results."""
        environment, cloud = self._context.environment, self._context.cloud
        text = self._deployment.config.read_bytes()
        before = take_snapshot(cloud, identities=True)
        services = [f"{self.region} Service {one.namespace}/{name}" for name, one in environment.all_services().items()]
        added = [f"+ {one}{DRAINED_SUFFIX}" for one in services]
        changed = [*added, *(f"~ {one}" for one in services)]
        if environment.ingress.uses_mci:
            config_cluster = environment.ingress.config_cluster
            changed.append(f"~ {config_cluster} MultiClusterService {GATEWAY_NAMESPACE}/{GATEWAY_NAME}")
        if environment.ingress.uses_gateway:
            changed.append(f"~ {self.region} Service {GATEWAY_NAMESPACE}/{GATEWAY_NAME}")
        self._objects = len(changed)
        table = Table(
            f"Region {self.region} drained, and put back into service",
            ["Command", "Exit status", "Objects changed", "Warnings", "Failures", "Duration (s)"],
        )
        # What the controllers of Multi Cluster Ingress do with the region's cluster, and with the load balancer.
        home = f"cloud projects/{environment.project.id}"
        derived = [
            f"{self.region} Service {GATEWAY_NAMESPACE}/mci-",
            f"{self.region} {GROUP_OBJECT} ",
            f"{home}/zones/",
        ]
        theirs = [f"{sign} {one}" for sign in "-~" for one in (*derived, f"{home}/global/backendServices/")]
        self._run_command(table, "drain")
        drained = self._deployment.config.read_bytes()
        found = differences(before, take_snapshot(cloud, identities=True))
        all_there = all(any(line.startswith(one) for line in found) for one in changed)
        title = f"Region {self.region} drained: other changes"
        yield checks.compared(title, found, [*changed, *theirs], ok=all_there and drained != text)
        self._deployment.content = yaml.safe_load(drained)
        yield self._deploy(f"Region {self.region} drained: the next deploy changes nothing")
        self._run_command(table, "undrain")
        undrained = self._deployment.config.read_bytes()
        found = differences(before, take_snapshot(cloud, identities=True))
        # Only the generations, which count the updates. A Service has none.
        same = [f"{one}: .metadata.generation" for one in changed if one not in added]
        title = f"Region {self.region} serves again: differences from before"
        yield checks.compared(title, found, [*same, *theirs], ok=undrained == text)
        self._deployment.content = yaml.safe_load(undrained)
        yield self._deploy(f"Region {self.region} serves again: the next deploy changes nothing")
        yield table

    def _run_command(self, table: Table, command: str) -> None:
        self._context.report.progress(f"mesh {command} {self.region}")
        start = time.monotonic()
        result = self._deployment.run_mesh_cli(command, self.region, "--yes", "--json", seconds=SECONDS)
        seconds = time.monotonic() - start
        try:
            report: dict[str, Any] = json.loads(result.stdout)
        except ValueError:
            report = {"sections": [], "data": {}}
        findings = [one for section in report["sections"] for one in section["findings"]]
        wrong = {state: [one for one in findings if one["state"] == state] for state in ("warning", "failure")}
        applied = report["data"].get("applied", [])
        counts = (len(applied), len(wrong["warning"]), len(wrong["failure"]))
        table.add(
            *(f"mesh {command} {self.region}", result.returncode, *counts, f"{seconds:.0f}"),
            ok=result.returncode == 0 and len(applied) == self._objects,
        )
        table.notes += [f"{one['name']}: {one['text']}" for each in wrong.values() for one in each][:MOST_LINES]
        if result.returncode:
            table.notes += [report.get("error", {}).get("message", ""), *result.stderr.splitlines()][:MOST_LINES]

    def _deploy(self, title: str) -> Table:
        checkpoint = take_checkpoint(self._context.cloud)
        run = self._deployment.deploy()
        return checks.nothing_changed(title, run, changes_since(self._context.cloud, checkpoint))

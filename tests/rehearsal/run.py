"""The steps of a rehearsal, inside its namespaces."""

import copy
from collections.abc import Callable, Sequence
from typing import Literal

from config.control_plane import MODES
from config.naming import GATEWAY_NAME, GATEWAY_NAMESPACE
from tests.lab import responses
from tests.lab.demo import LabDemo
from tests.local_mesh.isolation import ignore_sigint
from tests.rehearsal import checks, mesh_cli_check, mesh_leftovers
from tests.rehearsal.changes import changes_since, take_checkpoint
from tests.rehearsal.context import RehearsalContext, conclude
from tests.rehearsal.day2 import Day2, FileChange
from tests.rehearsal.deployment import CommandRun
from tests.rehearsal.drain_check import DrainCheck
from tests.rehearsal.expected import remote_secrets
from tests.rehearsal.remote_secret_check import server_and_token
from tests.rehearsal.secret_scan import scan_for_secrets
from tests.rehearsal.snapshot import differences, take_snapshot
from tests.reporting.report import Report
from tools.next_command import ONE_STACK_ONLY

NO_MIGRATION = "a mesh can't be migrated to"
"""In the message of a plan that would change the control plane mode."""

Steps = Literal["all", "short", "deploy"]
"""All; all without adding and removing a region; or only the first deploy."""

NETWORKS = ".controlPlaneEndpointsConfig.ipEndpointsConfig.authorizedNetworksConfig"
"""Field of a cluster with the networks that are authorized to reach its GKE control plane."""


class Rehearsal:
    """The steps of a rehearsal, one after the other."""

    def __init__(self, context: RehearsalContext) -> None:
        self._context = context
        self._cloud = context.cloud
        self._deployment = context.deployment
        self._report = context.report
        self._tokens: list[str] = []

    def run(self, selected: Steps, changes: Sequence[FileChange] = ()) -> None:
        """Run the steps until one fails.

        Args:
            selected: which steps.
            changes: of the file, which are deployed after the second deploy.
        """
        self._empty = take_snapshot(self._cloud)
        steps: list[Callable[[], None]] = [self._deploy]
        if selected != "deploy":
            steps.append(self._deploy_again)
            if changes:
                steps.append(lambda: Day2(self._context).run(changes))
            if selected == "all" and self._context.lab is None:  # pods run in the first regions only
                steps += [self._add_region, self._retire_region]
            steps += [self._toggle_destination_rule, self._drain_region, self._change_control_plane_mode, self._destroy]
        for step in steps:
            step()
            if not self._report.ok:
                break
        self._scan_for_secrets()

    def _deploy(self) -> None:
        self._report.add(
            mesh_cli_check.check_commands("Before the first deploy: mesh doctor", self._context, ("doctor",))
        )
        self._report.progress("first deploy: cdktf deploy network clusters mesh ingress")
        run = self._deployment.deploy()
        self._report.figure("First deploy", f"{run.totals()[0]} resources added in {run.seconds:.0f} s")
        self._report.add(checks.deployed("First deploy", run))
        if run.ok:
            self._check_clusters("First deploy")
            for cluster in self._cloud.clusters().values():
                self._tokens += [server_and_token(one)[2] for one in remote_secrets(cluster).values()]
            self._report.add(
                mesh_cli_check.check_commands("First deploy: mesh doctor, status and audit", self._context)
            )
            self._send_requests(responses.step_b, responses.step_c)

    def _deploy_again(self) -> None:
        self._report.progress("second deploy")
        before = take_checkpoint(self._cloud)
        run = self._deployment.deploy()
        self._report.figure("Second deploy", f"{sum(run.totals())} resources changed")
        self._report.add(checks.nothing_changed("Second deploy: no changes", run, changes_since(self._cloud, before)))

    def _change_control_plane_mode(self) -> None:
        mesh = self._deployment.content["mesh"]
        given = mesh.get("control_plane", self._context.environment.mesh.control_plane)
        # Not asmcli-in-cluster, for which the file would have to give a version.
        other = next(name for name in reversed(MODES) if name != given)
        self._report.progress(f"changing the control plane mode to {other}")
        before = take_checkpoint(self._cloud)
        mesh["control_plane"] = other
        self._deployment.write()
        run = self._deployment.plan("mesh")
        changes = changes_since(self._cloud, before)
        mesh["control_plane"] = given
        self._deployment.write()
        self._report.add(
            checks.refused(f"Control plane mode changed to {other}: the plan fails", run, NO_MIGRATION, changes)
        )

    def _toggle_destination_rule(self) -> None:
        self._report.progress("removing and restoring the DestinationRule")
        before = take_snapshot(self._cloud, identities=True)
        demo = self._deployment.content.setdefault("demo", {})
        given = demo.get("failover", True)
        demo["failover"] = False
        off = self._ingress()
        rules = [f"- {key}" for key in before if " DestinationRule " in key]
        found = differences(before, take_snapshot(self._cloud, identities=True))
        title = "DestinationRule removed: no other changes"
        without = checks.compared(title, found, rules, off, ok=off.ok and off.totals()[1] == 0)
        self._send_requests(responses.step_a)
        demo["failover"] = given
        on = self._ingress()
        found = differences(before, take_snapshot(self._cloud, identities=True))
        same = [f"~{rule[1:]}: .metadata" for rule in rules]
        title = "DestinationRule restored: no other changes"
        self._report.add(without, checks.compared(title, found, same, on, ok=on.ok and on.totals()[1] == 0))

    def _drain_region(self) -> None:
        for table in DrainCheck(self._context).run():
            self._report.add(table)

    def _add_region(self) -> None:
        new = self._new_region
        self._report.progress(f"adding region {new}")
        self._before_addition = take_snapshot(self._cloud, identities=True)
        self._deployment.content = {
            **copy.deepcopy(self._context.more),
            "demo": self._deployment.content["demo"] | _demo(self._context.more),
        }
        self._deployment.write()
        run = self._deployment.deploy()
        self._report.add(checks.deployed(f"Region {new} added", run))
        if not run.ok:
            return
        found = differences(self._before_addition, take_snapshot(self._cloud, identities=True))
        # All pods' ranges are in one firewall rule.
        environment = self._context.environment
        shared = ["+ ", f"{self._firewalls}{environment.names.pods_firewall}", self._members, self._backends]
        objects = self._of_all_regions()
        shared += objects
        rules = 1
        if "internal" in environment.ingress.exposures:
            shared.append(f"{self._firewalls}{environment.names.internal_load_balancer_firewall}")
            rules += 1
        # GKE control planes that admit the new pods.
        others = [one for one in environment.resolved_regions() if one.key != new and not one.retired]
        admitting = others if environment.control_plane.runs_on_nodes else []
        folder = f"~ cloud projects/{self._cloud.fake.project}/locations"
        shared += [f"{folder}/{one.location}/clusters/{one.names.cluster}: {NETWORKS}" for one in admitting]
        title = f"Region {new} added: changes elsewhere"
        changes = rules + len(objects) + len(admitting)
        table = checks.compared(title, found, shared, run, ok=run.totals()[1:] == (changes, 0))
        table.notes += run.destroyed()
        added, changed, destroyed = run.totals()
        self._report.figure(
            "Region added", f"{added} resources added, {changed} changed, {destroyed} destroyed in {run.seconds:.0f} s"
        )
        self._report.add(table)
        self._check_clusters(f"Region {new} added")

    def _retire_region(self) -> None:
        new = self._new_region
        self._report.progress(f"retiring region {new}")
        region = self._deployment.content["regions"][new]
        region["retired"] = True
        self._deployment.write()
        retired = self._deployment.deploy()
        self._report.add(checks.deployed(f"Region {new} retired", retired))
        if not retired.ok:
            return
        self._check_clusters(f"Region {new} retired")
        self._report.progress(f"deleting region {new}")
        del self._deployment.content["regions"][new]
        self._deployment.content["demo"].get("versions", {}).pop(new, None)
        self._deployment.write()
        cluster = self._deployment.deploy(("clusters",), ONE_STACK_ONLY)
        self._report.add(checks.deployed(f"Region {new} deleted: its cluster", cluster, ("clusters",)))
        if not cluster.ok:
            return
        rest = self._deployment.deploy()
        if self._delete_leftovers(f"Region {new} deleted: stopped at orphaned resources of the mesh", rest, ""):
            rest = self._deployment.deploy()
        self._report.add(checks.deployed(f"Region {new} deleted: all stacks", rest))
        found = differences(self._before_addition, take_snapshot(self._cloud, identities=True))
        # These objects have been updated twice.
        allowed = [self._firewalls, *(f"{one}: .metadata.generation" for one in self._of_all_regions())]
        table = checks.compared(f"Region {new} deleted: differences from before it was added", found, allowed)
        seconds = retired.seconds + cluster.seconds + rest.seconds
        self._report.figure("Region removed", f"{seconds:.0f} s; {table.rows[0][1]} unexpected differences from before")
        self._report.add(table)

    def _destroy(self) -> None:
        self._report.progress("destroy: deletion protection off, then cdktf destroy network clusters mesh ingress")
        self._deployment.content.setdefault("cluster", {})["deletion_protection"] = False
        self._deployment.write()
        unprotected = self._deployment.deploy(("clusters",), ONE_STACK_ONLY)
        if not unprotected.ok:
            self._report.add(checks.deployed("Destroy: deletion protection off", unprotected, ("clusters",)))
            return
        self._send_requests(responses.step_b, responses.step_c)
        run = self._deployment.destroy()
        if self._delete_leftovers("Destroy: stopped at orphaned resources of the mesh", run, mesh_leftovers.HINT):
            run = self._deployment.destroy()
        stacks = ("ingress", "mesh", "clusters", "network")
        orphaned = checks.orphaned("Destroy: orphaned resources", self._empty, take_snapshot(self._cloud))
        self._report.figure(
            "Destroy", f"{run.totals()[2]} resources destroyed in {run.seconds:.0f} s; {orphaned.rows[0][0]} orphaned"
        )
        self._report.add(checks.deployed("Destroy", run, stacks), orphaned)
        self._report.add(mesh_cli_check.check_commands("Destroy: mesh audit", self._context, ("audit",)))
        if self._context.forbidden is not None:
            self._report.add(
                checks.without_tools("Tools that terraform called", self._context.forbidden, self._deployment.output)
            )

    def _delete_leftovers(self, title: str, run: CommandRun, hint: str) -> bool:
        """Delete, by the commands of `mesh audit`, the orphaned resources of the mesh in deleted clusters.

        Args:
            title: of the table that shows the command that they stopped.
            run: the command.
            hint: in its output.

        Returns:
            Whether there were any: if not, the command did not have to stop.
        """
        left = self._cloud.left_by_mesh()
        if left:
            self._report.add(mesh_leftovers.stopped(title, run, hint))
            self._report.add(
                mesh_leftovers.deleted(
                    "Orphaned resources of the mesh: deleted by the commands of mesh audit", self._context, left
                )
            )
        return bool(left)

    def _check_clusters(self, step: str) -> None:
        """Check the objects in all clusters, and endpoint discovery between them."""
        self._report.add(checks.objects(f"{step}: objects and remote secrets", self._context))
        self._report.add(checks.peer_discovery(f"{step}: endpoint discovery", self._context))

    def _send_requests(self, *steps: Callable[[LabDemo, Report], None]) -> None:
        """Send requests in the deployed mesh, if pods run in it."""
        if self._context.lab is not None:
            demo = LabDemo(self._context.lab, self._context.environment)
            for step in steps:
                step(demo, self._report)

    def _scan_for_secrets(self) -> None:
        context = self._context
        folders = [context.deployment.folder, context.logs, *(context.state / name for name in ("home", "tmpdir"))]
        scan_for_secrets(self._report, self._cloud.fake.identity, self._tokens, folders)

    @property
    def _new_region(self) -> str:
        """Return the key of the added region, which is the last one."""
        return str(list(self._context.more["regions"])[-1])

    @property
    def _firewalls(self) -> str:
        """Return the beginning of a line of differences about a firewall rule."""
        return f"~ cloud projects/{self._cloud.fake.project}/global/firewalls/"

    @property
    def _members(self) -> str:
        """Return the line of differences about the memberships whose mesh the fleet manages."""
        folder = f"projects/{self._cloud.fake.project}/locations/global/features"
        return f"~ cloud {folder}/servicemesh: .membershipSpecs"

    def _of_all_regions(self) -> list[str]:
        """Return the beginnings of lines of differences about older objects that name something of every region.

        They are those of the internal load balancer: its Gateway has an address in each region, and the gateways admit
        the proxies of all regions.
        """
        environment = self._context.environment
        if "internal" not in environment.ingress.exposures:
            return []
        found = [f"~ {environment.ingress.config_cluster} Gateway {GATEWAY_NAMESPACE}/internal"]
        if environment.mesh.default_deny:
            older = [one.key for one in environment.resolved_regions() if one.key != self._new_region]
            found += [f"~ {key} AuthorizationPolicy {GATEWAY_NAMESPACE}/{GATEWAY_NAME}" for key in older]
        return found

    @property
    def _backends(self) -> str:
        """Return the beginning of a line of differences about the load balancer's backends, the endpoint groups."""
        return f"~ cloud projects/{self._cloud.fake.project}/global/backendServices/"

    def _ingress(self) -> CommandRun:
        self._deployment.write()
        return self._deployment.deploy(("ingress",), ONE_STACK_ONLY)


def _demo(content: dict[str, object]) -> dict[str, object]:
    demo = content.get("demo", {})
    assert isinstance(demo, dict)
    return demo


def run(context: RehearsalContext, steps: Steps, changes: Sequence[FileChange] = ()) -> None:
    """Rehearse a deploy.

    Args:
        context: what is rehearsed.
        steps: which steps to run.
        changes: of the file, to deploy besides.

    Raises:
        LocalMeshError: something did not start.
    """
    ignore_sigint()
    fake_tools = ", ".join(context.command_environment.faked) or "none"
    environment = context.environment
    regions = [region.key for region in environment.resolved_regions() if not region.retired]
    context.report.tried = (
        f"mesh.control_plane: {environment.mesh.control_plane}, regions {', '.join(regions)}: real terraform and "
        "Kubernetes, emulated Google Cloud"
    )
    context.report.progress(f"fake tools, besides asmcli and Google's controllers: {fake_tools}")
    Rehearsal(context).run(steps, changes)
    conclude(context, complete=steps == "all" and context.lab is None)

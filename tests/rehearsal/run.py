"""The steps of a rehearsal, inside its namespaces."""

from collections.abc import Callable
from typing import Literal

from config.control_plane import MODES
from tests.lab import responses
from tests.lab.demo import LabDemo
from tests.local_mesh.isolation import ignore_sigint
from tests.rehearsal import checks, mesh_cli_check, mesh_leftovers
from tests.rehearsal.changes import changes_since, take_checkpoint
from tests.rehearsal.context import RehearsalContext, conclude
from tests.rehearsal.deployment import CommandRun
from tests.rehearsal.expected import remote_secrets
from tests.rehearsal.remote_secret_check import server_and_token
from tests.rehearsal.secret_scan import scan_for_secrets
from tests.rehearsal.snapshot import differences, take_snapshot
from tests.reporting.table import Table

ADDED_CLUSTER_ONLY = "--ignore-missing-stack-dependencies"
NO_MIGRATION = "there is no migration"
"""In the message of a plan that would change the control plane mode."""

Steps = Literal["all", "short", "deploy"]
"""All; all without adding and removing a region; or only the first deploy."""

NETWORKS = ".controlPlaneEndpointsConfig.ipEndpointsConfig.authorizedNetworksConfig"
"""Field of a cluster with the networks that are authorized to reach its GKE control plane."""


class Rehearsal:
    """The steps of a rehearsal, one after the other.

    Attributes:
        tables: results so far.
    """

    def __init__(self, context: RehearsalContext) -> None:
        self._context = context
        self._cloud = context.cloud
        self._deployment = context.deployment
        self._tokens: list[str] = []
        self.tables: list[Table] = []

    def run(self, selected: Steps) -> None:
        """Run the steps until one fails."""
        self._empty = take_snapshot(self._cloud)
        steps: list[Callable[[], None]] = [self._deploy]
        if selected != "deploy":
            steps.append(self._deploy_again)
            if selected == "all" and self._context.lab is None:  # pods run in the first regions only
                steps += [self._add_region, self._retire_region]
            steps += [self._toggle_destination_rule, self._change_control_plane_mode, self._destroy]
        for step in steps:
            step()
            if not self.tables[-1].ok:
                break
        self._scan_for_secrets()

    def _show(self, *tables: Table) -> None:
        for table in tables:
            print(f"\n{table}", flush=True)
            self.tables.append(table)

    def _deploy(self) -> None:
        self._show(mesh_cli_check.check_commands("0  whether a deploy can succeed", self._context, ("doctor",)))
        self._context.say("deploying from nothing: cdktf deploy network clusters mesh ingress")
        run = self._deployment.deploy()
        self._show(checks.deployed("1  deploy from nothing", run))
        if run.ok:
            self._show(checks.objects("2  objects, and trust between the clusters", self._context))
            self._show(checks.peer_discovery("   how clusters find and reach each other", self._context))
            for cluster in self._cloud.clusters().values():
                self._tokens += [server_and_token(one)[2] for one in remote_secrets(cluster).values()]
            self._show(mesh_cli_check.check_commands("   what the operator's command says", self._context))
            self._send_requests(responses.step_b, responses.step_c)

    def _deploy_again(self) -> None:
        self._context.say("deploying again")
        before = take_checkpoint(self._cloud)
        run = self._deployment.deploy()
        self._show(
            checks.nothing_changed("3  a second deploy changes nothing", run, changes_since(self._cloud, before))
        )

    def _change_control_plane_mode(self) -> None:
        mesh = self._deployment.content["mesh"]
        given = mesh.get("control_plane", self._context.environment.mesh.control_plane)
        # Not asmcli-in-cluster, for which the file would have to give a version.
        other = next(name for name in reversed(MODES) if name != given)
        self._context.say(f"choosing another control plane mode, {other}")
        before = take_checkpoint(self._cloud)
        mesh["control_plane"] = other
        self._deployment.write()
        run = self._deployment.plan("mesh")
        changes = changes_since(self._cloud, before)
        mesh["control_plane"] = given
        self._deployment.write()
        self._show(
            checks.refused(f"   another control plane is refused in the plan: {other}", run, NO_MIGRATION, changes)
        )

    def _toggle_destination_rule(self) -> None:
        self._context.say("switching the DestinationRule off and on")
        before = take_snapshot(self._cloud, identities=True)
        demo = self._deployment.content.setdefault("demo", {})
        given = demo.get("failover", True)
        demo["failover"] = False
        off = self._ingress()
        rules = [f"- {key}" for key in before if " DestinationRule " in key]
        title = "5  the DestinationRule off: nothing else changes"
        without = checks.compared(title, differences(before, take_snapshot(self._cloud, identities=True)), rules)
        self._send_requests(responses.step_a)
        demo["failover"] = given
        on = self._ingress()
        after = take_snapshot(self._cloud, identities=True)
        with_it = checks.compared(
            "   and on again", differences(before, after), [f"~{rule[1:]}: .metadata" for rule in rules]
        )
        for table, run in ((without, off), (with_it, on)):
            table.add(*self._total(run), ok=run.ok and run.totals()[1] == 0)
        self._show(without, with_it)

    def _add_region(self) -> None:
        new = self._new_region
        self._context.say(f"adding a region, {new}")
        self._before_addition = take_snapshot(self._cloud, identities=True)
        self._deployment.content = {
            **self._context.more,
            "demo": self._deployment.content["demo"] | _demo(self._context.more),
        }
        self._deployment.write()
        run = self._deployment.deploy()
        self._show(checks.deployed("4  a region is added", run))
        if not run.ok:
            return
        found = differences(self._before_addition, take_snapshot(self._cloud, identities=True))
        # All pods' ranges are in one firewall rule.
        environment = self._context.environment
        shared = ["+ ", f"{self._firewalls}{environment.names.pods_firewall}", self._members, self._backends]
        # GKE control planes that admit the new pods.
        others = [one for one in environment.resolved_regions() if one.key != new and not one.retired]
        admitting = others if environment.control_plane.runs_on_nodes else []
        folder = f"~ cloud projects/{self._cloud.fake.project}/locations"
        shared += [f"{folder}/{one.location}/clusters/{one.names.cluster}: {NETWORKS}" for one in admitting]
        table = checks.compared("   only additions, but for the firewall rule of all pods", found, shared)
        table.add(*self._total(run), ok=run.totals()[1:] == (1 + len(admitting), 0))
        table.notes += run.destroyed()
        self._show(table, checks.objects("   objects, and trust", self._context))
        self._show(checks.peer_discovery("   how clusters find and reach each other", self._context))

    def _retire_region(self) -> None:
        new = self._new_region
        self._context.say(f"retiring {new}")
        region = self._deployment.content["regions"][new]
        region["retired"] = True
        self._deployment.write()
        retired = self._deployment.deploy()
        self._show(checks.deployed(f"   {new} is retired", retired))
        if not retired.ok:
            return
        self._show(checks.objects("   objects, and trust", self._context))
        self._show(checks.peer_discovery("   how clusters find and reach each other", self._context))
        self._context.say(f"deleting {new} from the file")
        del self._deployment.content["regions"][new]
        self._deployment.content["demo"].get("versions", {}).pop(new, None)
        self._deployment.write()
        cluster = self._deployment.deploy(("clusters",), ADDED_CLUSTER_ONLY)
        self._show(checks.deployed("   deleted: its cluster first", cluster, ("clusters",)))
        if not cluster.ok:
            return
        rest = self._deployment.deploy()
        if self._delete_leftovers("   the rest, which stops at what the mesh has left", rest, ""):
            rest = self._deployment.deploy()
        self._show(checks.deployed("   and the rest", rest))
        found = differences(self._before_addition, take_snapshot(self._cloud, identities=True))
        self._show(checks.compared("   nothing of it is left, and nothing else was touched", found, [self._firewalls]))

    def _destroy(self) -> None:
        self._context.say("destroying: deletion protection off, then cdktf destroy network clusters mesh ingress")
        self._deployment.content.setdefault("cluster", {})["deletion_protection"] = False
        self._deployment.write()
        unprotected = self._deployment.deploy(("clusters",), ADDED_CLUSTER_ONLY)
        if not unprotected.ok:
            self._show(checks.deployed("6  deletion protection off", unprotected, ("clusters",)))
            return
        self._send_requests(responses.step_b, responses.step_c)
        run = self._deployment.destroy()
        if self._delete_leftovers("6  destroy, which stops at what the mesh has left", run, mesh_leftovers.HINT):
            run = self._deployment.destroy()
        stacks = ("ingress", "mesh", "clusters", "network")
        self._show(checks.deployed("6  destroy", run, stacks))
        self._show(checks.orphaned("   what is left", self._empty, take_snapshot(self._cloud)))
        self._show(mesh_cli_check.check_commands("   and what the operator's command finds", self._context, ("audit",)))
        if self._context.forbidden is not None:
            self._show(
                checks.without_tools(
                    "   all that without tools besides terraform", self._context.forbidden, self._deployment.output
                )
            )

    def _delete_leftovers(self, title: str, run: CommandRun, hint: str) -> bool:
        """Delete, as `mesh audit` says, what the mesh has left of deleted clusters.

        Args:
            title: of the table that shows a command that has stopped at it.
            run: the command.
            hint: in its output.

        Returns:
            Whether there was anything: if not, the command did not have to stop.
        """
        left = self._cloud.left_by_mesh()
        if left:
            self._show(mesh_leftovers.stopped(title, run, hint))
            self._show(mesh_leftovers.deleted("   the commands of mesh audit delete it", self._context, left))
        return bool(left)

    def _send_requests(self, *steps: Callable[[LabDemo], Table]) -> None:
        """Send requests in the deployed mesh, if pods run in it."""
        if self._context.lab is not None:
            demo = LabDemo(self._context.lab, self._context.environment)
            self._show(*(step(demo) for step in steps))

    def _scan_for_secrets(self) -> None:
        context = self._context
        folders = [context.deployment.folder, context.logs, *(context.state / name for name in ("home", "tmpdir"))]
        self._show(scan_for_secrets(self._cloud.fake.identity, self._tokens, folders))

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

    @property
    def _backends(self) -> str:
        """Return the beginning of a line of differences about the load balancer's backends, the endpoint groups."""
        return f"~ cloud projects/{self._cloud.fake.project}/global/backendServices/"

    def _ingress(self) -> CommandRun:
        self._deployment.write()
        return self._deployment.deploy(("ingress",), ADDED_CLUSTER_ONLY)

    @staticmethod
    def _total(run: CommandRun) -> tuple[str, str]:
        added, changed, destroyed = run.totals()
        return f"{added} added, {changed} changed, {destroyed} destroyed", f"{run.seconds:.0f} s"


def _demo(content: dict[str, object]) -> dict[str, object]:
    demo = content.get("demo", {})
    assert isinstance(demo, dict)
    return demo


def run(context: RehearsalContext, steps: Steps) -> int:
    """Rehearse, and return the exit status: 0 if everything is as it has to be, else 1.

    Args:
        context: what is rehearsed.
        steps: which steps to run.

    Raises:
        LocalMeshError: something did not start.
    """
    ignore_sigint()
    fake_tools = ", ".join(context.command_environment.faked) or "none"
    context.say(f"fake tools besides asmcli and Google's controllers: {fake_tools}")
    rehearsal = Rehearsal(context)
    rehearsal.run(steps)
    return conclude(context, rehearsal.tables, complete=steps == "all" and context.lab is None)

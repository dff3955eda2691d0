"""The rehearsal without terraform: calls to the cloud, the scripts and kubectl take its place.

The rest is real: the scripts with their inputs as synthesized, gcloud, kubectl and istioctl, the
manifests as rendered, the API servers.
"""

import json
import re
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from cli.sources.synthesized import read_folder
from config.apis import APIS
from config.environment import ResolvedRegion
from tests.fake_cloud.testing import ApiClient, operation_path
from tests.local_mesh.errors import LocalMeshError
from tests.local_mesh.isolation import ignore_sigint
from tests.local_mesh.rendered import objects_by_region
from tests.rehearsal import checks
from tests.rehearsal.context import RehearsalContext, conclude
from tests.rehearsal.expected import remote_secrets
from tests.rehearsal.fault_wrappers import Call, FaultWrappers
from tests.rehearsal.remote_secret_check import server_and_token
from tests.rehearsal.script_inputs import Job, ScriptInputs, ScriptResult, run_job
from tests.rehearsal.secret_scan import scan_for_secrets
from tests.rehearsal.snapshot import Snapshot, differences, take_snapshot
from tests.reporting.table import Table

SECONDS = 300
LAST_KINDS = ("MultiClusterIngress", "MultiClusterService")
WAITING = ("wait-for-crds.sh", "wait-for-load-balancer-cleanup.sh")

T = TypeVar("T")


class ScriptedDeployment:
    """An environment that is created and deleted by calls to the cloud, the scripts and kubectl.

    Attributes:
        objects: Kubernetes objects by region.
    """

    def __init__(self, context: RehearsalContext, wrappers: FaultWrappers) -> None:
        """Synthesize the environment.

        Args:
            context: what is rehearsed.
            wrappers: let programs fail.
        """
        self._context = context
        self._cloud = context.cloud
        self._environment = context.environment
        self._regions = list(self._environment.resolved_regions())
        self._project = self._environment.project.id
        self._compute = f"/compute/v1/projects/{self._project}"
        self._features = f"/gkehub/v1/projects/{self._project}/locations/global/features"
        self._variables = wrappers.variables(context.command_environment.variables)
        rendered = context.state / "rendered"
        self.objects = objects_by_region(self._environment, rendered)
        self._scripts = ScriptInputs(read_folder(rendered), self._read_cluster)

    def create_clusters(self) -> None:
        """Create what the stacks `network` and `clusters` create, as far as the rest needs it."""
        services = {"serviceIds": [f"{name}.googleapis.com" for name in APIS]}
        self._call("POST", f"/serviceusage/v1/projects/{self._project}/services:batchEnable", services)
        self._call("POST", f"{self._compute}/global/networks", {"name": self._environment.names.vpc})
        _each(self._create_cluster, self._regions)

    def install(self) -> list[Job]:
        """Do what the stack `mesh` does, and return one job of each script."""
        first = next(one for one in self._regions if one.key == self._environment.ingress.config_cluster)
        membership = f"projects/{self._project}/locations/{first.location}/memberships/{first.names.cluster}"
        spec = {"multiclusteringress": {"configMembership": membership}}
        self._call("POST", f"{self._features}?featureId=servicemesh", {})
        self._call("POST", f"{self._features}?featureId=multiclusteringress", {"spec": spec})
        groups = self._scripts.jobs("mesh")
        for group in groups:
            _each(self.must_run, group)
        return [group[0] for group in groups]

    def apply(self) -> None:
        """Apply what the stack `ingress` renders, and wait until it is rolled out."""
        name = self._environment.names.ingress_address
        address = self._call("POST", f"{self._compute}/global/addresses", {"name": name})["targetLink"]
        given = self._call("GET", address.removeprefix(self._cloud.fake.base))["address"]
        clusters = self._cloud.clusters()

        def roll_out(region: str) -> None:
            text = json.dumps(self.objects[region])
            self.objects[region] = json.loads(re.sub(r"\$\{google_compute_global_address[^}]*\}", given, text))
            for part in (True, False):
                clusters[region].apply([one for one in self.objects[region] if (one["kind"] == "Namespace") is part])
            for one in self.objects[region]:
                if one["kind"] == "Deployment":
                    metadata = one["metadata"]
                    clusters[region].kubectl(
                        *("--namespace", metadata["namespace"], "rollout", "status", f"deployment/{metadata['name']}")
                    )

        _each(roll_out, list(self.objects))

    def delete_objects(self) -> Job:
        """Delete the objects, the ingress first, and return the script that waits for the end of the load balancer."""
        for region, objects in self.objects.items():
            for kind in LAST_KINDS:
                self._cloud.clusters()[region].delete([one for one in objects if one["kind"] == kind])
        for region, objects in self.objects.items():
            self._cloud.clusters()[region].delete([one for one in objects if one["kind"] == "Namespace"])
        ((job,),) = self._scripts.jobs("ingress", destroy=True)
        self.must_run(job)
        return job

    def removal_jobs(self) -> list[Job]:
        """Return the scripts that remove the mesh from every cluster, in their order."""
        return [job for group in self._scripts.jobs("mesh", destroy=True) for job in group]

    def delete_clusters(self) -> None:
        """Delete features, clusters and networks."""
        names = self._environment.names
        for feature in ("multiclusteringress", "servicemesh"):
            self._call("DELETE", f"{self._features}/{feature}")
        _each(lambda one: self._call("DELETE", f"{self._clusters(one.location)}/{one.names.cluster}"), self._regions)
        self._call("DELETE", f"{self._compute}/global/addresses/{names.ingress_address}")
        for region in self._regions:
            self._call("DELETE", f"{self._compute}/regions/{region.location}/subnetworks/{names.subnet}")
        self._call("DELETE", f"{self._compute}/global/networks/{names.vpc}")

    def run(self, job: Job) -> ScriptResult:
        """Run a script as terraform does."""
        return run_job(job, self._variables, self._context.logs / "commands.log")

    def must_run(self, job: Job) -> None:
        """Run a script that has to succeed.

        Raises:
            LocalMeshError: it failed.
        """
        result = self.run(job)
        if result.status != 0:
            raise LocalMeshError(f"{job.script} failed:\n{result.output}")

    def _create_cluster(self, region: ResolvedRegion) -> None:
        names = self._environment.names
        network = f"projects/{self._project}/global/networks/{names.vpc}"
        subnets = f"projects/{self._project}/regions/{region.location}/subnetworks"
        secondary = {"pods": region.ranges.pods, "services": region.ranges.services}
        subnet = {
            "name": names.subnet,
            "network": network,
            "ipCidrRange": str(region.ranges.nodes),
            "secondaryIpRanges": [{"rangeName": name, "ipCidrRange": str(value)} for name, value in secondary.items()],
        }
        self._call("POST", f"/compute/v1/{subnets}", subnet)
        cluster = {
            "name": region.names.cluster,
            "network": network,
            "subnetwork": f"{subnets}/{names.subnet}",
            "ipAllocationPolicy": {"clusterSecondaryRangeName": "pods", "servicesSecondaryRangeName": "services"},
            "privateClusterConfig": {"masterIpv4CidrBlock": str(region.ranges.control_plane)},
            "controlPlaneEndpointsConfig": {"ipEndpointsConfig": {"enablePublicEndpoint": True}},
            "fleet": {"project": self._project},
        }
        clusters = self._clusters(region.location)
        self._call("POST", clusters, {"cluster": cluster})
        self._call(
            "POST", f"{clusters}/{region.names.cluster}/nodePools", {"nodePool": {"name": region.names.node_pool}}
        )

    def _read_cluster(self, location: str, name: str) -> dict[str, Any]:
        return self._call("GET", f"{self._clusters(location)}/{name}")

    def _clusters(self, location: str) -> str:
        return f"/container/v1/projects/{self._project}/locations/{location}/clusters"

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call an API, and wait until the operation is done.

        Raises:
            LocalMeshError: it ended in an error.
        """
        fake = self._cloud.fake
        client = ApiClient(fake.base, fake.identity.new_token()["access_token"], SECONDS)
        answer = client.ok(method, path, body)
        if method == "GET" or not ("operationType" in answer or "done" in answer):
            return answer
        service = "/".join(path.split("/")[:3])
        operation = client.wait(operation_path(answer) if "selfLink" in answer else f"{service}/{answer['name']}")
        if "error" in operation:
            raise LocalMeshError(f"{method} {path}: {operation['error']}")
        return operation


class ScriptFaults:
    """Lets scripts fail or be killed at their calls, and runs each again.

    Attributes:
        table: results.
    """

    def __init__(
        self, deployment: ScriptedDeployment, wrappers: FaultWrappers, context: RehearsalContext, every_call: bool
    ) -> None:
        """Start with an empty table.

        Args:
            deployment: runs the scripts.
            wrappers: let calls fail.
            context: what is rehearsed.
            every_call: disturb every call of each script, not the last alone.
        """
        self._deployment = deployment
        self._wrappers = wrappers
        self._context = context
        self._every_call = every_call
        self.table = Table(
            "Faults in scripts, and one plain re-run after each",
            ["Script", "Call", "Fault", "Result of the re-run", "Duration (s)"],
        )
        self._recovered = 0

    def disturb(self, jobs: Iterable[Job]) -> None:
        """Disturb each script; its re-run has to restore what exists now."""
        expected = take_snapshot(self._context.cloud)
        for job in jobs:
            self._wrappers.forget()
            self._deployment.must_run(job)
            calls = self._wrappers.calls()
            for call in calls if self._every_call else calls[-1:]:
                for action in ("fail", "kill"):
                    self._disturb_call(job, call, action, expected)

    def _disturb_call(self, job: Job, call: Call, action: str, expected: Snapshot) -> None:
        fault = {"fail": "call fails", "kill": "script is killed"}[action]
        where = f"{call.number} {call.tool}" + ("" if call.script == job.script else f" of {call.script}")
        self._context.report.progress(f"{job.script}, call {where}: {fault}")
        start = time.monotonic()
        self._wrappers.plan(call, action)
        first = self._deployment.run(job)
        met = self._wrappers.end()
        again = self._deployment.run(job)
        found = differences(expected, take_snapshot(self._context.cloud))
        # Those that wait repeat their calls, and asmcli retries.
        noticed = first.status != 0 or job.script in WAITING or call.script == "asmcli"
        good = met and noticed and again.status == 0 and not found
        result = "recovered" if good else _name_problem(met, noticed)
        self.table.add(job.script, where, fault, result, f"{time.monotonic() - start:.0f}", ok=good)
        self._recovered += good
        self._context.report.figure(
            "Faults in scripts", f"{self._recovered} of {len(self.table.rows)} recovered by a re-run"
        )
        if not good:
            self.table.notes += [*found[:5], *again.output.splitlines()[-3:]]


def _name_problem(met: bool, noticed: bool) -> str:
    if not met:
        return "the fault did not occur"
    return "not recovered" if noticed else "the script succeeded in spite of the fault"


def run_without_terraform(context: RehearsalContext, wrappers: FaultWrappers, every_call: bool) -> None:
    """Rehearse the scripts and manifests.

    Args:
        context: what is rehearsed.
        wrappers: let programs fail.
        every_call: disturb every call of each script, in two modes.
    """
    ignore_sigint()
    cloud, report = context.cloud, context.report
    report.tried = (
        "the project's scripts and rendered manifests, each script failed and killed: real gcloud (or a fake one), "
        "kubectl, istioctl and Kubernetes; no terraform, emulated Google Cloud"
    )
    deployment = ScriptedDeployment(context, wrappers)
    faults = ScriptFaults(deployment, wrappers, context, every_call)
    empty = take_snapshot(cloud)
    report.progress("creating networks and clusters, by calls to the emulated cloud")
    deployment.create_clusters()
    report.progress("installing the mesh and the remote secrets, by the project's scripts")
    scripts = deployment.install()
    report.progress("applying the rendered manifests")
    deployment.apply()
    report.add(checks.objects("Objects and remote secrets", context))
    tokens = [
        server_and_token(one)[2] for cluster in cloud.clusters().values() for one in remote_secrets(cluster).values()
    ]
    with report.filling(faults.table):
        faults.disturb(scripts)
        report.progress("deleting the objects")
        faults.disturb([deployment.delete_objects()])
        report.progress("removing the mesh, by the project's scripts")
        removals = deployment.removal_jobs()
        for job in removals:
            deployment.must_run(job)
        faults.disturb({job.script: job for job in removals}.values())
    report.progress("deleting the clusters")
    deployment.delete_clusters()
    orphaned = checks.orphaned("Orphaned resources", empty, take_snapshot(cloud))
    report.figure("After deletion", f"{orphaned.rows[0][0]} orphaned resources")
    report.add(orphaned)
    folders = [context.logs, context.deployment.folder, *(context.state / name for name in ("home", "tmpdir"))]
    scan_for_secrets(report, cloud.fake.identity, tokens, folders)
    conclude(context)


def _each(work: Callable[[T], object], items: Sequence[T]) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, items))

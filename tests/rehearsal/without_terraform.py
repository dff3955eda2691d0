"""The rehearsal without terraform: the calls that it would make are made by hand.

What is left is real all the same: the scripts, gcloud, kubectl and istioctl, the
manifests as they are rendered, the API servers.
"""

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any, TypeVar

from config.apis import APIS
from config.crds import required_crds
from config.environment import ResolvedRegion
from config.naming import remote_secret_name
from config.paths import ROOT
from tests.local_mesh.errors import LocalMeshError
from tests.local_mesh.isolation import ignore_sigint
from tests.local_mesh.rendered import Object, objects_by_region
from tests.rehearsal import checks
from tests.rehearsal.context import Stage, conclude
from tests.rehearsal.expected import remote_secrets
from tests.rehearsal.fault_wrappers import Call, Shims
from tests.rehearsal.remote_secret_check import server_and_token
from tests.rehearsal.secret_scan import canary
from tests.rehearsal.snapshot import Snapshot, differences, take_snapshot
from tests.reporting.table import Table

SCRIPTS = ROOT / "scripts"
SECONDS = 300
BY_HAND = "by-hand"
LAST_KINDS = ("MultiClusterIngress", "MultiClusterService")
WAITING = ("wait-for-crds.sh", "wait-for-load-balancer-cleanup.sh")

T = TypeVar("T")


@dataclass(frozen=True)
class Job:
    """A script with its inputs, as the stacks give them to it."""

    script: str
    inputs: dict[str, str]


@dataclass(frozen=True)
class Ended:
    """How a script ended."""

    status: int
    output: str


class ByHand:
    """An environment that is set up and taken down by hand."""

    def __init__(self, stage: Stage, shims: Shims) -> None:
        self._stage = stage
        self._world = stage.world
        self._shims = shims
        self._environment = stage.environment
        self._regions = list(self._environment.resolved_regions())
        self._variables = shims.variables(stage.surroundings.variables)
        self.objects: dict[str, list[Object]] = {}

    def make_clusters(self) -> None:
        """Make what the stacks `network` and `clusters` make, as far as the rest needs it."""
        project = self._environment.project.id
        names = [f"{name}.googleapis.com" for name in APIS]
        self._call("POST", f"/serviceusage/v1/projects/{project}/services:batchEnable", {"serviceIds": names})
        name = self._environment.names.vpc
        self._call("POST", f"/compute/v1/projects/{project}/global/networks", {"name": name})
        _each(self._make_cluster, self._regions)

    def install(self) -> list[Job]:
        """Do what the stack `mesh` does, and return the scripts that were run, one of each."""
        project, fleet = self._environment.project.id, self._fleet()
        first = next(one for one in self._regions if one.key == self._environment.ingress.config_cluster)
        membership = f"projects/{project}/locations/{first.location}/memberships/{first.names.cluster}"
        spec = {"multiclusteringress": {"configMembership": membership}}
        self._call("POST", f"{fleet}?featureId=servicemesh", {})
        self._call("POST", f"{fleet}?featureId=multiclusteringress", {"spec": spec})
        installations = [self._install_job(one) for one in self._regions]
        files = {one.key: self._kubeconfig(one) for one in self._regions}
        jobs = [installations, self._trust_jobs(files), self._trust_checks(files), self._wait_jobs(files)]
        for group in jobs:
            _each(self.must_run, group)
        return [group[0] for group in jobs]

    def apply(self, rendered: Path) -> None:
        """Apply what the stack `ingress` renders, and wait until it is rolled out."""
        address = self._call(
            "POST",
            f"/compute/v1/projects/{self._environment.project.id}/global/addresses",
            {"name": self._environment.names.ingress_address},
        )["targetLink"]
        given = self._call("GET", address.removeprefix(self._world.cloud.base))["address"]
        self.objects = objects_by_region(self._environment, rendered)
        clusters = self._world.clusters()

        def roll_out(region: str) -> None:
            text = json.dumps(self.objects[region])
            reference = next(
                (part for part in text.split('"') if part.startswith("${google_compute_global_address")), ""
            )
            self.objects[region] = json.loads(text.replace(reference, given) if reference else text)
            for part in (True, False):
                clusters[region].apply([one for one in self.objects[region] if (one["kind"] == "Namespace") is part])
            for one in self.objects[region]:
                if one["kind"] == "Deployment":
                    metadata = one["metadata"]
                    clusters[region].kubectl(
                        *("--namespace", metadata["namespace"], "rollout", "status", f"deployment/{metadata['name']}")
                    )

        _each(roll_out, list(self.objects))

    def remove_objects(self) -> Job:
        """Delete what was applied, the entry first, and return the script that waits for the load balancer to go."""
        for region, objects in self.objects.items():
            for kind in LAST_KINDS:
                self._world.clusters()[region].delete([one for one in objects if one["kind"] == kind])
        for region, objects in self.objects.items():
            self._world.clusters()[region].delete([one for one in objects if one["kind"] == "Namespace"])
        job = Job("wait-for-load-balancer-cleanup.sh", {"VPC": self._environment.names.vpc})
        self.must_run(job)
        return job

    def removal_jobs(self) -> list[Job]:
        """Return the scripts that take the mesh out of every cluster, in their order."""
        withdrawals = [Job("withdraw-trust.sh", inputs) for inputs in self._secrets()]
        removals = [Job("remove-mesh.sh", _place(region)) for region in self._regions]
        return [*withdrawals, *removals]

    def take_down(self) -> None:
        """Delete features, clusters and networks."""
        project = self._environment.project.id
        for feature in ("multiclusteringress", "servicemesh"):
            self._call("DELETE", f"{self._fleet()}/{feature}")
        _each(lambda one: self._call("DELETE", f"{self._clusters(one)}/{one.names.cluster}"), self._regions)
        compute = f"/compute/v1/projects/{project}"
        self._call("DELETE", f"{compute}/global/addresses/{self._environment.names.ingress_address}")
        for region in self._regions:
            self._call("DELETE", f"{compute}/regions/{region.location}/subnetworks/{self._environment.names.subnet}")
        self._call("DELETE", f"{compute}/global/networks/{self._environment.names.vpc}")

    def run(self, job: Job) -> Ended:
        """Run a script as terraform does."""
        reach = {"PROJECT": self._environment.project.id, "ENDPOINT": self._environment.cluster.endpoint, "ACCOUNT": ""}
        result = subprocess.run(
            ["bash", str(SCRIPTS / job.script)],
            cwd=SCRIPTS.parent,
            env={**self._variables, **reach, **job.inputs},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        log = self._stage.logs / "commands.log"
        with log.open("a", encoding="utf-8") as file:
            file.write(f"$ {job.script}\n{result.stdout}status {result.returncode}\n\n")
        return Ended(result.returncode, result.stdout)

    def must_run(self, job: Job) -> None:
        """Raises:
        LocalMeshError: the script failed.
        """
        ended = self.run(job)
        if ended.status != 0:
            raise LocalMeshError(f"{job.script} failed:\n{ended.output}")

    def _make_cluster(self, region: ResolvedRegion) -> None:
        project = self._environment.project.id
        compute = f"projects/{project}"
        network = f"{compute}/global/networks/{self._environment.names.vpc}"
        subnet = f"{compute}/regions/{region.location}/subnetworks"
        secondary = {"pods": region.ranges.pods, "services": region.ranges.services}
        self._call(
            "POST",
            f"/compute/v1/{subnet}",
            {
                "name": self._environment.names.subnet,
                "network": network,
                "ipCidrRange": str(region.ranges.nodes),
                "secondaryIpRanges": [
                    {"rangeName": name, "ipCidrRange": str(value)} for name, value in secondary.items()
                ],
            },
        )
        cluster = {
            "name": region.names.cluster,
            "network": network,
            "subnetwork": f"{subnet}/{self._environment.names.subnet}",
            "ipAllocationPolicy": {"clusterSecondaryRangeName": "pods", "servicesSecondaryRangeName": "services"},
            "privateClusterConfig": {"masterIpv4CidrBlock": str(region.ranges.control_plane)},
            "controlPlaneEndpointsConfig": {"ipEndpointsConfig": {"enablePublicEndpoint": True}},
            "fleet": {"project": project},
        }
        self._call("POST", self._clusters(region), {"cluster": cluster})
        pool = {"nodePool": {"name": region.names.node_pool}}
        self._call("POST", f"{self._clusters(region)}/{region.names.cluster}/nodePools", pool)

    def _install_job(self, region: ResolvedRegion) -> Job:
        asmcli = self._environment.mesh.asmcli
        inputs = {
            "MODE": "managed",
            "CHANNEL": self._environment.channel,
            "REVISION": self._environment.revision,
            "INPUTS": BY_HAND,
            "ASMCLI_URL": asmcli.url,
            "ASMCLI_FILE": "",
            "ASMCLI_SHA256": asmcli.sha256 or "",
        }
        return Job("install-mesh.sh", {**_place(region), **inputs})

    def _trust_jobs(self, files: Mapping[str, str]) -> list[Job]:
        """Args:
        files: kubeconfigs by region, as for the others below.
        """
        servers = {key: cluster.server for key, cluster in self._world.clusters().items()}
        return [
            Job(
                "grant-trust.sh",
                {
                    "HOLDER_CLUSTER": holder.names.cluster,
                    "HOLDER_KUBECONFIG": files[holder.key],
                    "REMOTE_CLUSTER": remote.names.cluster,
                    "REMOTE_KUBECONFIG": files[remote.key],
                    "REMOTE_NAME": remote.remote_name,
                    "REMOTE_SERVER": servers[remote.key],
                    "INPUTS": BY_HAND,
                },
            )
            for holder, remote in permutations(self._regions, 2)
        ]

    def _trust_checks(self, files: Mapping[str, str]) -> list[Job]:
        marks = {"MARKER": BY_HAND, "GRANTED_BY": BY_HAND}
        holders = {one.names.cluster: files[one.key] for one in self._regions}
        return [
            Job("check-trust.sh", {**inputs, **marks, "HOLDER_KUBECONFIG": holders[inputs["HOLDER_CLUSTER"]]})
            for inputs in self._secrets()
        ]

    def _kubeconfig(self, region: ResolvedRegion) -> str:
        from constructs.kubeconfig import kubeconfig  # noqa: PLC0415 (starts Node.js)

        cluster = self._call("GET", f"{self._clusters(region)}/{region.names.cluster}")
        content = kubeconfig(
            cluster=region.names.cluster,
            host=f"https://{cluster['endpoint']}",
            ca_certificate=cluster["masterAuth"]["clusterCaCertificate"],
            account=None,
        )
        return json.dumps(content)

    def _secrets(self) -> list[dict[str, str]]:
        """Return where each remote secret is, as scripts are told."""
        return [
            {
                "HOLDER_CLUSTER": holder.names.cluster,
                "HOLDER_LOCATION": holder.location,
                "SECRET_NAME": remote_secret_name(remote.remote_name),
            }
            for holder, remote in permutations(self._regions, 2)
        ]

    def _wait_jobs(self, files: Mapping[str, str]) -> list[Job]:
        first = self._environment.ingress.config_cluster
        return [
            Job(
                "wait-for-crds.sh",
                {
                    "CLUSTER": one.names.cluster,
                    "CLUSTER_KUBECONFIG": files[one.key],
                    "CRDS": " ".join(required_crds(config_cluster=one.key == first)),
                    "INSTALLED_BY": BY_HAND,
                    "MARKER": BY_HAND,
                },
            )
            for one in sorted(self._regions, key=lambda one: one.key != first)
        ]

    def _fleet(self) -> str:
        return f"/gkehub/v1/projects/{self._environment.project.id}/locations/global/features"

    def _clusters(self, region: ResolvedRegion) -> str:
        return f"/container/v1/projects/{self._environment.project.id}/locations/{region.location}/clusters"

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call an API, and wait until the operation is done.

        Raises:
            LocalMeshError: it ended in an error.
        """
        token = self._world.cloud.identity.new_token()["access_token"]
        answer = self._request(method, path, token, body)
        name = answer.get("name", "")
        if method == "GET" or not ("operationType" in answer or "done" in answer):
            return answer
        service = "/".join(path.split("/")[:3])
        where = answer["selfLink"].removeprefix(self._world.cloud.base) if "selfLink" in answer else f"{service}/{name}"
        deadline = time.monotonic() + SECONDS
        while not (answer.get("done") or answer.get("status") == "DONE"):
            if time.monotonic() > deadline:
                raise LocalMeshError(f"{method} {path} is not done after {SECONDS} s")
            time.sleep(0.5)
            answer = self._request("GET", where, token, None)
        if "error" in answer:
            raise LocalMeshError(f"{method} {path}: {answer['error']}")
        return answer

    def _request(self, method: str, path: str, token: str, body: dict[str, Any] | None) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self._world.cloud.base}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                answer: dict[str, Any] = json.load(response)
                return answer
        except urllib.error.HTTPError as error:
            raise LocalMeshError(f"{method} {path}: {error.read().decode()}") from error


class ScriptFaults:
    """Lets the project's scripts go wrong at their calls, and runs each again.

    Attributes:
        table: what came of it.
    """

    def __init__(self, hand: ByHand, shims: Shims, stage: Stage, every_call: bool) -> None:
        self._hand = hand
        self._shims = shims
        self._stage = stage
        self._every_call = every_call
        self.table = Table("scripts that go wrong, and one plain re-run", ["script", "call", "how", "then", "seconds"])

    def disturb(self, jobs: Iterable[Job]) -> None:
        """Let each script go wrong; what is there now is what is to be there after each re-run."""
        wanted = take_snapshot(self._stage.world)
        for job in jobs:
            self._shims.forget()
            self._hand.must_run(job)
            calls = self._shims.calls()
            for call in calls if self._every_call else calls[-1:]:
                for action in ("fail", "kill"):
                    self._once(job, call, action, wanted)

    def _once(self, job: Job, call: Call, action: str, wanted: Snapshot) -> None:
        how = {"fail": "fails", "kill": "killed"}[action]
        where = f"{call.number} {call.tool}" + ("" if call.script == job.script else f" of {call.script}")
        self._stage.say(f"{job.script}, call {where}: {how}")
        start = time.monotonic()
        self._shims.plan(call, action)
        first = self._hand.run(job)
        met = self._shims.end()
        again = self._hand.run(job)
        found = differences(wanted, take_snapshot(self._stage.world))
        # Those that wait ask again by themselves, and so go through; asmcli has its own ways.
        noticed = first.status != 0 or job.script in WAITING or call.script == "asmcli"
        good = met and noticed and again.status == 0 and not found
        then = "recovered" if good else "NOT MET" if not met else "NOT NOTICED" if not noticed else "NOT RECOVERED"
        self.table.add(job.script, where, how, then, f"{time.monotonic() - start:.0f}", ok=good)
        if not good:
            self.table.notes += [*found[:5], *again.output.splitlines()[-3:]]


def run_by_hand(stage: Stage, shims: Shims, every_call: bool) -> int:
    """Return 0 if all is as it has to be, else 1.

    Args:
        every_call: of every script goes wrong once, in two ways.
    """
    ignore_sigint()
    say, world = stage.say, stage.world
    hand = ByHand(stage, shims)
    faults = ScriptFaults(hand, shims, stage, every_call)
    empty = take_snapshot(world)
    tables: list[Table] = []

    def show(table: Table) -> None:
        print(f"\n{table}", flush=True)
        tables.append(table)

    say("making networks and clusters, by calls to the emulated cloud")
    hand.make_clusters()
    say("installing the mesh and granting trust, by the project's scripts")
    scripts = hand.install()
    say("applying the manifests that the project renders")
    hand.apply(stage.state / "rendered")
    show(checks.objects("objects, and trust between the clusters", stage))
    clusters = world.clusters().values()
    tokens = [server_and_token(one)[2] for cluster in clusters for one in remote_secrets(cluster).values()]
    faults.disturb(scripts)
    say("taking the objects away")
    faults.disturb([hand.remove_objects()])
    say("taking the mesh away, by the project's scripts")
    removals = hand.removal_jobs()
    for job in removals:
        hand.must_run(job)
    faults.disturb({job.script: job for job in removals}.values())
    show(faults.table)
    hand.take_down()
    show(checks.left_over("what is left after all was deleted", empty, take_snapshot(world)))
    folders = [stage.logs, stage.deployment.folder, *(stage.state / name for name in ("home", "tmpdir"))]
    show(canary(world.cloud.identity, tokens, folders, ()))
    return conclude(stage, tables)


def _place(region: ResolvedRegion) -> dict[str, str]:
    return {"CLUSTER": region.names.cluster, "LOCATION": region.location}


def _each(work: Callable[[T], object], items: Sequence[T]) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, items))

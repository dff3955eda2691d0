"""`mesh drill`: the demo of one region fails, its requests fail over to another region, and fail back."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from string import Template

from cli.errors import MeshError
from cli.report.findings import Report, Section, failure
from cli.report.output import Output
from cli.signals import stop_on_signals
from cli.sources.google import GoogleClient
from cli.sources.kubernetes import ClusterClient, KubectlError, connected_clusters
from cli.sources.temporary import DRILL
from cli.traffic.attribution import FindRegion, region_finder
from cli.traffic.client import LoadGenerator, LoadProfile, TrafficClient, start_load, stop_all
from cli.traffic.client_job import client_jobs, started
from cli.traffic.counts import ResponseCounts
from cli.traffic.expectation import DEPLOY_INGRESS
from cli.traffic.options import DrillOptions, FaultKind
from cli.traffic.outage import count_failed, is_steady
from cli.traffic.response import Response
from cli.traffic.rollback import RollbackStep, rolled_back
from cli.traffic.target import Target
from cli.traffic.timeline import COLUMNS, FAILED_A_POD, SECONDS_TO_FAIL_BACK, SECONDS_TO_FAIL_OVER, DrillTimeline
from config import Environment
from config.environment import DEMO_SERVICE

FAILING_SIDECAR = Template((Path(__file__).parent / "failing.yaml").read_text(encoding="utf-8"))
SIDECAR = "sidecars.networking.istio.io/mesh-drill"

STEADY = 20
"""Responses in a row that make a state."""

WATCHED_SECONDS = 5.0
"""For which requests go on after the failover."""

SECONDS_TO_SETTLE = 30.0
MOST_REQUESTS = 1_000_000
LONGEST_SECONDS = 3600
"""After which Kubernetes deletes the clients of a drill that was killed, with what was to delete them."""

SECONDS_BETWEEN_COUNTS = 0.2
"""And so how late the region of a response may be known."""

REQUESTS_OF_A_WORKER = 10
"""A second: each request is a curl of its own, as each is a connection of its own."""


@dataclass(frozen=True)
class DemoFault:
    """A fault of the demo service in one region.

    Attributes:
        kind: Which.
        inject: Injects it; raises a KubectlError.
        rollback: What restores it.
        most_failed: The number of requests that may fail.
    """

    kind: FaultKind
    inject: Callable[[], object]
    rollback: Sequence[RollbackStep]
    most_failed: int


def run_drill(environment: Environment, kubeconfig: Path | None, options: DrillOptions, output: Output) -> Report:
    """Make the demo service of a region fail, and measure failover and failback.

    Every fault is rolled back, however the drill ends: see `cli.traffic.rollback`.

    Args:
        environment: The environment.
        kubeconfig: As for `cli.sources.kubernetes.connected_clusters`.
        options: Of the command line.
        output: Where progress is shown.

    Returns:
        What was measured.

    Raises:
        MeshError: A drill could show nothing here, or the connection to a client was lost.
    """
    demo = Target.of(environment, DEMO_SERVICE)
    _check_options(environment, demo, options.region)
    stop_on_signals()
    report = Report(f"drill {options.region}")
    section = report.section(f"Failover and failback of the demo service in {options.region}", COLUMNS)
    google = GoogleClient.of(environment)
    with connected_clusters(environment, google, kubeconfig) as clusters:
        image, account = environment.demo.client_image, demo.client_account(environment)
        with client_jobs(
            clusters, account, image=image, purpose=DRILL, seconds=LONGEST_SECONDS, log=output.log
        ) as clients:
            drill = Drill(demo, clusters, started(clients), region_finder(environment), options, output.log, section)
            for fault in drill.faults():
                if not drill.run(fault):
                    break
    report.data["faults"] = drill.data
    return report


def _check_options(environment: Environment, demo: Target, region: str) -> None:
    """Raise a MeshError if a drill would show nothing."""
    if region not in demo.deployments:
        raise MeshError(f"the demo service does not run in {region}", f"use a region of {', '.join(demo.deployments)}")
    if len(demo.deployments) == 1:
        raise MeshError("no other region runs the demo service", "add a region to demo.versions")
    if not environment.demo.failover:
        text = "demo.failover is false, so responses are not local before the fault"
        raise MeshError(text, f"set demo.failover: true, and run: {DEPLOY_INGRESS}")


@dataclass
class Drill:
    """The drill of one region.

    Attributes:
        demo: As configured.
        clusters: By region.
        clients: By region.
        find_region: Tells the region of an endpoint.
        options: Of the command line.
        log: Prints the progress.
        section: Of the report.
        data: What was measured, for programs.
    """

    demo: Target
    clusters: Mapping[str, ClusterClient]
    clients: Mapping[str, TrafficClient]
    find_region: FindRegion
    options: DrillOptions
    log: Callable[[str], None]
    section: Section
    data: list[dict[str, object]] = field(default_factory=list)

    def faults(self) -> list[DemoFault]:
        """Return the faults that the options name.

        Raises:
            MeshError: The number of pods can't be read, or is 0.
        """
        region, namespace = self.options.region, ("--namespace", self.demo.service.namespace)
        cluster, deployment = self.clusters[region], f"deployment/{self.demo.deployment(region)}"
        try:
            found = cluster.get(deployment, *namespace)
        except KubectlError as error:
            raise MeshError(f"can't read the demo service in {region}: {error}", "mesh status") from None
        replicas = int(found["spec"].get("replicas", 1))
        if replicas == 0:
            fix = f"{cluster.command} scale {deployment} {' '.join(namespace)} --replicas=1"
            raise MeshError(f"the demo service in {region} already has 0 replicas", fix)
        scale = ("scale", deployment, *namespace)
        sidecar = FAILING_SIDECAR.substitute(
            namespace=self.demo.service.namespace, app=DEMO_SERVICE, port=self.demo.service.port
        )
        ready = ("rollout", "status", deployment, *namespace, "--timeout=25s")
        every = [
            DemoFault(
                FaultKind.REMOVED,
                partial(cluster.run, *scale, "--replicas=0"),
                [RollbackStep((*scale, f"--replicas={replicas}")), RollbackStep(ready)],
                0,
            ),
            DemoFault(
                FaultKind.FAILING,
                partial(cluster.run, "apply", "--filename", "-", text=sidecar),
                [RollbackStep(("delete", SIDECAR, *namespace, "--ignore-not-found"), gone=(SIDECAR, *namespace))],
                FAILED_A_POD * replicas,
            ),
        ]
        return [fault for fault in every if fault.kind is self.options.fault] or every

    def run(self, fault: DemoFault) -> bool:
        """Inject a fault, roll it back, and return whether the region's own demo responds again."""
        kind, region = fault.kind, self.options.region
        workers = max(1, self.options.rate // REQUESTS_OF_A_WORKER)
        pause = workers / self.options.rate
        load = LoadProfile(MOST_REQUESTS, workers, piece=1, pause=pause, count_every=SECONDS_BETWEEN_COUNTS)
        requests = self.demo.requests
        self.log(f"{kind.label}: sending requests to {requests.url} from {', '.join(self.clusters)}")
        generators = {key: start_load(client, requests, load, self.find_region) for key, client in self.clients.items()}
        try:
            if not self._wait_until(self._is_local, generators, time.monotonic(), SECONDS_TO_SETTLE):
                text = f"not all responses come from {region} before the fault"
                if count_failed(generators[region].responses):
                    text += f": {ResponseCounts.of(generators[region].responses).problem_summary()}"
                self.section.findings.append(failure(f"{kind.label}: baseline", text, "mesh verify locality"))
                return False
            with rolled_back(self.clusters[region], fault.rollback, self.options.restore_seconds, self.log) as left:
                self.log(f"{kind.label}: injecting the fault in {region}")
                failed_at = time.monotonic()
                try:
                    fault.inject()
                except KubectlError as error:
                    raise MeshError(f"can't inject the fault in {region}: {error}", "mesh status") from None
                failed_over = self._wait_until(self._is_remote, generators, failed_at, SECONDS_TO_FAIL_OVER)
                _watch(generators, WATCHED_SECONDS if failed_over else 0)
                self.log(f"{kind.label}: rolling the fault back")
                ended_at = time.monotonic()
            back_at = time.monotonic()
            self.log(f"{kind.label}: waiting for failback to {region}, up to {SECONDS_TO_FAIL_BACK:.0f} s")
            failed_back = not left and self._wait_until(self._is_local, generators, back_at, SECONDS_TO_FAIL_BACK)
        finally:
            stop_all(list(generators.values()))
        timeline = DrillTimeline(
            fault=kind,
            region=region,
            most_failed=fault.most_failed,
            responses={key: one.since(failed_at) for key, one in generators.items()},
            failed_at=failed_at,
            ended_at=ended_at,
            failed_over=failed_over,
            failed_back=failed_back,
            manual_commands=left,
        )
        self.section.rows += timeline.rows()
        self.section.findings += timeline.findings()
        self.data.append(timeline.data())
        return failed_back

    def _wait_until(
        self,
        condition: Callable[[Response], bool],
        generators: Mapping[str, LoadGenerator],
        moment: float,
        seconds: float,
    ) -> bool:
        """Wait until the region's responses since a moment steadily meet a condition; return whether they do."""
        while time.monotonic() < moment + seconds:
            _watch(generators, 0.1)
            if is_steady(generators[self.options.region].since(moment), condition, STEADY):
                return True
        return False

    def _is_local(self, response: Response) -> bool:
        return response.ok and response.region == self.options.region

    def _is_remote(self, response: Response) -> bool:
        return response.ok and response.region not in (self.options.region, "")


def _watch(generators: Mapping[str, LoadGenerator], seconds: float) -> None:
    """Let time pass.

    Raises:
        MeshError: A client has stopped.
    """
    deadline = time.monotonic() + seconds
    while True:
        for key, one in generators.items():
            if not one.running:
                raise MeshError(f"lost the connection to the client pod in {key}: {one.problem}", "mesh status")
        if time.monotonic() >= deadline:
            return
        time.sleep(0.1)

"""`mesh drill`: a service of one region fails, its requests fail over to another region, and fail back."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from cli.errors import MeshError
from cli.report.consent import obtain_consent
from cli.report.findings import Finding, Report, Section, failure
from cli.report.output import Output
from cli.signals import stop_on_signals
from cli.sources.google import GoogleClient
from cli.sources.kubernetes import ClusterClient, KubectlError, connected_clusters
from cli.sources.temporary import DRILL
from cli.traffic.attribution import region_finder
from cli.traffic.cause import find_cause
from cli.traffic.client import LoadProfile, TrafficClient, start_load
from cli.traffic.client_job import client_jobs, started
from cli.traffic.colours import response_colours
from cli.traffic.counts import ResponseCounts
from cli.traffic.drill_load import DrillLoad
from cli.traffic.expectation import DEPLOY_INGRESS
from cli.traffic.faults import FaultySubject, ServiceFault
from cli.traffic.options import DrillOptions, FaultKind
from cli.traffic.response import Response
from cli.traffic.rollback import rolled_back
from cli.traffic.safety import (
    LONGEST_EJECTION_SECONDS,
    check_endpoints_elsewhere,
    check_pods,
    describe_ejections,
    read_proxies,
)
from cli.traffic.target import Target
from cli.traffic.timeline import COLUMNS, SECONDS_TO_FAIL_BACK, SECONDS_TO_FAIL_OVER, UNDER_WAY, DrillTimeline
from config import Environment
from config.plural import counted
from config.services.outlier_detection import OutlierDetection

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


def run_drill(environment: Environment, kubeconfig: Path | None, options: DrillOptions, output: Output) -> Report:
    """Make a service of a region fail, and measure failover and failback.

    Every fault is rolled back, however the drill ends: see `cli.traffic.rollback`.

    Args:
        environment: The environment.
        kubeconfig: As for `cli.sources.kubernetes.connected_clusters`.
        options: Of the command line.
        output: Where progress is shown.

    Returns:
        What was measured; also until an interruption.

    Raises:
        MeshError: A drill could show nothing here, or could be an outage.
    """
    # Imported late, as it needs matplotlib.
    from cli.traffic import drill_plot, plot  # noqa: PLC0415

    target = Target.of(environment, options.service, options.path)
    _check_options(environment, target, options.region)
    if options.plot is not None:
        plot.check_file(options.plot)
    stop_on_signals()
    report = Report(f"drill {options.region}")
    section = report.section(f"Failover and failback of {target.name} in {options.region}", COLUMNS)
    timelines: list[DrillTimeline] = []
    try:
        with connected_clusters(environment, GoogleClient.of(environment), kubeconfig) as clusters:
            faults = FaultySubject(environment, target.name, clusters[options.region]).faults(options.fault)
            ready = target.ready_pods(clusters)
            check_pods(target, options.region, ready)
            _check_rate(target.service.outlier_detection, faults, options, ready[options.region])
            account, image = target.client_account(environment), environment.demo.client_image
            if target.name != environment.demo_name:
                obtain_consent(_what_stops(target, faults, options.region), given=options.yes)
            with client_jobs(
                clusters, account, image=image, purpose=DRILL, seconds=LONGEST_SECONDS, log=output.log
            ) as clients:
                pods, log = ready[options.region], output.log
                drill = Drill(environment, target, clusters, started(clients), options, pods, log, timelines)
                for fault in faults:
                    if not drill.run(fault):
                        break
    except MeshError as error:
        if not timelines:
            raise
        section.findings.append(failure("drill", str(error), error.fix or "run the drill again"))
    except KeyboardInterrupt as interrupt:
        if not timelines:
            raise
        report.interrupt(interrupt)
    _fill(section, timelines)
    report.data["faults"] = [one.data() for one in timelines]
    if options.plot is not None:
        drill_plot.draw(options.plot, report.command, timelines, response_colours(environment.regions))
    return report


def _check_options(environment: Environment, target: Target, region: str) -> None:
    """Raise a MeshError if a drill would show nothing."""
    demo = target.name == environment.demo_name
    name, key = target.name, "demo" if demo else f"services.{target.name}"
    drained = [key for key in environment.deployments(target.service) if environment.regions[key].drained]
    if region in drained:
        text = f"{region} is drained: it gets no requests that could fail over"
        raise MeshError(text, f"use a region of {', '.join(target.regions)}; or: mesh undrain {region}")
    if region not in target.regions:
        raise MeshError(f"{name} does not run in {region}", f"use a region of {', '.join(target.regions)}")
    if len(target.regions) == 1 and drained:
        raise MeshError(f"no other region serves {name}: drained: {', '.join(drained)}", f"mesh undrain {drained[0]}")
    if len(target.regions) == 1:
        raise MeshError(
            f"no other region runs {name}", f"add a region to {key}.{'versions' if demo else 'regions'}, and deploy"
        )
    if target.service.region_weights:
        text = f"{key}.region_weights sends requests to other regions also without a fault"
        raise MeshError(text, "drill a service without region_weights, or take them away and deploy before the drill")
    if not target.service.failover:
        text = f"{key}.failover is false, so responses are not local before the fault"
        raise MeshError(text, f"set {key}.failover: true, and run: {DEPLOY_INGRESS}")


def _check_rate(detection: OutlierDetection, faults: list[ServiceFault], options: DrillOptions, pods: int) -> None:
    """Raise a MeshError if the drill would stop before all pods can be ejected."""
    if not any(one.kind is FaultKind.FAILING for one in faults):
        return
    errors = detection.least_errors * pods
    if not errors:
        text = "no response ejects a pod: consecutive_5xx and consecutive_gateway_errors are 0"
        raise MeshError(text, f"--fault {FaultKind.REMOVED.value}, or set one of them, and run: {DEPLOY_INGRESS}")
    if errors > options.rate * options.stop_after:
        text = (
            f"{counted(pods, 'pod')} are ejected after {errors} errors, which takes more than {options.stop_after:g} s "
            f"at {options.rate} requests a second: the drill would stop before"
        )
        raise MeshError(text, f"--stop-after {errors / options.rate + 1:.0f}, or a higher --rate")


def _what_stops(target: Target, faults: list[ServiceFault], region: str) -> str:
    effects = "; then ".join(one.effect for one in faults)
    most = SECONDS_TO_FAIL_OVER + WATCHED_SECONDS
    return (
        f"{target.name} in {region} will fail, and its requests go to {_others(target, region)}: {effects}. Each fault "
        f"lasts for at most {most:.0f} s."
    )


def _others(target: Target, region: str) -> str:
    return ", ".join(key for key in target.regions if key != region)


def _fill(section: Section, timelines: list[DrillTimeline]) -> None:
    """Put what was measured into the report, before what ended it."""
    section.rows += [row for one in timelines for row in one.rows()]
    section.findings[:0] = [finding for one in timelines for finding in one.findings()]


@dataclass
class Drill:
    """The drill of one region.

    Attributes:
        environment: The environment.
        target: The service.
        clusters: By region.
        clients: By region.
        options: Of the command line.
        pods: The number of ready pods in the region.
        log: Prints the progress.
        timelines: Of the faults that have begun.
    """

    environment: Environment
    target: Target
    clusters: Mapping[str, ClusterClient]
    clients: Mapping[str, TrafficClient]
    options: DrillOptions
    pods: int
    log: Callable[[str], None]
    timelines: list[DrillTimeline] = field(default_factory=list)

    def run(self, fault: ServiceFault) -> bool:
        """Inject a fault, roll it back, and return whether the region itself responds again.

        Raises:
            MeshError: The fault could be an outage, or a client was lost.
        """
        region, label = self.options.region, fault.kind.label
        ejected_after = self.target.service.outlier_detection.least_errors
        most_failed = 0 if fault.announced else (ejected_after + UNDER_WAY) * self.pods
        timeline = DrillTimeline(self.target.name, fault.kind, region, most_failed)
        self.log(f"{label}: sending requests to {self.target.url} from {', '.join(self.clients)}")
        load = self._start()
        try:
            self._check_safety(load)
            cluster = self.clusters[region]
            with (
                ThreadPoolExecutor(1) as pool,
                rolled_back(cluster, fault.rollback, self.options.restore_seconds, self.log) as left,
            ):
                timeline.manual_commands = left
                cause = self._let_fail(fault, timeline, load, pool)
            timeline.cause = cause.result() if cause is not None else None
            self.log(f"{label}: waiting for failback to {region}, up to {SECONDS_TO_FAIL_BACK:.0f} s")
            back_at = time.monotonic()
            timeline.failed_back = not left and load.wait_until_steady(
                region, self._is_local, back_at, SECONDS_TO_FAIL_BACK
            )
            timeline.complete = True
        finally:
            # Before the end, after which the regions of the last responses stay unknown.
            timeline.responses = load.responses()
            load.stop()
            if timeline.failed_at is not None:
                self.timelines.append(timeline)
        return timeline.failed_back and not timeline.outage

    def _start(self) -> DrillLoad:
        """Start to send requests from all regions."""
        workers = max(1, self.options.rate // REQUESTS_OF_A_WORKER)
        pause = workers / self.options.rate
        profile = LoadProfile(MOST_REQUESTS, workers, piece=1, pause=pause, count_every=SECONDS_BETWEEN_COUNTS)
        find_region, requests = region_finder(self.environment), self.target.requests
        return DrillLoad({key: start_load(one, requests, profile, find_region) for key, one in self.clients.items()})

    def _check_safety(self, load: DrillLoad) -> None:
        """Check that every region responds to its own requests, and that the region's proxies know the others.

        Raises:
            MeshError: It is not so.
        """
        region = self.options.region
        proxies = read_proxies(self.environment, self.target, self.clients[region])
        check_endpoints_elsewhere(self.target, region, proxies, region_finder(self.environment))
        ejections = list(describe_ejections(proxies, self.target.service.outlier_detection))
        for text in ejections:
            self.log(text)
        seconds = SECONDS_TO_SETTLE + (LONGEST_EJECTION_SECONDS if ejections else 0)
        began = time.monotonic()
        for key in self.target.regions:

            def is_own(response: Response, key: str = key) -> bool:
                return response.ok and response.region == key

            if load.wait_until_steady(key, is_own, began, seconds):
                continue
            counts = ResponseCounts.of(load.responses()[key])
            found = ", ".join(filter(None, (counts.region_summary(), counts.problem_summary())))
            text = f"{key} does not serve its own requests before the fault: {found or 'no responses'}"
            fix = f"mesh explain {self.target.name} --from {key}"
            cause = find_cause(self.environment, self.clusters, self.target.name, self.clients[key])
            if cause is None:
                raise MeshError(text, fix)
            raise MeshError(f"{text}. {cause.name}: {cause.text}", cause.fix or fix)

    def _let_fail(
        self,
        fault: ServiceFault,
        timeline: DrillTimeline,
        load: DrillLoad,
        pool: ThreadPoolExecutor,
    ) -> Future[Finding | None] | None:
        """Inject a fault, and wait until requests have failed over, or nothing but failures arrives.

        Returns:
            Why requests did not fail over, which is found out while the fault is rolled back.

        Raises:
            MeshError: The fault can't be injected, or a client was lost.
        """
        region, label = timeline.region, fault.kind.label
        self.log(f"{label}: injecting the fault in {region}: {fault.effect}")
        try:
            fault.prepare()
            began = time.monotonic()
            fault.inject()
        except KubectlError as error:
            raise MeshError(f"can't inject the fault in {region}: {error}", "mesh status") from None
        timeline.failed_at = began

        def outage() -> bool:
            timeline.outage = load.find_outage(began, self.options.stop_after)
            return bool(timeline.outage)

        try:
            timeline.failed_over = load.wait_until_steady(region, self._is_remote, began, SECONDS_TO_FAIL_OVER, outage)
            if timeline.failed_over:
                load.watch(WATCHED_SECONDS, outage)
        finally:
            timeline.ended_at = time.monotonic()
        why = f", as all requests from {timeline.outage} fail" if timeline.outage else ""
        self.log(f"{label}: rolling the fault back{why}")
        failing = timeline.outage or ("" if timeline.failed_over else region)
        if not failing:
            return None
        return pool.submit(find_cause, self.environment, self.clusters, self.target.name, self.clients[failing])

    def _is_local(self, response: Response) -> bool:
        return response.ok and response.region == self.options.region

    def _is_remote(self, response: Response) -> bool:
        return response.ok and response.region not in (self.options.region, "")

"""`mesh verify`: which region responds, measured by requests from inside each cluster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cli.errors import MeshError
from cli.report.findings import Finding, Report, Section
from cli.report.output import Output, ShowProgress
from cli.signals import stop_on_signals
from cli.sources.google import GoogleClient
from cli.sources.kubernetes import connected_clusters
from cli.sources.temporary import VERIFY
from cli.traffic.attribution import FindRegion, region_finder
from cli.traffic.cause import with_cause
from cli.traffic.client import LoadProfile, Requests, TrafficClient, start_load, wait_for_all
from cli.traffic.client_job import client_jobs
from cli.traffic.colours import response_colours
from cli.traffic.counts import UNKNOWN, ResponseCounts
from cli.traffic.expectation import Expectation, check_failover
from cli.traffic.ingress import (
    GatewayCounters,
    PublicEndpoint,
    by_gateway,
    check_ingress,
    public_endpoints,
    requests_by_gateway,
)
from cli.traffic.options import VerifyOptions, VerifyStep
from cli.traffic.shares import interval
from cli.traffic.target import Target
from config import Environment

TITLES = {
    VerifyStep.SPLIT: "A  Every region responds in every cluster, in even shares",
    VerifyStep.LOCALITY: "B  Every response is local",
    VerifyStep.INGRESS: "C  The load balancer routes the requests of each region to that region",
}
BAR = 20
"""Characters of a bar that is all of a region's requests."""

LONGEST_SECONDS = 900
"""After which Kubernetes deletes the clients, if nothing else did."""

URL_CHARACTERS = ":/?=&%@,;+~!'()*"
"""What an address may have besides letters and digits: curl would take brackets and braces for lists."""


def run_verify(environment: Environment, kubeconfig: Path | None, options: VerifyOptions, output: Output) -> Report:
    """Send the requests, count the responses, and compare them with what is expected.

    Args:
        environment: The environment.
        kubeconfig: As for `cli.sources.kubernetes.connected_clusters`.
        options: Of the command line.
        output: Where progress is shown.

    Returns:
        What was measured; after Ctrl-C, until then.

    Raises:
        MeshError: There is no such service or region, the step would show nothing, or a cluster can't be reached.
    """
    # Imported late, as it needs matplotlib.
    from cli.traffic import plot  # noqa: PLC0415

    target = Target.of(environment, options.service, options.path)
    regions = _regions(environment, options)
    check_failover(environment, target, options.step)
    account = target.client_account(environment, authorized=options.step is not VerifyStep.INGRESS)
    if options.step is VerifyStep.INGRESS:
        check_ingress(environment, target)
    if options.plot is not None:
        plot.check_file(options.plot)

    stop_on_signals()
    report = Report(f"verify {options.step}")
    google = GoogleClient.of(environment)
    with connected_clusters(environment, google, kubeconfig) as clusters:
        pods = target.ready_versions(clusters) if options.step is VerifyStep.SPLIT else {}
        drained = [region.key for region in environment.resolved_regions() if region.drained]
        expectation = Expectation(
            options.step, target, options.requests, options.confidence, len(regions), pods, drained
        )
        requests, load = (
            {"": dict.fromkeys(regions, target.requests)},
            LoadProfile(options.requests, options.concurrency),
        )
        gateways = None
        expectation.check_sample_size(regions)
        if options.step is VerifyStep.INGRESS:
            endpoints = [PublicEndpoint("", options.url, {})] if options.url else None
            endpoints = endpoints or public_endpoints(environment, clusters[environment.ingress.config_cluster], target)
            requests = {one.name: _through(one, target, regions) for one in endpoints}
            load = replace(load, count_every=0)
            gateways = GatewayCounters(clusters, target)
        output.log(f"starting a client in {', '.join(regions)}")
        sources = {key: clusters[key] for key in regions}
        image = environment.demo.client_image
        with client_jobs(
            sources, account, image=image, purpose=VERIFY, seconds=LONGEST_SECONDS, log=output.log
        ) as clients:
            runs = {}
            for name, each in requests.items():
                runs[name] = run = _Run(each, load, region_finder(environment), output)
                run.send(clients, gateways)
                run.findings = [
                    expectation.check(key, counts, run.problems[key]) for key, counts in run.counted.items()
                ]
                if run.interrupted:
                    break
                callers = gateways.clients() if gateways else clients
                run.findings = [
                    with_cause(one, environment, clusters, target, callers.get(one.name)) for one in run.findings
                ]

    for name, run in runs.items():
        title = f"{TITLES[options.step]}: {name}" if len(requests) > 1 else TITLES[options.step]
        _add_sections(report, title, run, options.confidence, "Gateway region" if gateways else "Response from")
    report.interrupted = any(run.interrupted for run in runs.values())
    data = {name: _data(expectation, run.url, run.counted) for name, run in runs.items()}
    report.data.update(next(iter(data.values())))
    if len(requests) > 1:
        report.data["load_balancers"] = {
            name: {key: one[key] for key in ("url", "regions")} for name, one in data.items()
        }
    if options.plot is not None:
        _draw(options.plot, report.command, runs, options.confidence, response_colours(environment.regions))
    return report


def _draw(file: Path, command: str, runs: Mapping[str, "_Run"], confidence: float, colours: Mapping[str, str]) -> None:
    """Plot the responses of all runs.

    Args:
        file: The plot.
        command: Of the report.
        runs: By load balancer, if there are several.
        confidence: Of the intervals.
        colours: Of the responses.
    """
    from cli.traffic import plot  # noqa: PLC0415

    labelled = {
        f"{key}, {name}" if len(runs) > 1 else key: (run.counted[key], finding)
        for name, run in runs.items()
        for key, finding in zip(run.counted, run.findings, strict=True)
    }
    failed = [label for label, (_, finding) in labelled.items() if finding.is_problem]
    verdict = f"failed from {', '.join(failed)}" if failed else "ok"
    counted = {label: counts for label, (counts, _) in labelled.items()}
    plot.draw(file, f"{command}: {verdict}", counted, confidence, colours)


def _add_sections(report: Report, title: str, run: "_Run", confidence: float, responder: str) -> None:
    """Add the responses and the latencies of a run to the report.

    Args:
        report: The report.
        title: Of the section.
        run: The run.
        confidence: Of the intervals.
        responder: Heading of the column with the region of what has responded.
    """
    columns = ["Client region", responder, "Count", "Share (%)", f"{100 * confidence:.4g} % interval", ""]
    section = report.section(title, columns)
    for key, counts in run.counted.items():
        _add_rows(section, key, counts, confidence)
    section.findings += run.findings
    times = report.section("Latency of successful requests", ["Client region", "p50 (ms)", "p90 (ms)", "p99 (ms)"])
    for key, counts in run.counted.items():
        values = [f"{1000 * value:.1f}" for value in counts.percentiles().values()]
        times.rows.append((key, *(values or ("", "", ""))))


def _through(endpoint: PublicEndpoint, target: Target, regions: Sequence[str]) -> dict[str, Requests]:
    """Return the requests of each region through a load balancer."""
    url = quote(endpoint.url, safe=URL_CHARACTERS)
    return {key: replace(target.requests, url=url, connect=endpoint.connect.get(key, "")) for key in regions}


@dataclass
class _Run:
    """The requests of all regions.

    Attributes:
        requests: What is sent from each region.
        load: How many from each region.
        find_region: Tells the region of an endpoint.
        output: Where progress is shown.
        counted: The responses, by the region of the client.
        problems: Why not all requests have ended, by the region of the client.
        interrupted: Whether Ctrl-C has stopped them.
        findings: What follows from the responses.
    """

    requests: Mapping[str, Requests]
    load: LoadProfile
    find_region: FindRegion
    output: Output
    counted: dict[str, ResponseCounts] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False
    findings: list[Finding] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where the requests go."""
        return next(iter(self.requests.values())).url

    def send(self, clients: Mapping[str, TrafficClient | MeshError], gateways: GatewayCounters | None) -> None:
        """Send the requests: from all clients at the same time, or from one after the other.

        Args:
            clients: By region, or why there is none.
            gateways: What counts the requests, if they are to be told apart by gateways.
        """
        found = {key: client for key, client in clients.items() if isinstance(client, TrafficClient)}
        for key, client in clients.items():
            self.counted[key] = ResponseCounts.of([])
            self.problems[key] = str(client) if isinstance(client, MeshError) else ""
        totals = dict.fromkeys(found, self.load.requests)
        with self.output.progress(f"sending requests to {self.url}", totals) as progress:
            if gateways is None:
                self._send(found, progress)
                return
            before = gateways.read()
            for key, client in found.items():
                self._send({key: client}, progress)
                after = gateways.read()
                self.counted[key] = by_gateway(self.counted[key], requests_by_gateway(before, after))
                before = after
                if self.interrupted:
                    return

    def _send(self, clients: Mapping[str, TrafficClient], progress: ShowProgress) -> None:
        generators = {
            key: start_load(client, self.requests[key], self.load, self.find_region) for key, client in clients.items()
        }

        def watch() -> None:
            for key, one in generators.items():
                progress(key, len(one.responses))

        try:
            wait_for_all(list(generators.values()), watch)
        except KeyboardInterrupt:
            self.interrupted = True
        for key, one in generators.items():
            self.counted[key] = ResponseCounts.of(one.responses)
            self.problems[key] = one.problem


def _regions(environment: Environment, options: VerifyOptions) -> list[str]:
    """Return the keys of the regions that send requests.

    Raises:
        MeshError: There is no such region.
    """
    present = [region.key for region in environment.resolved_regions() if not region.retired]
    if unknown := [key for key in options.regions if key not in present]:
        raise MeshError(f"not configured, or retired: {', '.join(unknown)}", f"use a region of {', '.join(present)}")
    return [key for key in present if key in options.regions or not options.regions]


def _add_rows(section: Section, key: str, counts: ResponseCounts, confidence: float) -> None:
    """Add a row for each region that has responded, and for each problem."""
    unknown = [(UNKNOWN, counts.unknown, "?")] if counts.unknown else []
    rows = [
        *((region, count, "#") for region, count in sorted(counts.regions.items())),
        *unknown,
        *((problem, count, "x") for problem, count in sorted(counts.problems.items())),
    ]
    for number, (what, count, mark) in enumerate(rows):
        low, high = interval(count, counts.sent, confidence)
        share = count / counts.sent
        limits = f"{100 * low:.1f} to {100 * high:.1f}"
        bar = mark * max(round(BAR * share), 1)
        section.rows.append((key if number == 0 else "", what, str(count), f"{100 * share:.1f}", limits, bar))


def _data(expectation: Expectation, url: str, counted: Mapping[str, ResponseCounts]) -> dict[str, Any]:
    return {
        "service": expectation.target.name,
        "url": url,
        "confidence": expectation.confidence,
        "expected_shares": expectation.shares("") if expectation.step is VerifyStep.SPLIT else {},
        "regions": {
            key: {
                "requests": counts.sent,
                "responses": dict(counts.regions),
                "unknown": counts.unknown,
                "failed": dict(counts.problems),
                "milliseconds": {f"p{percent}": 1000 * value for percent, value in counts.percentiles().items()},
                **({"expected_shares": shares} if (shares := _weighted(expectation, key)) else {}),
            }
            for key, counts in counted.items()
        },
    }


def _weighted(expectation: Expectation, region: str) -> dict[str, float]:
    """Return the shares that `region_weights` gives to the requests of a region; empty if it gives none."""
    return expectation.shares(region) if expectation.step is VerifyStep.LOCALITY else {}

"""`mesh verify`: steps A, B and C, measured by requests from inside each cluster."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cli.errors import MeshError
from cli.report.findings import Report, Section
from cli.report.output import Output
from cli.sources.google import GoogleClient
from cli.sources.kubernetes import ClusterClient, connected_clusters
from cli.traffic.client import LoadGenerator, LoadProfile, start_load, wait_for_all
from cli.traffic.counts import ResponseCounts
from cli.traffic.demo import DeployedDemo, public_url
from cli.traffic.expectation import Expectation
from cli.traffic.options import VerifyOptions, VerifyStep
from cli.traffic.shares import interval
from config import Environment

TITLES = {
    VerifyStep.SPLIT: "A  Every version responds in every cluster, in even shares",
    VerifyStep.LOCALITY: "B  Every response is local",
    VerifyStep.INGRESS: "C  The load balancer routes the requests of each region to that region",
}
BAR = 20
"""Characters of a bar that is all of a region's requests."""

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
        MeshError: There is no demo, no such region, or no connection.
    """
    # Imported late, as it needs matplotlib.
    from cli.traffic import plot  # noqa: PLC0415

    demo = DeployedDemo.of(environment)
    regions = _regions(environment, options)
    failover = environment.demo.failover
    expectation = Expectation(options.step, demo, options.requests, options.confidence, len(regions), failover)
    if options.step is VerifyStep.SPLIT:
        expectation.check_sample_size()
    if options.plot is not None:
        plot.check_file(options.plot)

    report = Report(f"verify {options.step}")
    google = GoogleClient.of(environment)
    with connected_clusters(environment, google, kubeconfig) as clusters:
        url = demo.url
        if options.step is VerifyStep.INGRESS:
            given = options.url or public_url(environment, clusters[environment.ingress.config_cluster], demo.path)
            url = quote(given, safe=URL_CHARACTERS)
        sources = {key: clusters[key] for key in regions}
        generators, report.interrupted = _send(sources, demo.service.namespace, url, options, output)

    counted = {key: ResponseCounts.of(one.responses) for key, one in generators.items()}
    section = report.section(
        TITLES[options.step],
        ["Client region", "Response", "Count", "Share (%)", f"{100 * options.confidence:.4g} % interval", ""],
    )
    for key, counts in counted.items():
        _add_rows(section, key, counts, options.confidence)
    section.findings += expectation.configuration_warnings()
    section.findings += [expectation.check(key, counts, generators[key].problem) for key, counts in counted.items()]
    times = report.section("Latency of successful requests", ["Client region", "p50 (ms)", "p90 (ms)", "p99 (ms)"])
    for key, counts in counted.items():
        values = [f"{1000 * value:.1f}" for value in counts.percentiles().values()]
        times.rows.append((key, *(values or ("", "", ""))))
    report.data.update(_data(expectation, url, counted))
    if options.plot is not None:
        plot.draw(options.plot, report.command, counted, options.confidence)
    return report


def _regions(environment: Environment, options: VerifyOptions) -> list[str]:
    """Return the keys of the regions that send requests.

    Raises:
        MeshError: There is no such region.
    """
    present = [region.key for region in environment.resolved_regions() if not region.retired]
    if unknown := [key for key in options.regions if key not in present]:
        raise MeshError(f"not configured, or retired: {', '.join(unknown)}", f"use a region of {', '.join(present)}")
    return [key for key in present if key in options.regions or not options.regions]


def _send(
    clusters: Mapping[str, ClusterClient], namespace: str, url: str, options: VerifyOptions, output: Output
) -> tuple[dict[str, LoadGenerator], bool]:
    """Send requests from all regions at the same time.

    Returns:
        The generators, and whether Ctrl-C has stopped them.
    """
    load = LoadProfile(options.requests, options.concurrency)
    with output.progress(f"sending requests to {url}", {key: options.requests for key in clusters}) as progress:
        generators = {key: start_load(cluster, namespace, url, load) for key, cluster in clusters.items()}

        def watch() -> None:
            for key, one in generators.items():
                progress(key, len(one.responses))

        try:
            wait_for_all(list(generators.values()), watch)
        except KeyboardInterrupt:
            return generators, True
    return generators, False


def _add_rows(section: Section, key: str, counts: ResponseCounts, confidence: float) -> None:
    """Add a row for each version that has responded, and for each problem."""
    for number, (what, count) in enumerate([*sorted(counts.versions.items()), *sorted(counts.problems.items())]):
        low, high = interval(count, counts.sent, confidence)
        share = count / counts.sent
        bar = ("#" if what in counts.versions else "x") * max(round(BAR * share), 1)
        limits = f"{100 * low:.1f} to {100 * high:.1f}"
        section.rows.append((key if number == 0 else "", what, str(count), f"{100 * share:.1f}", limits, bar))


def _data(expectation: Expectation, url: str, counted: Mapping[str, ResponseCounts]) -> dict[str, Any]:
    return {
        "url": url,
        "confidence": expectation.confidence,
        "expected_shares": expectation.demo.shares if expectation.step is VerifyStep.SPLIT else {},
        "regions": {
            key: {
                "version": expectation.demo.versions.get(key),
                "requests": counts.sent,
                "responses": dict(counts.versions),
                "failed": dict(counts.problems),
                "milliseconds": {f"p{percent}": 1000 * value for percent, value in counts.percentiles().items()},
            }
            for key, counts in counted.items()
        },
    }

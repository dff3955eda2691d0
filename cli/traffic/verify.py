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
from cli.traffic.client import Conversation, Load, converse, wait
from cli.traffic.demo import Demo, public_url
from cli.traffic.options import Question, VerifyOptions
from cli.traffic.shares import interval
from cli.traffic.tally import Tally
from cli.traffic.verdict import Verdict
from config import Environment

TITLES = {
    Question.SPLIT: "A  every version answers in every cluster, in even shares",
    Question.LOCALITY: "B  every answer is local",
    Question.INGRESS: "C  the public address answers each region from itself",
}
BAR = 20
"""Characters of a bar that is all of a region's requests."""

URL_CHARACTERS = ":/?=&%@,;+~!'()*"
"""What an address may have besides letters and digits: curl would take brackets and braces for lists."""


def ask(environment: Environment, kubeconfig: Path | None, options: VerifyOptions, output: Output) -> Report:
    """Send the requests, count the answers, and say whether they are as the question wants them.

    After Ctrl-C the report has what was counted until then.

    Raises:
        MeshError: there is nobody to ask, or no way to.
    """
    # Imported where it is wanted, as matplotlib is behind it.
    from cli.traffic import plot  # noqa: PLC0415

    demo = Demo.of(environment)
    regions = _regions(environment, options)
    failover = environment.demo.failover
    verdict = Verdict(options.question, demo, options.requests, options.confidence, len(regions), failover)
    if options.question is Question.SPLIT:
        verdict.check_number()
    if options.plot is not None:
        plot.check_file(options.plot)

    report = Report(f"verify {options.question}")
    google = GoogleClient.of(environment)
    with connected_clusters(environment, google, kubeconfig) as clusters:
        url = demo.url
        if options.question is Question.INGRESS:
            given = options.url or public_url(environment, clusters[environment.ingress.config_cluster], demo.path)
            url = quote(given, safe=URL_CHARACTERS)
        asked = {key: clusters[key] for key in regions}
        conversations, report.interrupted = _send(asked, demo.service.namespace, url, options, output)

    tallies = {key: Tally.of(one.answers) for key, one in conversations.items()}
    section = report.section(
        TITLES[options.question],
        ["from", "answer", "count", "share", f"{100 * options.confidence:.4g} % interval", ""],
    )
    for key, tally in tallies.items():
        _add_rows(section, key, tally, options.confidence)
    section.findings += verdict.doubts()
    section.findings += [verdict.finding(key, tally, conversations[key].problem) for key, tally in tallies.items()]
    times = report.section("Latency of the successes, in ms", ["from", "p50", "p90", "p99"])
    for key, tally in tallies.items():
        values = [f"{1000 * value:.1f}" for value in tally.percentiles().values()]
        times.rows.append((key, *(values or ("", "", ""))))
    report.data.update(_data(verdict, url, tallies))
    if options.plot is not None:
        plot.draw(options.plot, report.command, tallies, options.confidence)
    return report


def _regions(environment: Environment, options: VerifyOptions) -> list[str]:
    """Raises:
    MeshError: there is no such region.
    """
    present = [region.key for region in environment.resolved_regions() if not region.retired]
    if unknown := [key for key in options.regions if key not in present]:
        raise MeshError(f"there is no region {', '.join(unknown)}", f"name one of {', '.join(present)}")
    return [key for key in present if key in options.regions or not options.regions]


def _send(
    clusters: Mapping[str, ClusterClient], namespace: str, url: str, options: VerifyOptions, output: Output
) -> tuple[dict[str, Conversation], bool]:
    """Ask from all regions at the same time.

    Returns:
        what was said, and whether somebody has stopped it.
    """
    load = Load(options.requests, options.concurrency)
    with output.progress(f"asking {url}", {key: options.requests for key in clusters}) as progress:
        conversations = {key: converse(cluster, namespace, url, load) for key, cluster in clusters.items()}

        def watch() -> None:
            for key, one in conversations.items():
                progress(key, len(one.answers))

        try:
            wait(list(conversations.values()), watch)
        except KeyboardInterrupt:
            return conversations, True
    return conversations, False


def _add_rows(section: Section, key: str, tally: Tally, confidence: float) -> None:
    """Add a row for each version that has answered, and for each way in which requests failed."""
    for number, (what, count) in enumerate([*sorted(tally.versions.items()), *sorted(tally.problems.items())]):
        low, high = interval(count, tally.sent, confidence)
        share = count / tally.sent
        bar = ("#" if what in tally.versions else "x") * max(round(BAR * share), 1)
        limits = f"{100 * low:.1f} to {100 * high:.1f}"
        section.rows.append((key if number == 0 else "", what, str(count), f"{100 * share:.1f} %", limits, bar))


def _data(verdict: Verdict, url: str, tallies: Mapping[str, Tally]) -> dict[str, Any]:
    return {
        "url": url,
        "confidence": verdict.confidence,
        "expected_shares": verdict.demo.shares if verdict.question is Question.SPLIT else {},
        "regions": {
            key: {
                "version": verdict.demo.versions.get(key),
                "requests": tally.sent,
                "answers": dict(tally.versions),
                "failed": dict(tally.problems),
                "milliseconds": {f"p{percent}": 1000 * value for percent, value in tally.percentiles().items()},
            }
            for key, tally in tallies.items()
        },
    }

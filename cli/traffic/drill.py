"""`mesh drill`: the demo of one region goes down, its requests go elsewhere, and come home."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from cli.errors import MeshError
from cli.report.findings import Finding, Report, Section, failure, ok, warning
from cli.report.output import Output
from cli.sources.google import GoogleClient
from cli.sources.kubernetes import ClusterClient, KubectlError, connected_clusters
from cli.traffic.client import Answer, Conversation, Load, converse, stop
from cli.traffic.demo import Demo
from cli.traffic.options import DrillOptions, FaultKind
from cli.traffic.outage import count_failed, first_arrival, is_steady, slowest, start_of_last_run
from cli.traffic.rollback import stop_on_signals, undoing
from cli.traffic.tally import Tally
from cli.traffic.verdict import DEPLOY_INGRESS
from config import Environment
from config.environment import DEMO_SERVICE

FAILING_SIDECAR = Template((Path(__file__).parent / "failing.yaml").read_text(encoding="utf-8"))
SIDECAR = "sidecars.networking.istio.io/mesh-drill"

STEADY = 20
"""So many answers in a row make a state."""

WATCHED_SECONDS = 5.0
"""For which requests are watched while another region answers."""

SECONDS_TO_SETTLE = 30.0
SECONDS_TO_LEAVE = 60.0
SECONDS_TO_RETURN = 240.0
"""An ejection takes 30 s, and longer each time (GOTCHAS.md)."""

FAILED_A_POD = 10
"""Requests that may fail for each pod that fails: it is ejected at the fifth, and some are under way."""

MOST_REQUESTS = 1_000_000
PACE = 10
"""Requests a second of one worker: each is a curl of its own, as each is a connection of its own."""

COLUMNS = ("what fails", "asked from", "requests", "failed", "elsewhere after", "slowest", "on return", "home after")


@dataclass(frozen=True)
class Fault:
    """Something that is done to a region's demo.

    Attributes:
        begin: does it.

    Raises:
        KubectlError. undo: commands of kubectl that take it back. most_failed: so many requests may fail.
    """

    name: FaultKind
    begin: Callable[[], object]
    undo: Sequence[Sequence[str]]
    most_failed: int


def run_drill(environment: Environment, kubeconfig: Path | None, options: DrillOptions, output: Output) -> Report:
    """Do the drill and say what was seen.

    What was done is taken back on every way out, see `cli.traffic.rollback`.

    Raises:
        MeshError: it makes no sense here, or a connection was lost.
    """
    demo = Demo.of(environment)
    _check(environment, demo, options.region)
    stop_on_signals()
    report = Report(f"drill {options.region}")
    section = report.section(f"The demo of {options.region} goes down and comes back", COLUMNS)
    google = GoogleClient.of(environment)
    with connected_clusters(environment, google, kubeconfig) as clusters:
        drill = Drill(demo, clusters, options, output, section)
        for fault in drill.faults():
            if not drill.take_down(fault):
                break
    report.data["faults"] = drill.data
    return report


def _check(environment: Environment, demo: Demo, region: str) -> None:
    """Raise a MeshError if a drill would show nothing."""
    if region not in demo.versions:
        raise MeshError(f"there is no demo in {region} to take down", f"name one of {', '.join(demo.versions)}")
    if len(demo.versions) == 1:
        raise MeshError("no other region has the demo, so nobody could answer", "add a region to demo.versions")
    if not environment.demo.failover:
        text = "demo.failover is false, so answers are not local to begin with"
        raise MeshError(text, f"set demo.failover: true, and run: {DEPLOY_INGRESS}")
    same = [key for keys in demo.shared_versions().values() if region in keys for key in keys]
    if same:
        text = f"{', '.join(same)} have the same version, so nobody could see who answers"
        raise MeshError(text, "give each region its own in demo.versions")


@dataclass(frozen=True)
class Course:
    """How one fault went: the moments, by the monotonic clock, and whether what was waited for came.

    Attributes:
        left: commands that a person has to run, as what they take back is still so.
    """

    failed_at: float
    ended_at: float
    away: bool
    home: bool
    left: Sequence[str]


class Drill:
    """Attributes:
    data: what was measured, for machines.
    """

    def __init__(
        self, demo: Demo, clusters: Mapping[str, ClusterClient], options: DrillOptions, output: Output, section: Section
    ) -> None:
        self.data: list[dict[str, object]] = []
        self._demo = demo
        self._clusters = clusters
        self._options = options
        self._output = output
        self._section = section
        self._region = options.region
        self._version = demo.versions[options.region]
        self._namespace = ("--namespace", demo.service.namespace)

    def faults(self) -> list[Fault]:
        """Raises:
        MeshError: the cluster doesn't say how many pods there are.
        """
        cluster = self._clusters[self._region]
        deployment = f"deployment/{self._demo.deployment(self._region)}"
        try:
            found = cluster.get(deployment, *self._namespace)
        except KubectlError as error:
            raise MeshError(f"can't ask {self._region} for the demo: {error}", "mesh status") from None
        replicas = int(found["spec"].get("replicas", 1))
        if replicas == 0:
            fix = f"{cluster.command} scale {deployment} {' '.join(self._namespace)} --replicas=1"
            raise MeshError(f"the demo of {self._region} is down already: it has 0 replicas", fix)

        def scale(number: int) -> tuple[str, ...]:
            return ("scale", deployment, *self._namespace, f"--replicas={number}")

        sidecar = FAILING_SIDECAR.substitute(
            namespace=self._demo.service.namespace, app=DEMO_SERVICE, port=self._demo.service.port
        )
        ready = ("rollout", "status", deployment, *self._namespace, "--timeout=25s")
        every = [
            Fault(FaultKind.REMOVED, lambda: cluster.run(*scale(0)), [scale(replicas), ready], 0),
            Fault(
                FaultKind.FAILING,
                lambda: cluster.run("apply", "--filename", "-", text=sidecar),
                [("delete", SIDECAR, *self._namespace, "--ignore-not-found")],
                FAILED_A_POD * replicas,
            ),
        ]
        return [fault for fault in every if fault.name == self._options.fault] or every

    def take_down(self, fault: Fault) -> bool:
        """Take the demo down in one way, and put it back; return whether another way can follow."""
        say = self._output.log
        workers = max(1, self._options.rate // PACE)
        load = Load(MOST_REQUESTS, workers, piece=1, pause=workers / self._options.rate)
        space, url = self._demo.service.namespace, self._demo.url
        say(f"{fault.name}: asking {url} from {', '.join(self._clusters)}")
        conversations = {key: converse(cluster, space, url, load) for key, cluster in self._clusters.items()}
        asked = conversations[self._region]
        try:
            began = time.monotonic()
            if not self._until(conversations, began, self._is_home, SECONDS_TO_SETTLE):
                text = f"its answers are not all {self._version} before anything is done"
                fix = "mesh verify locality"
                if asked.answers and count_failed(asked.answers):
                    text += f": {Tally.of(asked.answers).says()}"
                self._section.findings.append(failure(f"{fault.name}: before", text, fix))
                return False
            with undoing(self._clusters[self._region], fault.undo, self._options.restore_seconds, say) as left:
                say(f"{fault.name}: taking the demo of {self._region} down")
                failed_at = time.monotonic()
                self._begin(fault)
                away = self._until(conversations, failed_at, self._is_elsewhere, SECONDS_TO_LEAVE)
                self._watch(conversations, WATCHED_SECONDS if away else 0)
                say(f"{fault.name}: putting it back")
                ended_at = time.monotonic()
            back_at = time.monotonic()
            say(f"{fault.name}: waiting until {self._region} answers its own again, up to {SECONDS_TO_RETURN:.0f} s")
            home = not left and self._until(conversations, back_at, self._is_home, SECONDS_TO_RETURN)
        finally:
            stop(list(conversations.values()))
        self._record(fault, conversations, Course(failed_at, ended_at, away, home, left))
        return home

    def _begin(self, fault: Fault) -> None:
        try:
            fault.begin()
        except KubectlError as error:
            raise MeshError(f"can't take the demo of {self._region} down: {error}", "mesh status") from None

    def _until(
        self,
        conversations: Mapping[str, Conversation],
        moment: float,
        condition: Callable[[Answer], bool],
        seconds: float,
    ) -> bool:
        """Wait until the region's answers since a moment are steadily as they should be; return whether they are."""
        asked = conversations[self._region]
        while time.monotonic() < moment + seconds:
            self._watch(conversations, 0.1)
            if is_steady(asked.since(moment), condition, STEADY):
                return True
        return False

    def _watch(self, conversations: Mapping[str, Conversation], seconds: float) -> None:
        """Let time pass.

        Raises:
            MeshError: a client is no longer there.
        """
        deadline = time.monotonic() + seconds
        while True:
            for key, one in conversations.items():
                if not one.running:
                    raise MeshError(f"the connection to the client in {key} was lost: {one.problem}", "mesh status")
            if time.monotonic() >= deadline:
                return
            time.sleep(0.1)

    def _is_home(self, answer: Answer) -> bool:
        return answer.ok and answer.version == self._version

    def _is_elsewhere(self, answer: Answer) -> bool:
        return answer.ok and answer.version != self._version

    def _record(self, fault: Fault, conversations: Mapping[str, Conversation], course: Course) -> None:
        """Write down what was seen."""
        asked = conversations[self._region]
        during = [answer for answer in asked.since(course.failed_at) if answer.sent < course.ended_at]
        after = asked.since(course.ended_at)
        first = first_arrival(during, self._is_elsewhere)
        run = start_of_last_run(after, self._is_home)
        elsewhere = None if first is None else first - course.failed_at
        returned = None if run is None or not course.home else run - course.ended_at
        row = (fault.name, self._region, str(len(during)), str(count_failed(during)), _seconds(elsewhere))
        back = f"{count_failed(after)} of {len(after)}"
        self._section.rows.append((*row, _seconds(slowest(during)), back, _seconds(returned)))
        others = {key: one.since(course.failed_at) for key, one in conversations.items() if key != self._region}
        for key, answers in others.items():
            cells = (str(len(answers)), str(count_failed(answers)), "", _seconds(slowest(answers)), "", "")
            self._section.rows.append(("", key, *cells))
        self._section.findings += [
            self._left(fault, asked, course.away, elsewhere),
            self._failures(fault, during),
            _bystanders(fault, others),
            _restored(fault, self._region, course.left),
            self._returned(fault, after, returned),
        ]
        self.data.append(
            {
                "fault": fault.name,
                "requests": len(during),
                "failed": count_failed(during),
                "seconds_to_elsewhere": elsewhere,
                "failed_on_return": count_failed(after),
                "seconds_to_home": returned,
                "failed_in_other_regions": sum(map(count_failed, others.values())),
                "restored": not course.left,
            }
        )

    def _left(self, fault: Fault, asked: Conversation, away: bool, elsewhere: float | None) -> Finding:
        name = f"{fault.name}: another region answers"
        if away and elsewhere is not None:
            return ok(name, f"after {elsewhere:.1f} s")
        if all(map(self._is_home, asked.answers)) and fault.name == FaultKind.FAILING:
            text = "the demo did not fail: this control plane takes no notice of a Sidecar's ingress"
            return failure(name, text, f"mesh drill {self._region} --fault {FaultKind.REMOVED}")
        text = f"not steadily within {SECONDS_TO_LEAVE:.0f} s: {Tally.of(asked.answers).says() or 'no answers'}"
        return failure(
            name,
            text,
            "mesh status: whether clusters see each other, and the DestinationRule with its maxEjectionPercent",
        )

    def _failures(self, fault: Fault, during: Sequence[Answer]) -> Finding:
        name, count = f"{fault.name}: failed requests on the way", count_failed(during)
        if count == 0:
            return ok(name, f"0 of {len(during)}")
        text = f"{count} of {len(during)}: {Tally.of(during).says()}"
        if count <= fault.most_failed:
            return ok(name, f"{text}; until its pods are ejected, some do")
        if count <= FAILED_A_POD and fault.name == FaultKind.REMOVED:
            return warning(name, text, "give the demo's pods more time to leave: preStop, in manifests/service")
        return failure(name, text, "look at the DestinationRule's outlierDetection: mesh status")

    def _returned(self, fault: Fault, after: Sequence[Answer], returned: float | None) -> Finding:
        name = f"{fault.name}: home again"
        count = count_failed(after)
        if returned is None:
            words = Tally.of(after)
            seen = ", ".join(f"{version} {number}" for version, number in words.versions.items()) or words.says()
            return failure(name, f"not within {SECONDS_TO_RETURN:.0f} s: {seen or 'no answers'}", "mesh status")
        if count:
            text = f"after {returned:.1f} s; {count} of {len(after)} requests failed: {Tally.of(after).says()}"
            return warning(name, text, "mesh verify locality")
        return ok(name, f"after {returned:.1f} s, and none of {len(after)} requests failed")


def _bystanders(fault: Fault, others: Mapping[str, Sequence[Answer]]) -> Finding:
    name = f"{fault.name}: the other regions"
    answers = [answer for several in others.values() for answer in several]
    if not answers:
        return failure(name, "none of their clients was answered", "mesh verify locality")
    if count := count_failed(answers):
        return failure(name, f"{count} of {len(answers)} failed: {Tally.of(answers).says()}", "mesh verify locality")
    return ok(name, f"none of {len(answers)} failed")


def _restored(fault: Fault, region: str, left: Sequence[str]) -> Finding:
    name = f"{fault.name}: put back"
    return failure(name, f"{region} is not as it was", " && ".join(left)) if left else ok(name)


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f} s"

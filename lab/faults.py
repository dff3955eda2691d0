"""What users notice when something fails."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from config.environment import DEMO_SERVICE
from harness.traffic import Answer, Stream
from lab.subject import Subject
from lab.table import Table

EVERY_SECONDS = 0.05
STEADY = 20
"""So many answers in a row make a state."""

BEFORE_SECONDS = 1.0
SECONDS_TO_LEAVE = 60.0
SECONDS_TO_RETURN = 120.0
CUT_OFF_SECONDS = 15.0

MOST_FAILED = 10
"""Requests of one client that may fail at a failure: outlier detection ejects at the fifth, and some are under way."""


@dataclass(frozen=True)
class Fault:
    """Something that happens to the service in one region, and its end."""

    name: str
    happen: Callable[[], None]
    end: Callable[[], None]


def faults(subject: Subject, region: str) -> list[Fault]:
    """Return the three ways in which a region's version fails."""
    home = subject.lab.regions[region]
    service = subject.service
    deployment = f"deployment/{DEMO_SERVICE}-{subject.versions[region]}"

    def scale(replicas: int) -> None:
        home.cluster.kubectl("scale", deployment, "--namespace", service.namespace, f"--replicas={replicas}")

    def pods():  # noqa: ANN202
        return home.agent.pods(service.namespace, DEMO_SERVICE)

    replicas = len(pods())
    return [
        Fault("removed: scaled to 0", lambda: scale(0), lambda: scale(replicas)),
        Fault(
            "refuses: dead, still listed",
            lambda: [pod.die() for pod in pods()] and None,
            lambda: [home.agent.restart(pod) for pod in pods()] and None,
        ),
        Fault(
            "sick: answers 503",
            lambda: [pod.fall_sick() for pod in pods()] and None,
            lambda: [pod.recover() for pod in pods()] and None,
        ),
    ]


def failover(subject: Subject, region: str) -> Table:
    """Let a region's version fail in each way, and ask all the while: inside that region, at its gateway, elsewhere."""
    columns = ["what fails", "asked from", "failed", "elsewhere after", "slowest", "failed on return", "home after"]
    table = Table(f"Failover: {DEMO_SERVICE} fails in {region}", columns)
    others = [key for key in subject.lab.regions if key != region]
    for fault in faults(subject, region):
        _one_fault(subject, region, others, fault, table)
    table.notes.append(
        f"a request every {EVERY_SECONDS * 1000:.0f} ms from each; after: seconds until the first answer from another "
        "region, and from recovery until the own region answers for good"
    )
    return table


def _one_fault(subject: Subject, region: str, others: Sequence[str], fault: Fault, table: Table) -> None:
    with ExitStack() as stack:
        client = stack.enter_context(subject.client(region).stream(subject.path, EVERY_SECONDS))
        gateway = stack.enter_context(subject.gateways(region)[0].stream(subject.path, EVERY_SECONDS))
        bystanders = {
            key: stack.enter_context(subject.client(key).stream(subject.path, EVERY_SECONDS)) for key in others
        }
        time.sleep(BEFORE_SECONDS)
        failed_at = time.monotonic()
        fault.happen()
        for stream in (client, gateway):
            _wait(subject, stream, failed_at, lambda answer: _is_elsewhere(subject, region, answer), SECONDS_TO_LEAVE)
        ended_at = time.monotonic()
        fault.end()
        for stream in (client, gateway):
            _wait(subject, stream, ended_at, lambda answer: _is_home(subject, region, answer), SECONDS_TO_RETURN)
    for name, stream in ((f"{region}, client", client), (f"{region}, gateway", gateway)):
        away = [answer for answer in stream.since(failed_at) if answer.sent < ended_at]
        back = stream.since(ended_at)
        failed, failed_back = _failed(away), _failed(back)
        first = next((answer for answer in away if _is_elsewhere(subject, region, answer)), None)
        home = _seconds_to_last_change(back, ended_at, lambda answer: _is_home(subject, region, answer))
        table.add(
            fault.name,
            name,
            f"{failed} of {len(away)}",
            "never" if first is None else f"{first.sent + first.seconds - failed_at:.1f} s",
            f"{max(answer.seconds for answer in away):.1f} s",
            f"{failed_back} of {len(back)}",
            "never" if home is None else f"{home:.1f} s",
            ok=first is not None and home is not None and failed <= MOST_FAILED and failed_back == 0,
        )
    answers = [answer for stream in bystanders.values() for answer in stream.answers]
    failed = _failed(answers)
    table.add(fault.name, "other regions", f"{failed} of {len(answers)}", "", f"{max(a.seconds for a in answers):.1f} s", "", "", ok=failed == 0)


def _wait(
    subject: Subject, stream: Stream, since: float, condition: Callable[[Answer], bool], seconds: float
) -> None:
    """Wait until the last answers are all as they should be."""
    while time.monotonic() < since + seconds:
        subject.lab.check()
        answers = stream.since(since)[-STEADY:]
        if len(answers) == STEADY and all(map(condition, answers)):
            return
        time.sleep(EVERY_SECONDS)


def _is_home(subject: Subject, region: str, answer: Answer) -> bool:
    return answer.ok and answer.version == subject.versions[region]


def _is_elsewhere(subject: Subject, region: str, answer: Answer) -> bool:
    return answer.ok and answer.version != subject.versions[region]


def _failed(answers: Sequence[Answer]) -> int:
    return sum(not answer.ok for answer in answers)


def _seconds_to_last_change(answers: Sequence[Answer], since: float, condition: Callable[[Answer], bool]) -> float | None:
    """Return when the run of good answers began with which a series ends, if it ends with one."""
    run = 0
    for answer in reversed(answers):
        if not condition(answer):
            break
        run += 1
    return answers[-run].sent - since if run else None


def region_lost(subject: Subject, lost: str) -> Table:
    """Cut a region off from all others, and ask in every region all the while."""
    table = Table(
        f"Region lost: nothing goes to {lost} or comes from it for {CUT_OFF_SECONDS:.0f} s",
        ["asked from", "requests", "local", "failed", "slowest"],
    )
    with ExitStack() as stack:
        streams: dict[str, Stream] = {}
        for key in subject.lab.regions:
            name = f"{key}, itself cut off" if key == lost else key
            streams[f"{name}, client"] = stack.enter_context(subject.client(key).stream(subject.path, EVERY_SECONDS))
            streams[f"{name}, gateway"] = stack.enter_context(
                subject.gateways(key)[0].stream(subject.path, EVERY_SECONDS)
            )
        time.sleep(BEFORE_SECONDS)
        subject.lab.network.cut_off(lost)
        time.sleep(CUT_OFF_SECONDS)
        subject.lab.network.reconnect(lost)
        time.sleep(BEFORE_SECONDS)
    for name, stream in streams.items():
        home = subject.versions.get(name.split(",")[0])
        failed = _failed(stream.answers)
        local = sum(answer.version == home for answer in stream.answers)
        slowest = max(answer.seconds for answer in stream.answers)
        table.add(name, len(stream.answers), local, failed, f"{slowest:.1f} s", ok=failed == 0 and local in (0, len(stream.answers)))
    return table


def refuge_lost(subject: Subject, region: str, lost: str) -> Table:
    """Take a region's own version away, and then cut off one of the regions that answer in its place."""
    table = Table(
        f"Region lost while another needs it: {region} has no {DEMO_SERVICE}, and {lost} is cut off",
        ["asked from", "failed", "others alone after", "slowest", "failed on return"],
    )
    removed = faults(subject, region)[0]
    removed.happen()
    with ExitStack() as stack:
        client = stack.enter_context(subject.client(region).stream(subject.path, EVERY_SECONDS))
        gateway = stack.enter_context(subject.gateways(region)[0].stream(subject.path, EVERY_SECONDS))
        streams = {f"{region}, client": client, f"{region}, gateway": gateway}
        start = time.monotonic()
        for stream in streams.values():
            _wait(subject, stream, start, lambda answer: _is_elsewhere(subject, region, answer), SECONDS_TO_LEAVE)
        time.sleep(2 * BEFORE_SECONDS)
        cut_at = time.monotonic()
        subject.lab.network.cut_off(lost)
        time.sleep(3 * CUT_OFF_SECONDS)
        back_at = time.monotonic()
        subject.lab.network.reconnect(lost)
        time.sleep(CUT_OFF_SECONDS)
    removed.end()
    for name, stream in streams.items():
        away = [answer for answer in stream.since(cut_at) if answer.sent < back_at]
        slow = [answer for answer in away if not answer.ok or answer.seconds > 1]
        settled = max((answer.sent + answer.seconds - cut_at for answer in slow), default=0.0)
        back = stream.since(back_at)
        table.add(
            name,
            f"{_failed(away)} of {len(away)}",
            f"{settled:.1f} s",
            f"{max(answer.seconds for answer in away):.1f} s",
            f"{_failed(back)} of {len(back)}",
            ok=_failed(away) <= MOST_FAILED and _failed(back) == 0,
        )
    return table

"""What users notice when something fails."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from cli.traffic.outage import count_failed, first_arrival, is_steady, slowest, start_of_last_run
from config.environment import DEMO_SERVICE
from tests.lab.demo import LabDemo
from tests.local_mesh.pod import Pod
from tests.local_mesh.traffic import TIMEOUT_SECONDS, Response, Stream
from tests.reporting.table import Table

EVERY_SECONDS = 0.05
STEADY = 20
"""So many answers in a row make a state."""

BEFORE_SECONDS = 1.0
SECONDS_TO_LEAVE = 60.0
SECONDS_TO_RETURN = 120.0
CUT_OFF_SECONDS = 15.0

FAULTS = 3
SLOW_SECONDS = 0.5

MOST_FAILED = 10
"""Requests of one client that may fail at a failure: outlier detection ejects at the fifth, and some are under way."""


@dataclass(frozen=True)
class ServiceFault:
    """Something that happens to the service in one region, and its end.

    Attributes:
        told: the control plane is told of it, so that no request has to fail.
    """

    name: str
    happen: Callable[[], None]
    end: Callable[[], None]
    told: bool = False


def faults(demo: LabDemo, region: str) -> list[ServiceFault]:
    """Return the three ways in which a region's version fails."""
    home = demo.lab.regions[region]
    namespace = demo.service.namespace
    deployment = f"deployment/{DEMO_SERVICE}-{demo.versions[region]}"

    def pods() -> list[Pod]:
        return home.agent.pods(namespace, DEMO_SERVICE)

    def scale(replicas: int) -> None:
        home.cluster.kubectl("scale", deployment, "--namespace", namespace, f"--replicas={replicas}")

    def each(work: Callable[[Pod], None]) -> Callable[[], None]:
        def do() -> None:
            for pod in pods():
                work(pod)

        return do

    replicas = len(pods())
    return [
        ServiceFault("removed: scaled to 0", lambda: scale(0), lambda: scale(replicas), told=True),
        ServiceFault("refuses: dead, still listed", each(Pod.die), each(home.agent.restart)),
        ServiceFault("sick: answers 503", each(Pod.fall_sick), each(Pod.recover)),
    ]


def failover(demo: LabDemo, say: Callable[[str], None]) -> Table:
    """Let a region's version fail in each way, and ask all the while: in that region, at its gateway, in the others.

    Each fault is in another region, as a proxy that has seen an endpoint fail trusts it less the next time.
    """
    columns = ["what fails", "where", "asked from", "failed", "elsewhere after", "slowest", "on return", "home after"]
    table = Table(f"Failover of {DEMO_SERVICE}", columns)
    regions = list(demo.versions)
    for index in range(FAULTS):
        region = regions[index % len(regions)]
        fault = faults(demo, region)[index]
        say(f"failover: {fault.name} in {region}")
        _one_fault(demo, region, fault, table)
    table.notes.append(
        f"a request every {EVERY_SECONDS * 1000:.0f} ms from each; after: seconds to the first answer from another "
        "region, and from recovery on until the own region answers for good"
    )
    return table


def _one_fault(demo: LabDemo, region: str, fault: ServiceFault, table: Table) -> None:
    others = [key for key in demo.lab.regions if key != region]
    with ExitStack() as stack:
        streams = {
            "client": stack.enter_context(demo.client(region).stream(demo.path, EVERY_SECONDS)),
            "gateway": stack.enter_context(demo.gateways(region)[0].stream(demo.path, EVERY_SECONDS)),
        }
        bystanders = [stack.enter_context(demo.client(key).stream(demo.path, EVERY_SECONDS)) for key in others]
        time.sleep(BEFORE_SECONDS)
        failed_at = time.monotonic()
        fault.happen()
        steady = {
            name: _wait(demo, stream, failed_at, lambda answer: _is_elsewhere(demo, region, answer), SECONDS_TO_LEAVE)
            for name, stream in streams.items()
        }
        ended_at = time.monotonic()
        fault.end()
        for name, stream in streams.items():
            steady[name] &= _wait(
                demo, stream, ended_at, lambda answer: _is_home(demo, region, answer), SECONDS_TO_RETURN
            )
    most = 0 if fault.told else MOST_FAILED
    for name, stream in streams.items():
        away = [answer for answer in stream.since(failed_at) if answer.sent < ended_at]
        back = stream.since(ended_at)
        first = first_arrival(away, lambda answer: _is_elsewhere(demo, region, answer))
        home = start_of_last_run(back, lambda answer: _is_home(demo, region, answer))
        table.add(
            fault.name,
            region,
            name,
            f"{count_failed(away)} of {len(away)}",
            "never" if first is None else f"{first - failed_at:.1f} s",
            _slowest(away),
            f"{count_failed(back)} of {len(back)}",
            "never" if home is None else f"{home - ended_at:.1f} s",
            ok=steady[name] and count_failed(away) <= most and count_failed(back) == 0,
        )
    answers = [answer for stream in bystanders for answer in stream.answers]
    failed = f"{count_failed(answers)} of {len(answers)}"
    good = all(stream.answers for stream in bystanders) and count_failed(answers) == 0
    table.add(fault.name, region, "other regions", failed, "", _slowest(answers), "", "", ok=good)


def regions_lost(demo: LabDemo, say: Callable[[str], None]) -> list[Table]:
    """Cut the last region off; and, where there are three, again while another region needs it."""
    regions = list(demo.versions)
    lost = regions[-1]
    say(f"cutting {lost} off")
    tables = [_region_lost(demo, lost)]
    if len(regions) > 2:
        say(f"cutting {lost} off while {regions[0]} needs it")
        tables.append(_refuge_lost(demo, regions[0], lost))
    return tables


def _region_lost(demo: LabDemo, lost: str) -> Table:
    """Cut a region off from all others, and ask in every region all the while."""
    table = Table(
        f"Region lost: the link of {lost} to all others is down for {CUT_OFF_SECONDS:.0f} s",
        ["asked from", "by", "requests", "local", "failed", "slowest"],
    )
    others = [key for key in demo.lab.regions if key != lost]
    with ExitStack() as stack:
        streams: list[tuple[str, str, Stream]] = []
        for key in demo.lab.regions:
            client, gateway = demo.client(key), demo.gateways(key)[0]
            streams.append((key, "client", stack.enter_context(client.stream(demo.path, EVERY_SECONDS))))
            streams.append((key, "gateway", stack.enter_context(gateway.stream(demo.path, EVERY_SECONDS))))
        reaches = [demo.reaches(others[0], lost)]
        demo.lab.network.cut_off(lost)
        time.sleep(CUT_OFF_SECONDS)
        reaches.append(demo.reaches(others[0], lost))
        demo.lab.network.reconnect(lost)
        time.sleep(BEFORE_SECONDS)
        reaches.append(demo.reaches(others[0], lost))
    words = ["reaches" if reached else "does not reach" for reached in reaches]
    table.notes.append(
        f"a pod of {others[0]} {words[0]} {lost} before, {words[1]} it while cut off, {words[2]} it after"
    )
    for key, name, stream in streams:
        home = demo.versions.get(key)
        local = sum(answer.ok and answer.version == home for answer in stream.answers)
        failed, count = count_failed(stream.answers), len(stream.answers)
        # A region without the service may have been served by the lost one.
        good = local == count if home is not None else failed <= MOST_FAILED
        good = good and count > 0 and reaches == [True, False, True]
        where = f"{key}, the lost one" if key == lost else key
        table.add(where, name, count, local, failed, _slowest(stream.answers), ok=good)
    return table


def _refuge_lost(demo: LabDemo, region: str, lost: str) -> Table:
    """Take a region's own version away, and then cut off one of the regions that answer in its place."""
    table = Table(
        f"Region lost while another needs it: {DEMO_SERVICE} is removed in {region}, and {lost} is cut off",
        ["asked from", "by", "failed", "all well after", "slowest", "on return"],
    )
    removal = faults(demo, region)[0]
    removal.happen()
    with ExitStack() as stack:
        client, gateway = demo.client(region), demo.gateways(region)[0]
        streams = {
            "client": stack.enter_context(client.stream(demo.path, EVERY_SECONDS)),
            "gateway": stack.enter_context(gateway.stream(demo.path, EVERY_SECONDS)),
        }
        start = time.monotonic()
        steady = [
            _wait(demo, stream, start, lambda answer: _is_elsewhere(demo, region, answer), SECONDS_TO_LEAVE)
            for stream in streams.values()
        ]
        time.sleep(BEFORE_SECONDS)
        cut_at = time.monotonic()
        demo.lab.network.cut_off(lost)
        time.sleep(2 * CUT_OFF_SECONDS)
        back_at = time.monotonic()
        demo.lab.network.reconnect(lost)
        time.sleep(CUT_OFF_SECONDS)
    removal.end()
    for name, stream in streams.items():
        away = [answer for answer in stream.since(cut_at) if answer.sent < back_at]
        back = stream.since(back_at)
        needed = any(answer.version == demo.versions[lost] for answer in stream.since(start) if answer.sent < cut_at)
        slow = [answer for answer in away if not answer.ok or answer.seconds > SLOW_SECONDS]
        well = max((answer.sent + answer.seconds - cut_at for answer in slow), default=0.0)
        table.add(
            region,
            name,
            f"{count_failed(away)} of {len(away)}",
            f"{well:.1f} s",
            _slowest(away),
            f"{count_failed(back)} of {len(back)}",
            ok=all(steady)
            and needed
            and count_failed(away) <= MOST_FAILED
            and bool(back)
            and count_failed(back) == 0
            and well < 2 * CUT_OFF_SECONDS,
        )
    table.notes.append(
        "what fails are requests on connections that were open: nothing but the client's own timeout "
        f"({TIMEOUT_SECONDS:.0f} s here) ends them"
    )
    return table


def _wait(demo: LabDemo, stream: Stream, since: float, condition: Callable[[Response], bool], seconds: float) -> bool:
    """Wait until the last answers are all as they should be, and return whether they came to be."""
    while time.monotonic() < since + seconds:
        demo.lab.check()
        if is_steady(stream.since(since), condition, STEADY):
            return True
        time.sleep(EVERY_SECONDS)
    return False


def _is_home(demo: LabDemo, region: str, answer: Response) -> bool:
    return answer.ok and answer.version == demo.versions[region]


def _is_elsewhere(demo: LabDemo, region: str, answer: Response) -> bool:
    return answer.ok and answer.version != demo.versions[region]


def _slowest(answers: Sequence[Response]) -> str:
    return f"{slowest(answers):.1f} s"

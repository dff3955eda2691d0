"""Which region responded, by the counters of a proxy."""

import pytest

from cli.traffic.attribution import Attribution, region_finder
from cli.traffic.client import read_response
from cli.traffic.response import Response
from tests.synthesized import REFERENCE, environment_of

TOKYO, OSAKA = "10.0.1.2:5000=asia-northeast1", "10.32.1.2:5000=asia-northeast2"


def success(number: int = 0) -> Response:
    return Response(float(number), 0.1, 200, "", "")


@pytest.fixture
def attribution() -> Attribution:
    found = Attribution(region_finder(environment_of(REFERENCE.read_text(encoding="utf-8"))))
    assert found.count([f"{TOKYO}=40", f"{OSAKA}=7"]) == [], "what was counted before is nobody's"
    return found


def regions(responses: list[Response]) -> list[str]:
    return [one.region for one in responses]


def test_a_region_has_the_address_and_the_locality() -> None:
    find = region_finder(environment_of(REFERENCE.read_text(encoding="utf-8")))
    assert find("10.0.1.2", "asia-northeast1") == "tokyo"
    assert find("10.32.1.2", "asia-northeast2") == "osaka"
    assert find("10.32.1.2", "") == "osaka"
    assert find("192.0.2.1", "asia-northeast2") == "osaka", "the pods of another mesh have other ranges"
    assert find("10.32.1.2", "asia-northeast1") == "", "they contradict each other"
    assert find("192.0.2.1", "") == ""
    assert find("2001:db8::1", "asia-northeast2") == ""


def test_each_response_is_decided_by_the_next_counters(attribution: Attribution) -> None:
    attribution.add(success(1), True)
    attribution.add(success(2), True)
    first = attribution.count([f"{TOKYO}=42", f"{OSAKA}=7"])
    assert regions(first) == ["tokyo", "tokyo"]
    attribution.add(success(3), True)
    assert regions(attribution.count([f"{TOKYO}=42", f"{OSAKA}=8"])) == ["osaka"]
    assert attribution.end() == []


def test_a_response_may_arrive_after_it_is_counted(attribution: Attribution) -> None:
    assert attribution.count([f"{TOKYO}=41", f"{OSAKA}=7"]) == []
    attribution.add(success(), True)
    assert regions(attribution.count([f"{TOKYO}=41", f"{OSAKA}=7"])) == ["tokyo"]


def test_what_no_counter_explains_is_unknown(attribution: Attribution) -> None:
    """Its endpoint was removed before the counters were read again."""
    attribution.add(success(1), True)
    assert attribution.count([f"{OSAKA}=7"]) == [], "the next reading may have it"
    attribution.add(success(2), True)
    assert regions(attribution.count([f"{OSAKA}=7"])) == [""]
    assert regions(attribution.count([f"{OSAKA}=8"])) == ["osaka"]


def test_an_endpoint_that_is_back_counts_from_0(attribution: Attribution) -> None:
    attribution.count([f"{OSAKA}=7"])
    attribution.add(success(), True)
    assert regions(attribution.count([f"{TOKYO}=1", f"{OSAKA}=7"])) == ["tokyo"]


def test_errors_have_no_region_and_take_nobody_s(attribution: Attribution) -> None:
    attribution.add(Response(0, 0.1, 503, "", "HTTP 503"), False)
    attribution.add(Response(0, 0.1, 403, "", "HTTP 403"), True)
    attribution.add(success(), True)
    assert regions(attribution.count([f"{TOKYO}=41", f"{OSAKA}=8"])) == ["", "", "osaka"]


def test_without_counters_nothing_is_known() -> None:
    found = Attribution(lambda *_: "tokyo")
    found.add(success(), True)
    assert regions(found.end()) == [""]


@pytest.mark.parametrize(
    ("line", "grpc_status", "grpc", "problem", "counted"),
    [
        ("200 0.012 0 ", "", False, "", True),
        ("302 0.012 0 ", "", False, "", True),
        ("404 0.012 0 ", "", False, "HTTP 404", True),
        ("503 0.012 0 ", "", False, "HTTP 503", False),
        ("000 5.001 28 Operation timed out after 5001 milliseconds", "", False, "curl 28: Operation timed out", False),
        ("200 0.012 0 ", "0", True, "", True),
        ("200 0.012 0 ", "5", True, "", True),
        ("200 0.012 0 ", "7", True, "gRPC status 7 PERMISSION_DENIED", True),
        ("200 0.012 0 ", "14", True, "gRPC status 14 UNAVAILABLE", False),
        ("200 0.012 0 ", "", True, "no gRPC status", True),
        ("404 0.012 0 ", "", True, "HTTP 404", True),
    ],
)
def test_a_line_of_the_script(line: str, grpc_status: str, grpc: bool, problem: str, counted: bool) -> None:
    response, has_counter = read_response(line, grpc_status, grpc)
    assert (response.problem, has_counter) == (problem, counted)

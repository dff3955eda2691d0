"""Until when Google supports the control plane mode, which depends on the date."""

from datetime import date, timedelta

import pytest

from cli.doctor import support
from cli.report.findings import FindingState
from config.control_plane import MODES, ControlPlaneMode, control_plane
from tests.cli.doctor.diagnosis import in_mode
from tests.synthesized import environment_of

DEPRECATED, ENDS = date(2026, 9, 28), date(2028, 3, 1)
DAY = timedelta(days=1)


@pytest.mark.parametrize("mode", ["asmcli-managed", "asmcli-in-cluster"])
@pytest.mark.parametrize(
    ("today", "state"),
    [
        (DEPRECATED - DAY, FindingState.OK),
        (DEPRECATED, FindingState.WARNING),
        (ENDS - DAY, FindingState.WARNING),
        (ENDS, FindingState.FAILURE),
    ],
)
def test_a_mode_that_google_ends(mode: str, today: date, state: FindingState) -> None:
    found = support.check(environment_of(in_mode(mode)), today)
    assert found.state is state
    if state is not FindingState.OK:
        assert "2028-03-01" in found.text
        assert "mesh.control_plane: fleet" in found.fix


def test_no_end_of_the_default_is_announced() -> None:
    found = support.check(environment_of(in_mode("fleet")), date(2099, 1, 1))
    assert found.state is FindingState.OK


@pytest.mark.parametrize("mode", MODES)
def test_the_dates_are_of_one_record(mode: ControlPlaneMode) -> None:
    end = control_plane(mode).end
    assert (mode == "fleet") is (end is None)
    assert end is None or (end.deprecated, end.ends) == (DEPRECATED, ENDS)

"""docs/cli.md is that of the commands of today."""

import re

import pytest

from tests.site.outputs import RECORDERS, record
from tools.docs.cli_page import FILE, OUTPUTS, commands, page_text

MEASURED = ("verify", "drill")
"""Commands that print times and counts of requests, which are others each time."""

SLOW = ("drill",)


def test_the_page_is_up_to_date() -> None:
    assert FILE.read_text(encoding="utf-8") == page_text(), "run `make schema`"


def test_every_command_has_an_output() -> None:
    recorded = {path.stem for path in OUTPUTS.glob("*.txt")}
    assert recorded == set(RECORDERS)
    # docs/images has what `mesh picture` draws, and tests/cli/explain what the proxies of a lab return.
    assert recorded == set(commands()) - {"picture", "explain"}


def without_figures(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"\d+([.,]\d+)?|#+", "N", text))


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=pytest.mark.slow) if one in SLOW else one for one in RECORDERS]
)
def test_the_output_is_what_the_command_prints(name: str) -> None:
    recorded, now = (OUTPUTS / f"{name}.txt").read_text(encoding="utf-8"), record(name)
    recorded, now = (re.sub(r"(?<=cdktf: )[\d.]+", "VERSION", text) for text in (recorded, now))  # of a moved checkout
    if name in MEASURED:
        recorded, now = without_figures(recorded), without_figures(now)
    assert recorded == now, f"run `.venv/bin/python -m tests.site.outputs {name}`, then `make schema`"

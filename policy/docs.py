"""The tables of docs/policy.md: the rules, and who caught which weakening."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from config.paths import ROOT
from policy.checkov.report import Scan
from policy.environment import Environment
from policy.rule import Rule, judge, load
from policy.skips import Skip
from policy.weakening import Weakening

FILE = ROOT / "docs" / "policy.md"


@dataclass(frozen=True)
class Row:
    """Who caught a weakening.

    Attributes:
        ours, checkov: ids of rules and checks; empty if none did.
    """

    weakening: Weakening
    ours: Sequence[str]
    checkov: Sequence[str]


def weakenings_table(
    weakenings: Iterable[Weakening],
    cases: Mapping[str, Environment],
    scans: Mapping[str, Scan],
    before: Scan,
    skips: Sequence[Skip],
) -> list[Row]:
    """Return a row for each weakening, of cases and scans that go by its name.

    Args:
        before: of the environment as it was.
    """
    rules = load().values()
    return [
        Row(
            weakening=one,
            ours=sorted({rule.id for rule, _ in judge(cases[one.name], rules).failed}),
            checkov=sorted({record.check for record in scans[one.name].after(skips) if record not in before.failed}),
        )
        for one in weakenings
    ]


def write(table: Iterable[Row]) -> None:
    """Put the tables into the file, between their marks."""
    text = FILE.read_text(encoding="utf-8")
    text = between(text, "rules", rules_text(load().values()))
    FILE.write_text(between(text, "weakenings", weakenings_text(table)), encoding="utf-8")


def between(text: str, mark: str, content: str) -> str:
    """Return a text with other content between ``<!-- mark -->`` and ``<!-- end of mark -->``.

    Raises:
        ValueError: it has no such marks.
    """
    start, end = f"<!-- {mark} -->\n", f"<!-- end of {mark} -->"
    before, found, rest = text.partition(start)
    _, ends, after = rest.partition(end)
    if not found or not ends:
        raise ValueError(f"{FILE.name} has no {start.strip()} and {end}")
    return f"{before}{start}{content}{end}{after}"


def rules_text(rules: Iterable[Rule]) -> str:
    """Return the table of rules, by file."""
    lines = ["| rule | what holds | where it says why |", "| --- | --- | --- |"]
    for rule in sorted(rules, key=lambda rule: (rule.file, rule.id)):
        lines.append(f"| `{rule.id}` | {rule.title} | [{Path(rule.file).name}](../{rule.file}) |")
    return "\n".join(lines) + "\n"


def weakenings_text(table: Iterable[Row]) -> str:
    """Return the table of weakenings: first the listed ones."""
    lines = ["| weakening | our rules | checkov's own checks |", "| --- | --- | --- |"]
    for row in table:
        name = f"**{row.weakening.name}**" if row.weakening.listed else row.weakening.name
        ours = ", ".join(one.removeprefix("MESH_").lower() for one in row.ours)
        lines.append(f"| {name} | {ours or '**missed**'} | {', '.join(row.checkov) or '-'} |")
    return "\n".join(lines) + "\n"

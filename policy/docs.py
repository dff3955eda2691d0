"""The generated tables of docs/policy.md: the rules, and what finds each mutation."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from config.paths import ROOT
from policy.checkov.report import CheckovScan
from policy.environment import SynthesizedEnvironment
from policy.mutation import Mutation
from policy.rule import Rule, evaluate, load
from policy.skips import Skip

FILE = ROOT / "docs" / "policy.md"


@dataclass(frozen=True)
class MutationRow:
    """A mutation, and what finds it.

    Attributes:
        mutation: the mutation.
        rules: ids of the rules that fail.
        checks: ids of checkov's own checks that fail.
    """

    mutation: Mutation
    rules: Sequence[str]
    checks: Sequence[str]


def mutations_table(
    mutations: Iterable[Mutation],
    mutated: Mapping[str, SynthesizedEnvironment],
    scans: Mapping[str, CheckovScan],
    baseline: CheckovScan,
    skips: Sequence[Skip],
) -> list[MutationRow]:
    """Return a row for each mutation.

    Args:
        mutations: the mutations.
        mutated: the mutated environments, by the mutation's name.
        scans: their scans, by the mutation's name.
        baseline: the scan of the original environment.
        skips: the skipped checks.
    """
    rules = load().values()
    return [
        MutationRow(
            mutation=one,
            rules=sorted({rule.id for rule, _ in evaluate(mutated[one.name], rules).failed}),
            checks=sorted({f.check for f in scans[one.name].unskipped(skips) if f not in baseline.failed}),
        )
        for one in mutations
    ]


def write(table: Iterable[MutationRow]) -> None:
    """Write the tables into the file, between their marks."""
    text = FILE.read_text(encoding="utf-8")
    text = replace_between(text, "rules", rules_text(load().values()))
    FILE.write_text(replace_between(text, "mutations", mutations_text(table)), encoding="utf-8")


def replace_between(text: str, mark: str, content: str) -> str:
    """Return a text with new content between ``<!-- mark -->`` and ``<!-- end of mark -->``.

    Raises:
        ValueError: The text has no such marks.
    """
    start, end = f"<!-- {mark} -->\n", f"<!-- end of {mark} -->"
    before, found, rest = text.partition(start)
    _, ends, after = rest.partition(end)
    if not found or not ends:
        raise ValueError(f"{FILE.name} has no {start.strip()} and {end}; add both lines where the table belongs")
    return f"{before}{start}{content}{end}{after}"


def rules_text(rules: Iterable[Rule]) -> str:
    """Return the table of rules, by file."""
    lines = ["| Rule | Requirement | Source |", "| --- | --- | --- |"]
    for rule in sorted(rules, key=lambda rule: (rule.file, rule.id)):
        lines.append(f"| `{rule.id}` | {rule.title} | [{Path(rule.file).name}](../{rule.file}) |")
    return "\n".join(lines) + "\n"


def mutations_text(table: Iterable[MutationRow]) -> str:
    """Return the table of mutations; the names of the listed ones are bold."""
    lines = ["| Mutation | Rules of this project | Checks of checkov |", "| --- | --- | --- |"]
    for row in table:
        name = f"**{row.mutation.name}**" if row.mutation.listed else row.mutation.name
        rules = ", ".join(one.removeprefix("MESH_").lower() for one in row.rules)
        lines.append(f"| {name} | {rules or '**missed**'} | {', '.join(row.checks) or '-'} |")
    return "\n".join(lines) + "\n"

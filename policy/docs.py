"""The generated tables of docs/policy.md: the rules, and the counts of mutations."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from config.paths import ROOT
from policy.claims import Rule
from policy.generated import Generated
from policy.rule import load

FILE = ROOT / "docs" / "policy.md"


def write(mutations: Sequence[Generated]) -> None:
    """Write the tables into the file, between their marks."""
    text = FILE.read_text(encoding="utf-8")
    text = replace_between(text, "rules", rules_text(load().values()))
    FILE.write_text(replace_between(text, "mutations", mutations_text(mutations)), encoding="utf-8")


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
    lines = ["| Rule | What is allowed | Source |", "| --- | --- | --- |"]
    for rule in sorted(rules, key=lambda rule: (rule.file, rule.id)):
        lines.append(f"| `{rule.id}` | {rule.title} | [{Path(rule.file).name}](../{rule.file}) |")
    return "\n".join(lines) + "\n"


def mutations_text(mutations: Sequence[Generated]) -> str:
    """Return how many mutations of each kind there are, and how many the rules find."""
    every, found = Counter(one.kind for one in mutations), Counter(one.kind for one in mutations if one.found_by)
    lines = ["| Generated mutation | Number | Found |", "| --- | ---: | ---: |"]
    lines += [f"| {kind} | {count} | {found[kind]} |" for kind, count in sorted(every.items())]
    return "\n".join([*lines, f"| all | {every.total()} | {found.total()} |"]) + "\n"

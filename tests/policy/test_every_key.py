"""Rare keys: the policy holds for each key of the configuration, and for each of its values, in some file of the tests.

A weakened construct is found only where a file that is checked comes to it. tests/config/test_right_files.py checks the
unusual files, too.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.reference import all_rows
from policy.generated import generate
from policy.rule import claimed, evaluate
from policy.synthesis import with_files
from tests.config.inputs import INPUTS
from tests.synthesized import ENVIRONMENTS, load_without_variables, synthesize

FILES = sorted((Path(__file__).parent / "environments").glob("*.yaml"))
CHECKED = [*ENVIRONMENTS.values(), *FILES, *(INPUTS / "right").glob("*.yaml")]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_path_of_a_file_with_rare_keys_is_claimed(file: Path, tmp_path: Path) -> None:
    environment = load_without_variables(file)
    synthesis = synthesize(environment, tmp_path)
    claims, stacks = claimed(environment), with_files(synthesis.stacks, synthesis.outdir)
    assert [str(one) for one in evaluate(claims, stacks)] == []
    assert [str(one) for one in generate(claims, stacks) if not one.found_by] == []


def values(node: Any, steps: list[str]) -> Iterator[Any]:
    """Yield what a file has at a key; a star is each value of a map, and ``[]`` each item of a list."""
    if not steps:
        yield node
    elif isinstance(node, list) and steps[0] == "[]":
        for item in node:
            yield from values(item, steps[1:])
    elif isinstance(node, dict):
        for inner in node.values() if steps[0] == "*" else [node[name] for name in steps[:1] if name in node]:
            yield from values(inner, steps[1:])


def words(kind: str) -> set[str]:
    """Return the words that a key may have, by its type in the reference."""
    if kind == "boolean":
        return {"true", "false"}
    return set(re.findall("`([^`]+)`", kind)) if kind.startswith("`") else set()


def test_every_key_and_every_word_is_in_a_checked_file() -> None:
    """Add what is missing to a file in tests/policy/environments/."""
    files = [yaml.safe_load(file.read_text(encoding="utf-8-sig")) for file in CHECKED]
    missing = []
    for row in all_rows():
        found = [value for file in files for value in values(file, row.key.replace("[]", ".[]").split("."))]
        given = {str(value).lower() if isinstance(value, bool) else str(value) for value in found}
        if not found:
            missing.append(row.key)
        elif not row.key.startswith("services.*.regions.*.env."):  # as in services.*.env
            missing += [f"{row.key}: {word}" for word in words(row.kind) - given - {row.default.strip("`")}]
    assert missing == []

"""README and guides: their configurations, commands and keys are right."""

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml

from cli.app import app
from cli.init.document import document
from config.environment import Environment
from config.loading.load import parse_environment
from config.paths import ROOT

README = ROOT / "README.md"
GETTING_STARTED = ROOT / "docs" / "getting-started.md"
NAMES = ("index", "getting-started", "concepts", "faq", "operations", "control-plane-modes", "security", "backends")
PAGES = [README, *(ROOT / "docs" / f"{name}.md" for name in NAMES)]

YAML = re.compile(r"^( *)```yaml\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 180


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_configurations_are_right(page: Path) -> None:
    """Each is a whole file, or becomes right when it is added to the one in README."""
    [minimal] = [block for block in _configurations(README) if "project" in block]
    for block in _configurations(page):
        configuration = block if {"project", "regions", "ingress"} <= set(block) else _merged(minimal, block)
        parse_environment(yaml.safe_dump(configuration), page.name, {})


def test_getting_started_shows_what_init_writes() -> None:
    answers = {
        "project": ["acme-mesh-prod"],
        "name_prefix": ["mesh"],
        "regions": ["tokyo=asia-northeast1", "osaka=asia-northeast2"],
    }
    [shown] = [block for block in _configurations(GETTING_STARTED) if "project" in block]
    assert shown == yaml.safe_load(document(answers))
    for page in (README, GETTING_STARTED):
        options = "--project acme-mesh-prod --region tokyo=asia-northeast1 --region osaka=asia-northeast2 --plain-http"
        assert f"$ mesh init {options}\n" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    # After a prompt or at the start of a code span, such as `make synth mesh`.
    for line in re.findall(r"(?:^\$ |`)make ((?:[a-z-]+ ?)+)", text, re.MULTILINE):
        assert set(line.split()) <= targets, line
    commands = {str(one.name or one.callback.__name__) for one in app.registered_commands if one.callback}
    commands |= {str(group.name) for group in app.registered_groups}
    for command in re.findall(r"(?:^\$ |`|&& )mesh ([a-z]+)", text, re.MULTILINE):
        assert command in commands, command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_keys_exist(page: Path) -> None:
    """Such as `cluster.max_nodes` and `regions.*.zones`."""
    known = set((ROOT / "docs" / "configuration.md").read_text(encoding="utf-8").split("`"))
    sections = "|".join(Environment.model_fields)
    named = re.findall(rf"`((?:{sections})\.[\w.*]+)", page.read_text(encoding="utf-8"))
    for key in named:
        assert re.sub(r"(services|regions)\.(?:[A-Z]+|tokyo|osaka)(?=\.)", r"\1.*", key) in known, key


def _configurations(page: Path) -> Iterator[dict[str, Any]]:
    """Yield the YAML blocks of a page that are a configuration file, or a part of one."""
    for _, text in YAML.findall(page.read_text(encoding="utf-8")):
        block = yaml.safe_load(dedent(text))
        if isinstance(block, dict) and set(block) <= set(Environment.model_fields):
            yield block


def _merged(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    merged = {**base, **change}
    for key in base.keys() & change.keys():
        if isinstance(base[key], dict) and isinstance(change[key], dict):
            merged[key] = _merged(base[key], change[key])
    return merged

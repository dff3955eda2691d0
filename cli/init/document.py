"""The text of a new configuration file."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from config import ConfigError, Problem
from config.control_plane import MODES, control_plane
from config.fields import RegionKey
from config.loading.load import parse_environment
from config.loading.strict_yaml import parse
from config.mesh import DEFAULT_VERSION, Mesh
from config.naming import RegionNames
from config.paths import ROOT

SCHEMA_FILE = ROOT / "mesh.schema.json"

Answers = Mapping[str, Sequence[str]]
"""What the file is to say, by the field of `PLACEHOLDERS`; most have one word."""

PLACEHOLDERS: Answers = {
    "project": ["my-project"],
    "name_prefix": ["m"],
    "regions": ["r=us-central1"],
    "domains": [],
    "control_plane": [Mesh().control_plane],
    "asmcli_sha256": [],
    "authorized_networks": [],
}
"""Stand for what is not known yet, so that the rest can be validated."""

_DIRECTIONS = re.compile("north|south|east|west|central")

_HEAD = """\
# yaml-language-server: $schema={schema}
#
# Written by `mesh init`. Every other key has a safe default: docs/configuration.md lists
# them, and docs/security.md states the security trade-off of each override.

project:
  id: {project}
  name_prefix: {name_prefix}

regions: # a key never changes, and a number is never used for another region
"""


def problems_of(answers: Answers) -> list[Problem]:
    """Return what the model finds wrong with a file of these answers, whatever is not answered yet."""
    try:
        parse_environment(document(answers), "mesh.yaml", {})
    except ConfigError as error:
        return [replace(problem, line=None) for problem in error.problems]
    return []


def document(answers: Answers, file: Path = ROOT / "mesh.yaml") -> str:
    """Return the text of a configuration file.

    Args:
        answers: What it says; `PLACEHOLDERS` has the rest.
        file: Where it will be; its schema is named from there.
    """
    answers = {**PLACEHOLDERS, **answers}
    [project], [name_prefix], [mode] = answers["project"], answers["name_prefix"], answers["control_plane"]
    regions = _keyed(answers)
    folder = file.resolve().parent
    schema = os.path.relpath(SCHEMA_FILE, folder) if folder.is_relative_to(ROOT) else str(SCHEMA_FILE)
    lines = [_HEAD.format(schema=schema, project=_scalar(project), name_prefix=_scalar(name_prefix))]
    for number, (key, region) in enumerate(regions):
        lines.append(f"  {_scalar(key)}:\n    region: {_scalar(region)}\n    number: {number}\n")
    if networks := answers["authorized_networks"]:
        lines.append("\ncluster:\n  endpoint: public # only from these networks\n  authorized_networks:\n")
        for number, network in enumerate(networks, 1):
            name, cidr = _split(network, f"network-{number}")
            lines.append(f"    - name: {_scalar(name)}\n      cidr: {_scalar(cidr)}\n")
    hint = "docs/control-plane-modes.md; it can't be changed later"
    lines.append(f"\nmesh:\n  control_plane: {_scalar(mode)} # {hint}\n")
    lines += _asmcli_lines(mode, answers["asmcli_sha256"])
    lines.append(f"\ningress:\n  config_cluster: {_scalar(regions[0][0])}\n")
    if domains := answers["domains"]:
        lines.append(f"  domains: [{', '.join(map(_scalar, domains))}]\n")
    else:
        lines.append("  plain_http: true # until you have a domain: domains: [shop.example.com]\n")
    return "".join(lines)


def uses_asmcli(mode: str) -> bool:
    """Return whether a control plane mode is installed with asmcli, which is pinned by its checksum."""
    return any(mode == one and control_plane(one).installer == "asmcli" for one in MODES)


def _asmcli_lines(mode: str, checksum: Sequence[str]) -> list[str]:
    """Return the lines of `mesh.asmcli`; the version is among them, so that no later default changes it."""
    if not uses_asmcli(mode) and not checksum:
        return []
    sha256 = json.dumps(checksum[0]) if checksum else None
    return [
        "  asmcli:\n",
        f"    version: {DEFAULT_VERSION}\n",
        f"    sha256: {sha256}\n" if sha256 else "    # sha256: yours, in quotes; README, step 3\n",
    ]


def _keyed(answers: Answers) -> list[tuple[str, str]]:
    """Return each region with its key: the given one, else its name, shortened if names would be too long."""
    [name_prefix] = answers["name_prefix"]
    named = [_split(one, "") for one in answers["regions"]]
    full = [(key or region, region) for key, region in named]
    if all(_fits(name_prefix, key) for key, _ in full):
        return full
    return [(key or _abbreviated(region), region) for key, region in named]


def _fits(name_prefix: str, key: str) -> bool:
    try:
        TypeAdapter(RegionKey).validate_python(key)
    except ValidationError:
        return False
    return all(len(limit.name) <= limit.longest for limit in RegionNames(name_prefix, key).limits())


def _abbreviated(region: str) -> str:
    """Return asia-ne1 for asia-northeast1."""
    area, hyphen, place = region.partition("-")
    return area + hyphen + _DIRECTIONS.sub(lambda match: match[0][0], place)


def _split(text: str, default: str) -> tuple[str, str]:
    """Return the name and the value of NAME=VALUE; the name may be absent."""
    name, _, value = text.rpartition("=")
    return name or default, value


def _scalar(text: str) -> str:
    """Return a text as YAML has it: plain where that reads as the same text, else in quotes."""
    read = parse(f"key: [{text}]\n")
    return text if not read.problems and read.data == {"key": [text]} else json.dumps(text)

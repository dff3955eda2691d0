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

Values = Mapping[str, Sequence[str]]
"""The values of a file, by the field of `PLACEHOLDERS`; most have one word."""

PLACEHOLDERS: Values = {
    "project": ["my-project"],
    "name_prefix": ["m"],
    "regions": ["r=us-central1"],
    "domains": [],
    "control_plane": [Mesh().control_plane],
    "asmcli_sha256": [],
    "authorized_networks": [],
}
"""Values for those that are not known yet, so that the others can be validated."""

_DIRECTIONS = re.compile("north|south|east|west|central")

_HEAD = """\
# yaml-language-server: $schema={schema}
#
# Written by `mesh init`. Every other key has a safe default: docs/configuration.md lists
# them, and docs/security.md states the security trade-off of each override.

project:
  id: {project}
  name_prefix: {name_prefix}

regions: # never change a key, and never reuse a number for another region
"""


def problems_of(values: Values) -> list[Problem]:
    """Return the problems of a file with these values, whichever are still missing."""
    try:
        parse_environment(document(values), "mesh.yaml", {})
    except ConfigError as error:
        return [replace(problem, line=None) for problem in error.problems]
    return []


def document(values: Values, file: Path = ROOT / "mesh.yaml") -> str:
    """Return the text of a configuration file.

    Args:
        values: Its values; `PLACEHOLDERS` has the others.
        file: Where it will be; its schema is named from there.
    """
    values = {**PLACEHOLDERS, **values}
    [project], [name_prefix], [mode] = values["project"], values["name_prefix"], values["control_plane"]
    regions = _keyed(values)
    folder = file.resolve().parent
    schema = os.path.relpath(SCHEMA_FILE, folder) if folder.is_relative_to(ROOT) else str(SCHEMA_FILE)
    lines = [_HEAD.format(schema=schema, project=_scalar(project), name_prefix=_scalar(name_prefix))]
    for number, (key, region) in enumerate(regions):
        lines.append(f"  {_scalar(key)}:\n    region: {_scalar(region)}\n    number: {number}\n")
    if networks := values["authorized_networks"]:
        lines.append("\ncluster:\n  endpoint: public # admits these networks only\n  authorized_networks:\n")
        for number, network in enumerate(networks, 1):
            name, cidr = _split(network, f"network-{number}")
            lines.append(f"    - name: {_scalar(name)}\n      cidr: {_scalar(cidr)}\n")
    lines.append(f"\nmesh:\n  control_plane: {_scalar(mode)} # can't be changed later: docs/control-plane-modes.md\n")
    lines += _asmcli_lines(mode, values["asmcli_sha256"])
    lines.append(f"\ningress:\n  config_cluster: {_scalar(regions[0][0])}\n")
    lines.append("  api: gateway # the one that Google recommends: docs/gateway.md\n")
    if domains := values["domains"]:
        lines.append(f"  domains: [{', '.join(map(_scalar, domains))}]\n")
    else:
        lines.append("  plain_http: true # for HTTPS, replace this line: domains: [shop.example.com]\n")
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
        f"    sha256: {sha256}\n" if sha256 else "    # sha256: required before a deploy; mesh doctor shows it\n",
    ]


def _keyed(values: Values) -> list[tuple[str, str]]:
    """Return each region with its key: the given one, else its name, shortened if names would be too long."""
    [name_prefix] = values["name_prefix"]
    named = [_split(one, "") for one in values["regions"]]
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

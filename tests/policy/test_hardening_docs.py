"""docs/hardening.md: a word against a safe default that nobody explains is found here."""

import re
from types import UnionType
from typing import Literal, Union, get_args, get_origin

import pytest
from pydantic import BaseModel

from config.cluster import Cluster
from config.ingress import Ingress
from config.mesh import Mesh
from config.network import Network
from config.paths import ROOT
from config.region import Region
from config.service import Service

TEXT = (ROOT / "docs" / "hardening.md").read_text(encoding="utf-8")
SECTIONS: dict[str, type[BaseModel]] = {
    "cluster": Cluster,
    "ingress": Ingress,
    "mesh": Mesh,
    "network": Network,
    "regions.*": Region,
    "services.*": Service,
}
NO_MATTER_OF_SAFETY = {"ingress.enabled", "regions.*.retired", "services.*.failover"}


def choices() -> list[str]:
    """Return the keys that have a choice: on or off, or one of some words; and those of keys and protocols."""
    found = [f"{section}.{name}" for section, model in SECTIONS.items() for name in model.model_fields]
    chosen = [key for key in found if _is_choice(key)]
    return sorted({*chosen, "regions.*.secrets_key", "cluster.authorized_networks"} - NO_MATTER_OF_SAFETY)


def _is_choice(key: str) -> bool:
    section, _, name = key.rpartition(".")
    return _chooses(SECTIONS[section].model_fields[name].annotation)


def _chooses(kind: object) -> bool:
    if kind is bool or get_origin(kind) is Literal:
        return True
    return get_origin(kind) in (tuple, Union, UnionType) and any(map(_chooses, get_args(kind)))


def test_there_are_choices() -> None:
    assert {"cluster.endpoint", "cluster.secure_boot", "cluster.logs", "network.pod_protocols"} <= set(choices())
    assert len(choices()) >= 15


@pytest.mark.parametrize("key", choices())
def test_what_a_word_gives_away_is_told(key: str) -> None:
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", TEXT, re.M)
    said = [gives_away for word, gives_away in rows if f"`{key}" in word or f" `{key}" in word]
    assert said, f"no row of docs/hardening.md's table is about {key}"
    assert all(len(one) > 20 for one in said)

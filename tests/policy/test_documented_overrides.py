"""docs/security.md explains every override of a secure default."""

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
from config.services.service import Service

TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
SECTIONS: dict[str, type[BaseModel]] = {
    "cluster": Cluster,
    "ingress": Ingress,
    "mesh": Mesh,
    "network": Network,
    "regions.*": Region,
    "services.*": Service,
}
NOT_SECURITY_RELEVANT = {
    "cluster.node_pool_rollout",
    "cluster.secret_manager",
    "ingress.api",
    "ingress.enabled",
    "mesh.control_plane",
    "regions.*.drained",
    "regions.*.retired",
    "services.*.failover",
    "services.*.protocol",
}


def choices() -> list[str]:
    """Return the keys with a boolean or enumerated value, and two more that affect security."""
    found = [f"{section}.{name}" for section, model in SECTIONS.items() for name in model.model_fields]
    chosen = [key for key in found if _is_choice(key)]
    return sorted({*chosen, "regions.*.secrets_key", "cluster.authorized_networks"} - NOT_SECURITY_RELEVANT)


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
def test_the_docs_explain_the_trade_off_of_an_override(key: str) -> None:
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", TEXT, re.M)
    explanations = [trade_off for override, trade_off in rows if f"`{key}" in override]
    assert explanations, f"no row of docs/security.md's table is about {key}"
    assert all(len(one) > 20 for one in explanations)

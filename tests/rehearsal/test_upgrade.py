"""Addresses of what an earlier commit has deployed, without a rehearsal: what is gone is what an upgrade destroys."""

import json
import re
import tarfile
from pathlib import Path

import pytest

from config.naming import STACKS
from tests.rehearsal.upgrade import read_allowed

RECORDED = Path(__file__).parent / "recorded"
ADDRESSES = Path(__file__).parents[1] / "synthesis" / "__snapshots__" / "test_snapshots"


@pytest.mark.parametrize(("recorded", "snapshot"), [("asmcli-managed", "reference"), ("fleet", "fleet")])
def test_addresses_that_are_gone_are_allowed_losses(recorded: str, snapshot: str) -> None:
    current = (ADDRESSES / f"addresses-{snapshot}.txt").read_text(encoding="utf-8").splitlines()
    before: set[str] = set()
    with tarfile.open(RECORDED / f"{recorded}.tar.xz") as archive:
        for stack in STACKS:
            content = archive.extractfile(f"stacks/{stack}/cdk.tf.json")
            assert content is not None
            resources = json.load(content)["resource"]
            before |= {f"{stack} {kind}.{name}" for kind, found in resources.items() for name in found}
    assert len(before) > 80
    gone = {address.partition(" ")[2] for address in before - set(current)}
    allowed = [one.address for one in read_allowed(RECORDED / "allowed.yaml", recorded)]
    assert {one for one in gone if not any(re.fullmatch(pattern, one) for pattern in allowed)} == set()

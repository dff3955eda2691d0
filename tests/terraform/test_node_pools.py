"""Changes of node pools, region by region, by the real terraform and google provider."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from config.backend import LocalState
from config.environment import Environment
from tests.synthesized import THREE_REGIONS
from tests.terraform.google_cloud import in_fake_project
from tests.terraform.test_apply import Applied, cloud

SCALE = 0.01
PATIENCE = 9.0
"""Clusters take 4 s, and node pools one."""


def with_cluster(environment: Environment, **fields: Any) -> Environment:
    return environment.model_copy(update={"cluster": environment.cluster.model_copy(update=fields)})


class PoolOperations:
    """The operations on node pools since the last call of `new`: kind, start, end, in their order."""

    def __init__(self, applied: Applied) -> None:
        self._applied = applied
        self._seen: set[str] = set()

    def new(self) -> list[tuple[str, str, str]]:
        found = {
            path: one
            for path, one in self._applied.gcp.server.cloud.store.all().items()
            if "/operations/" in path and one.get("operationType", "").endswith(("NODE_POOL", "UPDATE_CLUSTER"))
        }
        new = [one for path, one in found.items() if path not in self._seen]
        self._seen |= set(found)
        return sorted(((one["operationType"], one["startTime"], one["endTime"]) for one in new), key=lambda one: one[1])


def follow_each_other(operations: list[tuple[str, str, str]]) -> bool:
    return all(before[2] <= after[1] for before, after in pairwise(operations))


@pytest.mark.usefixtures("_providers")
def test_pools_are_replaced_one_region_after_the_other_and_the_new_one_first(tmp_path: Path) -> None:
    with cloud(THREE_REGIONS, tmp_path, scale=SCALE, patience=PATIENCE) as applied:
        environment = in_fake_project(THREE_REGIONS, backend=LocalState())
        applied.synthesize(environment)
        operations = PoolOperations(applied)
        applied.apply_all()
        first = [one for one in operations.new() if one[0] == "CREATE_NODE_POOL"]
        assert len(first) == 3
        assert not follow_each_other(first), "the first deploy creates all at once"

        without = with_cluster(environment, secure_boot=False)
        applied.synthesize(without)
        with pytest.raises(AssertionError, match=r"cluster\.node_pool_rollout: this change"):
            applied.apply("clusters")
        assert operations.new() == [], "it is refused in the plan"

        applied.synthesize(with_cluster(without, node_pool_rollout="one_by_one"))
        applied.apply_all()
        replaced = operations.new()
        assert [kind for kind, _, _ in replaced] == ["CREATE_NODE_POOL"] * 3 + ["DELETE_NODE_POOL"] * 3
        assert follow_each_other(replaced)

        applied.synthesize(with_cluster(without, node_pool_rollout="one_by_one", machine_type="e2-standard-8"))
        applied.apply_all()
        changed = operations.new()
        assert [kind for kind, _, _ in changed] == ["UPDATE_CLUSTER"] * 2, "one region has a machine type of its own"
        assert follow_each_other(changed)

        applied.synthesize(without)
        with pytest.raises(AssertionError, match=r"cluster\.node_pool_rollout: this change"):
            applied.apply("clusters")
        assert operations.new() == [], "the names of the new pools stay"

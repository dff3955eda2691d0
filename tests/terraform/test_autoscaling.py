"""An autoscaled service, with the real provider, API server and autoscaler: its number of pods is never taken back.

There are no metrics: the autoscaler keeps the number within its bounds, and `kubectl scale` changes it as load would.
"""

import copy
import json
import re
import shlex
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from config.naming import MANIFEST_ANNOTATION
from tests.synthesized import ENVIRONMENTS, Synthesis, load_without_variables
from tests.terraform.api_server import ApiServer
from tests.terraform.kubernetes_stack import KubernetesStack, Resources, region_resources
from tests.terraform.object_findings import object_findings

ENVIRONMENT, AUTOSCALED_REGION, FIXED_REGION = "three_regions", "tokyo", "iowa"
"""Its service `search` runs in both regions."""

LEAST, MOST, FIXED = 3, 12, 4
TARGET = ("--namespace", "apps", "deployment", "search-v1")
SYNC_SECONDS = 16
"""The autoscaler looks every 15 s."""


class SearchService:
    """The service as the file has it, with autoscaling or with replicas; what a test changes applies to both.

    Attributes:
        stack: its objects in one cluster.
    """

    def __init__(self, cluster: ApiServer, synthesis: Synthesis, folder: Path) -> None:
        self._autoscaled = _resources(synthesis, AUTOSCALED_REGION)
        self._fixed = _resources(synthesis, FIXED_REGION)
        self._cluster = cluster
        self.stack = KubernetesStack(folder, synthesis, self._fixed, cluster.kubeconfig)

    def autoscale(self) -> None:
        self.stack.resources = copy.deepcopy(self._autoscaled)

    def fix(self) -> None:
        self.stack.resources = copy.deepcopy(self._fixed)

    def change(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Change the container."""
        manifests = self.stack.manifests()
        deployment, budget = (manifests[f"service-search_{one}"] for one in ("deployment", "rollout-see-mesh-status"))
        template = deployment["spec"]["template"]
        change(template["spec"]["containers"][0])
        label = f"{len(json.dumps(template)):08x}"
        template["metadata"]["labels"]["multi-region-mesh/template"] = label
        budget["spec"]["selector"]["matchLabels"]["multi-region-mesh/template"] = label
        budget["metadata"]["name"] = f"search-v1-{label}"
        for one in (deployment, budget):
            annotations = one["metadata"]["annotations"]
            own = {**one, "metadata": {key: value for key, value in one["metadata"].items() if key != "annotations"}}
            annotations[MANIFEST_ANNOTATION] = json.dumps(own, sort_keys=True)

    def limit(self, least: int) -> None:
        """Change the autoscaler's minimum."""
        scaler = self.stack.manifests()["service-search_autoscaler"]
        scaler["spec"]["minReplicas"] = least
        scaler["metadata"]["annotations"][MANIFEST_ANNOTATION] = f"at least {least}"
        wait = self.stack.resources["kubernetes_manifest"]["service-search_rollout-see-mesh-status"]["wait"]
        wait["fields"]["status.currentHealthy"] = f"^{least}$"

    def scale(self, count: int) -> None:
        self._cluster.kubectl("scale", *TARGET, "--replicas", str(count))

    @property
    def replicas(self) -> int:
        count: int = self._cluster.get(*TARGET)["spec"]["replicas"]
        return count

    @property
    def scaled(self) -> bool:
        """Whether the autoscaler exists."""
        return bool(self._cluster.get("--namespace", "apps", "hpa")["items"])


def _resources(synthesis: Synthesis, region: str) -> Resources:
    """Return a region's objects of the service, with the same addresses for each region."""
    text = json.dumps(region_resources(synthesis, region, "ingress"))
    named = json.loads(re.sub(rf"regions_{region}_([a-z_-]+)_[0-9A-F]{{8}}", r"\1", text))
    return {
        kind: {name: one for name, one in found.items() if name.startswith(("service-search_", "namespace-apps"))}
        for kind, found in named.items()
    }


@pytest.fixture
def search(cluster: ApiServer, synthesized: Callable[[str], Synthesis], tmp_path: Path) -> Iterator[SearchService]:
    """The service, not deployed yet."""
    one = SearchService(cluster, synthesized(ENVIRONMENT), tmp_path)
    yield one
    one.autoscale()
    cluster.delete(one.stack.manifests().values())


def test_the_first_deploy_waits_for_the_minimum(search: SearchService) -> None:
    """And so does one that raises it."""
    search.autoscale()
    search.stack.deploy()
    assert search.replicas == LEAST
    search.limit(LEAST + 2)
    search.stack.deploy()
    assert search.replicas == LEAST + 2


def test_from_replicas_to_autoscaling_and_back(cluster: ApiServer, search: SearchService) -> None:
    search.fix()
    search.stack.deploy()
    with cluster.watched("{.spec.replicas}", *TARGET) as counts:
        search.autoscale()
        assert "0 destroyed" in search.stack.deploy()
        time.sleep(SYNC_SECONDS)
        search.change(lambda one: one.update(image="registry.example/search:2"))
        search.stack.deploy()
    assert set(counts) == {str(FIXED)}, "no pod is lost, also where the autoscaler has never scaled"
    assert search.scaled

    search.scale(MOST - 1)
    search.change(lambda one: one.update(image="registry.example/search:3"))
    search.stack.deploy()
    assert search.replicas == MOST - 1
    search.fix()
    search.stack.deploy()
    assert not search.scaled
    assert search.replicas == FIXED


def test_load_changes_during_a_rollout(cluster: ApiServer, search: SearchService) -> None:
    search.autoscale()
    search.stack.deploy()
    done = threading.Event()
    counts: list[int] = []

    def scale() -> None:
        for count in (5, 7, 9, 8, 6, 7, 9):  # without an end, no rollout would ever be complete
            counts.append(count)
            search.scale(count)
            if done.wait(0.5):
                return

    scaling = threading.Thread(target=scale)
    scaling.start()
    try:
        search.change(lambda one: one.update(image="registry.example/search:2"))
        result = search.stack.try_deploy()
    finally:
        done.set()
        scaling.join()
    assert result.returncode == 0, result.stderr
    assert len(counts) > 3
    found = cluster.get(*TARGET)
    assert found["spec"]["replicas"] == counts[-1]
    search.stack.deploy()
    assert search.replicas == counts[-1]


def test_what_the_file_no_longer_has_stays_until_the_command_of_status(
    cluster: ApiServer, search: SearchService
) -> None:
    """The field manager of the deploys with replicas still owns it, and so it is the other way round."""

    def variables() -> list[str]:
        (container,) = cluster.get(*TARGET)["spec"]["template"]["spec"]["containers"]
        return [one["name"] for one in container.get("env", [])]

    environment = load_without_variables(ENVIRONMENTS[ENVIRONMENT])

    def commands() -> list[str]:
        """Return the command of `mesh status`, if there is one."""
        found = object_findings(cluster, search.stack, environment, FIXED_REGION)
        return [one.fix for one in found if "of earlier deploys still owns fields" in one.text]

    def resolve() -> None:
        (command,) = commands()
        echo, _, kubectl = command.partition(" | ")
        cluster.kubectl(*shlex.split(kubectl)[3:], text=shlex.split(echo)[1])
        assert commands() == []

    search.fix()
    search.change(lambda one: one["env"].append({"name": "OLD", "value": "1"}))
    search.stack.deploy()
    assert commands() == []
    search.autoscale()
    search.change(lambda one: one["env"].append({"name": "NEW", "value": "1"}))
    search.stack.deploy()
    assert sorted(variables()) == ["INDEX", "NEW", "OLD"]
    resolve()
    assert sorted(variables()) == ["INDEX", "NEW"]
    assert search.replicas == FIXED

    search.fix()
    search.stack.deploy()
    assert sorted(variables()) == ["INDEX", "NEW"]
    resolve()
    assert variables() == ["INDEX"]
    assert search.replicas == FIXED

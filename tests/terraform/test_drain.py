"""A region drained by terraform, with the real provider and a real API server: exactly the objects that differ."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from cli.drain.difference import ChangedObject, changed_objects
from cli.drain.file_line import with_drained
from cli.drain.targeted_apply import TargetedApply
from cli.drain.terraform import StackTerraform
from cli.errors import MeshError
from cli.sources.applied import ObjectKey
from cli.sources.synthesized import Synthesized
from config.naming import DRAINED_SELECTOR
from tests.local_mesh.errors import LocalMeshError
from tests.synthesized import REFERENCE, Synthesis, environment_of, synthesize
from tests.terraform.api_server import ApiServer
from tests.terraform.kubernetes_stack import KubernetesStack, region_resources
from tests.terraform.terraform import run_terraform, terraform

pytestmark = pytest.mark.providers

REGION = "osaka"
"""It holds the config cluster here, so that one API server has everything that differs."""

MCS = ("--namespace", "istio-gateway", "multiclusterservices.networking.gke.io", "istio-ingressgateway")
SERVICE = ("--namespace", "sample", "service", "helloworld")
KEPT = ("--namespace", "sample", "service", "helloworld-drained")


@dataclass
class Draining:
    """A deployed region, and what draining it changes."""

    cluster: ApiServer
    stack: KubernetesStack
    apply: TargetedApply
    changes: list[ChangedObject]

    def write(self) -> None:
        self.stack._write()

    def selector(self) -> dict[str, str]:
        """Return the selector of the Service in the cluster."""
        found: dict[str, str] = self.cluster.get(*SERVICE)["spec"]["selector"]
        return found


@pytest.fixture(scope="module")
def syntheses(tmp_path_factory: pytest.TempPathFactory) -> tuple[Synthesis, Synthesis]:
    text = REFERENCE.read_text(encoding="utf-8").replace("config_cluster: tokyo", f"config_cluster: {REGION}")
    before, after = (
        synthesize(environment_of(one), tmp_path_factory.mktemp("stacks"))
        for one in (text, with_drained(text, REGION, True))
    )
    return before, after


@pytest.fixture(scope="module")
def stack(
    cluster: ApiServer, syntheses: tuple[Synthesis, Synthesis], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KubernetesStack]:
    before, _ = syntheses
    folder = tmp_path_factory.mktemp("stack")
    stack = KubernetesStack(folder, before, region_resources(before, REGION, "ingress"), cluster.kubeconfig)
    stack.deploy()
    yield stack
    cluster.delete(stack.manifests().values())


@pytest.fixture
def draining(cluster: ApiServer, syntheses: tuple[Synthesis, Synthesis], stack: KubernetesStack) -> Draining:
    before, after = (region_resources(one, REGION, "ingress") for one in syntheses)
    stack.resources = before
    stack.deploy()
    stack.resources = after
    changes = changed_objects(*(Synthesized(one.outdir, one.stacks) for one in syntheses))
    return Draining(cluster, stack, TargetedApply(StackTerraform(stack.folder), stack.folder / "planned"), changes)


def test_exactly_what_differs_is_applied(draining: Draining) -> None:
    assert {(one.region, one.key.kind, one.key.name) for one in draining.changes} == {
        (REGION, "MultiClusterService", "istio-ingressgateway"),
        (REGION, "Service", "helloworld"),
        (REGION, "Service", "helloworld-drained"),
    }
    draining.write()
    draining.apply.plan(draining.changes)
    assert not draining.apply.apply()
    assert draining.selector() == {"app": "helloworld", **DRAINED_SELECTOR}
    assert draining.cluster.get(*KEPT)["spec"]["selector"] == {"app": "helloworld"}
    links = draining.cluster.get(*MCS)["spec"]["clusters"]
    assert links == [{"link": "asia-northeast1/matt-tokyo-cluster-1"}]
    # The state is right: a deploy finds nothing.
    plan = terraform(draining.stack.folder, "plan", "-detailed-exitcode")
    assert plan.returncode == 0, plan.stdout
    # And again, such as after an interruption.
    draining.apply.plan(draining.changes)
    assert not draining.apply.apply()


def test_exactly_that_is_undone(draining: Draining, syntheses: tuple[Synthesis, Synthesis]) -> None:
    """The Service selects the pods again before the one that has selected them meanwhile is deleted."""
    draining.stack.deploy()
    before, after = syntheses
    draining.stack.resources = region_resources(before, REGION, "ingress")
    draining.write()
    changes = changed_objects(*(Synthesized(one.outdir, one.stacks) for one in (after, before)))
    draining.apply.plan(changes)
    output = run_terraform(draining.stack.folder, "apply", "planned")
    selects = re.search(r"helloworld_service_\w+: Modifications complete", output)
    deleted = re.search(r"helloworld_drained-service_\w+: Destroying", output)
    assert selects, output
    assert deleted, output
    assert selects.start() < deleted.start(), output
    assert draining.selector() == {"app": "helloworld"}
    with pytest.raises(LocalMeshError, match="NotFound"):
        draining.cluster.get(*KEPT)
    # And again, such as after an interruption.
    draining.apply.plan(changes)
    assert not draining.apply.apply()


def test_other_pending_changes_are_refused(draining: Draining) -> None:
    namespace = draining.stack.manifests("Namespace")
    next(one for one in namespace.values() if one["metadata"]["name"] == "sample")["metadata"]["labels"]["team"] = "a"
    draining.write()
    with pytest.raises(MeshError, match=r"update kubernetes_manifest\.regions_osaka_namespace-sample"):
        draining.apply.plan(draining.changes)
    assert draining.selector() == {"app": "helloworld"}


def test_another_configuration_is_refused(draining: Draining) -> None:
    """The Service was deployed with another port, say from another branch."""
    (service,) = (one for one in draining.changes if one.key == ObjectKey("", "Service", "sample", "helloworld"))
    for one in (service.before, service.after):
        assert one is not None
        one["spec"]["ports"][0]["port"] = 5001
    draining.write()
    with pytest.raises(MeshError, match="Service sample/helloworld in osaka, which was deployed from another"):
        draining.apply.plan(draining.changes)


def test_the_cluster_of_another_region_may_be_lost(draining: Draining) -> None:
    """Terraform configures no provider that the targets do not need."""
    (gateways,) = (one for one in draining.changes if one.key.kind == "MultiClusterService")
    draining.write()
    file = draining.stack.folder / "cdk.tf.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    lost = {"alias": "lost", "host": "https://127.0.0.1:1"}
    content["provider"]["kubernetes"] = [content["provider"]["kubernetes"], lost]
    for one in content["resource"]["kubernetes_manifest"].values():
        if one["manifest"]["kind"] == "Service":
            one["provider"] = "kubernetes.lost"
    file.write_text(json.dumps(content), encoding="utf-8")
    draining.apply.plan([gateways])
    assert not draining.apply.apply()
    assert draining.cluster.get(*MCS)["spec"]["clusters"]
    assert draining.selector() == {"app": "helloworld"}

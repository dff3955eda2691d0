"""What the CLI reads through one `kubectl proxy` is what kubectl itself returns, of a real API server."""

import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.errors import MeshError
from cli.sources.cluster_objects import Object, read_objects
from cli.sources.kubernetes import ClusterClient, KubectlError, served_by_proxies
from config.paths import ROOT
from tests.cli.deployed_mesh import CAPTURED
from tests.lab.environments import with_regions
from tests.local_mesh.toolchain import get_toolchain, is_available
from tests.terraform.api_server import ApiServer, api_server

pytestmark = pytest.mark.slow

REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    if not is_available():
        pytest.skip("no toolchain is built: `make lab` does, and then this is tried before a real API server")
    with api_server(tmp_path_factory.mktemp("cluster"), get_toolchain(print)) as running:
        running.kubectl("create", "namespace", "istio-system")
        running.kubectl("--namespace", "istio-system", "create", "configmap", "asm-options", "--from-literal=a=b")
        running.kubectl("create", "deployment", "web", "--image", "registry.example/web", "--replicas", "2")
        # Both pods exist before anything is read, and are read twice.
        running.kubectl("wait", "--for=jsonpath={.status.replicas}=2", "deployment/web", "--timeout=60s")
        yield running


@pytest.fixture
def client(cluster: ApiServer) -> ClusterClient:
    flags = ("--kubeconfig", str(cluster.kubeconfig))
    return ClusterClient("tokyo", flags, cluster.variables, f"kubectl {' '.join(flags)}")


@pytest.fixture
def proxied(client: ClusterClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[ClusterClient]:
    monkeypatch.setenv("PATH", f"{client.variables['PATH']}{os.pathsep}{os.environ['PATH']}")
    with ExitStack() as stack:
        clusters: Mapping[str, ClusterClient | MeshError] = {"tokyo": client}
        one = stack.enter_context(served_by_proxies(clusters))["tokyo"]
        assert isinstance(one, ClusterClient)
        assert one.server is not None
        # kubectl can't take over.
        yield replace(one, flags=("--kubeconfig", "/nowhere"))


def by_name(objects: list[Object]) -> dict[tuple[str, str, str], Object]:
    return {(one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]): one for one in objects}


def test_the_same_objects(client: ClusterClient, proxied: ClusterClient) -> None:
    right, found = read_objects(client), read_objects(proxied)
    assert found.served == right.served
    assert found.options == right.options
    assert found.options is not None
    assert found.marker is None
    for attribute in ("nodes", "namespaces", "pods", "deployments", "applied", "slices", "secrets", "jobs"):
        ones, others = by_name(list(getattr(found, attribute))), by_name(list(getattr(right, attribute)))
        assert ones.keys() == others.keys(), attribute
        for key in ones:
            assert ones[key].keys() == others[key].keys()
            assert ones[key]["apiVersion"] == others[key]["apiVersion"]
            assert ("managedFields" in ones[key]["metadata"]) == ("managedFields" in others[key]["metadata"])
    assert len(found.pods) >= 2


def test_token_reviews(cluster: ApiServer, client: ClusterClient, proxied: ClusterClient) -> None:
    tokens = [cluster.kubectl("create", "token", "default").strip(), "wrong", "also.wrong"]
    kind = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview"}
    reviews: list[dict[str, Any]] = [{**kind, "spec": {"token": one}} for one in tokens]
    for one in (client, proxied):
        results = [each.get("status", {}).get("authenticated", False) for each in one.create(REVIEWS, reviews)]
        assert results == [True, False, False]


def test_what_is_missing(proxied: ClusterClient) -> None:
    assert proxied.find("configmaps", "none", "--namespace", "istio-system") is None


def test_what_fails_is_left_to_kubectl(client: ClusterClient, proxied: ClusterClient) -> None:
    with pytest.raises(KubectlError, match="/nowhere"):
        proxied.get("unknown.kinds", "--all-namespaces")
    [pod, *_] = json.loads(client.run("get", "pods", "--namespace", "default", "--output", "json"))["items"]
    with pytest.raises(KubectlError, match="/nowhere"):
        proxied.execute("default", pod["metadata"]["name"], "web", "true", seconds=5)


IN_POD = """#!/bin/sh
shift 3
case "$4" in
  clusters*) cat {captured}/clusters.json ;;
  certs*) cat {captured}/certs.json ;;
  stats*) cat {captured}/stats.txt ;;
  fail) exit 3 ;;
  *) echo "$@" && seq 20000 ;;
esac
"""
PODS = [
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"nodeName": "real", "containers": [{"name": "istio-proxy", "image": "x"}]},
    }
    for namespace, names in {"sample": ("sleep", "web"), "istio-gateway": ("a", "b")}.items()
    for name in names
]
"""In each region, of which two are of the gateway."""


@pytest.fixture(scope="module")
def pod(cluster: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give one of some pods with a proxy, in which a program runs by the kubelet's code for `exec`.

    For a request to a proxy, it prints what one has responded; else its arguments and some lines.
    """
    tools = get_toolchain(print)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = tmp_path_factory.mktemp("exec") / "program"
    program.write_text(IN_POD.format(captured=CAPTURED), encoding="utf-8")
    program.chmod(0o755)
    address = {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}]}
    status = {**address, "daemonEndpoints": {"kubeletEndpoint": {"Port": port}}}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "real"}}
    for namespace in ("sample", "istio-gateway"):
        cluster.kubectl("create", "namespace", namespace)
    cluster.kubectl("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": [node, *PODS]}))
    patch = ("--subresource", "status", "--type", "merge", "--patch", json.dumps({"status": status}))
    cluster.kubectl("patch", "node", "real", *patch)
    kubelet = [str(tools.path("fake-kubelet")), f"127.0.0.1:{port}", str(program), str(program.parent)]
    with subprocess.Popen(kubelet) as process:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.1)
        yield "sleep"
        process.terminate()


def test_a_command_in_a_pod(client: ClusterClient, proxied: ClusterClient, pod: str) -> None:
    where = ("sample", pod, "istio-proxy")
    found = proxied.execute(*where, "echo", "a?b=c d", seconds=10)
    assert found.startswith("echo a?b=c d\n1\n2\n")
    assert found.endswith("\n20000\n")
    assert found == client.execute(*where, "echo", "a?b=c d", seconds=10)
    with pytest.raises(KubectlError, match="/nowhere"):
        proxied.execute(*where, "a", "b", "c", "fail", seconds=10)


@pytest.mark.parametrize(("number", "seconds"), [(2, 3), (11, 12)])
@pytest.mark.usefixtures("pod")
def test_the_time_of_a_report(cluster: ApiServer, tmp_path: Path, number: int, seconds: float) -> None:
    """Of clusters alone: each region's context is of the same API server, so that all is read as often."""
    environment = with_regions(ROOT / "mesh.yaml", number, {})
    content = environment.model_dump(mode="json", exclude_defaults=True)
    (tmp_path / "mesh.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    kubeconfig = yaml.safe_load(cluster.kubeconfig.read_text(encoding="utf-8"))
    [context] = kubeconfig["contexts"]
    kubeconfig["contexts"] = [{**context, "name": one.key} for one in environment.resolved_regions()]
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(kubeconfig), encoding="utf-8")
    command = [sys.executable, "-m", "cli", "status", "--json", "--config", str(tmp_path / "mesh.yaml")]
    variables = {**cluster.variables, "HOME": str(tmp_path), "NO_GCE_CHECK": "true", "PYTHONPATH": str(ROOT)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = subprocess.run(
        [*command, "--kubeconfig", str(tmp_path / "kubeconfig")],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    sections = json.loads(result.stdout)["sections"]
    read = [one["text"] for section in sections for one in section["findings"] if one["name"] == "proxy configuration"]
    assert read == ["4 proxies connected, and none has rejected any"] * number
    # Of a processor, so that other programs on this machine do not count; there are two.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < seconds

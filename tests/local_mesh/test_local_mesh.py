"""The parts of the local mesh that need no toolchain."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from config.paths import ROOT
from tests.local_mesh import prerequisites, toolchain
from tests.local_mesh.cluster import LocalCluster
from tests.local_mesh.errors import LocalMeshError
from tests.local_mesh.fleet import derived_services
from tests.local_mesh.pod import Pod, PodContext
from tests.local_mesh.prerequisites import (
    check_prerequisites,
    isolation_prerequisites,
    local_mesh_prerequisites,
)
from tests.synthesized import Synthesis

MARK = "LOCAL_MESH_TEST_MARK"


def pod(spec: dict[str, Any], tmp_path: Path) -> Pod:
    metadata = {"name": "pod-1", "namespace": "sample", "uid": "u", "labels": {"app": "x"}}
    context = PodContext(IPv4Network("10.96.0.0/20"), tmp_path, tmp_path, tmp_path, b"", tmp_path)
    manifest = {"metadata": metadata, "spec": {"nodeName": "node-1", "containers": [], **spec}}
    return Pod(manifest, IPv4Address("127.0.0.1"), context, tmp_path)


def test_a_containers_environment(tmp_path: Path) -> None:
    container = {
        "name": "c",
        "env": [
            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
            {"name": "BOTH", "value": "$(POD)/$(APP)/$(NONE)"},
            {"name": "EMPTY"},
        ],
    }
    expected = {"POD": "pod-1", "APP": "x", "BOTH": "pod-1/x/$(NONE)", "EMPTY": ""}
    assert pod({}, tmp_path)._variables(container) == expected


TOKYO = "asia-northeast1/matt-tokyo-cluster-1"


def test_the_service_of_the_fleet(reference: Synthesis) -> None:
    services = derived_services(reference.objects("tokyo"), TOKYO)
    assert len(services) == 1
    assert services[0]["metadata"]["name"].startswith("mci-istio-ingressgateway-svc-")
    assert services[0]["spec"]["clusterIP"] == "None"
    assert [port["port"] for port in services[0]["spec"]["ports"]] == [15021, 80, 443]
    assert derived_services(reference.objects("osaka"), TOKYO) == []


def test_the_service_of_the_fleet_leaves_clusters_out(reference: Synthesis) -> None:
    service = reference.object("tokyo", "MultiClusterService", "istio-ingressgateway")
    drained = {**service, "spec": {**service["spec"], "clusters": [{"link": TOKYO}]}}
    assert derived_services([drained], TOKYO) == derived_services([service], TOKYO)
    assert derived_services([drained], "asia-northeast2/matt-osaka-cluster-1") == []


class TestToolchain:
    """Builds with a fake Go."""

    BUNDLES = (
        toolchain.Bundle("pair", "v1.2.3", ("one", "two"), 4, 10, ("example.com/pair@v1.2.3",)),
        toolchain.Bundle("single", "v2.0.0", ("three",), 1, 10, ("example.com/single@v2.0.0",)),
    )

    @pytest.fixture
    def go(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        script = tmp_path / "bin" / "go"
        script.parent.mkdir()
        monkeypatch.setattr(toolchain, "BUNDLES", self.BUNDLES)
        monkeypatch.setenv("PATH", f"{script.parent}:/usr/bin:/bin")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.delenv(toolchain.FOLDER_VARIABLE, raising=False)
        monkeypatch.delenv(toolchain.OLD_FOLDER_VARIABLE, raising=False)
        return script

    @staticmethod
    def write(script: Path, body: str) -> None:
        script.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        script.chmod(0o755)

    def test_builds_once(self, go: Path, tmp_path: Path) -> None:
        self.write(go, f'echo "$*" >>{tmp_path}/calls; touch "$GOBIN/one" "$GOBIN/two" "$GOBIN/three"')
        reports: list[str] = []
        assert not toolchain.is_available()
        toolchain._build_missing(reports.append)
        assert toolchain.is_available()
        toolchain._build_missing(reports.append)
        assert sorted(path.name for path in self.BUNDLES[0].folder.iterdir()) == ["one", "three", "two"]
        calls = (tmp_path / "calls").read_text(encoding="utf-8").splitlines()
        assert [call.rpartition(" ")[2] for call in calls] == ["example.com/pair@v1.2.3", "example.com/single@v2.0.0"]
        assert reports == ["building pair v1.2.3, single v2.0.0, once (about 5 min on two cores)"]

    def test_what_go_downloads_and_caches_is_removed_when_all_is_built(self, go: Path, tmp_path: Path) -> None:
        self.write(go, 'mkdir -p "$GOCACHE" "$GOMODCACHE" "$GOPATH"; touch "$GOBIN/one" "$GOBIN/two" "$GOBIN/three"')
        toolchain._build_missing(lambda text: None)
        found = sorted(path.name for path in (tmp_path / "cache" / "multi-region-mesh").iterdir())
        assert found == ["lock", *(bundle.key for bundle in self.BUNDLES)]

    @pytest.mark.parametrize(
        ("body", "words"), [("echo no such module; exit 1", "no such module"), ('touch "$GOBIN/one"', "made no two")]
    )
    def test_a_failed_build_leaves_nothing(self, go: Path, tmp_path: Path, body: str, words: str) -> None:
        self.write(go, body)
        with pytest.raises(LocalMeshError, match=words):
            toolchain._build_missing(lambda text: None)
        assert [path.name for path in (tmp_path / "cache" / "multi-region-mesh").iterdir()] == ["lock"]

    def test_the_unfinished_folder_of_a_killed_build_is_removed(self, go: Path, tmp_path: Path) -> None:
        self.write(go, 'touch "$GOBIN/one" "$GOBIN/two" "$GOBIN/three"')
        unfinished = tmp_path / "cache" / "multi-region-mesh" / ".pair-1a2b"
        unfinished.mkdir(parents=True)
        toolchain._build_missing(lambda text: None)
        assert self.BUNDLES[0].folder.is_dir()
        assert not unfinished.exists()

    def test_reports_what_is_left_while_go_prints_nothing(self, go: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.write(go, 'echo package; sleep 0.6; touch "$GOBIN/one" "$GOBIN/two" "$GOBIN/three"')
        monkeypatch.setattr(toolchain, "REPORT_SECONDS", 0.25)
        reports: list[str] = []
        toolchain._build_missing(reports.append)
        one, two = "0 of 3 programs built; pair", "2 of 3 programs built; single"
        for start in (one, two):
            assert any(f"{start}: 1 of about 10 packages; about " in text for text in reports), reports

    def test_the_rest_is_estimated_by_the_speed_so_far(self, monkeypatch: pytest.MonkeyPatch) -> None:
        clock = [0.0]
        monkeypatch.setattr("tests.local_mesh.toolchain.time.monotonic", lambda: clock[0])
        progress = toolchain.BuildProgress(self.BUNDLES, lambda text: None)
        assert str(progress) == "0 of 3 programs built; pair: downloading; about 5 min left"
        for _ in range(5):
            progress.count_package()
        assert str(progress).endswith("about 3 min left"), "the usual speed in the first minute"
        clock[0] = 240.0  # 2 of 5 minutes' work took 4 minutes
        assert str(progress).endswith("pair: 5 of about 10 packages; about 6 min left")
        progress.start_bundle(1)
        assert str(progress) == "2 of 3 programs built; single: downloading; about 1 min left"

    @pytest.mark.parametrize("variable", [toolchain.FOLDER_VARIABLE, toolchain.OLD_FOLDER_VARIABLE])
    def test_a_folder_of_the_users_own(
        self, go: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
    ) -> None:
        monkeypatch.setenv(variable, str(tmp_path))
        assert toolchain.missing_programs() == ["one", "two", "three"]
        for bundle in self.BUNDLES:
            for name in bundle.programs:
                (tmp_path / name).touch()
        assert toolchain.missing_programs() == []
        assert toolchain.is_available()


class TestPrerequisites:
    @pytest.fixture(autouse=True)
    def _nothing_is_built(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.delenv(toolchain.FOLDER_VARIABLE, raising=False)

    def test_every_missing_one_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr("tests.local_mesh.prerequisites.shutil.disk_usage", lambda _: SimpleNamespace(free=1 << 30))
        monkeypatch.setattr("tests.local_mesh.prerequisites.util.find_spec", lambda _: None)
        with pytest.raises(prerequisites.MissingPrerequisiteError) as caught:
            check_prerequisites(local_mesh_prerequisites("lab"))
        names = [line.strip().partition(":")[0] for line in str(caught.value).splitlines()[1:]]
        assert names == [
            *("mount", "nsenter", "setpriv", "sh", "umount", "unshare", "namespaces", "node", "bash", "curl"),
            *(
                "Python package envoy",
                "Python package grpc",
                "Python package h2",
                "Python package pyroute2",
                "Go",
                "disk space",
            ),
        ]
        assert "Go: missing. Required to build the toolchain: install 1.21 or later from go.dev/dl" in str(caught.value)
        assert f"1.0 GiB are free in {tmp_path}, and 10 GiB are required" in str(caught.value)

    @pytest.mark.parametrize(
        ("body", "problem"),
        [
            ("echo go1.20.14", "go1.20 is too old"),
            ("echo go1.21.0", ""),
            ("echo go1.26-X", ""),
            ("echo no such shim >&2; exit 1", "`go env GOVERSION` fails: no such shim"),
        ],
    )
    def test_go(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, problem: str) -> None:
        TestToolchain.write(tmp_path / "go", body)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        assert prerequisites._go() == problem

    def test_inotify(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(prerequisites, "INOTIFY_LIMIT", tmp_path / "limit")
        (tmp_path / "limit").write_text("128\n", encoding="ascii")
        assert prerequisites.inotify_prerequisite(3).find_problem() == ""
        assert prerequisites.inotify_prerequisite(4).find_problem() == "128, less than 160"

    def test_nothing_is_needed_for_a_build_where_the_user_names_programs(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(toolchain.FOLDER_VARIABLE, str(tmp_path))
        monkeypatch.setattr("tests.local_mesh.prerequisites.shutil.which", lambda _: None)
        assert (prerequisites._go(), prerequisites._disk_space()) == ("", "")
        assert prerequisites._given_programs().startswith(f"{tmp_path} has no etcd, kube-apiserver")


def marked(mark: str) -> list[int]:
    """Return the ids of the processes with a mark in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
        except OSError:  # it ended, or is another user's
            continue
    return found


def until(holds: Callable[[], bool], seconds: float = 10) -> bool:
    """Wait for a condition and return whether it holds in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.namespace
class TestIsolation:
    @pytest.fixture(autouse=True)
    def _possible(self) -> None:
        try:
            check_prerequisites(isolation_prerequisites())
        except LocalMeshError as error:
            pytest.skip(f"not tried: {error}")

    @staticmethod
    def start(inside: str, mark: str) -> "subprocess.Popen[str]":
        code = (
            "import sys; from tests.local_mesh.isolation import run_isolated;"
            " sys.exit(run_isolated(['sh', '-c', sys.argv[1]]))"
        )
        return subprocess.Popen(
            [sys.executable, "-c", code, inside],
            cwd=ROOT,
            env=os.environ | {MARK: mark},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def test_status_and_network(self) -> None:
        with self.start("wc -l </proc/net/dev; exit 7", "status") as process:
            output, _ = process.communicate(timeout=30)
        assert process.returncode == 7
        assert output.strip() == "3", "two lines of heading and the loopback, which is down"

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
    def test_no_process_survives_any_end(self, number: signal.Signals) -> None:
        """Not even programs in the background and in sessions of their own."""
        mark = f"{os.getpid()}-{number.name}"
        with self.start("setsid sleep 300 & setsid sh -c 'sleep 300 & wait' & echo up; sleep 300", mark) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "up\n"
            # "up" may come before the last of the background programs is there.
            assert until(lambda: len(marked(mark)) >= 5), marked(mark)
            process.send_signal(number)
            process.wait(timeout=30)
        assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
        assert until(lambda: not marked(mark)), marked(mark)


def test_a_controller_goes_on_after_a_lost_connection_until_its_cluster_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Watched(LocalCluster):
        """Each watch yields one object and is then cut off."""

        def watch(self, *arguments: str) -> Iterator[dict[str, Any]]:
            yield {"type": "ADDED", "arguments": arguments}
            raise LocalMeshError("cut off")

        def _kwokctl(self, *arguments: str) -> None: ...

    monkeypatch.setattr("tests.local_mesh.cluster.WATCH_RETRY_SECONDS", 0)
    place: Any = SimpleNamespace(key="tokyo")
    nowhere: Any = None
    cluster = Watched(place, namespace=nowhere, tools=nowhere, folder=tmp_path)
    events = cluster.follow("pods")
    assert [next(events)["arguments"] for _ in range(3)] == [("pods",)] * 3
    cluster.stop()
    with pytest.raises(LocalMeshError, match="the cluster of tokyo was stopped"):
        next(events)

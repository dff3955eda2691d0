"""Stacks `network` and `clusters`, applied by the real terraform and google provider to the emulated cloud.

What the cloud answers has to be what was asked for: a second plan is empty, and a word
that is taken back changes what it says and nothing else.
"""

import copy
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.report.findings import FindingState
from cli.sources.member import ObservedCluster
from cli.status.hardening import check_hardening
from config.cluster import Cluster
from config.environment import Environment
from config.paths import ROOT
from tests.fake_cloud.cloud import ApiRequest, Cloud
from tests.fake_cloud.latencies import Latencies
from tests.fake_cloud.server import FakeCloudServer
from tests.fake_cloud.testing import FakeControlPlanes
from tests.synthesized import REFERENCE, load_without_variables, synthesize
from tests.terraform.terraform import initialized, terraform

HARDENED = ROOT / "examples" / "hardened.yaml"

STACKS = ("network", "clusters")

FINDINGS = {"endpoints", "hardening", "Secrets", "logs and metrics", "maintenance"}

MOST_CALLS_FOR_SERVICES = 6
"""That many calls enable all APIs of the project together; one by one it would be one each."""

WORDS_AGAINST = {
    "endpoint": "public",
    "intranode_visibility": False,
    "binary_authorization": False,
    "secure_boot": False,
    "logs": (),
    "managed_prometheus": False,
    "maintenance_windows": False,
}
"""Every opt-out of a cluster but dataplane, which makes it anew."""


@dataclass
class Applied:
    """What is synthesized in a folder, in an emulated cloud."""

    folder: Path
    server: FakeCloudServer

    def synthesize(self, environment: Environment) -> None:
        synthesize(environment, self.folder)

    def apply(self, stack: str) -> Path:
        """Apply a stack and return its folder."""
        folder = initialized(self.folder / "cdktf.out" / "stacks" / stack)
        result = self._terraform(folder, "apply", "-auto-approve")
        assert result.returncode == 0, result.stderr
        return folder

    def apply_all(self) -> None:
        """Apply both stacks, and see that there is then nothing to do."""
        for stack in STACKS:
            result = self._terraform(self.apply(stack), "plan", "-detailed-exitcode")
            assert result.returncode == 0, result.stdout + result.stderr
        assert self.server.journal.unknown() == []

    def clusters(self) -> list[dict[str, Any]]:
        """Return the clusters as the API has them now."""
        found = self.server.cloud.store.all()
        return [copy.deepcopy(one) for path, one in sorted(found.items()) if path.split("/")[-2] == "clusters"]

    def wrong(self, environment: Environment) -> set[str]:
        """Return what `mesh status` finds wrong of the clusters' hardening, by the names of its findings."""
        told = []
        for region in environment.resolved_regions():
            place = f"projects/{environment.project.id}/locations/{region.location}"
            found = self.server.container.get(ApiRequest(f"{place}/clusters/{region.names.cluster}"))
            told += list(check_hardening(ObservedCluster(environment, region, found, None), found))
        assert {one.name for one in told} == FINDINGS
        return {one.name for one in told if one.state is not FindingState.OK}

    def _terraform(self, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
        token: str = self.server.cloud.identity.new_token()["access_token"]
        path = f"{stand_ins(self.folder / 'bin')}:{os.environ['PATH']}"
        return terraform(folder, *arguments, GOOGLE_OAUTH_ACCESS_TOKEN=token, PATH=path, **self.server.variables())


def stand_ins(folder: Path) -> Path:
    """Make the programs that the scripts of later stacks need, which `network` looks for, where there are none."""
    folder.mkdir(exist_ok=True)
    for tool in ("gcloud", "gke-gcloud-auth-plugin", "istioctl", "jq", "kubectl"):
        if shutil.which(tool) is None:
            program = folder / tool
            program.write_text("#!/bin/sh\n", encoding="utf-8")
            program.chmod(0o755)
    return folder


def environment_of_file(file: Path) -> Environment:
    """Return a file's environment, deployed by whoever has the token: the fake cloud knows one account only."""
    environment = load_without_variables(file)
    project = environment.project.model_copy(update={"impersonate_service_account": None})
    return environment.model_copy(update={"project": project})


@contextmanager
def cloud(file: Path, folder: Path) -> Iterator[Applied]:
    """Run an empty cloud for a while, and synthesize what is to be applied to it."""
    environment = environment_of_file(file)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    made = Cloud.create(environment.project.id, f"http://127.0.0.1:{port}", Latencies(0), FakeControlPlanes())
    server = FakeCloudServer(made, changed=lambda *_: None, has_resources=lambda _: False)
    applied = Applied(folder, server)
    applied.synthesize(environment)
    server.start()
    try:
        yield applied
    finally:
        threading.Thread(target=server.stop).start()  # it takes up to half a second


def unhardened(environment: Environment) -> Environment:
    """Return the environment with every word against its safety that a cluster can take back later."""
    networks = ({"name": "office", "cidr": "203.0.113.0/24"},)
    cluster = Cluster.model_validate({**WORDS_AGAINST, "authorized_networks": networks})
    regions = {
        key: region.model_copy(update={"secrets_key": None, "maintenance_start": None})
        for key, region in environment.regions.items()
    }
    return environment.model_copy(update={"cluster": cluster, "regions": regions})


@pytest.mark.usefixtures("_providers")
def test_the_reference_is_what_was_asked_for(tmp_path: Path) -> None:
    with cloud(REFERENCE, tmp_path) as applied:
        applied.apply_all()
        assert len(applied.clusters()) == 2
        assert applied.wrong(environment_of_file(REFERENCE)) == set()
        # The APIs are asked for together. On a busy machine some come too late for the first
        # call, and one that is left alone is asked for by `:enable`: that many calls are what counts.
        asked = [call.path for call in applied.server.journal.calls() if call.changes and "/services" in call.path]
        services = [path for path in applied.server.cloud.store.all() if path.split("/")[-2] == "services"]
        assert len(services) > MOST_CALLS_FOR_SERVICES * 2
        assert [path for path in asked if path.endswith(":batchEnable")]
        assert len(asked) <= MOST_CALLS_FOR_SERVICES


@pytest.mark.usefixtures("_providers")
def test_every_word_is_taken_back_and_nothing_else_changes(tmp_path: Path) -> None:
    with cloud(HARDENED, tmp_path) as applied:
        applied.apply_all()
        hardened = applied.clusters()
        assert {one["databaseEncryption"]["state"] for one in hardened} == {"ENCRYPTED"}
        soft = unhardened(environment_of_file(HARDENED))
        assert applied.wrong(environment_of_file(HARDENED)) == set()
        assert applied.wrong(soft) == FINDINGS
        applied.synthesize(soft)
        applied.apply("clusters")  # an output has the address of before: see GOTCHAS.md
        applied.apply_all()
        assert applied.wrong(soft) == set()
        changed = applied.clusters()
        assert len(changed) == len(hardened) == 2
        for before, after in zip(hardened, changed, strict=True):
            assert {key for key in before | after if before.get(key) != after.get(key)} == {
                *("binaryAuthorization", "controlPlaneEndpointsConfig", "databaseEncryption", "endpoint"),
                *(
                    "loggingConfig",
                    "maintenancePolicy",
                    "masterAuthorizedNetworksConfig",
                    "monitoringConfig",
                    "networkConfig",
                ),
            }
            assert after["controlPlaneEndpointsConfig"]["ipEndpointsConfig"]["enablePublicEndpoint"] is True
            assert not after["controlPlaneEndpointsConfig"]["dnsEndpointConfig"].get("allowExternalTraffic", False)
            assert after["databaseEncryption"]["state"] == "DECRYPTED"
            assert after["binaryAuthorization"]["evaluationMode"] == "DISABLED"
            assert after["loggingConfig"] == {"componentConfig": {"enableComponents": ["SYSTEM_COMPONENTS"]}}
            assert not after["networkConfig"].get("enableIntraNodeVisibility", False)
            assert not after["maintenancePolicy"].get("window")

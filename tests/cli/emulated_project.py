"""A project in the fake cloud, and a machine with fake programs, on which the `mesh` CLI runs."""

import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.doctor.tools import LOCKED
from config.apis import APIS
from config.backend import state_file
from config.environment import Environment
from config.loading.load import load
from tests.cli.invocation import invoke
from tests.fake_cloud.cloud import Cloud, Endpoints
from tests.fake_cloud.latencies import Latencies
from tests.fake_cloud.server import FakeCloudServer
from tests.fake_cloud.testing import check_conformance

Body = dict[str, Any]

TOOLS: Mapping[str, str] = {
    "terraform": "Terraform v1.11.4\non linux_amd64",
    "cdktf": LOCKED["dependencies"]["cdktf-cli"],
    "node": "v22.20.0",
    "gcloud": "Google Cloud SDK 528.0.0\nalpha 2025.06.20\nbq 2.1.18\ncore 2025.06.20\nkubectl 1.32.4",
    "kubectl": "Client Version: v1.32.4-dispatcher\nKustomize Version: v5.5.0",
    "gke-gcloud-auth-plugin": "Kubernetes v1.30.0+03fcd0f8cb9eac57e97a3ed59c702bad8c73be81",
    "istioctl": "client version: 1.28.1",
    "bash": "GNU bash, version 5.2.15(1)-release (x86_64-pc-linux-gnu)\nCopyright (C) 2022",
    "uname": "x86_64",
}
"""The output of each program that reports its version, recorded from the real ones (but for istioctl)."""

SILENT = ("curl", "git", "jq", "tar", "awk", "grep", "sed", "tr", "head", "csplit", "sha256sum")


class LoopbackPlanes:
    """GKE control planes that accept connections on loopback and never respond.

    Attributes:
        hosts: address and port by location.
    """

    def __init__(self) -> None:
        self.hosts: dict[str, str] = {}
        self._listeners: dict[str, socket.socket] = {}

    def start(self, location: str, name: str, control_plane_range: str) -> Endpoints:
        listener = socket.create_server(("127.0.0.1", 0))
        self._listeners[location] = listener
        self.hosts[location] = f"127.0.0.1:{listener.getsockname()[1]}"
        return Endpoints(self.hosts[location], self.hosts[location], "Q0VSVA==")

    def serve_kinds(self, location: str, name: str, of: str) -> None:
        pass

    def add_nodes(self, location: str, name: str) -> None:
        pass

    def stop(self, location: str, name: str) -> None:
        """Refuse connections from now on."""
        self._listeners.pop(location).close()

    def stop_all(self) -> None:
        for location in list(self._listeners):
            self.stop(location, "")


@dataclass
class EmulatedProject:
    """A project in the fake cloud, its configuration, and a machine on which `mesh` runs.

    Attributes:
        folder: has mesh.yaml, and terraform's states where a test writes them.
        server: the fake cloud.
        planes: the GKE control planes of the project's clusters.
        variables: environment variables of the commands, besides those that every command has.
    """

    folder: Path
    server: FakeCloudServer
    planes: LoopbackPlanes
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.folder / "mesh.yaml"

    @property
    def environment(self) -> Environment:
        return load(self.config, {})

    @property
    def id(self) -> str:
        return self.server.cloud.project

    def configure(self, old: str, new: str) -> None:
        """Replace a part of mesh.yaml."""
        text = self.config.read_text(encoding="utf-8")
        assert old in text
        self.config.write_text(text.replace(old, new), encoding="utf-8")

    def set_mode(self, mode: str) -> None:
        """Configure another control plane mode."""
        self.configure("control_plane: asmcli-managed", f"control_plane: {mode}")

    def act_as(self, account: str) -> None:
        """Configure the service account that terraform and the scripts act as."""
        self.configure("name_prefix", f"impersonate_service_account: {account}, name_prefix")

    def enable(self, *apis: str) -> None:
        self.server.services.enable(self.id, [f"{api}.googleapis.com" for api in apis])

    def add(self, path: str, **content: Any) -> Body:
        """Add a resource to the project without terraform.

        Args:
            path: of the resource, without the project.
            **content: of the resource.
        """
        whole = f"projects/{self.id}/{path}"
        link = {"selfLink": f"https://container.googleapis.com/v1/{whole}"} if "/clusters/" in path else {}
        return self.server.cloud.store.add(whole, {"name": path.rpartition("/")[2], **link, **content})

    def fake_program(self, tool: str, body: str) -> None:
        """Install a program that records its call and runs a few lines of shell."""
        path = self.folder / "bin" / tool
        path.write_text(f'#!/bin/sh\nprintf "%s\\n" "{tool} $*" >>"{self.folder}/calls"\n{body}\n', encoding="utf-8")
        path.chmod(0o755)

    def prints(self, tool: str, text: str) -> None:
        self.fake_program(tool, f"cat <<'END'\n{text}\nEND")

    def remove(self, tool: str) -> None:
        (self.folder / "bin" / tool).unlink()

    def calls(self) -> str:
        file = self.folder / "calls"
        return file.read_text(encoding="utf-8") if file.exists() else ""

    def deploy(self, *, known: bool = True) -> None:
        """Create what the configuration's stacks create.

        Args:
            known: whether it is in terraform's state.
        """
        environment, base = self.environment, f"http://compute/compute/v1/projects/{self.id}"
        network = f"{base}/global/networks/{environment.names.vpc}"
        self.enable(*APIS)
        self.add(f"global/networks/{environment.names.vpc}")
        self.add(f"global/firewalls/{environment.names.pods_firewall}", network=network)
        if environment.ingress.enabled:
            self.add(f"global/addresses/{environment.names.ingress_address}", address="198.51.100.1", status="IN_USE")
        for region in environment.resolved_regions():
            at, names = f"regions/{region.location}", region.names
            self.add(f"{at}/subnetworks/{environment.names.subnet}", network=network, ipCidrRange="172.16.0.0/16")
            self.add(f"{at}/routers/{names.router}", network=network, nats=[{"name": names.nat}])
            if environment.control_plane.webhook_ports:
                self.add(f"global/firewalls/{names.webhook_firewall}", network=network)
            self.add(f"serviceAccounts/{names.node_service_account}@{self.id}.iam.gserviceaccount.com")
            self.make_cluster(region.key)
        for feature in ("servicemesh", "multiclusteringress"):
            self.add(f"locations/global/features/{feature}")
        if known:
            ids = [path for path in self.server.cloud.store.all() if "/services/" not in path]
            for region in environment.resolved_regions():
                ids.append(f"{self.id}/{region.location}/{region.names.router}/{region.names.nat}")
            self.write_state("network", *ids)

    def make_cluster(self, key: str, *admitted: str) -> Body:
        """Create a region's cluster with its node pool and membership.

        Args:
            key: of the region.
            *admitted: its authorized networks; those of the configuration if there are none.
        """
        environment = self.environment
        region = next(one for one in environment.resolved_regions() if one.key == key)
        name, location = region.names.cluster, region.location
        endpoints = self.planes.start(location, name, str(region.ranges.control_plane))
        networks = admitted or [str(one.cidr) for one in environment.cluster.authorized_networks]
        cluster = self.add(
            f"locations/{location}/clusters/{name}",
            location=location,
            status="RUNNING",
            endpoint=endpoints.public,
            privateClusterConfig={"privateEndpoint": endpoints.private},
            controlPlaneEndpointsConfig={"dnsEndpointConfig": {"endpoint": endpoints.public}},
            masterAuth={"clusterCaCertificate": endpoints.certificate},
            masterAuthorizedNetworksConfig={"cidrBlocks": [{"cidrBlock": one} for one in networks]},
            fleet={"project": self.id},
        )
        self.server.container.register(cluster)
        self.add(
            f"locations/{location}/clusters/{name}/nodePools/{region.names.node_pool}",
            locations=[f"{location}-{zone}" for zone in "abc"],
            initialNodeCount=region.nodes.min_nodes,
            config={"machineType": region.nodes.machine_type, "diskSizeGb": region.nodes.disk_size_gb},
        )
        return cluster

    def write_state(self, stack: str, *ids: str) -> None:
        """Write a state of terraform that has these ids."""
        self.write_resources(stack, "null_resource", [("a", {"id": one}) for one in ids])

    def write_resources(self, stack: str, kind: str, resources: Iterable[tuple[str, Body]]) -> None:
        """Write a state of terraform with resources of one kind, by name and attributes."""
        content = [
            {"mode": "managed", "type": kind, "name": name, "instances": [{"attributes": attributes}]}
            for name, attributes in resources
        ]
        state_file(self.config, stack).write_text(json.dumps({"version": 4, "resources": content}), encoding="utf-8")

    def token(self) -> str:
        token: str = self.server.cloud.identity.new_token()["access_token"]
        return token

    def run(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run `mesh` on a machine that has the fake programs and no others."""
        environment = {
            "HOME": str(self.folder),
            "PATH": str(self.folder / "bin"),
            "TERM": "dumb",
            "MESH_OBSERVED_ADDRESS": "203.0.113.9",
            **self.server.variables(),
            **self.variables,
            **variables,
        }
        return invoke([*arguments, "--config", str(self.config)], environment)


@contextmanager
def emulated_project(folder: Path, configuration: str, project: str) -> Iterator[EmulatedProject]:
    """Run an empty project, beside a machine that has all tools."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    planes = LoopbackPlanes()
    cloud = Cloud.create(project, f"http://127.0.0.1:{port}", Latencies(0), planes)
    server = FakeCloudServer(cloud, changed=lambda *_: None, has_resources=lambda _: False)
    (folder / "bin").mkdir()
    for real in ("cat", "sh", "sleep"):
        found = shutil.which(real)
        assert found is not None
        os.symlink(found, folder / "bin" / real)
    (folder / "mesh.yaml").write_text(configuration, encoding="utf-8")
    machine = EmulatedProject(folder, server, planes)
    for tool, text in TOOLS.items():
        machine.prints(tool, text)
    for tool in SILENT:
        machine.fake_program(tool, "exit 1")
    server.start()
    try:
        yield machine
        check_conformance(server)
    finally:
        planes.stop_all()
        threading.Thread(target=server.stop).start()  # it takes up to half a second

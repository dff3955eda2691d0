"""A Kubernetes control plane in a region, and nodes that exist by name only."""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import yaml

from tests.local_mesh import processes
from tests.local_mesh.errors import LocalMeshError
from tests.local_mesh.kwok import (
    CREATE_CLUSTER,
    CREATE_SECONDS,
    START_CLUSTER,
    keep_controller_manager,
    kwok_configuration,
)
from tests.local_mesh.namespace import Namespace
from tests.local_mesh.network import RegionAddresses
from tests.local_mesh.toolchain import Toolchain

Object = Mapping[str, Any]

NODE_MASK = 24
"""Prefix length of a node's pod range, as on GKE with 110 pods a node."""

FIELD_MANAGER = "local-mesh"

KUBELET_PORT = 10250
"""Port of the kubelet, which all nodes of a cluster share here (`tests.local_mesh.fake_kubelet`)."""

WATCH_RETRY_SECONDS = 1

WATCH_SECONDS = 86_400
"""The API server keeps a watch at least this long, so that it need not be repeated."""


SIMULATED_PODS = Path(__file__).parent / "simulated-pods.yaml"

_AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "resources": [{"group": "coordination.k8s.io"}, {"group": "", "resources": ["events"]}]},
        {"level": "Metadata", "verbs": ["create", "update", "patch", "delete", "deletecollection"]},
    ],
}
"""Records all changes without their content, which may be a secret."""

# kwok keeps the nodes alive and leaves the pods to the node agent: this stage matches none.
_NO_POD_STAGES = {
    "apiVersion": "kwok.x-k8s.io/v1alpha1",
    "kind": "Stage",
    "metadata": {"name": "no-pod-stages"},
    "spec": {
        "resourceRef": {"apiGroup": "v1", "kind": "Pod"},
        "selector": {"matchLabels": {"kwok.x-k8s.io/none": "none"}},
        "next": {"delete": False},
    },
}


@dataclass(frozen=True)
class ClusterSite:
    """The location and the addresses of a cluster.

    Attributes:
        addresses: of pods and control plane.
        location: the Google Cloud region.
        zones: each has one node.
        services: range of the Services' addresses.
    """

    addresses: RegionAddresses
    location: str
    zones: tuple[str, ...]
    services: IPv4Network

    @property
    def key(self) -> str:
        return self.addresses.key


@dataclass(frozen=True)
class SniCertificate:
    """The certificate for another name of a control plane, chosen by SNI.

    Attributes:
        name: the other name.
        certificate: file, PEM.
        key: file, PEM.
    """

    name: str
    certificate: Path
    key: Path


@dataclass(frozen=True)
class ClusterOptions:
    """Options of a control plane that simulates GKE's.

    Attributes:
        token_review: URL of the webhook that authenticates bearer tokens.
        audit: all changes are written to ``kwok/clusters/KEY/logs/audit.log`` in its folder.
        simulates_pods: kwok makes pods ready after they are scheduled, but for those of Jobs, whose work
            kwok does not do.
        sni_certificate: of another name.
    """

    token_review: str | None = None
    audit: bool = False
    simulates_pods: bool = False
    sni_certificate: SniCertificate | None = None


class LocalCluster:
    """One region's control plane: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kwok.

    Attributes:
        site: its location and addresses.
        namespace: of its region.
        kubeconfig: works in the lab's namespace and in every region.
    """

    def __init__(
        self,
        site: ClusterSite,
        *,
        namespace: Namespace,
        tools: Toolchain,
        folder: Path,
        options: ClusterOptions | None = None,
    ) -> None:
        self.site = site
        self.namespace = namespace
        self._options = options or ClusterOptions()
        self.kubeconfig = folder / "kubeconfig"
        self._tools = tools
        self._folder = folder
        self._generation = 0
        """Changes with each start and each stop."""

    @property
    def server(self) -> str:
        """URL of its private endpoint."""
        return f"https://{self.site.addresses.api_server}"

    @property
    def certificate(self) -> str:
        """Its CA, base64 of PEM."""
        return base64.b64encode((self._kwok / "pki" / "ca.crt").read_bytes()).decode()

    @property
    def _kwok(self) -> Path:
        """The folder of kwokctl for this cluster."""
        return self._folder / "kwok" / "clusters" / self.site.key

    @property
    def audit_log(self) -> Path:
        """Has a line of JSON for each change, if auditing is on."""
        return self._kwok / "logs" / "audit.log"

    def start(self) -> None:
        """Start the control plane without nodes, and return when it serves.

        Raises:
            LocalMeshError: a program failed.
        """
        self._generation += 1
        self._folder.mkdir(parents=True)
        configuration = self._folder / "kwokctl.yaml"
        configuration.write_text(yaml.safe_dump_all(self._build_configuration()), encoding="utf-8")
        self._kwokctl(
            *(*CREATE_CLUSTER, "--name", self.site.key),
            *("--config", str(configuration), "--kubeconfig", str(self.kubeconfig)),
        )
        content = yaml.safe_load(self.kubeconfig.read_text(encoding="utf-8"))
        content["clusters"][0]["cluster"]["server"] = self.server
        content["contexts"][0]["name"] = content["current-context"] = self.site.key
        self.kubeconfig.write_text(yaml.safe_dump(content), encoding="utf-8")
        self.kubeconfig.chmod(0o600)
        keep_controller_manager(
            self._kwok,
            works=self._has_default_account,
            start=lambda: self._kwokctl(*START_CLUSTER, "--name", self.site.key),
        )

    def _has_default_account(self) -> bool:
        """Return whether there is what the controller manager creates in each namespace."""
        return bool(self.kubectl("get", "serviceaccount", "default", "--ignore-not-found", "--output", "name").strip())

    def add_nodes(self) -> None:
        """Add a node in each zone."""
        self.apply(self._build_nodes())

    def start_with_nodes(self) -> None:
        self.start()
        self.add_nodes()

    def stop(self) -> None:
        """Stop it and delete its data."""
        self._generation += 1
        self._kwokctl("delete", "cluster", "--name", self.site.key)
        shutil.rmtree(self._folder)

    def _kwokctl(self, *arguments: str) -> None:
        processes.run(
            [str(self._tools.path("kwokctl")), *arguments],
            namespace=self.namespace,
            variables=self._tools.variables() | {"KWOK_WORKDIR": str(self._folder / "kwok")},
            seconds=CREATE_SECONDS,
        )

    def _token_review_flags(self) -> dict[str, str]:
        """Write the configuration of the token webhook, and return the API server's flags for it."""
        if self._options.token_review is None:
            return {}
        file = self._folder / "token-review.yaml"
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "reviewer", "cluster": {"server": self._options.token_review}}],
            "users": [{"name": "reviewer"}],
            "contexts": [{"name": "reviewer", "context": {"cluster": "reviewer", "user": "reviewer"}}],
            "current-context": "reviewer",
        }
        file.write_text(yaml.safe_dump(content), encoding="utf-8")
        return {
            "authentication-token-webhook-config-file": str(file),
            "authentication-token-webhook-version": "v1",
            "authentication-token-webhook-cache-ttl": "1s",
        }

    def _sni_flags(self) -> dict[str, str]:
        """Return the API server's flags for the certificate of its other name."""
        other = self._options.sni_certificate
        return {} if other is None else {"tls-sni-cert-key": f"{other.certificate},{other.key}:{other.name}"}

    def kubectl(self, *arguments: str, text: str | None = None, seconds: float = 120) -> str:
        """Run kubectl with its kubeconfig and return the output.

        Raises:
            LocalMeshError: kubectl failed.
        """
        return processes.run(
            [str(self._tools.path("kubectl")), "--kubeconfig", str(self.kubeconfig), *arguments],
            variables=self._tools.variables(),
            text=text,
            seconds=seconds,
        )

    def apply(self, objects: Sequence[Object]) -> None:
        """Apply objects server-side, in one call.

        Raises:
            LocalMeshError: kubectl failed.
        """
        self.kubectl(
            *("apply", "--server-side", "--force-conflicts", "--field-manager", FIELD_MANAGER, "-f", "-"),
            text=_build_list(objects),
        )

    def get(self, *arguments: str) -> dict[str, Any]:
        """Return the output of ``kubectl get``."""
        content: dict[str, Any] = json.loads(self.kubectl("get", *arguments, "--output", "json"))
        return content

    def watch(self, *arguments: str) -> Iterator[dict[str, Any]]:
        """Yield watch events with ``type`` and ``object``, first of the existing objects.

        Raises:
            LocalMeshError: the API server ended the watch.
        """
        command = [str(self._tools.path("kubectl")), "--kubeconfig", str(self.kubeconfig)]
        command += ["get", *arguments, "--watch", "--output-watch-events", "--output", "json"]
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        ) as process:
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    event: dict[str, Any] = json.loads(line)
                    if event["type"] == "ERROR":  # its object is a Status: the watch can't go on
                        break
                    yield event
            finally:
                process.kill()
        raise LocalMeshError(f"the API server of {self.site.key} ended a watch")

    def follow(self, *arguments: str) -> Iterator[dict[str, Any]]:
        """Yield as `watch`, and again from the start after a lost connection, as controllers do.

        Raises:
            LocalMeshError: the cluster was stopped.
        """
        generation = self._generation
        while self._generation == generation:
            with suppress(LocalMeshError):
                yield from self.watch(*arguments)
            time.sleep(WATCH_RETRY_SECONDS)
        raise LocalMeshError(f"the cluster of {self.site.key} was stopped")

    def delete(self, objects: Sequence[Object]) -> None:
        self.kubectl("delete", "--ignore-not-found", "--wait=true", "-f", "-", text=_build_list(objects))

    def _build_configuration(self) -> list[Mapping[str, Any]]:
        addresses = self.site.addresses
        audit = {}
        if self._options.audit:
            policy = self._folder / "audit.yaml"
            policy.write_text(yaml.safe_dump(_AUDIT), encoding="utf-8")
            audit = {"kubeAuditPolicy": str(policy)}
        flags = {
            "kube-apiserver": {
                "service-cluster-ip-range": str(self.site.services),
                "min-request-timeout": str(WATCH_SECONDS),
                # The default prefers a node's host name, which is localhost with kwok.
                "kubelet-preferred-address-types": "InternalIP",
                # For the rehearsal's injector; in Kubernetes 1.34 these policies are a beta.
                "feature-gates": "MutatingAdmissionPolicy=true",
                "runtime-config": "admissionregistration.k8s.io/v1beta1=true",
                **self._token_review_flags(),
                **self._sni_flags(),
            },
            "kwok-controller": {"node-ip": str(addresses.api_server), "node-port": str(KUBELET_PORT)},
        }
        options = {
            "bindAddress": "0.0.0.0",
            "kubeApiserverPort": 443,
            "kubeApiserverCertSANs": [str(address) for address in addresses.own],
            **audit,
        }
        stages = list(yaml.safe_load_all(SIMULATED_PODS.read_text(encoding="utf-8")))
        kept = stages if self._options.simulates_pods else [_NO_POD_STAGES]
        return kwok_configuration(self._tools, kept, options=options, flags=flags)

    def _build_nodes(self) -> list[dict[str, Any]]:
        """Return a node for each zone, of the size of an e2-standard-4 with a disk of 100 GB."""
        ranges = self.site.addresses.pods.subnets(new_prefix=NODE_MASK)
        size = {"cpu": "4", "memory": "16Gi", "ephemeral-storage": "100Gi", "pods": "110"}
        return [
            {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {
                    "name": f"{self.site.key}-{zone.rsplit('-', 1)[-1]}",
                    "annotations": {"kwok.x-k8s.io/node": "fake"},
                    "labels": {
                        "topology.kubernetes.io/region": self.site.location,
                        "topology.kubernetes.io/zone": zone,
                        "kubernetes.io/os": "linux",
                        "kubernetes.io/arch": "amd64",
                    },
                },
                "spec": {"podCIDR": str(network), "podCIDRs": [str(network)]},
                "status": {"allocatable": size, "capacity": size},
            }
            for zone, network in zip(self.site.zones, ranges, strict=False)
        ]


def _build_list(objects: Sequence[Object]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": [dict(one) for one in objects]})

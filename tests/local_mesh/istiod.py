"""The mesh control plane of a region: a real istiod beside the cluster's API server."""

import http.client
import json
import time
from collections.abc import Sequence
from contextlib import closing
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from tests.local_mesh import processes
from tests.local_mesh.authority import Authority
from tests.local_mesh.cluster import LocalCluster
from tests.local_mesh.errors import LocalMeshError
from tests.local_mesh.processes import Program
from tests.local_mesh.toolchain import Toolchain

NAMESPACE = "istio-system"
HTTP_PORT = 8080
INJECTION_PORT = 15017

CLUSTER_NAME = "name-of-the-cluster"
"""Placeholder in Istio's manifests, which are rendered once for all clusters."""

BY_REVISION = "rev.namespace."
"""Start of the name of an injector's webhook for the namespaces that select its revision."""

SKIPPED_KINDS = frozenset({"HorizontalPodAutoscaler", "PodDisruptionBudget", "Service"})
"""Kinds of Istio's manifests for more than one istiod, and for its name, which the hosts file has here."""

LABEL = {"app": "istiod"}
"""Label of its pods."""

STOP_SECONDS = 5


class Istiod:
    """istiod for one cluster, installed from Istio's own manifests.

    It serves the proxies of its region, injects sidecars into the pods of its cluster,
    validates Istio objects, and watches the clusters of its remote secrets.

    Attributes:
        cluster: the Kubernetes control plane.
        revision: of the mesh.
        log: file of its output.
    """

    def __init__(
        self,
        cluster: LocalCluster,
        *,
        name: str,
        revision: str,
        authority: Authority,
        tools: Toolchain,
        folder: Path,
        log: Path,
        connected: bool = False,
        is_pod: bool = False,
    ) -> None:
        """Prepare it; nothing is started.

        Args:
            cluster: the Kubernetes control plane.
            name: of the cluster in the mesh.
            revision: value of ``istio.io/rev`` on the namespaces that it injects.
            authority: the mesh's CA.
            tools: the toolchain.
            folder: its working directory, with the CA.
            log: file of its output.
            connected: find the other clusters by `connect`, and not by remote secrets.
            is_pod: install its Deployment, too; the cluster's agent then has to run the pod.
        """
        self._peers = folder / "peers" if connected else None
        self.cluster = cluster
        self.revision = revision
        self._name = name
        self._authority = authority
        self._tools = tools
        self._folder = folder
        self._is_pod = is_pod
        self.log = log
        self._program: Program | None = None

    @property
    def address(self) -> str:
        return str(self.cluster.site.addresses.istiod)

    @property
    def service_name(self) -> str:
        """Its name for the proxies of its cluster."""
        return f"istiod-{self.revision}.{NAMESPACE}.svc"

    def connect(self, name: str, cluster: LocalCluster) -> None:
        """Let it discover the endpoints of another cluster without a remote secret, as Google's control plane does.

        Args:
            name: of the cluster in the mesh.
            cluster: the Kubernetes control plane.
        """
        assert self._peers is not None, "it finds clusters by remote secrets"
        kubeconfig = json.loads(cluster.kubectl("config", "view", "--flatten", "--raw", "--output", "json"))
        for kind in ("clusters", "contexts", "users"):
            kubeconfig[kind][0]["name"] = name
        kubeconfig["contexts"][0]["context"] = {"cluster": name, "user": name}
        kubeconfig["current-context"] = name
        draft = self._peers / name
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(kubeconfig), encoding="utf-8")
        draft.rename(self._peers / f"{name}.yaml")  # it reads files of this ending as soon as they are there

    def install(self, manifests: Sequence[dict[str, Any]]) -> None:
        """Apply the result of `istio_manifests`, and start it."""
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        self.cluster.apply([namespace])
        objects = [self._adapt(one) for one in manifests if self._is_pod or one["kind"] != "Deployment"]
        webhooks = [one for one in objects if one["kind"].endswith("WebhookConfiguration")]
        self.cluster.apply([one for one in objects if one not in webhooks])
        self.start()
        self.cluster.apply([*webhooks, *([_default_tag(self.revision)] if self._is_pod else [])])

    def start(self) -> None:
        """Start its program, unless that runs."""
        if self._program is not None and self._program.running:
            return
        self._authority.write(self._folder / "etc" / "cacerts")
        connected: dict[str, str] = {}
        if self._peers is not None:
            self._peers.mkdir(exist_ok=True)
            connected["PILOT_MULTICLUSTER_KUBECONFIG_PATH"] = str(self._peers)
        self._program = Program(
            f"istiod of {self.cluster.site.key}",
            [
                str(self._tools.path("pilot-discovery")),
                "discovery",
                f"--kubeconfig={self.cluster.kubeconfig}",
                "--monitoringAddr=:15014",
                "--keepaliveMaxServerConnectionAge=30m",
            ],
            log=self.log,
            namespace=self.cluster.namespace,
            folder=self._folder,
            variables={
                "CLOUD_PLATFORM": "none",
                "CLUSTER_ID": self._name,
                "ENABLE_LEADER_ELECTION": "false",
                "INJECTION_WEBHOOK_CONFIG_NAME": f"istio-sidecar-injector-{self.revision}",
                "ISTIOD_CUSTOM_HOST": self.address,
                "POD_NAME": f"istiod-{self.cluster.site.key}",
                "POD_NAMESPACE": NAMESPACE,
                "REVISION": self.revision,
                "SERVICE_ACCOUNT": f"istiod-{self.revision}",
                "VALIDATION_WEBHOOK_CONFIG_NAME": f"istio-validator-{self.revision}-{NAMESPACE}",
                # Filters that only Istio's build of Envoy has. They carry telemetry, not traffic.
                "PILOT_ENABLE_ALPN_FILTER": "false",
                "PILOT_ENABLE_METADATA_EXCHANGE": "false",
                **connected,
            },
        )

    def wait_until_ready(self, seconds: float = 60) -> None:
        """Wait until it serves proxies and the API server can call its webhooks.

        Raises:
            LocalMeshError: it ended, or is not ready in time.
        """
        assert self._program is not None, "install it first"
        deadline = time.monotonic() + seconds
        while not (self.is_serving() and self._has_written_ca()):
            self._program.check()
            if time.monotonic() > deadline:
                raise LocalMeshError(f"istiod of {self.cluster.site.key} is not ready after {seconds:g} s: {self.log}")
            time.sleep(0.5)

    def check(self) -> None:
        """Raise a LocalMeshError if it ended."""
        if self._program is not None:
            self._program.check()

    def stop(self) -> None:
        """Stop its program; `check` then does not miss it."""
        if self._program is not None:
            program, self._program = self._program, None
            program.terminate()
            program.wait(STOP_SECONDS)

    def is_serving(self) -> bool:
        """Return whether it serves proxies."""
        try:
            with closing(http.client.HTTPConnection(self.address, HTTP_PORT, timeout=2)) as connection:
                connection.request("GET", "/ready")
                return connection.getresponse().status == 200
        except OSError:
            return False

    def _has_written_ca(self) -> bool:
        """Return whether both webhooks have its CA, so that the API server can call them."""
        found = self.cluster.get("mutatingwebhookconfigurations,validatingwebhookconfigurations")
        webhooks = [webhook for item in found["items"] for webhook in item.get("webhooks", [])]
        return len(found["items"]) >= 2 and all(webhook["clientConfig"].get("caBundle") for webhook in webhooks)

    def _adapt(self, manifest: dict[str, Any]) -> dict[str, Any]:
        if manifest["kind"] == "ConfigMap":
            data = {key: text.replace(CLUSTER_NAME, self._name) for key, text in manifest["data"].items()}
            return {**manifest, "data": data}
        if manifest["kind"] == "Deployment":
            spec = manifest["spec"]
            pod = {**spec["template"], "spec": {**spec["template"]["spec"], "hostNetwork": True}}
            # Two pods can't have its address.
            return {**manifest, "spec": {**spec, "replicas": 1, "strategy": {"type": "Recreate"}, "template": pod}}
        if manifest["kind"].endswith("WebhookConfiguration"):
            webhooks = [*manifest["webhooks"], *map(_by_injection_label, filter(_is_by_revision, manifest["webhooks"]))]
            return {**manifest, "webhooks": [self._route_to_address(webhook) for webhook in webhooks]}
        return manifest

    def _route_to_address(self, webhook: dict[str, Any]) -> dict[str, Any]:
        """Let the API server call istiod's address, as nothing routes requests to a Service here."""
        path = webhook["clientConfig"]["service"]["path"]
        return {**webhook, "clientConfig": {"url": f"https://{self.address}:{INJECTION_PORT}{path}"}}


def _default_tag(revision: str) -> dict[str, Any]:
    """Return the tag by which istioctl finds the revision that it is not told; it injects nothing here.

    Source: https://istio.io/latest/docs/setup/upgrade/canary/#default-tag
    """
    labels = {"istio.io/rev": revision, "istio.io/tag": "default"}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "istio-revision-tag-default", "labels": labels},
        "webhooks": [],
    }


def _is_by_revision(webhook: dict[str, Any]) -> bool:
    return bool(webhook["name"].startswith(BY_REVISION))


def _by_injection_label(webhook: dict[str, Any]) -> dict[str, Any]:
    """Return an injector's webhook for the namespaces that have ``istio-injection: enabled``."""
    selector = {"matchExpressions": [{"key": "istio-injection", "operator": "In", "values": ["enabled"]}]}
    return {**webhook, "name": webhook["name"].replace("rev.", "label.", 1), "namespaceSelector": selector}


def istio_manifests(tools: Toolchain, revision: str, envoy: Path) -> list[dict[str, Any]]:
    """Return istioctl's manifests of a revision: CRDs, roles, injection, webhooks.

    Args:
        tools: the toolchain.
        revision: of the mesh.
        envoy: the program that agents run as proxy.
    """
    options = resources.files("tests.local_mesh").joinpath("istio.yaml").read_text(encoding="utf-8")
    operator = yaml.safe_load(options)
    operator["spec"]["revision"] = revision
    operator["spec"]["meshConfig"]["defaultConfig"]["binaryPath"] = str(envoy)
    operator["spec"]["values"] = {"global": {"multiCluster": {"clusterName": CLUSTER_NAME}}}
    rendered = processes.run(
        [str(tools.path("istioctl")), "manifest", "generate", "--filename", "-"],
        variables=tools.variables(),
        text=yaml.safe_dump(operator),
    )
    found = [document for document in yaml.load_all(rendered, Loader=yaml.CSafeLoader) if document]
    return [document for document in found if document["kind"] not in SKIPPED_KINDS]

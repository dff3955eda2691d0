"""The simulated controller of managed control planes, which Google runs."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.fake_cloud.cloud import Body
from tests.fake_cloud.latencies import Latencies
from tests.local_mesh.cluster import LocalCluster, Object
from tests.local_mesh.errors import LocalMeshError
from tests.rehearsal.controller import patch, run_in_background, wait_for_creation, wait_until_established
from tests.rehearsal.injector import Injector

FEATURE = "servicemesh"
AUTOMATIC = "MANAGEMENT_AUTOMATIC"
NAMESPACE = "istio-system"
OPTIONS = "asm-options"
REVISIONS = "controlplanerevisions.mesh.cloud.google.com"
REVISIONS_CRD = Path(__file__).parent / "control-plane-revisions.yaml"
CONDITION = "ProvisioningFinished"
ISTIOD, TRAFFIC_DIRECTOR = "ISTIOD", "TRAFFIC_DIRECTOR"
"""Implementations of a managed control plane; a new fleet gets the latter."""


class MeshController:
    """Watches a cluster for a ControlPlaneRevision, and provisions its control plane after a while.

    In the cluster that means Istio's CRDs and an injector, which here only annotates pods: the
    control plane itself runs at Google.

    Where the fleet manages the mesh of the cluster, the controller creates the ControlPlaneRevision,
    too, and recreates it after a deletion. What it has created stays when the fleet stops managing
    the mesh; see https://cloud.google.com/service-mesh/docs/uninstall.
    """

    def __init__(
        self,
        cluster: LocalCluster,
        crds: Sequence[Object],
        latencies: Latencies,
        *,
        channel: Callable[[], str],
        delay: Callable[[], float] = lambda: 0.0,
        injects: bool = True,
        install: Callable[[], None],
        direct: Callable[[], None],
        report: Callable[[Body | None], None],
    ) -> None:
        """Watch nothing yet.

        Args:
            cluster: watched.
            crds: Istio's.
            latencies: durations of the cloud.
            channel: returns the cluster's release channel.
            delay: returns the seconds that a control plane takes longer than usual.
            injects: a simulated injector annotates pods; if not, `install` brings an injector.
            install: called when a control plane is provisioned.
            direct: called when one of the implementation TRAFFIC_DIRECTOR is.
            report: called with the state of the membership in the fleet's feature, None for no state.
        """
        self._cluster = cluster
        self._crds = crds
        self._latencies = latencies
        self._channel = channel
        self._delay = delay
        self._install = install
        self._direct = direct
        self._report = report
        self._injector = Injector(cluster) if injects else None
        self._lock = threading.Lock()
        self._managed = False

    def start(self) -> None:
        run_in_background(self._run)

    def manage(self, automatic: bool) -> None:
        """Start or stop managing the mesh of this cluster for the fleet."""
        with self._lock:
            begins = automatic and not self._managed
            ends = self._managed and not automatic
            self._managed = automatic
        if begins:
            self._report(_state("PROVISIONING", "REVISION_PROVISIONING", "Provisioning", TRAFFIC_DIRECTOR))
            run_in_background(self._create_revision)
        if ends:
            self._report(None)

    def _create_revision(self) -> None:
        """Create a revision and what it depends on, unless the fleet stops managing this mesh."""
        time.sleep(self._latencies.of("feature-controller"))
        crd = yaml.safe_load(REVISIONS_CRD.read_text(encoding="utf-8"))
        labels = {"topology.istio.io/network": "of-the-fleet"}
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}
        while self._managed:
            try:
                self._cluster.apply([crd, namespace])
                wait_until_established(self._cluster, REVISIONS)
                self._apply_options()
                self._cluster.apply([_revision(self._channel())])
            except LocalMeshError:  # the namespace is being deleted, or the cluster is deleted
                time.sleep(1)
            else:
                return

    def _apply_options(self) -> None:
        """Add the controller's option; others stay."""
        options = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": OPTIONS, "namespace": NAMESPACE},
            "data": {"ASM_OPTS": ""},
        }
        self._cluster.apply([options])

    def _run(self) -> None:
        wait_for_creation(self._cluster, f"customresourcedefinition/{REVISIONS}")
        wait_until_established(self._cluster, REVISIONS)
        for event in self._cluster.follow(REVISIONS, "--all-namespaces"):
            if event["type"] != "DELETED":
                if not _is_provisioned(event["object"]):
                    self._provision(event["object"])
                continue
            self._report(None)
            if self._managed:
                run_in_background(self._create_revision)

    def _provision(self, revision: dict[str, Any]) -> None:
        if "deletionTimestamp" in revision["metadata"]:
            return
        time.sleep(self._latencies.of("mesh") + self._delay())
        self._cluster.apply(self._crds)
        self._install()
        metadata = revision["metadata"]
        late = self._managed
        if not late:
            self._start_injector(metadata["name"])
        implementation = TRAFFIC_DIRECTOR if self._managed else ISTIOD
        if implementation == TRAFFIC_DIRECTOR:
            self._direct()
        self._report(_state("ACTIVE", "REVISION_READY", f"Ready: {metadata['name']}", implementation))
        status = {"conditions": [{"type": CONDITION, "status": "True", "reason": "Provisioned", "message": "ok"}]}
        patch(self._cluster, REVISIONS, metadata, {"status": status}, "--subresource", "status")
        if late:
            # A revision can be provisioned before its webhook works.
            time.sleep(self._latencies.of("webhook"))
            self._start_injector(metadata["name"])

    def _start_injector(self, revision: str) -> None:
        if self._injector is not None:
            self._injector.start(revision)


def managed_memberships(feature: Body | None) -> set[tuple[str, str]]:
    """Return the memberships, by location and name, whose mesh the fleet manages according to the feature."""
    specs = (feature or {}).get("membershipSpecs", {})
    managed = [name for name, spec in specs.items() if spec.get("mesh", {}).get("management") == AUTOMATIC]
    return {(parts[3], parts[5]) for parts in (name.split("/") for name in managed)}


def _revision(channel: str) -> Object:
    channel = channel.lower()
    return {
        "apiVersion": "mesh.cloud.google.com/v1beta1",
        "kind": "ControlPlaneRevision",
        "metadata": {
            "name": "asm-managed" if channel == "regular" else f"asm-managed-{channel}",
            "namespace": NAMESPACE,
            "labels": {"mesh.cloud.google.com/managed-cni-enabled": "true"},
        },
        "spec": {"type": "managed_service", "channel": channel},
    }


def _state(state: str, code: str, text: str, implementation: str) -> Body:
    """Return the state of a membership in the feature.

    Source: https://cloud.google.com/service-mesh/docs/check-control-plane-implementation
    """
    details = [{"code": code, "details": text}]
    management = {"state": state, "implementation": implementation, "details": details}
    data_plane = {"state": state, "details": details}
    return {
        "state": {"code": "OK"},
        "servicemesh": {"controlPlaneManagement": management, "dataPlaneManagement": data_plane},
    }


def _is_provisioned(revision: dict[str, Any]) -> bool:
    conditions = revision.get("status", {}).get("conditions", [])
    return any(one["type"] == CONDITION and one["status"] == "True" for one in conditions)

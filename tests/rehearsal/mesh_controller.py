"""Stands in for Google's controller of managed control planes."""

import json
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
from tests.rehearsal.injector import Injector

FEATURE = "servicemesh"
AUTOMATIC = "MANAGEMENT_AUTOMATIC"
NAMESPACE = "istio-system"
OPTIONS = "asm-options"
REVISIONS = "controlplanerevisions.mesh.cloud.google.com"
REVISIONS_CRD = Path(__file__).parent / "control-plane-revisions.yaml"
CONDITION = "ProvisioningFinished"
FOREVER = "24h"
ISTIOD, TRAFFIC_DIRECTOR = "ISTIOD", "TRAFFIC_DIRECTOR"
"""What runs it; a new fleet gets the latter."""


class MeshController:
    """Watches a cluster for a ControlPlaneRevision, and after a while provides what it asks for.

    That is Istio's kinds, as far as the stacks can tell: the control plane itself runs
    at Google, where nobody sees it. Its injector leaves its mark in pods, and no more.

    Where the fleet manages the mesh of the cluster, it makes the ControlPlaneRevision, too,
    and again if it goes. What it has made stays when the fleet no longer does: whoever wants
    it to go deletes it, as https://cloud.google.com/service-mesh/docs/uninstall says.
    """

    def __init__(
        self,
        cluster: LocalCluster,
        crds: Sequence[Object],
        latencies: Latencies,
        *,
        channel: Callable[[], str],
        late: Callable[[], float] = lambda: 0.0,
        install: Callable[[], None],
        tell: Callable[[Body | None], None],
    ) -> None:
        """
        Args:
            crds: Istio's.
            channel: returns the cluster's release channel.
            late: returns by how many seconds it takes longer than it should.
            install: done besides, when a control plane is provided.
            tell: is given what the fleet's feature says of the cluster, None for nothing.
        """
        self._cluster = cluster
        self._crds = crds
        self._latencies = latencies
        self._channel = channel
        self._late = late
        self._install = install
        self._tell = tell
        self._injector = Injector(cluster)
        self._lock = threading.Lock()
        self._managed = False

    def start(self) -> None:
        threading.Thread(target=self._run, daemon=True).start()

    def manage(self, automatic: bool) -> None:
        """Hear whether the fleet manages the mesh of this cluster."""
        with self._lock:
            begins = automatic and not self._managed
            ends = self._managed and not automatic
            self._managed = automatic
        if begins:
            self._tell(_state("PROVISIONING", "REVISION_PROVISIONING", "Provisioning", TRAFFIC_DIRECTOR))
            threading.Thread(target=self._ask_for_a_revision, daemon=True).start()
        if ends:
            self._tell(None)

    def _ask_for_a_revision(self) -> None:
        """Make a revision, with all that has to be there before, as long as the fleet manages this mesh."""
        time.sleep(self._latencies.of("feature-controller"))
        crd = yaml.safe_load(REVISIONS_CRD.read_text(encoding="utf-8"))
        labels = {"topology.istio.io/network": "of-the-fleet"}
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}
        while self._managed:
            try:
                self._cluster.apply([crd, namespace])
                self._wait_for_crd()
                self._complete_options()
                self._cluster.apply([_revision(self._channel())])
            except LocalMeshError:  # the namespace is about to go, or the cluster has gone
                time.sleep(1)
            else:
                return

    def _complete_options(self) -> None:
        """Leave in the options what is there, and add what else the mesh has to have."""
        options = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": OPTIONS, "namespace": NAMESPACE},
            "data": {"ASM_OPTS": ""},
        }
        self._cluster.apply([options])

    def _wait_for_crd(self) -> None:
        self._cluster.kubectl(
            *("wait", "--for=condition=Established", f"customresourcedefinition/{REVISIONS}", "--timeout=60s")
        )

    def _run(self) -> None:
        try:
            self._cluster.kubectl(
                *("wait", "--for=create", f"customresourcedefinition/{REVISIONS}", f"--timeout={FOREVER}"),
                seconds=86_400,
            )
            self._wait_for_crd()
            for event in self._cluster.follow(REVISIONS, "--all-namespaces"):
                if event["type"] != "DELETED":
                    if not _is_provided(event["object"]):
                        self._provide(event["object"])
                    continue
                self._tell(None)
                if self._managed:
                    threading.Thread(target=self._ask_for_a_revision, daemon=True).start()
        except LocalMeshError:  # the cluster has gone
            pass

    def _provide(self, revision: dict[str, Any]) -> None:
        if "deletionTimestamp" in revision["metadata"]:
            return
        time.sleep(self._latencies.of("mesh") + self._late())
        self._cluster.apply(self._crds)
        self._install()
        self._injector.start()
        metadata = revision["metadata"]
        implementation = TRAFFIC_DIRECTOR if self._managed else ISTIOD
        self._tell(_state("ACTIVE", "REVISION_READY", f"Ready: {metadata['name']}", implementation))
        status = {"conditions": [{"type": CONDITION, "status": "True", "reason": "Provisioned", "message": "ok"}]}
        self._cluster.kubectl(
            *("--namespace", metadata["namespace"], "patch", REVISIONS, metadata["name"]),
            *("--subresource", "status", "--type", "merge", "--patch", json.dumps({"status": status})),
        )


def managed_memberships(feature: Body | None) -> set[tuple[str, str]]:
    """Return the memberships, by location and name, whose mesh the fleet manages, of the feature as it is."""
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
    """Return what the feature says of a member.

    Source: https://cloud.google.com/service-mesh/docs/check-control-plane-implementation
    """
    details = [{"code": code, "details": text}]
    management = {"state": state, "implementation": implementation, "details": details}
    return {"state": {"code": "OK"}, "servicemesh": {"controlPlaneManagement": management}}


def _is_provided(revision: dict[str, Any]) -> bool:
    conditions = revision.get("status", {}).get("conditions", [])
    return any(one["type"] == CONDITION and one["status"] == "True" for one in conditions)

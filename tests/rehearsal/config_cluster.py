"""What the simulated controllers of the fleet's load balancers share: they read the objects of one cluster."""

import threading
import time
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from tests.fake_cloud.references import path_of
from tests.local_mesh.cluster import LocalCluster
from tests.rehearsal.cloud_parts import CloudParts
from tests.rehearsal.controller import patch

FEATURE = "multiclusteringress"
ObjectKey = tuple[str, str, str]
"""Kind, namespace and name."""


class ConfigClusterController:
    """A controller of the objects in the config cluster, which the fleet's feature names.

    Multi Cluster Ingress and multi-cluster Gateway have the same feature. It can't be disabled while there are
    objects, or shortly after their cloud resources were deleted.
    """

    def __init__(self, parts: CloudParts, clusters: Callable[[], Mapping[str, LocalCluster]]) -> None:
        """Watch nothing yet.

        Args:
            parts: of load balancers.
            clusters: returns the running clusters by region.
        """
        self._parts = parts
        self._cloud = parts.cloud
        self._clusters = clusters
        self._lock = threading.Lock()
        self._location: str | None = None
        self._config: LocalCluster | None = None
        self._seen: dict[ObjectKey, dict[str, Any]] = {}
        self._associated: list[Hashable] = []

    def watch_config_cluster(self, cluster: LocalCluster) -> None:
        """Start to watch a cluster that became the config cluster, until it is another one."""
        raise NotImplementedError

    def feature_changed(self, feature: str, content: dict[str, Any] | None) -> None:
        """Handle a feature that was enabled, changed or disabled."""
        if feature != FEATURE:
            return
        self._location = None
        if content is not None:
            self._location = path_of(content["spec"]["multiclusteringress"]["configMembership"]).split("/")[3]
        self._find_config_cluster()

    def cluster_started(self, cluster: LocalCluster) -> None:
        """Handle a new cluster, which may be the config cluster."""
        self._find_config_cluster()

    def _find_config_cluster(self) -> None:
        """Watch the config cluster, if it is not watched yet."""
        found = [one for one in self._clusters().values() if one.site.location == self._location]
        cluster = found[0] if found else None
        if cluster is self._config:
            return
        self._config = cluster
        if cluster is not None:
            self.watch_config_cluster(cluster)

    def has_resources(self, feature: str) -> bool:
        """Return whether the feature is associated with objects or cloud resources, so that it can't be disabled."""
        with self._lock:
            return feature == FEATURE and bool(self._seen or self._associated)

    def _release(self, key: Hashable) -> None:
        """Let the feature have resources for a while after their deletion."""
        with self._lock:
            self._associated.append(key)
        time.sleep(self._cloud.latencies.of("feature-release"))
        with self._lock:
            self._associated.remove(key)

    def _patch(self, cluster: LocalCluster, key: ObjectKey, content: dict[str, Any], subresource: str = "") -> None:
        kind, namespace, name = key
        flags = ["--subresource", subresource] if subresource else []
        patch(cluster, kind, {"namespace": namespace, "name": name}, content, *flags)

"""istiod's pod: its program is `Istiod`, in the network of its region."""

import time
from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from tests.local_mesh.istiod import LABEL, NAMESPACE, Istiod
from tests.local_mesh.namespace import Namespace
from tests.local_mesh.pod import Pod, PodContext

CONTAINER = "discovery"
PROBE_SECONDS = 1.0


def is_istiod(manifest: Mapping[str, Any]) -> bool:
    metadata = manifest["metadata"]
    return bool(metadata["namespace"] == NAMESPACE and LABEL.items() <= metadata.get("labels", {}).items())


class IstiodPod(Pod):
    """istiod as a pod: it can be scaled and restarted, and istioctl finds it."""

    def __init__(self, manifest: dict[str, Any], istiod: Istiod, context: PodContext, folder: Path) -> None:
        super().__init__(manifest, IPv4Address(istiod.address), context, folder)
        self._istiod = istiod
        self._serving = False
        self._due = 0.0

    def start(self, network: Namespace, token: str, protocols: Mapping[int, str]) -> None:
        """Start istiod, unless it runs already: the first pod is older than the API server's webhooks."""
        self.started = True
        self._istiod.start()
        self._context.logs.mkdir(parents=True, exist_ok=True)
        (self._context.logs / f"{self.name}.{CONTAINER}.log").symlink_to(self._istiod.log)

    def stop(self) -> None:
        self._istiod.stop()

    def probe(self) -> None:
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + PROBE_SECONDS
            self._serving = self._istiod.is_serving()

    @property
    def ready(self) -> bool:
        return self._serving

"""A fake istiod for a Deployment whose pods kwok simulates: nothing runs in them."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from tests.local_mesh.cluster import LocalCluster
from tests.local_mesh.errors import LocalMeshError
from tests.rehearsal.controller import patch, run_in_background, wait_for_creation
from tests.rehearsal.injector import Injector

NAMESPACE = "istio-system"
WEBHOOKS = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")
FAIL_OPEN = {"failurePolicy": "Ignore", "timeoutSeconds": 1}
"""Settings of a webhook whose Service has no endpoints."""


class FakeIstiod:
    """Waits for a revision's Deployment, and does what its pods would do.

    It writes its CA into the webhooks, as istiod does, and lets them fail open. It annotates
    pods as the injector does.
    """

    def __init__(self, cluster: LocalCluster, revision: str) -> None:
        self._cluster = cluster
        self._revision = revision
        self._injector = Injector(cluster)

    def start(self) -> None:
        run_in_background(self._run)

    def _run(self) -> None:
        wait_for_creation(self._cluster, f"deployment/istiod-{self._revision}", "--namespace", NAMESPACE)
        self._injector.start(self._revision)
        for kind in WEBHOOKS:
            run_in_background(self._watch_webhooks, kind)

    def _watch_webhooks(self, kind: str) -> None:
        """Let the webhooks that call a Service of the mesh fail open, whenever they are created or changed."""
        for event in self._cluster.follow(kind):
            webhooks = event["object"].get("webhooks", [])
            changed = [self._fail_open(one) if _calls_the_mesh(one) else one for one in webhooks]
            if event["type"] != "DELETED" and changed != webhooks:
                with suppress(LocalMeshError):  # it is deleted meanwhile
                    patch(self._cluster, kind, event["object"]["metadata"], {"webhooks": changed})

    def _fail_open(self, webhook: Mapping[str, Any]) -> dict[str, Any]:
        client = {**webhook["clientConfig"], "caBundle": self._cluster.certificate}
        return {**webhook, **FAIL_OPEN, "clientConfig": client}


def _calls_the_mesh(webhook: Mapping[str, Any]) -> bool:
    return bool(webhook["clientConfig"].get("service", {}).get("namespace") == NAMESPACE)

"""Stands in for the istiod whose pod kwok plays: there is a Deployment of it, and nothing that runs."""

import json
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from tests.local_mesh.cluster import LocalCluster
from tests.local_mesh.errors import LocalMeshError
from tests.rehearsal.injector import Injector

NAMESPACE = "istio-system"
FOREVER = "24h"
WEBHOOKS = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")
IN_VAIN = {"failurePolicy": "Ignore", "timeoutSeconds": 1}
"""How a webhook is called behind whose Service there is nobody."""


class FakeIstiod:
    """Waits for a revision's Deployment, and takes over what its pods would do.

    It changes the webhooks, as istiod does to say by which CA it is known: here, so that
    nothing depends on their answer. It leaves the injector's mark in pods.
    """

    def __init__(self, cluster: LocalCluster, revision: str) -> None:
        self._cluster = cluster
        self._revision = revision
        self._injector = Injector(cluster)

    def start(self) -> None:
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        deployment = f"deployment/istiod-{self._revision}"
        try:
            self._cluster.kubectl(
                *("--namespace", NAMESPACE, "wait", "--for=create", deployment, f"--timeout={FOREVER}"), seconds=86_400
            )
            self._injector.start()
            threading.Thread(target=self._look_after, args=(WEBHOOKS[1],), daemon=True).start()
            self._look_after(WEBHOOKS[0])
        except LocalMeshError:  # the cluster has gone
            pass

    def _look_after(self, kind: str) -> None:
        """Let the webhooks of a kind that call a Service of the mesh fail in peace, whenever they come or change."""
        with suppress(LocalMeshError):
            for event in self._cluster.follow(kind):
                webhooks = event["object"].get("webhooks", [])
                changed = [self._in_vain(one) if _calls_the_mesh(one) else one for one in webhooks]
                if event["type"] != "DELETED" and changed != webhooks:
                    patch = json.dumps({"webhooks": changed})
                    name = event["object"]["metadata"]["name"]
                    with suppress(LocalMeshError):  # it has gone meanwhile
                        self._cluster.kubectl("patch", kind, name, "--type", "merge", "--patch", patch)

    def _in_vain(self, webhook: Mapping[str, Any]) -> dict[str, Any]:
        where = {**webhook["clientConfig"], "caBundle": self._cluster.certificate}
        return {**webhook, **IN_VAIN, "clientConfig": where}


def _calls_the_mesh(webhook: Mapping[str, Any]) -> bool:
    return bool(webhook["clientConfig"].get("service", {}).get("namespace") == NAMESPACE)

"""A simulated sidecar injector."""

import json
from pathlib import Path

import yaml

from tests.local_mesh.cluster import LocalCluster, Object

POLICY = Path(__file__).parent / "injector.yaml"


class Injector:
    """Annotates new pods of labelled namespaces as the injector does. It adds no sidecars.

    A policy of the API server does that, so a dry run has the annotation, too, and pods that
    were created before the injector works stay without it.
    """

    def __init__(self, cluster: LocalCluster) -> None:
        self._cluster = cluster

    def start(self, revision: str) -> None:
        """Start for the namespaces of a revision, and those with the default label."""
        policy = POLICY.read_text(encoding="utf-8").replace("STATUS", json.dumps({"revision": revision}))
        selectors = {"by-revision": {"istio.io/rev": revision}, "by-default": {"istio-injection": "enabled"}}
        self._cluster.apply([yaml.safe_load(policy), *(_binding(*one) for one in selectors.items())])


def _binding(name: str, labels: dict[str, str]) -> Object:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1beta1",
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": f"sidecar-injector-{name}"},
        "spec": {
            "policyName": "sidecar-injector",
            "matchResources": {"namespaceSelector": {"matchLabels": labels}},
        },
    }

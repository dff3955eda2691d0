"""A kubectl in the process of the tests: serves the objects of clusters to the calls that the CLI makes."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from getopt import gnu_getopt
from pathlib import Path
from typing import Any

Object = dict[str, Any]

KINDS = {
    "authorizationpolicies.security.istio.io": "AuthorizationPolicy",
    "backendconfigs.cloud.google.com": "BackendConfig",
    "clusterrolebindings.rbac.authorization.k8s.io": "ClusterRoleBinding",
    "clusterroles.rbac.authorization.k8s.io": "ClusterRole",
    "configmaps": "ConfigMap",
    "controlplanerevisions.mesh.cloud.google.com": "ControlPlaneRevision",
    "customresourcedefinitions": "CustomResourceDefinition",
    "deployments.apps": "Deployment",
    "destinationrules.networking.istio.io": "DestinationRule",
    "events": "Event",
    "frontendconfigs.networking.gke.io": "FrontendConfig",
    "gateways.networking.istio.io": "Gateway",
    "gcptrafficdistributionpolicies.networking.gke.io": "GCPTrafficDistributionPolicy",
    "horizontalpodautoscalers.autoscaling": "HorizontalPodAutoscaler",
    "jobs.batch": "Job",
    "multiclusteringresses.networking.gke.io": "MultiClusterIngress",
    "multiclusterservices.networking.gke.io": "MultiClusterService",
    "mutatingwebhookconfigurations": "MutatingWebhookConfiguration",
    "namespace": "Namespace",
    "namespaces": "Namespace",
    "nodes": "Node",
    "peerauthentications.security.istio.io": "PeerAuthentication",
    "poddisruptionbudgets.policy": "PodDisruptionBudget",
    "pods": "Pod",
    "rolebindings.rbac.authorization.k8s.io": "RoleBinding",
    "roles.rbac.authorization.k8s.io": "Role",
    "secrets": "Secret",
    "services": "Service",
    "virtualservices.networking.istio.io": "VirtualService",
}
CLUSTER_SCOPED = (
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "MutatingWebhookConfiguration",
    "Namespace",
    "Node",
)
BUILT_IN_GROUPS = ("", "apps", "autoscaling", "batch", "policy", "rbac.authorization.k8s.io")

SERVED_BY_GKE = ("backendconfigs.cloud.google.com", "frontendconfigs.networking.gke.io")

OPTIONS = ("context=", "filename=", "kubeconfig=", "namespace=", "output=", "selector=")
FLAGS = ("all-namespaces", "ignore-not-found", "no-headers", "show-managed-fields")


class FakeKubectlError(Exception):
    """What kubectl writes on standard error before it exits with status 1."""


class FakeKubectl:
    """Takes the place of `cli.sources.kubernetes.run_kubectl`.

    Attributes:
        clusters: by context, or else by the name of the kubeconfig file: the ``objects`` of a cluster, the
            ``tokens`` that it accepts, and the ``error`` with which every call fails, if there is one.
        calls: the arguments of each call.
    """

    def __init__(self, clusters: Mapping[str, Object]) -> None:
        self.clusters = clusters
        self.calls: list[list[str]] = []

    def __call__(
        self, command: Sequence[str], variables: Mapping[str, str], text: str, seconds: float
    ) -> "subprocess.CompletedProcess[str]":
        program, *arguments = command
        assert program == "kubectl"
        self.calls.append(arguments)
        pairs, words = gnu_getopt(arguments, "", [*OPTIONS, *FLAGS])
        options = dict(pairs)
        cluster = self.clusters[options.get("--context") or Path(options["--kubeconfig"]).stem]
        try:
            return subprocess.CompletedProcess(command, 0, _respond(cluster, words, options, text), "")
        except FakeKubectlError as failure:
            return subprocess.CompletedProcess(command, 1, "", f"{failure}\n")


def _respond(cluster: Object, words: list[str], options: dict[str, str], text: str) -> str:
    """Return what kubectl prints.

    Raises:
        FakeKubectlError: the call fails.
    """
    if cluster.get("error"):
        raise FakeKubectlError(cluster["error"])
    assert ("--no-headers" in options) != (options.get("--output") == "json"), "the fake prints JSON, or names"
    match words:
        case ["create"] if options["--filename"] == "-":
            return json.dumps(_review(json.loads(text), cluster))
        case ["get", kinds, *names]:
            return _get(cluster, kinds, names, options)
    raise AssertionError(f"the fake kubectl has no {' '.join(words)}")


def _review(review: Object, cluster: Object) -> Object:
    assert review["kind"] == "TokenReview"
    if review["spec"]["token"] in cluster["tokens"]:
        return {**review, "status": {"authenticated": True, "user": {"username": "istio-reader"}}}
    return {**review, "status": {"user": {}, "error": "invalid bearer token"}}


def _get(cluster: Object, kinds: str, names: list[str], options: dict[str, str]) -> str:
    wanted = kinds.split(",")
    for kind in wanted:
        if kind not in KINDS or not _is_served(kind, cluster):
            raise FakeKubectlError(f'error: the server doesn\'t have a resource type "{kind.partition(".")[0]}"')
    items = [one for one in cluster["objects"] if one["kind"] in map(KINDS.get, wanted) and _matches(one, options)]
    if names:
        items = [one for one in items if one["metadata"]["name"] in names]
        missing = set(names) - {one["metadata"]["name"] for one in items}
        if missing and "--ignore-not-found" not in options:
            raise FakeKubectlError(f'Error from server (NotFound): {kinds} "{min(missing)}" not found')
        if not items:
            return ""
    if "--no-headers" in options:
        return "".join(f"{one['metadata']['name']}   Opaque   1   5d\n" for one in items)
    return json.dumps(items[0] if len(names) == 1 else {"apiVersion": "v1", "kind": "List", "items": items})


def _is_served(kind: str, cluster: Object) -> bool:
    if kind in SERVED_BY_GKE:
        return True
    return kind.partition(".")[2] in BUILT_IN_GROUPS or any(
        one["kind"] == "CustomResourceDefinition" and one["metadata"]["name"] == kind for one in cluster["objects"]
    )


def _matches(item: Object, options: dict[str, str]) -> bool:
    """Return whether an object is in the namespace, and has the label, that a call selects."""
    metadata = item["metadata"]
    everywhere = item["kind"] in CLUSTER_SCOPED or "--all-namespaces" in options
    if not everywhere and metadata["namespace"] != options.get("--namespace", "default"):
        return False
    name, has_value, value = options.get("--selector", "").partition("=")
    labels = metadata.get("labels", {})
    return not name or (name in labels and (not has_value or labels[name] == value))

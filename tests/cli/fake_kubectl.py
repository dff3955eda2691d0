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
    "endpointslices.discovery.k8s.io": "EndpointSlice",
    "events": "Event",
    "frontendconfigs.networking.gke.io": "FrontendConfig",
    "gateways.networking.istio.io": "Gateway",
    "gateways.gateway.networking.k8s.io": "Gateway",
    "gcpbackendpolicies.networking.gke.io": "GCPBackendPolicy",
    "gcpgatewaypolicies.networking.gke.io": "GCPGatewayPolicy",
    "gcptrafficdistributionpolicies.networking.gke.io": "GCPTrafficDistributionPolicy",
    "healthcheckpolicies.networking.gke.io": "HealthCheckPolicy",
    "horizontalpodautoscalers.autoscaling": "HorizontalPodAutoscaler",
    "httproutes.gateway.networking.k8s.io": "HTTPRoute",
    "jobs.batch": "Job",
    "multiclusteringresses.networking.gke.io": "MultiClusterIngress",
    "multiclusterservices.networking.gke.io": "MultiClusterService",
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": "MutatingWebhookConfiguration",
    "namespace": "Namespace",
    "namespaces": "Namespace",
    "networkpolicies.networking.k8s.io": "NetworkPolicy",
    "nodes": "Node",
    "peerauthentications.security.istio.io": "PeerAuthentication",
    "poddisruptionbudgets.policy": "PodDisruptionBudget",
    "pods": "Pod",
    "rolebindings.rbac.authorization.k8s.io": "RoleBinding",
    "roles.rbac.authorization.k8s.io": "Role",
    "secrets": "Secret",
    "serviceaccounts": "ServiceAccount",
    "serviceexports.net.gke.io": "ServiceExport",
    "serviceimports.net.gke.io": "ServiceImport",
    "services": "Service",
    "sidecars.networking.istio.io": "Sidecar",
    "validatingwebhookconfigurations.admissionregistration.k8s.io": "ValidatingWebhookConfiguration",
    "virtualservices.networking.istio.io": "VirtualService",
}
CLUSTER_SCOPED = (
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "MutatingWebhookConfiguration",
    "Namespace",
    "Node",
    "ValidatingWebhookConfiguration",
)
BUILT_IN_GROUPS = ("", "apps", "autoscaling", "batch", "policy")
"""And those that end with k8s.io, but for `GATEWAY_API`."""

GATEWAY_API = "gateway.networking.k8s.io"

SERVED_BY_GKE = ("backendconfigs.cloud.google.com", "frontendconfigs.networking.gke.io")

OPTIONS = ("container=", "context=", "filename=", "kubeconfig=", "namespace=", "output=", "selector=", "verbs=")
FLAGS = ("all-namespaces", "ignore-not-found", "no-headers", "show-managed-fields")


class FakeKubectlError(Exception):
    """What kubectl writes on standard error before it exits with status 1."""


class FakeKubectl:
    """Takes the place of `cli.sources.kubernetes.run_kubectl`.

    Attributes:
        clusters: by context, or else by the name of the kubeconfig file: the ``objects`` of a cluster, the
            ``tokens`` that it accepts, what the ``proxies`` of pods by name and any other ``proxy`` respond, by
            Envoy's path, the ``error`` with which every call fails, if there is one, whether it
            ``hangs``, which kinds are ``forbidden``, and whether an extension of it is down (``extension_down``).
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
        if cluster.get("hangs"):
            raise subprocess.TimeoutExpired(command, seconds)
        try:
            status = int(words == ["api-resources"] and cluster.get("extension_down", False))
            return subprocess.CompletedProcess(command, status, _respond(cluster, words, options, text), "")
        except FakeKubectlError as failure:
            return subprocess.CompletedProcess(command, 1, "", f"{failure}\n")


def _respond(cluster: Object, words: list[str], options: dict[str, str], text: str) -> str:
    """Return what kubectl prints.

    Raises:
        FakeKubectlError: the call fails.
    """
    if cluster.get("error"):
        raise FakeKubectlError(cluster["error"])
    if words == ["api-resources"]:
        return "".join(_api_resource(kind) for kind in KINDS if kind != "namespace" and _is_served(kind, cluster))
    if words[0] == "exec":
        return _request_proxy(cluster, words[1], words[2:], options)
    assert ("--no-headers" in options) != (options.get("--output") == "json"), "the fake prints JSON, or names"
    match words:
        case ["create"] if options.get("--dry-run"):
            return text  # as if nothing had a default
        case ["create"] if options["--filename"] == "-":
            return "".join(f"{json.dumps(_review(one, cluster), indent=4)}\n" for one in json.loads(text)["items"])
        case ["get", kinds, *names]:
            return _get(cluster, kinds, names, options)
    raise AssertionError(f"the fake kubectl has no {' '.join(words)}")


def _request_proxy(cluster: Object, pod: str, command: list[str], options: dict[str, str]) -> str:
    """Return what the proxy of a pod responds, or that of every pod without one of its own."""
    program, verb, method, path = command
    assert (program, verb, method, options["--container"]) == ("pilot-agent", "request", "GET", "istio-proxy")
    found = next((one for one in cluster["objects"] if one["metadata"]["name"] == pod), None)
    if found is None or found["metadata"]["namespace"] != options["--namespace"]:
        raise FakeKubectlError(f'Error from server (NotFound): pods "{pod}" not found')
    answer = cluster["proxies"].get(pod, cluster["proxy"])[path.partition("?")[0]]
    if isinstance(answer, FakeKubectlError):
        raise answer
    return answer if isinstance(answer, str) else json.dumps(answer)


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
        if kind in cluster.get("forbidden", ()):
            raise FakeKubectlError(f"Error from server (Forbidden): {kind} is forbidden")
    objects = [{"apiVersion": version_of(one["kind"]), **one} for one in cluster["objects"]]
    items = [one for one in objects if any(_is_of(one, kind) for kind in wanted) and _matches(one, options)]
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


def _is_of(one: Object, kind: str) -> bool:
    """Return whether an object is of a kind, by the kind's name for kubectl: two groups have a Gateway."""
    group: str = one["apiVersion"].rpartition("/")[0]
    return (one["kind"], group) == (KINDS[kind], kind.partition(".")[2])


def _is_served(kind: str, cluster: Object) -> bool:
    if kind in SERVED_BY_GKE:
        return True
    group = kind.partition(".")[2]
    return (
        group in BUILT_IN_GROUPS
        or (group.endswith("k8s.io") and group != GATEWAY_API)
        or any(
            one["kind"] == "CustomResourceDefinition"
            and one["metadata"]["name"] == kind
            and {"type": "Established", "status": "True"} in one.get("status", {}).get("conditions", [])
            for one in cluster["objects"]
        )
    )


def _api_resource(kind: str) -> str:
    """Return a line of `kubectl api-resources`; only some kinds have a short name."""
    name = kind.partition(".")[0]
    namespaced = "false" if KINDS[kind] in CLUSTER_SCOPED else "true"
    short = "x" if len(name) > 8 else ""
    group = kind.partition(".")[2]
    return f"{name}   {short}   {f'{group}/v1' if group else 'v1'}   {namespaced}   {KINDS[kind]}\n"


def version_of(kind: str) -> str:
    """Return the API version of a kind."""
    group = next(name.partition(".")[2] for name, one in KINDS.items() if one == kind)
    return f"{group}/v1" if group else "v1"


def _matches(item: Object, options: dict[str, str]) -> bool:
    """Return whether an object is in the namespace, and has the label, that a call selects."""
    metadata = item["metadata"]
    everywhere = item["kind"] in CLUSTER_SCOPED or "--all-namespaces" in options
    if not everywhere and metadata["namespace"] != options.get("--namespace", "default"):
        return False
    name, has_value, value = options.get("--selector", "").partition("=")
    labels = metadata.get("labels", {})
    return not name or (name in labels and (not has_value or labels[name] == value))

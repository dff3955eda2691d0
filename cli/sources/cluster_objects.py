"""The objects of a cluster that `mesh status` checks."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from cli.sources.kubernetes import ClusterClient
from config.crds import (
    AUTHORIZATION_POLICIES,
    CONTROL_PLANE_CRD,
    ISTIO_CRDS,
    MCI_CRDS,
    PEER_AUTHENTICATIONS,
    TRAFFIC_DISTRIBUTION_CRD,
)
from config.naming import GATEWAY_NAMESPACE, MESH_NAMESPACE, REVISION_LABEL

Object = Mapping[str, Any]

TAG_LABEL = "istio.io/tag"
"""Label of a webhook that gives a revision another name."""

OPTIONS = "asm-options"
COMPLETION_MARKER = "multi-region-mesh"
"""Name of the ConfigMap that scripts/install-mesh.sh writes last (scripts/lib.sh)."""

REMOTE_SECRET_SELECTOR = "istio/multiCluster=true"
"""The selector by which the mesh finds remote secrets."""

KINDS = {
    "Node": "nodes",
    "Namespace": "namespaces",
    "Pod": "pods",
    "Deployment": "deployments",
    "HorizontalPodAutoscaler": "autoscalers",
    "ControlPlaneRevision": "revisions",
    "MutatingWebhookConfiguration": "injectors",
    "Job": "jobs",
    "Secret": "secrets",
    "DestinationRule": "rules",
    "PeerAuthentication": "authentications",
    "AuthorizationPolicy": "authorizations",
    "MultiClusterIngress": "ingresses",
    "MultiClusterService": "services",
    "Event": "events",
}
"""By kind: the attribute of `ClusterObjects` that holds its objects."""


APPLIED = (
    "clusterrolebindings.rbac.authorization.k8s.io",
    "clusterroles.rbac.authorization.k8s.io",
    "deployments.apps",
    "horizontalpodautoscalers.autoscaling",
    "namespaces",
    "poddisruptionbudgets.policy",
    "rolebindings.rbac.authorization.k8s.io",
    "roles.rbac.authorization.k8s.io",
    "services",
)
"""Built-in kinds of the objects that the stacks apply, as far as they have fields to change."""

GKE_CRDS = ("backendconfigs.cloud.google.com", "frontendconfigs.networking.gke.io")
"""Kinds of the config cluster that every cluster of GKE serves."""


@dataclass(frozen=True)
class ClusterObjects:
    """The objects of a cluster.

    Attributes:
        crds: The required CRDs that are established.
        options: The ConfigMap `OPTIONS`, if it exists.
        marker: The ConfigMap `COMPLETION_MARKER`, if it exists.
        nodes: All nodes.
        namespaces: All namespaces.
        pods: All pods.
        deployments: All deployments.
        autoscalers: All HorizontalPodAutoscalers.
        revisions: The ControlPlaneRevisions.
        injectors: The webhooks that inject sidecars, each of a revision.
        jobs: The Jobs in the mesh's namespace.
        secrets: The remote secrets.
        rules: The DestinationRules.
        authentications: The PeerAuthentications.
        authorizations: The AuthorizationPolicies.
        ingresses: The MultiClusterIngresses.
        services: The MultiClusterServices.
        events: The events in the gateways' namespace.
        applied: The objects of all kinds that the stacks apply, with their managed fields.
    """

    crds: frozenset[str] = frozenset()
    options: Object | None = None
    marker: Object | None = None
    nodes: Sequence[Object] = ()
    namespaces: Sequence[Object] = ()
    pods: Sequence[Object] = ()
    deployments: Sequence[Object] = ()
    autoscalers: Sequence[Object] = ()
    revisions: Sequence[Object] = ()
    injectors: Sequence[Object] = ()
    jobs: Sequence[Object] = ()
    secrets: Sequence[Object] = field(default=(), repr=False)
    rules: Sequence[Object] = ()
    authentications: Sequence[Object] = ()
    authorizations: Sequence[Object] = ()
    ingresses: Sequence[Object] = ()
    services: Sequence[Object] = ()
    events: Sequence[Object] = ()
    applied: Sequence[Object] = ()

    def deployment(self, namespace: str, name: str) -> Object | None:
        return _named(self.deployments, namespace, name)

    def autoscaler(self, namespace: str, name: str) -> Object | None:
        return _named(self.autoscalers, namespace, name)

    def namespace(self, name: str) -> Object | None:
        return _named(self.namespaces, "", name)


def read_objects(cluster: ClusterClient) -> ClusterObjects:
    """Read the objects of a cluster, by a few calls at a time.

    Raises:
        KubectlError: kubectl failed.
    """
    established = _established(cluster)
    everywhere = "--all-namespaces"
    in_mesh = ("--namespace", MESH_NAMESPACE)
    calls: list[tuple[str, ...]] = [
        ("nodes,namespaces,pods,deployments.apps,horizontalpodautoscalers.autoscaling", everywhere),
        ("secrets", *in_mesh, "--selector", REMOTE_SECRET_SELECTOR),
        ("mutatingwebhookconfigurations", "--selector", REVISION_LABEL),
        ("jobs.batch", *in_mesh),
    ]
    if CONTROL_PLANE_CRD in established:
        calls.append((CONTROL_PLANE_CRD, *in_mesh))
    for kinds in ((ISTIO_CRDS[0],), (AUTHORIZATION_POLICIES, PEER_AUTHENTICATIONS), MCI_CRDS):
        if established.issuperset(kinds):
            calls.append((",".join(kinds), everywhere))
    if established.issuperset(MCI_CRDS):
        calls.append(("events", "--namespace", GATEWAY_NAMESPACE))
    found: dict[str, list[Object]] = {kind: [] for kind in KINDS}
    applied = [*APPLIED, *(one for one in (*ISTIO_CRDS, *MCI_CRDS, TRAFFIC_DISTRIBUTION_CRD) if one in established)]
    applied += GKE_CRDS if established.issuperset(MCI_CRDS) else ()
    with ThreadPoolExecutor(len(calls) + 2) as pool:
        fields = pool.submit(cluster.get, ",".join(applied), everywhere, "--show-managed-fields")
        config_maps = pool.submit(_of_names, cluster, "configmaps", (OPTIONS, COMPLETION_MARKER), *in_mesh)
        for listed in pool.map(lambda call: cluster.get(*call)["items"], calls):
            for one in listed:
                found[one["kind"]].append(one)
        return ClusterObjects(
            established,
            _named(config_maps.result(), MESH_NAMESPACE, OPTIONS),
            _named(config_maps.result(), MESH_NAMESPACE, COMPLETION_MARKER),
            applied=fields.result()["items"],
            **{KINDS[kind]: objects for kind, objects in found.items()},
        )


def _established(cluster: ClusterClient) -> frozenset[str]:
    """Return the required CRDs that are established. All of a cluster's CRDs would be many megabytes."""
    names = (*ISTIO_CRDS, *MCI_CRDS, TRAFFIC_DISTRIBUTION_CRD, CONTROL_PLANE_CRD)
    found = _of_names(cluster, "customresourcedefinitions", names)
    return frozenset(one["metadata"]["name"] for one in found if condition(one, "Established") == "True")


def _of_names(cluster: ClusterClient, kind: str, names: Sequence[str], *flags: str) -> list[Object]:
    """Return the existing objects of a kind. For one, kubectl prints no list; for none, nothing."""
    text = cluster.run("get", kind, *names, *flags, "--ignore-not-found", "--output", "json")
    found = json.loads(text) if text.strip() else {}
    return list(found.get("items", [found] if found else []))


def identity(one: Object) -> tuple[str, str]:
    """Return an object's namespace and name."""
    return one["metadata"]["namespace"], one["metadata"]["name"]


def condition(one: Object, kind: str) -> str:
    """Return the status of one of an object's conditions, such as ``True``; empty if it has none of that kind."""
    conditions = one.get("status", {}).get("conditions", [])
    return next((str(each["status"]) for each in conditions if each["type"] == kind), "")


def _named(items: Sequence[Object], namespace: str, name: str) -> Object | None:
    found = (one for one in items if one["metadata"]["name"] == name)
    return next((one for one in found if one["metadata"].get("namespace", "") == namespace), None)

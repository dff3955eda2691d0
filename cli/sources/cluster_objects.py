"""What is in one cluster, as far as `mesh status` looks at it, asked by a few calls at once."""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from cli.sources.kubernetes import ClusterClient
from config.crds import AUTHORIZATION_POLICIES, CONTROL_PLANE_CRD, ISTIO_CRDS, MCI_CRDS, PEER_AUTHENTICATIONS
from config.naming import GATEWAY_NAMESPACE, MESH_NAMESPACE

Object = Mapping[str, Any]

REVISION_LABEL = "istio.io/rev"
TAG_LABEL = "istio.io/tag"
"""Label of a webhook by which a revision has another name."""

OPTIONS = "asm-options"
COMPLETION_MARKER = "multi-region-mesh"
"""ConfigMap that scripts/install-mesh.sh writes last (scripts/lib.sh)."""

REMOTE_SECRET_SELECTOR = "istio/multiCluster=true"
"""By which the mesh itself finds them."""


@dataclass(frozen=True)
class ClusterObjects:
    """
    Attributes:
        nodes, namespaces, pods, deployments, autoscalers: all of them.
        crds: those of ours that are served.
        revisions: ControlPlaneRevisions.
        injectors: webhooks that put sidecars into pods, each of a revision.
        options, marker: the ConfigMaps `OPTIONS` and `MARKER`, if they are there.
        jobs: in the mesh's namespace.
        secrets: the remote secrets.
        rules: DestinationRules.
        authentications, authorizations: PeerAuthentications and AuthorizationPolicies.
        ingresses, services: MultiClusterIngresses and -Services.
        events: in the gateways' namespace.
    """

    nodes: Sequence[Object] = ()
    namespaces: Sequence[Object] = ()
    pods: Sequence[Object] = ()
    deployments: Sequence[Object] = ()
    autoscalers: Sequence[Object] = ()
    crds: frozenset[str] = frozenset()
    revisions: Sequence[Object] = ()
    injectors: Sequence[Object] = ()
    options: Object | None = None
    marker: Object | None = None
    jobs: Sequence[Object] = ()
    secrets: Sequence[Object] = field(default=(), repr=False)
    rules: Sequence[Object] = ()
    authentications: Sequence[Object] = ()
    authorizations: Sequence[Object] = ()
    ingresses: Sequence[Object] = ()
    services: Sequence[Object] = ()
    events: Sequence[Object] = ()

    def deployment(self, namespace: str, name: str) -> Object | None:
        return _named(self.deployments, namespace, name)

    def autoscaler(self, namespace: str, name: str) -> Object | None:
        return _named(self.autoscalers, namespace, name)

    def namespace(self, name: str) -> Object | None:
        return _named(self.namespaces, "", name)


def read_objects(cluster: ClusterClient) -> ClusterObjects:
    """Ask a cluster.

    Raises:
        KubectlError: kubectl failed.
    """
    served = _established(cluster)
    everywhere = "--all-namespaces"
    in_mesh = ("--namespace", MESH_NAMESPACE)
    questions: dict[str, tuple[str, ...]] = {
        "core": ("nodes,namespaces,pods,deployments.apps,horizontalpodautoscalers.autoscaling", everywhere),
        "secrets": ("secrets", *in_mesh, "--selector", REMOTE_SECRET_SELECTOR),
        "injectors": ("mutatingwebhookconfigurations", "--selector", REVISION_LABEL),
        "jobs": ("jobs.batch", *in_mesh),
    }
    if CONTROL_PLANE_CRD in served:
        questions["revisions"] = (CONTROL_PLANE_CRD, *in_mesh)
    if ISTIO_CRDS[0] in served:
        questions["rules"] = (ISTIO_CRDS[0], everywhere)
    policies = (AUTHORIZATION_POLICIES, PEER_AUTHENTICATIONS)
    if served.issuperset(policies):
        questions["policies"] = (",".join(policies), everywhere)
    if served.issuperset(MCI_CRDS):
        questions["mci"] = (",".join(MCI_CRDS), everywhere)
        questions["events"] = ("events", "--namespace", GATEWAY_NAMESPACE)
    with ThreadPoolExecutor(len(questions) + 1) as pool:
        config_maps = pool.submit(_of_names, cluster, "configmaps", (OPTIONS, COMPLETION_MARKER), *in_mesh)
        answers = dict(zip(questions, pool.map(_listing(cluster), questions.values()), strict=True))
        core, mci = answers["core"], answers.get("mci", [])
        return ClusterObjects(
            nodes=_of_kind(core, "Node"),
            namespaces=_of_kind(core, "Namespace"),
            pods=_of_kind(core, "Pod"),
            deployments=_of_kind(core, "Deployment"),
            autoscalers=_of_kind(core, "HorizontalPodAutoscaler"),
            crds=served,
            revisions=answers.get("revisions", []),
            injectors=answers["injectors"],
            options=_named(config_maps.result(), MESH_NAMESPACE, OPTIONS),
            marker=_named(config_maps.result(), MESH_NAMESPACE, COMPLETION_MARKER),
            jobs=answers["jobs"],
            secrets=answers["secrets"],
            rules=answers.get("rules", []),
            authentications=_of_kind(answers.get("policies", []), "PeerAuthentication"),
            authorizations=_of_kind(answers.get("policies", []), "AuthorizationPolicy"),
            ingresses=_of_kind(mci, "MultiClusterIngress"),
            services=_of_kind(mci, "MultiClusterService"),
            events=answers.get("events", []),
        )


def _established(cluster: ClusterClient) -> frozenset[str]:
    """Return which of our kinds' CRDs are served. All of a cluster's CRDs would be many megabytes."""
    found = _of_names(cluster, "customresourcedefinitions", (*ISTIO_CRDS, *MCI_CRDS, CONTROL_PLANE_CRD))
    return frozenset(one["metadata"]["name"] for one in found if condition(one, "Established") == "True")


def _of_names(cluster: ClusterClient, kind: str, names: Sequence[str], *flags: str) -> list[Object]:
    """Return those objects of a kind that are there. Of a single one kubectl makes no list, and of none no text."""
    text = cluster.run("get", kind, *names, *flags, "--ignore-not-found", "--output", "json")
    found = json.loads(text) if text.strip() else {}
    return list(found.get("items", [found] if found else []))


def identity(one: Object) -> tuple[str, str]:
    """Return an object's namespace and name."""
    return one["metadata"]["namespace"], one["metadata"]["name"]


def condition(thing: Object, kind: str) -> str:
    """Return the status of one of an object's conditions, such as ``True``; empty if it has none of that kind."""
    conditions = thing.get("status", {}).get("conditions", [])
    return next((str(one["status"]) for one in conditions if one["type"] == kind), "")


def _listing(cluster: ClusterClient) -> Callable[[tuple[str, ...]], list[Object]]:
    def listed(question: tuple[str, ...]) -> list[Object]:
        return list(cluster.get(*question)["items"])

    return listed


def _of_kind(items: Sequence[Object], kind: str) -> list[Object]:
    return [one for one in items if one["kind"] == kind]


def _named(items: Sequence[Object], namespace: str, name: str) -> Object | None:
    found = (one for one in items if one["metadata"]["name"] == name)
    return next((one for one in found if one["metadata"].get("namespace", "") == namespace), None)

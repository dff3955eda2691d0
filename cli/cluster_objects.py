"""What is in one cluster, as far as `mesh status` looks at it, asked by a few calls at once."""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from cli.kubernetes import Cluster
from config.kinds import AUTHORIZATION_POLICIES, ISTIO_CRDS, MCI_CRDS, PEER_AUTHENTICATIONS
from config.naming import GATEWAY_NAMESPACE

Object = Mapping[str, Any]

REVISIONS_CRD = "controlplanerevisions.mesh.cloud.google.com"
MESH_NAMESPACE = "istio-system"
REMOTE_SECRETS = "istio/multiCluster=true"
"""By which the mesh itself finds them."""


@dataclass(frozen=True)
class Objects:
    """
    Attributes:
        nodes, namespaces, pods, deployments, autoscalers: all of them.
        crds: those of ours that are served.
        revisions: ControlPlaneRevisions.
        tags: webhooks by which the configured revision is another one's name.
        options: ConfigMap ``asm-options``, if it is there.
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
    tags: Sequence[Object] = ()
    options: Object | None = None
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


def ask(cluster: Cluster, revision: str) -> Objects:
    """Ask a cluster. Args: revision: the configured one. Raises: KubectlError."""
    served = _established(cluster)
    everywhere = "--all-namespaces"
    in_mesh = ("--namespace", MESH_NAMESPACE)
    questions: dict[str, tuple[str, ...]] = {
        "core": ("nodes,namespaces,pods,deployments.apps,horizontalpodautoscalers.autoscaling", everywhere),
        "secrets": ("secrets", *in_mesh, "--selector", REMOTE_SECRETS),
        "tags": ("mutatingwebhookconfigurations", "--selector", f"istio.io/tag={revision}"),
    }
    if REVISIONS_CRD in served:
        questions["revisions"] = (REVISIONS_CRD, *in_mesh)
    if ISTIO_CRDS[0] in served:
        questions["rules"] = (ISTIO_CRDS[0], everywhere)
    policies = (AUTHORIZATION_POLICIES, PEER_AUTHENTICATIONS)
    if served.issuperset(policies):
        questions["policies"] = (",".join(policies), everywhere)
    if served.issuperset(MCI_CRDS):
        questions["mci"] = (",".join(MCI_CRDS), everywhere)
        questions["events"] = ("events", "--namespace", GATEWAY_NAMESPACE)
    with ThreadPoolExecutor(len(questions) + 1) as pool:
        options = pool.submit(cluster.find, "configmap", "asm-options", *in_mesh)
        answers = dict(zip(questions, pool.map(_listing(cluster), questions.values()), strict=True))
        core, mci = answers["core"], answers.get("mci", [])
        return Objects(
            nodes=_of_kind(core, "Node"),
            namespaces=_of_kind(core, "Namespace"),
            pods=_of_kind(core, "Pod"),
            deployments=_of_kind(core, "Deployment"),
            autoscalers=_of_kind(core, "HorizontalPodAutoscaler"),
            crds=served,
            revisions=answers.get("revisions", []),
            tags=answers["tags"],
            options=options.result(),
            secrets=answers["secrets"],
            rules=answers.get("rules", []),
            authentications=_of_kind(answers.get("policies", []), "PeerAuthentication"),
            authorizations=_of_kind(answers.get("policies", []), "AuthorizationPolicy"),
            ingresses=_of_kind(mci, "MultiClusterIngress"),
            services=_of_kind(mci, "MultiClusterService"),
            events=answers.get("events", []),
        )


def _established(cluster: Cluster) -> frozenset[str]:
    """Return which of our kinds' CRDs are served. All of a cluster's CRDs would be many megabytes."""
    names = (*ISTIO_CRDS, *MCI_CRDS, REVISIONS_CRD)
    text = cluster.run("get", "customresourcedefinitions", *names, "--ignore-not-found", "--output", "json")
    found = json.loads(text) if text.strip() else {}
    items = found.get("items", [found] if found else [])
    return frozenset(one["metadata"]["name"] for one in items if condition(one, "Established") == "True")


def condition(thing: Object, kind: str) -> str:
    """Return the status of one of an object's conditions, such as ``True``; empty if it has none of that kind."""
    conditions = thing.get("status", {}).get("conditions", [])
    return next((str(one["status"]) for one in conditions if one["type"] == kind), "")


def _listing(cluster: Cluster) -> Callable[[tuple[str, ...]], list[Object]]:
    def listed(question: tuple[str, ...]) -> list[Object]:
        return list(cluster.get(*question)["items"])

    return listed


def _of_kind(items: Sequence[Object], kind: str) -> list[Object]:
    return [one for one in items if one["kind"] == kind]


def _named(items: Sequence[Object], namespace: str, name: str) -> Object | None:
    found = (one for one in items if one["metadata"]["name"] == name)
    return next((one for one in found if one["metadata"].get("namespace", "") == namespace), None)

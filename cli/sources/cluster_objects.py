"""The objects of a cluster that `mesh status` checks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from cli.sources.api_server import FAILURES
from cli.sources.applied import group_of
from cli.sources.kubernetes import ClusterClient, NoResponseError
from config.crds import CONTROL_PLANE_CRD, EXPORT_CRD, GATEWAY_CRDS, MCI_CRDS
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
    "Gateway": "gateways",
    "HTTPRoute": "routes",
    "ServiceExport": "exports",
    "ServiceImport": "imports",
    "HealthCheckPolicy": "policies",
    "GCPBackendPolicy": "policies",
    "GCPGatewayPolicy": "policies",
    "Event": "events",
    "EndpointSlice": "slices",
}
"""By kind: the attribute of `ClusterObjects` that holds its objects."""


WEBHOOKS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")

APPLIED = (
    "clusterrolebindings.rbac.authorization.k8s.io",
    "clusterroles.rbac.authorization.k8s.io",
    "deployments.apps",
    "horizontalpodautoscalers.autoscaling",
    "mutatingwebhookconfigurations.admissionregistration.k8s.io",
    "namespaces",
    "networkpolicies.networking.k8s.io",
    "poddisruptionbudgets.policy",
    "rolebindings.rbac.authorization.k8s.io",
    "roles.rbac.authorization.k8s.io",
    "serviceaccounts",
    "services",
    "validatingwebhookconfigurations.admissionregistration.k8s.io",
)
"""Built-in kinds that the stacks apply, or by which somebody else changes what these do."""

COMPARED_ELSEWHERE = frozenset({"ConfigMap", "Job"})
"""Kinds that the stacks apply and that other checks read: the mode of endpoint discovery, and the readiness."""

ISTIO_GROUPS = ".istio.io"
"""End of the name of every group of Istio: all of its kinds are read, whatever the version serves."""

GKE_CRDS = ("backendconfigs.cloud.google.com", "frontendconfigs.networking.gke.io")
"""Kinds of the config cluster that every cluster of GKE serves."""

SECONDS_TO_RESPOND = 10.0
"""For the first call: an API server that takes longer hangs."""


@dataclass(frozen=True)
class ClusterObjects:
    """The objects of a cluster.

    Attributes:
        served: Group and kind of what the API server serves, by the name that its CRD has.
        options: The ConfigMap `OPTIONS`, if it exists.
        marker: The ConfigMap `COMPLETION_MARKER`, if it exists.
        nodes: All nodes.
        namespaces: All namespaces.
        pods: All pods.
        deployments: All deployments.
        autoscalers: All HorizontalPodAutoscalers.
        revisions: The ControlPlaneRevisions.
        injectors: The webhooks that inject sidecars, each of a revision.
        jobs: All Jobs.
        secrets: The remote secrets.
        rules: The DestinationRules.
        authentications: The PeerAuthentications.
        authorizations: The AuthorizationPolicies.
        ingresses: The MultiClusterIngresses.
        services: The MultiClusterServices.
        gateways: The Gateways of the Gateway API, not Istio's.
        routes: The HTTPRoutes.
        exports: The ServiceExports of the fleet's multi-cluster services.
        imports: Their ServiceImports.
        policies: The policies of GKE's Gateway API.
        events: The events in the gateways' namespace.
        slices: The EndpointSlices.
        applied: The objects of all kinds that the stacks apply and of all of Istio's kinds, with their managed fields.
    """

    served: Mapping[str, tuple[str, str]] = field(default_factory=dict)
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
    gateways: Sequence[Object] = ()
    routes: Sequence[Object] = ()
    exports: Sequence[Object] = ()
    imports: Sequence[Object] = ()
    policies: Sequence[Object] = ()
    events: Sequence[Object] = ()
    slices: Sequence[Object] = ()
    applied: Sequence[Object] = ()

    def deployment(self, namespace: str, name: str) -> Object | None:
        return _named(self.deployments, namespace, name)

    def autoscaler(self, namespace: str, name: str) -> Object | None:
        return _named(self.autoscalers, namespace, name)

    @property
    def mesh_jobs(self) -> list[Object]:
        """The Jobs in the mesh's namespace."""
        return [one for one in self.jobs if one["metadata"]["namespace"] == MESH_NAMESPACE]

    @property
    def webhooks(self) -> Iterator[Object]:
        """All webhooks of the API server."""
        return (one for one in self.applied if one["kind"] in WEBHOOKS)

    def namespace(self, name: str) -> Object | None:
        return _named(self.namespaces, "", name)


def read_objects(cluster: ClusterClient, kinds: Iterable[tuple[str, str]] = ()) -> ClusterObjects:
    """Read the objects of a cluster, by a few calls at a time.

    Args:
        cluster: The cluster.
        kinds: Group and kind of objects that are to be in `ClusterObjects.applied`, besides those that always are.

    Raises:
        KubectlError: kubectl failed.
    """
    served = served_kinds(cluster)
    everywhere, in_mesh = "--all-namespaces", ("--namespace", MESH_NAMESPACE)
    wanted = {(group, kind) for group, kind in kinds if kind not in COMPARED_ELSEWHERE}
    custom = [one for one in (CONTROL_PLANE_CRD,) if one in served]
    custom += [name for name, kind in served.items() if kind in wanted or kind[0].endswith(ISTIO_GROUPS)]
    if served.keys() >= set(MCI_CRDS):
        custom += [*MCI_CRDS, *GKE_CRDS]
    custom += (EXPORT_CRD, *GATEWAY_CRDS)  # the config cluster's, and all clusters'
    custom = sorted(one for one in dict.fromkeys(custom) if one in served and one not in APPLIED)
    calls: list[tuple[str, ...]] = [
        ("nodes,pods,endpointslices.discovery.k8s.io,jobs.batch", everywhere),
        (",".join(APPLIED), everywhere, "--show-managed-fields"),
        ("secrets", *in_mesh, "--selector", REMOTE_SECRET_SELECTOR),
    ]
    if custom:
        calls.append((",".join(custom), everywhere, "--show-managed-fields"))
    if any(served.keys() >= set(crds) for crds in (MCI_CRDS, GATEWAY_CRDS)):
        calls.append(("events", "--namespace", GATEWAY_NAMESPACE))
    found: dict[str, list[Object]] = {attribute: [] for attribute in KINDS.values()}
    applied: list[Object] = []
    with ThreadPoolExecutor(len(calls) + 2) as pool:
        named = [pool.submit(cluster.find, "configmaps", one, *in_mesh) for one in (OPTIONS, COMPLETION_MARKER)]
        for call, listed in zip(calls, pool.map(lambda call: cluster.get(*call)["items"], calls), strict=True):
            applied += listed if "--show-managed-fields" in call else ()
            for one in listed:
                if (attribute := KINDS.get(one["kind"])) and not _is_istio_gateway(one):
                    found[attribute].append(one)
    found["injectors"] = [one for one in found["injectors"] if REVISION_LABEL in one["metadata"].get("labels", {})]
    return ClusterObjects(
        served,
        named[0].result(),
        named[1].result(),
        applied=applied,
        **found,
    )


def served_kinds(cluster: ClusterClient) -> dict[str, tuple[str, str]]:
    """Return group and kind of what the API server lists, by the name that a CRD of it has.

    Where an extension of the API server is down, kubectl prints the other groups, and fails.

    Raises:
        KubectlError: kubectl failed.
    """
    if cluster.server is not None:
        try:
            return {name: (one.group, one.kind) for name, one in cluster.server.resources.items()}
        except TimeoutError as error:
            raise NoResponseError(f"no response within {SECONDS_TO_RESPOND:.0f} s") from error
        except FAILURES:
            pass  # kubectl says why, or knows an older API server
    found = {}
    text = cluster.run("api-resources", "--verbs=list", "--no-headers", seconds=SECONDS_TO_RESPOND, partial=True)
    for line in text.splitlines():
        name, *_, version, _, kind = line.split()  # short names are between, if there are any
        group = version.rpartition("/")[0]
        found[f"{name}.{group}".rstrip(".")] = (group, kind)
    return found


def _is_istio_gateway(one: Object) -> bool:
    """Return whether an object is a Gateway of Istio, of which `ClusterObjects.gateways` has none."""
    return one["kind"] == "Gateway" and group_of(one).endswith(ISTIO_GROUPS)


def identity(one: Object) -> tuple[str, str]:
    """Return an object's namespace and name."""
    return one["metadata"]["namespace"], one["metadata"]["name"]


def find_object(items: Iterable[Object], namespace: str, name: str) -> Object | None:
    """Return the object of a name; None if there is none."""
    return next((one for one in items if identity(one) == (namespace, name)), None)


def condition(one: Object, kind: str) -> str:
    """Return the status of one of an object's conditions, such as ``True``; empty if it has none of that kind."""
    conditions = one.get("status", {}).get("conditions", [])
    return next((str(each["status"]) for each in conditions if each["type"] == kind), "")


def _named(items: Sequence[Object], namespace: str, name: str) -> Object | None:
    found = (one for one in items if one["metadata"]["name"] == name)
    return next((one for one in found if one["metadata"].get("namespace", "") == namespace), None)

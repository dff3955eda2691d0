"""Mutations that follow from the claims: each path is changed, removed, duplicated or moved, and more is added."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path as Folder
from typing import Any

from policy.claims import Leaf, Node, Path, at, compare, leaves, text_of

SECTIONS = ("check", "ephemeral", "import", "locals", "module", "moved", "output", "removed", "variable")
KINDS = {
    "v1": ("ConfigMap", "Endpoints", "LimitRange", "PersistentVolume", "Pod", "ResourceQuota", "Secret"),
    "apps/v1": ("DaemonSet", "ReplicaSet", "StatefulSet"),
    "batch/v1": ("CronJob",),
    "admissionregistration.k8s.io/v1": ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"),
    "apiextensions.k8s.io/v1": ("CustomResourceDefinition",),
    "certificates.k8s.io/v1": ("CertificateSigningRequest",),
    "discovery.k8s.io/v1": ("EndpointSlice",),
    "extensions.istio.io/v1alpha1": ("WasmPlugin",),
    "gateway.networking.k8s.io/v1": ("Gateway", "HTTPRoute"),
    "networking.istio.io/v1": ("EnvoyFilter", "ProxyConfig", "ServiceEntry", "Sidecar", "WorkloadEntry"),
    "networking.k8s.io/v1": ("Ingress", "NetworkPolicy"),
    "security.istio.io/v1": ("RequestAuthentication",),
    "telemetry.istio.io/v1": ("Telemetry",),
}
"""Kinds of Kubernetes objects that nothing claims, by API version."""


@dataclass(frozen=True)
class Generated:
    """A generated mutation.

    Attributes:
        kind: ``changed``, ``removed``, ``duplicated``, ``moved`` or ``added``.
        path: where.
        found_by: ids of the rules that found it.
    """

    kind: str
    path: Path
    found_by: frozenset[str]

    def __str__(self) -> str:
        return f"{self.kind} at {text_of(self.path)}"


def generate(claims: Mapping[str, Node], stacks: Mapping[str, Any]) -> Iterator[Generated]:
    """Change the JSON of the stacks in every way that the claims do not allow, one at a time.

    The rules see the block with the change, such as a resource or an output, or what contains the block.
    """
    root: Any = copy.deepcopy(dict(stacks))
    everything = dict(claims)
    for path, leaf in leaves(everything):
        for value in leaf.allowed.others():
            yield _set(everything, root, "changed", path, value)
        for value in _elsewhere(path, leaf):
            yield _set(everything, root, "moved", path, value)
    for path in _inner_paths(everything):
        yield _set(everything, root, "removed", path)
        actual = at(root, path)
        if isinstance(actual, list) and actual:
            yield _set(everything, root, "duplicated", path, [*actual, actual[0]])
        elif isinstance(actual, dict) and len(path) == len(_block(path)) == 4:
            yield _set(everything, root, "duplicated", (*path[:3], f"{path[3]}_again"), actual)
        if isinstance(actual, dict):
            yield _set(everything, root, "added", (*path, "anything_else"), True)
    yield from _added(everything, root)


def _added(claims: Node, root: Any) -> Iterator[Generated]:
    """Add a block of each kind that nothing claims: types of resources and data, sections, and Kubernetes objects."""
    for provider in ("google", "kubernetes", "null"):
        for kind in _types(provider):
            section = "data" if kind.startswith("data_") else "resource"
            name = f"{provider}_{kind.removeprefix('data_')}"
            for stack, content in root.items():
                if name not in content.get(section, {}):
                    yield _set(claims, root, "added", (stack, section, name), {"other": {}})
                    break
    for stack, content in root.items():
        for section in SECTIONS:
            if section not in content:
                yield _set(claims, root, "added", (stack, section), {"other": {}})
    objects = root["ingress"]["resource"].get("kubernetes_manifest", {})
    provider = next(iter(objects.values()))["provider"] if objects else "kubernetes.other"
    for version, kinds in KINDS.items():
        for kind in kinds:
            manifest = {"apiVersion": version, "kind": kind, "metadata": {"name": "other", "namespace": "istio-system"}}
            path = ("ingress", "resource", "kubernetes_manifest", f"other-{kind.lower()}")
            yield _set(claims, root, "added", path, {"provider": provider, "manifest": manifest})


def _types(provider: str) -> list[str]:
    """Return the types of a provider: the folders of its bindings, which are not imported."""
    spec = find_spec(f"cdktf_cdktf_provider_{provider}")
    folders = spec.submodule_search_locations if spec and spec.submodule_search_locations else []
    found = sorted(path.parent.name for folder in folders for path in Folder(folder).glob("[a-z]*/__init__.py"))
    return [name for name in found if name != "provider"]


def _elsewhere(path: Path, leaf: Leaf) -> list[Any]:
    """Return other namespaces, projects and clusters for a value that is one."""
    match path[-1]:
        case "namespace":
            return ["default", "kube-system"]
        case "project" | "project_id":
            return ["elsewhere"]
        case "provider":
            return ["kubernetes.elsewhere"]
        case "member" | "service_account_id" | "workload_pool" | "service_account":
            return [str(getattr(leaf.allowed, "value", "")) + ".elsewhere", "allUsers"]
    return []


def _inner_paths(node: Node, path: Path = ()) -> Iterator[Path]:
    """Yield the paths below the stacks, of leaves and of what contains them."""
    if len(path) > 1:
        yield path
    if not isinstance(node, Leaf):
        for key, inner in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _inner_paths(inner, (*path, key))


def _block(path: Path) -> Path:
    """Return the path of the block that contains a path."""
    return path[: 4 if path[1] in ("resource", "data", "ephemeral") else 3]


def _set(claims: Node, root: Any, kind: str, path: Path, value: Any = None) -> Generated:
    """Set a value, or remove what is there, and restore the block afterwards."""
    parent, key = at(root, path[:-1]), path[-1]
    before = copy.copy(parent)
    if kind == "removed":
        del parent[key]
    else:
        parent[key] = value
    found = _found(claims, root, path)
    parent.clear()
    (parent.update if isinstance(parent, dict) else parent.extend)(before)
    return Generated(kind, path, found)


def _found(claims: Node, root: Any, path: Path) -> frozenset[str]:
    """Return the rules that find something in the block of a path, or in what contains the block if it is all of it."""
    where = _block(path)
    if len(path) <= len(where):
        where = path[:-1]
    node, actual = at(claims, where), at(root, where)
    return frozenset(one.found_by for one in compare(node, actual, where))

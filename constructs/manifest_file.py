"""A Kubernetes object, from a plain YAML file in ``manifests/``."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from config.kinds import GATEWAY_API, is_restored
from config.naming import FIELD_MANAGER, MANIFEST_ANNOTATION
from config.paths import ROOT
from config.terraform_text import escape
from constructs.bindings import ITerraformDependable
from constructs.cluster_access import ClusterAccess
from constructs.kubernetes_objects import Scope, address_of, path_of

MANIFESTS = ROOT / "manifests"

# The safe loader in C, where PyYAML has it.
_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Values = Mapping[str, Any]
"""What takes the place of placeholders: texts, numbers, booleans, lists, mappings, or None for nothing."""

_PLACEHOLDER = re.compile(r"\$\{([a-z][a-z0-9_]*)\}")


def render(file: str, values: Values) -> dict[str, Any]:
    """Read a manifest and replace its ``${placeholders}``.

    The values go into the parsed document, so that none of them can be anything
    but a value. A text that is nothing but a placeholder takes the value's type:
    a list among the items of a list is spliced into it, and None removes the key
    or item. All text is escaped for Terraform, which would evaluate ``${…}``.

    Args:
        file: path below ``manifests/``.
        values: by the placeholders' names.

    Returns:
        The object, as ``kubernetes_manifest`` takes it.

    Raises:
        KeyError: a placeholder has no value, or a value has no placeholder.
    """
    template, names = _parsed(file)
    if missing := sorted(names - values.keys()):
        raise KeyError(f"{file} has no value for {', '.join(missing)}")
    if unused := sorted(values.keys() - names):
        raise KeyError(f"{file} has no placeholder for {', '.join(unused)}")
    rendered: dict[str, Any] = _fill(template, values)
    return rendered


def checksum(node: Any) -> str:
    """Return eight characters that change with a manifest, or a part of one."""
    return hashlib.sha256(json.dumps(node, sort_keys=True).encode()).hexdigest()[:8]


@cache
def _parsed(file: str) -> tuple[Any, frozenset[str]]:
    """Read a manifest and the names of its placeholders, once for all clusters. Filling it makes a copy."""
    template = yaml.load((MANIFESTS / file).read_text(encoding="utf-8"), Loader=_LOADER)
    return template, frozenset(_placeholders(template))


def _placeholders(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _placeholders(key)
            yield from _placeholders(value)
    elif isinstance(node, list):
        for item in node:
            yield from _placeholders(item)
    elif isinstance(node, str):
        yield from _PLACEHOLDER.findall(node)


def _fill(node: Any, values: Values) -> Any:
    if isinstance(node, dict):
        filled = ((_fill(key, values), _fill(value, values)) for key, value in node.items())
        return {key: value for key, value in filled if value is not None}
    if isinstance(node, list):
        return [item for template in node for item in _items(template, values)]
    if not isinstance(node, str) or "{" not in node:  # nothing to replace, and nothing that Terraform evaluates
        return node
    whole = _PLACEHOLDER.fullmatch(node)
    if whole:
        return escape(values[whole[1]])
    pieces = _PLACEHOLDER.split(node)  # text and names in turn
    return "".join(escape(str(values[piece])) if index % 2 else escape(piece) for index, piece in enumerate(pieces))


def _items(template: Any, values: Values) -> list[Any]:
    """Return what takes the place of one item of a list."""
    value = _fill(template, values)
    if value is None:
        return []
    return value if isinstance(template, str) and isinstance(value, list) else [value]


@dataclass(frozen=True)
class _Kind:
    """How long terraform waits for the objects of a kind.

    Attributes:
        rollout: a create or update ends only when the pods are ready.
        fields: a create or update ends only when these fields match these expressions.
        timeout: limit of both waits.
        deletion: limit of the wait for finalizers.
    """

    rollout: bool = False
    fields: Mapping[str, str] | None = None
    timeout: str | None = None
    deletion: str | None = None


_KINDS = {
    # Shorter than progressDeadlineSeconds in the manifests: a rollout that fails by that leaves an object that is in
    # no state, and every later create fails ("already exists"). One that times out is in the state, tainted.
    # https://github.com/hashicorp/terraform-provider-kubernetes/blob/v2.38.0/manifest/provider/apply.go
    "Deployment": _Kind(rollout=True, timeout="10m"),
    # The Job's own limit is shorter.
    "Job": _Kind(fields={"status.succeeded": "1"}, timeout="30m"),
    "MultiClusterIngress": _Kind(deletion="20m"),
    "MultiClusterService": _Kind(deletion="20m"),
    "Namespace": _Kind(deletion="30m"),
    "ServiceExport": _Kind(deletion="20m"),
}

_GATEWAY_KINDS = {"Gateway": _Kind(deletion="20m")}
"""Of the Gateway API."""


def _kind_of(group: str, kind: str) -> _Kind:
    return (_GATEWAY_KINDS if group == GATEWAY_API else _KINDS).get(kind, _Kind())


class ManifestFile:
    """One object in one cluster, which its controllers and operators change, too.

    The provider compares what it has planned with what it reads after an apply, also after a
    wait for a rollout. What somebody else has changed meanwhile is an "inconsistent result". It
    leaves out the ``computed_fields``, but those only if their value in the manifest changes. So an
    annotation has the whole manifest, which changes the metadata with whatever changes. Of such fields the
    provider also applies the manifest's own alone, and with force: they are taken back, and others' stay.

    A field in ``computed_fields`` shows no drift. The kinds of `is_restored` have none but the metadata: every
    deploy takes their fields back. Of all kinds, `mesh status` shows the drift, by the annotation.

    Source: PlanResourceChange in
    https://github.com/hashicorp/terraform-provider-kubernetes/blob/v2.38.0/manifest/provider/plan.go

    Attributes:
        applied: for objects that need this one.
    """

    def __init__(
        self,
        scope: Scope,
        id_: str,
        *,
        manifest: Mapping[str, Any],
        access: ClusterAccess,
        depends_on: Sequence[ITerraformDependable] = (),
        wait_for: Mapping[str, str] | None = None,
        new_name_first: bool = False,
        deleted_last: bool = False,
    ) -> None:
        """Add the object.

        Args:
            scope: the parent construct.
            id_: the construct id, which addresses follow from.
            manifest: what `render` returned.
            access: the cluster's kubernetes provider.
            depends_on: what has to be applied before.
            wait_for: apply ends only when these fields match these expressions.
            new_name_first: the name contains something that changes, such as a version: the new object is
                created before the old one is deleted, and nothing waits for it here. After a create that
                has failed, terraform would create it once more first, under the same name.
            deleted_last: once it is not configured any more, it is deleted after what has depended on it was changed.
        """
        group = manifest["apiVersion"].partition("/")[0]
        kind = _kind_of(group, manifest["kind"])
        own = manifest.keys() - {"apiVersion", "kind", "metadata"}
        computed = [] if is_restored(group, manifest["kind"]) else sorted(own)
        arguments: dict[str, Any] = {
            "manifest": _with_annotation(manifest),
            "provider": access.provider_address,
            "depends_on": [address_of(one) for one in depends_on],
            "computed_fields": ["metadata", *computed],
            "field_manager": {"force_conflicts": True, **({"name": FIELD_MANAGER} if _is_autoscaled(manifest) else {})},
        }
        wait = {"rollout": kind.rollout and not new_name_first, "fields": wait_for or kind.fields}
        if wait := {condition: value for condition, value in wait.items() if value}:
            arguments["wait"] = wait
        limits = {"create": kind.timeout, "update": kind.timeout, "delete": kind.deletion}
        if timeouts := {operation: limit for operation, limit in limits.items() if limit}:
            arguments["timeouts"] = timeouts
        if new_name_first or deleted_last:
            arguments["lifecycle"] = {"create_before_destroy": True}
        self.applied: ITerraformDependable = access.objects.add(f"{path_of(scope)}/{id_}", arguments)


def _is_autoscaled(manifest: Mapping[str, Any]) -> bool:
    """Return whether an autoscaler sets a Deployment's replicas.

    Where a service had replicas before, the provider's field manager owns the count. So it is with a gateway of earlier
    versions, which sent the count back that they had read: the scale subresource records no owner where there was none.
    A count that its only owner no longer applies becomes 1. So another field manager applies such a Deployment, and the
    count is left with the old one until the autoscaler changes it. What else the old one owns, `mesh status` reports
    (`cli.status.former_managers`).
    """
    return manifest["kind"] == "Deployment" and "replicas" not in manifest["spec"]


def _with_annotation(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return a manifest with itself as an annotation. Its texts are escaped for Terraform already."""
    metadata = manifest["metadata"]
    annotations = {**metadata.get("annotations", {}), MANIFEST_ANNOTATION: json.dumps(manifest, sort_keys=True)}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}

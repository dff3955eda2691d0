"""A Kubernetes object, from a plain YAML file in ``manifests/``."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import yaml

from config.paths import ROOT
from config.terraform_text import escape
from constructs import Construct
from constructs.bindings import (
    ITerraformDependable,
    Manifest,
    ManifestFieldManager,
    ManifestTimeouts,
    ManifestWait,
    TerraformResourceLifecycle,
)
from constructs.cluster_access import ClusterAccess

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
        raise KeyError(f"{file} needs a value for {', '.join(missing)}")
    if unused := sorted(values.keys() - names):
        raise KeyError(f"{file} has no placeholder for {', '.join(unused)}")
    rendered: dict[str, Any] = _fill(template, values)
    return rendered


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
    if not isinstance(node, str):
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


class ManifestFile(Construct):
    """One object in one cluster.

    Attributes:
        applied: for objects that need this one.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        manifest: Mapping[str, Any],
        access: ClusterAccess,
        depends_on: Sequence[ITerraformDependable] = (),
        wait_for_rollout: bool = False,
        wait_for: Mapping[str, str] | None = None,
        create_timeout: str | None = None,
        delete_timeout: str | None = None,
        controller_writes_metadata: bool = False,
        new_name_first: bool = False,
    ) -> None:
        """Add the object.

        Args:
            scope: the parent construct.
            id_: the construct id, which addresses follow from.
            manifest: what `render` returned.
            access: the cluster's kubernetes provider.
            depends_on: what has to be applied before.
            wait_for_rollout: apply ends only when a Deployment's pods are ready.
            wait_for: apply ends only when these fields have these values.
            create_timeout: limit of that wait, such as ``20m``; the provider's 10 minutes if absent.
            delete_timeout: limit of the wait for finalizers, such as ``20m``.
            controller_writes_metadata: a controller adds finalizers, annotations and labels, which the
                provider would report as an inconsistent result.
            new_name_first: the name contains something that changes, such as a version: the new object is
                created before the old one is deleted.
        """
        super().__init__(scope, id_)
        self.applied: ITerraformDependable = Manifest(
            self,
            "Default",
            manifest=dict(manifest),
            provider=access.provider,
            depends_on=list(depends_on),
            wait=(
                ManifestWait(rollout=wait_for_rollout or None, fields=wait_for)
                if wait_for_rollout or wait_for
                else None
            ),
            timeouts=(
                ManifestTimeouts(create=create_timeout, delete=delete_timeout)
                if create_timeout or delete_timeout
                else None
            ),
            field_manager=ManifestFieldManager(force_conflicts=True),
            lifecycle=TerraformResourceLifecycle(create_before_destroy=True) if new_name_first else None,
            computed_fields=(
                ["metadata.annotations", "metadata.finalizers", "metadata.labels"]
                if controller_writes_metadata
                else None
            ),
        )

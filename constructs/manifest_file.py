"""A Kubernetes object, from a plain YAML file in ``manifests/``."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import yaml

from config.paths import ROOT
from config.terraform_text import literal
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

Values = Mapping[str, str | int | bool]

_PLACEHOLDER = re.compile(r"\$\{([a-z][a-z0-9_]*)\}")


def render(file: str, values: Values) -> dict[str, Any]:
    """Read a manifest and put values in the place of its ``${placeholders}``.

    The values go into the parsed document, so that none of them can be anything
    but a value. A text that is one placeholder and nothing else takes the value's
    type. All text is made safe for Terraform, which would evaluate ``${…}``.

    Raises:
        KeyError: a placeholder has no value, or a value has no placeholder.
    """
    used: set[str] = set()
    rendered: dict[str, Any] = _fill(_parsed(file), values, used, file)
    if unused := sorted(set(values) - used):
        raise KeyError(f"{file} has no placeholder for {', '.join(unused)}")
    return rendered


@cache
def _parsed(file: str) -> Any:
    """Read a manifest once for all clusters. Filling it makes a copy."""
    return yaml.load((MANIFESTS / file).read_text(encoding="utf-8"), Loader=_LOADER)


def _fill(node: Any, values: Values, used: set[str], file: str) -> Any:
    if isinstance(node, dict):
        return {_fill(key, values, used, file): _fill(value, values, used, file) for key, value in node.items()}
    if isinstance(node, list):
        return [_fill(item, values, used, file) for item in node]
    if not isinstance(node, str):
        return node
    pieces = _PLACEHOLDER.split(node)  # text and names in turn
    for name in pieces[1::2]:
        if name not in values:
            raise KeyError(f"{file} needs a value for {name}")
        used.add(name)
    if len(pieces) == 3 and not pieces[0] and not pieces[2]:
        value = values[pieces[1]]
        return literal(value) if isinstance(value, str) else value
    return "".join(literal(str(values[piece])) if index % 2 else literal(piece) for index, piece in enumerate(pieces))


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
        shared_with_autoscaler: bool = False,
        new_name_first: bool = False,
    ) -> None:
        """
        Args:
            manifest: what `render` returned, completed where it depends on lists.
            wait_for_rollout: apply ends only when a Deployment's pods are ready.
            wait_for: apply ends only when these fields have these values.
            create_timeout: how long that may take, such as ``20m``; the provider's 10 minutes if not given.
            delete_timeout: how long a finalizer may take, such as ``20m``.
            controller_writes_metadata: a controller adds finalizers, annotations and
                labels; without saying so, apply fails with an inconsistent result.
            shared_with_autoscaler: an autoscaler sets replicas. The provider sends back
                the count that it last saw; without force that is a conflict and fails.
                The autoscaler puts its own count back.
            new_name_first: the name changes with what the object is, such as a version:
                make the new one before the old one goes.
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
            field_manager=ManifestFieldManager(force_conflicts=True) if shared_with_autoscaler else None,
            lifecycle=TerraformResourceLifecycle(create_before_destroy=True) if new_name_first else None,
            computed_fields=(
                ["metadata.annotations", "metadata.finalizers", "metadata.labels"]
                if controller_writes_metadata
                else None
            ),
        )

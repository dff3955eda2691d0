"""Text that reaches Terraform as it stands.

In Terraform's JSON every string is a template: ``${…}`` is evaluated and
``%{…}`` is a directive. Text of a user or of a manifest must not be either.
"""

from collections.abc import Mapping
from typing import Any


class Expression(str):
    """A Terraform expression of the project's own, for which cdktf has no class."""

    __slots__ = ()


def escape(node: Any) -> Any:
    """Return a text, or a mapping or list of them, such that Terraform reads back exactly the same.

    A text with a reference of cdktf, and an `Expression`, stay as they are: Terraform evaluates them.
    """
    if isinstance(node, Mapping):
        return {key: escape(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [escape(item) for item in node]
    if not isinstance(node, str) or isinstance(node, Expression) or "${TfToken[" in node:
        return node
    return node.replace("${", "$${").replace("%{", "%%{")


def unescape(node: Any) -> Any:
    """Return what Terraform reads of synthesized JSON: the texts without escapes. References stay."""
    if isinstance(node, dict):
        return {key: unescape(value) for key, value in node.items()}
    if isinstance(node, list):
        return [unescape(item) for item in node]
    if isinstance(node, str):
        return node.replace("$${", "${").replace("%%{", "%{")
    return node

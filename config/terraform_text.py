"""Text that reaches Terraform as it stands.

In Terraform's JSON every string is a template: ``${…}`` is evaluated and
``%{…}`` is a directive. Text of a user or of a manifest must not be either.
"""

from typing import Any


class Expression(str):
    """A Terraform expression of the project's own, for which cdktf has no class."""

    __slots__ = ()


def escape(text: str) -> str:
    """Return ``text`` such that Terraform reads back exactly ``text``.

    A text with a reference of cdktf, and an `Expression`, stay as they are: Terraform evaluates them.
    """
    if isinstance(text, Expression) or "${TfToken[" in text:
        return text
    return text.replace("${", "$${").replace("%{", "%%{")


def unescape(node: Any) -> Any:
    """Return what Terraform reads of synthesized JSON: the texts without escapes. References stay."""
    if isinstance(node, dict):
        return {key: unescape(value) for key, value in node.items()}
    if isinstance(node, list):
        return [unescape(item) for item in node]
    if isinstance(node, str):
        return node.replace("$${", "${").replace("%%{", "%{")
    return node

"""Text that reaches Terraform as it stands.

In Terraform's JSON every string is a template: ``${…}`` is evaluated and
``%{…}`` is a directive. Text of a user or of a manifest must not be either.
"""

from constructs.bindings import Token


class Expression(str):
    """Text of ours that Terraform is to evaluate, and for which cdktf has no words."""

    __slots__ = ()


def literal(text: str) -> str:
    """Return ``text`` such that Terraform reads back exactly ``text``.

    References of cdktf's own, and an `Expression`, are left as they are: they are meant
    to be evaluated.
    """
    if isinstance(text, Expression):
        return text
    if "${" not in text and "%{" not in text:
        return text  # nearly all texts; asking cdktf about each took a third of a second
    if Token.is_unresolved(text):
        return text
    return text.replace("${", "$${").replace("%{", "%%{")

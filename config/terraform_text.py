"""Text that reaches Terraform as it stands.

In Terraform's JSON every string is a template: ``${…}`` is evaluated and
``%{…}`` is a directive. Text of a user or of a manifest must not be either.
"""


class Expression(str):
    """A Terraform expression of the project's own, for which cdktf has no class."""

    __slots__ = ()


def literal(text: str) -> str:
    """Return ``text`` such that Terraform reads back exactly ``text``.

    References of cdktf's own, and an `Expression`, are left as they are: they are meant
    to be evaluated.
    """
    if isinstance(text, Expression):
        return text
    if "${TfToken[" in text:
        return text
    return text.replace("${", "$${").replace("%{", "%%{")

"""Addresses of resources, references to them and text, as terraform's JSON has them."""

import hashlib
import re

from policy.claims import InAnyOrder, Path

REMOTE = "cross-stack-reference-input-"
"""Name of the data source with another stack's outputs, before the stack's name."""

OUTPUTS: dict[tuple[str, str], str] = {}
"""What the outputs for other stacks are, by stack and name: `other_stack` fills it."""


def literal(text: str) -> str:
    """Return a text that terraform does not evaluate."""
    return text.replace("${", "$${").replace("%{", "%%{")


def in_container(text: str) -> str:
    """Return a text that the kubelet does not evaluate, either: it replaces ``$(NAME)``."""
    return literal(text.replace("$", "$$"))


def unique_id(path: str) -> str:
    """Return the name of a resource, which cdktf derives from its path in the tree of constructs.

    Source: https://github.com/hashicorp/terraform-cdk/blob/v0.21.0/packages/cdktf/lib/private/unique.ts
    """
    components = path.split("/")
    if len(components) == 1:
        return path
    names: list[str] = []
    for component in components:
        if not names or not names[-1].endswith(component):
            names.append(component)
    readable = "_".join(re.sub("[^A-Za-z0-9_-]", "", name) for name in names)[:240]
    return f"{readable}_{hashlib.md5('/'.join(components).encode(), usedforsecurity=False).hexdigest()[:8].upper()}"


def resource(stack: str, kind: str, path: str) -> Path:
    """Return where a stack's JSON has a resource."""
    return (stack, "resource", kind, unique_id(path))


def address(kind: str, path: str) -> str:
    """Return the address of a resource in its stack."""
    return f"{kind}.{unique_id(path)}"


def ref(kind: str, path: str, attribute: str) -> str:
    """Return a reference to an attribute of a resource in the same stack."""
    return f"${{{address(kind, path)}.{attribute}}}"


def other_stack(stack: str, kind: str, path: str, attribute: str) -> str:
    """Return an expression for an attribute of a resource in another stack, which has an output for it."""
    expression = f"{address(kind, path)}.{attribute}"
    output = "cross-stack-output-" + re.sub(r"[^A-Za-z0-9_-]", "", expression)
    OUTPUTS[stack, output] = expression
    return f"data.terraform_remote_state.{REMOTE}{stack}.outputs.{output}"


def after(*addresses: str) -> InAnyOrder:
    """Return the claim of `depends_on`."""
    return InAnyOrder(addresses)

"""What the kubelet does to a container's environment.

Source: https://github.com/kubernetes/kubernetes/blob/v1.34.0/third_party/forked/golang/expansion/expand.go
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace ``$(NAME)`` by a variable that is set, and ``$$`` by ``$``."""

    def replace(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else variables.get(found[1], found[0])

    return re.sub(r"\$\$|\$\(([^)]*)\)", replace, text)


def container_environment(variables: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the environment that a container gets from the variables in its manifest."""
    found: dict[str, str] = {}
    for one in variables:
        found[one["name"]] = expand(one.get("value", ""), found)
    return found

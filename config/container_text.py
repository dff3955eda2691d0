"""Text that reaches a container as it stands.

In a container's environment, command and arguments the kubelet replaces ``$(NAME)`` by a variable's value, and ``$$``
by ``$``. Source: https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
"""


def escape(text: str) -> str:
    """Return a text that the kubelet turns into the given one."""
    return text.replace("$", "$$")


def unescape(text: str) -> str:
    """Return what a container receives of a text that was escaped."""
    return text.replace("$$", "$")

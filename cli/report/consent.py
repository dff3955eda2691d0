"""Whether a command may do what users notice."""

import sys

import typer

from cli.errors import MeshError


def obtain_consent(what: str, *, given: bool) -> None:
    """Ask on a terminal whether to go on.

    Args:
        what: What is about to happen, in sentences.
        given: Whether the command line has answered already.

    Raises:
        MeshError: The answer is no, or there is no terminal to ask on.
    """
    if given:
        return
    if not sys.stdin.isatty():
        raise MeshError(f"{what} There is no terminal to ask on", "if that may happen, add --yes")
    if not typer.confirm(f"{what}\nGo on?", err=True):
        raise MeshError("nothing was changed", "")

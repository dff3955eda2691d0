"""Runs the `mesh` CLI in this process, as its entry point would."""

import io
import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

from cli.app import main
from config.paths import ROOT

SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


def invoke(
    arguments: list[str], variables: Mapping[str, str], folder: Path = ROOT
) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end and return what a process would have left.

    An exception that would be a traceback is raised here.

    Args:
        arguments: those of `mesh`.
        variables: the whole environment of the command.
        folder: its working directory.

    Returns:
        exit status, standard output and standard error.
    """
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        with patch.dict(os.environ, variables, clear=True), chdir(folder):
            output, errors = io.StringIO(), io.StringIO()
            with redirect_stdout(output), redirect_stderr(errors):
                status = main(arguments)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return subprocess.CompletedProcess(arguments, status, output.getvalue(), errors.getvalue())

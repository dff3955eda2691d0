"""Runs the `mesh` CLI in this process, as its entry point would."""

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import chdir
from pathlib import Path
from unittest.mock import patch

from typer.testing import CliRunner

from cli.app import app
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
            result = CliRunner().invoke(app, arguments, prog_name="mesh", catch_exceptions=False)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return subprocess.CompletedProcess(arguments, result.exit_code, result.stdout, result.stderr)

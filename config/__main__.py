"""Checks a configuration file, in a moment: ``python -m config [FILE]``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from config import ConfigError, config_path, load
from config.loading.load import CONFIG_VARIABLE
from config.paths import ROOT


def main(arguments: Sequence[str]) -> int:
    """Check the file that the arguments name.

    Args:
        arguments: Of the command line.

    Returns:
        The exit status: 0, or 2 if the file is wrong.
    """
    parser = argparse.ArgumentParser("python -m config", description="Check a configuration file.")
    parser.add_argument(
        "file", nargs="?", metavar="FILE", help=f"mesh.yaml, or what {CONFIG_VARIABLE} names, if absent"
    )
    file = parser.parse_args(arguments).file
    try:
        load(config_path(ROOT) if file is None else Path(file))
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

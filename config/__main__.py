"""Checks the configuration file, in a moment: ``python -m config``."""

import sys

from config import ConfigError, config_path, load
from config.paths import ROOT

if __name__ == "__main__":
    try:
        load(config_path(ROOT))
    except ConfigError as error:
        print(error, file=sys.stderr)
        sys.exit(2)

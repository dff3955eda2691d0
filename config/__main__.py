"""Checks the configuration file, in a moment: ``python -m config``."""

import sys
from pathlib import Path

from config import ConfigError, config_path, load

if __name__ == "__main__":
    try:
        load(config_path(Path(__file__).parent.parent))
    except ConfigError as error:
        print(error, file=sys.stderr)
        sys.exit(2)

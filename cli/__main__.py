"""``python -m cli``, which `mesh` runs."""

import os
import sys

from cli.app import main
from config.temporary_folder import own_temporary_folder

SIGNALLED = 128
"""Exit statuses above it are those after a signal."""

if __name__ == "__main__":
    with own_temporary_folder():
        status = main(sys.argv[1:])
    if status > SIGNALLED:
        sys.stderr.flush()
        os._exit(status)  # a thread may still wait for a response
    sys.exit(status)

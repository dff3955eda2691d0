"""``python -m cli``, which `mesh` runs."""

import os
import sys

from cli.app import main

SIGNALLED = 128
"""Exit statuses above it are those after a signal."""

if __name__ == "__main__":
    status = main(sys.argv[1:])
    if status > SIGNALLED:
        sys.stderr.flush()
        os._exit(status)  # a thread may still wait for a response
    sys.exit(status)

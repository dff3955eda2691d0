"""Synthesizes the environment that mesh.yaml, or the file in MESH_CONFIG, describes."""

import gc
import shutil
import sys

from config import ConfigError, config_path, load
from config.paths import ROOT


def main() -> int:
    """Return the exit status: 0, or 2 when the file or the machine is not right."""
    gc.disable()  # a process of three seconds has nothing to collect, and looking takes time
    try:
        config = config_path(ROOT)
        environment = load(config)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    if shutil.which("node") is None:
        print("Node.js is missing, which cdktf runs on: run `make synth`, or install Node.js 22", file=sys.stderr)
        return 2
    # Imported late: loading cdktf takes seconds, and a wrong file is refused at once.
    from stacks.wiring import add_stacks, new_app  # noqa: PLC0415

    app = new_app()
    add_stacks(app, environment, config)
    app.synth()
    return 0


if __name__ == "__main__":
    sys.exit(main())

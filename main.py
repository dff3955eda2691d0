"""Synthesizes the environment that mesh.yaml, or the file in MESH_CONFIG, describes."""

import gc
import os
import shutil
import sys

from config import ConfigError, config_path, load
from config.local_state import IncompleteStateError
from config.local_state import check as check_states
from config.output_folder import OutputFolder, OutputFolderError
from config.paths import ROOT
from config.temporary_folder import own_temporary_folder
from config.terraform_variables import TerraformVariablesError
from config.terraform_variables import check as check_variables


def main() -> int:
    """Return the exit status: 0, or 2 when the file or the machine is not right."""
    gc.disable()  # a process of three seconds has nothing to collect, and looking takes time
    try:
        check_variables()
        config = config_path(ROOT)
        environment = load(config)
        folder = OutputFolder.of(config)
        folder.check()
        if shutil.which("node") is None:
            print(
                "cdktf requires Node.js, which is not installed: run `make synth`, or install Node.js 22",
                file=sys.stderr,
            )
            return 2
        # Locked before the imports, which take seconds: cdktf has read one manifest before the next one is written.
        with folder.locked(lambda message: print(message, flush=True)):
            folder.check()
            check_states(environment, config)
            # Imported late: loading cdktf takes seconds, and a wrong file is refused at once.
            from stacks.wiring import add_stacks, new_app  # noqa: PLC0415

            app = new_app(folder.path)
            add_stacks(app, environment, config)
            folder.begin()
            app.synth()
            folder.finish()
    except (ConfigError, IncompleteStateError, OutputFolderError, TerraformVariablesError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    with own_temporary_folder() as temporary:
        if temporary is not None:
            os.environ["TMPDIR"] = str(temporary)  # for Node.js, too
        status = main()
    sys.exit(status)

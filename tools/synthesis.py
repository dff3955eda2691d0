"""What `make synth` does before and after cdktf: ``python -m tools.synthesis check``, and then ``summary``.

``last`` refuses to deploy, without a synthesis, what was synthesized of another configuration file.
"""

import os
import sys
from collections.abc import Iterator

from config import ConfigError, Environment, config_path, load
from config.loading.load import CONFIG_VARIABLE, displayed
from config.naming import STACKS
from config.output_folder import OutputFolder, OutputFolderError, last_synthesized
from config.paths import ROOT


def main(arguments: list[str]) -> int:
    """Return the exit status: 0, or 2 if the configuration or the output folder is not right."""
    config = config_path(ROOT)
    folder = OutputFolder.of(config)
    try:
        environment = load(config)
        match arguments:
            case ["check"]:
                folder.check()
            case ["last"]:
                _check_last(folder)
            case ["summary"]:
                _check_last(folder)
                print("\n".join(summary(environment, folder)))
            case _:
                raise OutputFolderError("usage: python -m tools.synthesis check|last|summary")
    except (ConfigError, OutputFolderError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _check_last(folder: OutputFolder) -> None:
    """Check that cdktf finds this environment's stacks.

    Raises:
        OutputFolderError: It finds none, or those of another environment.
    """
    last = last_synthesized(folder.given)
    mine = displayed(folder.config)
    if last is None or not folder.manifest.exists():
        raise OutputFolderError(f"{displayed(folder.given)} has no synthesized stacks: run `cdktf synth`")
    if last != folder.config.resolve():
        raise OutputFolderError(
            f"{displayed(last)} was synthesized last, not {mine}: to use it, export "
            f"{CONFIG_VARIABLE}={displayed(last)}; to replace it, synthesize {mine} first"
        )


def summary(environment: Environment, folder: OutputFolder) -> Iterator[str]:
    """Yield the lines that tell the user what was synthesized, where it is, and the next commands."""
    regions = [
        f"{region.key} ({region.location}{', retired' if region.retired else ''})"
        for region in environment.resolved_regions()
    ]
    yield ""
    yield f"  configuration        {displayed(folder.config)}"
    yield f"  project              {environment.project.id}"
    yield f"  regions              {', '.join(regions)}"
    yield f"  control plane mode   {environment.mesh.control_plane}"
    yield f"  output               {displayed(folder.path)}/stacks/{{{','.join(STACKS)}}}/cdk.tf.json"
    yield ""
    yield "Next, in your shell:"
    yield "  . tools/activate"
    if os.environ.get(CONFIG_VARIABLE):
        yield f"  export {CONFIG_VARIABLE}={displayed(folder.config)}"
    yield f"  cdktf diff {STACKS[0]}    # shows the plan of the first stack, and changes nothing"
    yield f"  cdktf deploy {' '.join(STACKS)}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

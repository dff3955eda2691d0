"""What `make synth` does before and after cdktf: ``python -m tools.synthesis check``, and then ``summary``.

``last``, with the arguments of cdktf, checks what is deployed without a synthesis: that it was synthesized of this
configuration file, and that terraform would find the states.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from config import ConfigError, Environment, config_path, load
from config.loading.load import CONFIG_VARIABLE, displayed
from config.local_state import IncompleteStateError
from config.local_state import check as check_states
from config.naming import STACKS
from config.output_folder import OutputFolder, OutputFolderError, last_synthesized
from config.paths import ROOT


def main(arguments: list[str]) -> int:
    """Return the exit status: 0, or 2 if the configuration or the output folder is not right."""
    config = config_path(ROOT)
    folder = OutputFolder.of(config)
    try:
        match arguments:
            case ["check"]:
                load(config)
                folder.check()
            case ["last", *command]:
                _check_before_deploy(config, folder, command)
            case ["summary"]:
                _check_last(folder)
                print("\n".join(summary(load(config), folder)))
            case _:
                raise OutputFolderError("usage: python -m tools.synthesis check|last|summary")
    except (ConfigError, IncompleteStateError, OutputFolderError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _check_before_deploy(config: Path, folder: OutputFolder, command: Sequence[str]) -> None:
    """Check what is deployed: in the folder that the command names, the stacks of any configuration file.

    Raises:
        ConfigError: The configuration is not right.
        IncompleteStateError: A local state is incomplete.
        OutputFolderError: There are no stacks, or those of another environment.
    """
    named = _named_folder(command)
    if named is None:
        _check_last(folder)
    elif (last := last_synthesized(named)) is not None:
        config = last
    else:
        return
    check_states(load(config), config)


def _named_folder(command: Sequence[str]) -> Path | None:
    """Return the value of the option ``--output`` of cdktf."""
    for option, value in pairwise([*command, ""]):
        name, equals, given = option.partition("=")
        if name in ("--output", "-o"):
            return Path(given if equals else value)
    return None


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

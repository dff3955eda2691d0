"""`mesh init`: prompts for the values of a new environment, and writes its configuration file."""

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import typer

from cli.errors import MeshError
from cli.init.document import PLACEHOLDERS, Values, document, problems_of, uses_asmcli
from config import Problem, config_path
from config.control_plane import MODES
from config.loading.load import check_location, displayed
from config.paths import ROOT
from config.project import Project
from config.temporary_folder import prefix_of_process, remove_abandoned


@dataclass(frozen=True)
class Prompt:
    """A value that the file needs.

    Attributes:
        field: Its key in `PLACEHOLDERS`.
        flag: The option that gives it.
        path: Where it stands in the file.
        text: The prompt.
        default: Taken where no value is given; None if the value is required.
        several: Whether the value is a list of words.
    """

    field: str
    flag: str
    path: str
    text: str
    default: str | None = None
    several: bool = False

    def words(self, text: str) -> list[str]:
        """Return the value in a line of text."""
        return text.replace(",", " ").split() if self.several or not text.strip() else [text.strip()]


PROMPTS = (
    Prompt("project", "--project", "project.id", "Google Cloud project ID"),
    Prompt(
        "name_prefix",
        "--name-prefix",
        "project.name_prefix",
        "Prefix of the names of all cloud resources",
        Project.model_fields["name_prefix"].default,
    ),
    Prompt(
        "regions", "--region", "regions", "Google Cloud regions, such as asia-northeast1 asia-northeast2", several=True
    ),
    Prompt(
        "control_plane",
        "--control-plane",
        "mesh.control_plane",
        f"Control plane mode ({', '.join(MODES)})",
        PLACEHOLDERS["control_plane"][0],
    ),
    Prompt(
        "asmcli_sha256",
        "--asmcli-sha256",
        "mesh.asmcli",
        "SHA-256 checksum of asmcli (leave empty to add it later; mesh doctor shows it)",
        "",
    ),
    Prompt(
        "authorized_networks",
        "--authorized-network",
        "cluster",
        "Authorized networks of the GKE control planes' public endpoints, such as 203.0.113.0/24 "
        "(leave empty for DNS endpoints, which IAM protects, and no public addresses)",
        "",
        several=True,
    ),
    Prompt(
        "domains",
        "--domain",
        "ingress",
        "Domains to serve over HTTPS, such as shop.example.com (leave empty for plain HTTP)",
        "",
        several=True,
    ),
)


def write_configuration(file: Path, given: Values) -> int:
    """Write a new configuration file, and prompt at a terminal for the values that are not given.

    Args:
        file: The file, which must not exist.
        given: Values by the field of a prompt; an empty list of domains is plain HTTP.

    Returns:
        The exit status, 0.

    Raises:
        ConfigError: The file may not be there.
        MeshError: The file exists or can't be written, or a value is missing or wrong.
    """
    shown = displayed(file)
    _check_file(file, shown)
    values = {field: list(words) for field, words in given.items()}
    _check_values(values)
    if sys.stdin is not None and sys.stdin.isatty():
        _prompt(values)
    else:
        _take_defaults(values)
        _check_values(values)
    _write(file, document(values, file), shown)
    if file == config_path(ROOT):
        print(f"{shown} was written. Next: mesh doctor && make synth")
    else:
        # make runs in the checkout, and mesh anywhere.
        name = shlex.quote(shown if Path.cwd() == ROOT else str(file.resolve()))
        print(f"{shown} was written. Next: mesh doctor --config {name} && make synth CONFIG={name}")
    return 0


def _check_file(file: Path, shown: str) -> None:
    check_location(file, shown)
    if os.path.lexists(file):
        raise MeshError(
            f"{shown} exists, and mesh init does not overwrite files",
            "move it, or name another file: mesh init --output FILE",
        )
    if not file.parent.is_dir():
        raise MeshError(f"the folder of {shown} does not exist", f"mkdir -p {file.parent}")


def _prompt(values: dict[str, list[str]]) -> None:
    """Prompt for each value that is not given, and again where it is wrong."""
    for prompt in _open_prompts(values):
        problems: list[Problem] | None = None
        while problems is None or problems:
            text = typer.prompt(prompt.text, default=prompt.default, show_default=bool(prompt.default), err=True)
            values[prompt.field] = prompt.words(text)
            required = prompt.default is None and not values[prompt.field]
            problems = [Problem(prompt.path, "is missing")] if required else problems_of(values)
            for problem in problems:
                print(f"  {problem}", file=sys.stderr)


def _take_defaults(values: dict[str, list[str]]) -> None:
    """Take the default of each value that is not given; the ingress has none, as plain HTTP is a choice."""
    missing = []
    for prompt in _open_prompts(values):
        if prompt.default is None or prompt.field == "domains":
            missing.append(prompt.flag)
        else:
            values[prompt.field] = prompt.words(prompt.default)
    if missing:
        flags = ", ".join(missing).replace("--domain", "--domain or --plain-http")
        raise MeshError(
            f"standard input is not a terminal, and required options are missing: {flags}", "mesh init --help"
        )


def _open_prompts(values: Values) -> Iterator[Prompt]:
    """Yield the prompts of values that are not given, while values are added."""
    for prompt in PROMPTS:
        needed = prompt.field != "asmcli_sha256" or uses_asmcli(values["control_plane"][0])
        if prompt.field not in values and needed:
            yield prompt


def _check_values(values: Values) -> None:
    """Refuse what the model finds wrong, by the flag that gave it."""
    if problems := problems_of(values):
        flag = next((one.flag for one in PROMPTS if problems[0].path.startswith(one.path)), "the flags")
        raise MeshError(f"{flag}: {problems[0]}", "mesh init --help")


def _write(file: Path, text: str, shown: str) -> None:
    """Write a file whole or not at all, and never over another one."""
    name = f".{file.name}"
    draft = file.with_name(f"{prefix_of_process(name)}draft")
    try:
        remove_abandoned(file.parent, name)
        with draft.open("x", encoding="utf-8") as stream:
            stream.write(text)
        os.link(draft, file)
    except FileExistsError as error:
        raise MeshError(
            f"{shown} exists, and mesh init does not overwrite files", "name another file: mesh init --output FILE"
        ) from error
    except OSError as error:
        raise MeshError(
            f"can't write {shown}: {error.strerror}", "name a file in a folder that you may write to"
        ) from error
    finally:
        with suppress(OSError):
            draft.unlink()

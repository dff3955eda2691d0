"""`mesh init`: asks for what a new project needs, and writes its configuration file."""

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import typer

from cli.errors import MeshError
from cli.init.document import PLACEHOLDERS, Answers, document, problems_of, uses_asmcli
from config import Problem, config_path
from config.control_plane import MODES
from config.loading.load import check_location, displayed
from config.paths import ROOT
from config.project import Project


@dataclass(frozen=True)
class Prompt:
    """One answer that the file needs.

    Attributes:
        field: Its key in `PLACEHOLDERS`.
        flag: The option that gives it.
        path: Where it stands in the file.
        text: The prompt.
        default: Taken where nothing is said; None if there is none.
        several: Whether an answer is a list of words.
    """

    field: str
    flag: str
    path: str
    text: str
    default: str | None = None
    several: bool = False

    def words(self, text: str) -> list[str]:
        """Return the answer in a line of text."""
        return text.replace(",", " ").split() if self.several or not text.strip() else [text.strip()]


PROMPTS = (
    Prompt("project", "--project", "project.id", "Id of the Google Cloud project"),
    Prompt(
        "name_prefix",
        "--name-prefix",
        "project.name_prefix",
        "First part of every name in the project",
        Project.model_fields["name_prefix"].default,
    ),
    Prompt("regions", "--region", "regions", "Google Cloud regions, such as asia-northeast1", several=True),
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
        "SHA-256 of asmcli, which README's step 3 shows (empty: write it into the file later)",
        "",
    ),
    Prompt(
        "authorized_networks",
        "--authorized-network",
        "cluster",
        "Networks that may reach public addresses of the GKE control planes, such as 203.0.113.0/24 "
        "(empty: no public address, IAM decides at the DNS endpoint)",
        "",
        several=True,
    ),
    Prompt(
        "domains",
        "--domain",
        "ingress",
        "Domains for HTTPS, such as shop.example.com (empty: plain HTTP)",
        "",
        several=True,
    ),
)


def write_configuration(file: Path, given: Answers) -> int:
    """Write a new configuration file of what is given, and of what somebody at a terminal answers.

    Args:
        file: The file, which must not exist.
        given: Answers by the field of a prompt; no domains at all are plain HTTP.

    Returns:
        The exit status, 0.

    Raises:
        ConfigError: No configuration can stand there.
        MeshError: The file exists or can't be written, or an answer is missing or wrong.
    """
    shown = displayed(file)
    _check_file(file, shown)
    answers = {field: list(words) for field, words in given.items()}
    _check_answers(answers)
    if sys.stdin is not None and sys.stdin.isatty():
        _ask(answers)
    else:
        _take_defaults(answers)
        _check_answers(answers)
    _write(file, document(answers, file), shown)
    if file == config_path(ROOT):
        print(f"{shown} is written. Next: mesh doctor && make synth")
    else:
        # make runs in the checkout, and mesh anywhere.
        name = shlex.quote(shown if Path.cwd() == ROOT else str(file.resolve()))
        print(f"{shown} is written. Next: mesh doctor --config {name} && make synth CONFIG={name}")
    return 0


def _check_file(file: Path, shown: str) -> None:
    check_location(file, shown)
    if os.path.lexists(file):
        raise MeshError(f"{shown} exists, and is not overwritten", "mesh init --output FILE, or move it away")
    if not file.parent.is_dir():
        raise MeshError(f"there is no folder for {shown}", f"mkdir -p {file.parent}")


def _ask(answers: dict[str, list[str]]) -> None:
    """Ask at the terminal for what is not answered yet, and again where an answer is wrong."""
    for prompt in _open_prompts(answers):
        problems: list[Problem] | None = None
        while problems is None or problems:
            text = typer.prompt(prompt.text, default=prompt.default, show_default=bool(prompt.default), err=True)
            answers[prompt.field] = prompt.words(text)
            required = prompt.default is None and not answers[prompt.field]
            problems = [Problem(prompt.path, "is missing")] if required else problems_of(answers)
            for problem in problems:
                print(f"  {problem}", file=sys.stderr)


def _take_defaults(answers: dict[str, list[str]]) -> None:
    """Answer what is not answered yet by its default; the ingress has none, as plain HTTP is a choice."""
    missing = []
    for prompt in _open_prompts(answers):
        if prompt.default is None or prompt.field == "domains":
            missing.append(prompt.flag)
        else:
            answers[prompt.field] = prompt.words(prompt.default)
    if missing:
        flags = ", ".join(missing).replace("--domain", "--domain or --plain-http")
        raise MeshError(f"there is no terminal to ask at: give {flags}", "mesh init --help")


def _open_prompts(answers: Answers) -> Iterator[Prompt]:
    """Yield what is not answered, while answers are added."""
    for prompt in PROMPTS:
        needed = prompt.field != "asmcli_sha256" or uses_asmcli(answers["control_plane"][0])
        if prompt.field not in answers and needed:
            yield prompt


def _check_answers(answers: Answers) -> None:
    """Refuse what the model finds wrong, by the flag that gave it."""
    if problems := problems_of(answers):
        flag = next((one.flag for one in PROMPTS if problems[0].path.startswith(one.path)), "the flags")
        raise MeshError(f"{flag}: {problems[0]}", "mesh init --help")


def _write(file: Path, text: str, shown: str) -> None:
    """Write a file whole or not at all, and never over another one."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with draft.open("x", encoding="utf-8") as stream:
            stream.write(text)
        os.link(draft, file)
    except FileExistsError as error:
        raise MeshError(f"{shown} exists, and is not overwritten", "mesh init --output FILE") from error
    except OSError as error:
        raise MeshError(f"can't write {shown}: {error.strerror}", "name a file in a folder that is yours") from error
    finally:
        with suppress(OSError):
            draft.unlink()

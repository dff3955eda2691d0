"""What is wrong with a command of a page, as far as it can be said without running it."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any

from config.naming import STACKS
from config.paths import ROOT
from tools.docs.cli_page import commands as mesh_commands
from tools.next_command import unordered_stacks

SEPARATORS = {"&&", "||", "|", ";"}

ELSEWHERE = ("curl", "gcloud", "git", "helm", "istioctl", "kill", "kubectl", "pgrep", "pkill", "terraform")
"""Programs whose arguments are not checked."""

SHELL = ("export", "cat", "cd", ".", "echo", "grep", "sha256sum", "sleep", "limactl")

CDKTF = {
    "deploy": ("--auto-approve", "--ignore-missing-stack-dependencies"),
    "destroy": ("--auto-approve", "--ignore-missing-stack-dependencies"),
    "diff": (),
    "synth": (),
}
"""The subcommands of cdktf that pages show, with their options."""


def problems(text: str, created: set[str]) -> Iterator[str]:
    """Yield what is wrong with a command.

    Args:
        text: the command, as in a shell.
        created: names of files that the page's commands create; those of this one are added.
    """
    for words in _simple_commands(text):
        yield from _check(words, created)


def _simple_commands(text: str) -> Iterator[list[str]]:
    """Split a line at its pipes and operators; loops are what stands in them."""
    lexer = shlex.shlex(text.replace("\\\n", " "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    command: list[str] = []
    for word in [*lexer, ";"]:
        if word not in SEPARATORS:
            command.append(word)
            continue
        if command[:1] == ["do"]:
            command = command[1:]
        if command and command[0] not in ("for", "done"):
            yield command
        command = []


def _check(words: list[str], created: set[str]) -> Iterator[str]:
    while words and re.fullmatch(r"[A-Za-z_]+=.*", words[0]):
        words = words[1:]
    if not words:
        return
    program, arguments = words[0], words[1:]
    for option, value in pairwise(arguments):
        if option in ("--output", "--plot", ">"):
            created.add(value)
    match program:
        case "make":
            yield from _check_make(arguments)
        case "mesh":
            yield from _check_mesh(arguments)
        case "cdktf":
            yield from _check_cdktf(arguments)
        case ".venv/bin/python" if arguments[:1] == ["-m"]:
            yield from _check_module(arguments[1])
        case _ if program not in (*ELSEWHERE, *SHELL) and not (ROOT / program).is_file():
            yield f"{program}: no such program"
    if program not in ELSEWHERE:
        yield from _check_files(arguments, created)


def _check_make(arguments: list[str]) -> Iterator[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for word in arguments:
        name, is_variable, _ = word.partition("=")
        if is_variable and not re.search(rf"\$\({name}\)|\b{name}\b", makefile):
            yield f"make {word}: the Makefile reads no {name}"
        if not is_variable and not re.search(rf"^{re.escape(word)}:.*##", makefile, re.MULTILINE):
            yield f"make {word}: no such target"


@cache
def _mesh() -> dict[str, Any]:
    return mesh_commands()


def _check_mesh(arguments: list[str]) -> Iterator[str]:
    if arguments and arguments[0] in ("--help", "--version"):
        return
    if not arguments or arguments[0] not in _mesh():
        yield f"mesh {' '.join(arguments[:1])}: no such command"
        return
    name, rest = arguments[0], arguments[1:]
    parameters = _mesh()[name].params
    positional = [one for one in parameters if one.param_type_name == "argument"]
    options = {opt: one for one in parameters if one.param_type_name == "option" for opt in one.opts}
    values: list[str] = []
    while rest:
        word, *rest = rest
        option, has_value, _ = word.partition("=")
        if not word.startswith("-"):
            values.append(word)
        elif option == ">":
            rest = rest[1:]
        elif option not in (*options, "--help"):
            yield f"mesh {name} {option}: no such option"
        elif option != "--help" and not options[option].is_flag and not has_value:
            rest = rest[1:]
    if ">" in values:
        values = values[: values.index(">")]
    if len(values) != len(positional) and "--help" not in arguments:
        yield f"mesh {name}: takes {len(positional)} arguments, not {len(values)}"
    for parameter, value in zip(positional, values, strict=False):
        kind = parameter.type_descriptor.annotation
        choices = [one.value for one in kind] if hasattr(kind, "__members__") else [value]
        if value not in choices:
            yield f"mesh {name} {value}: not one of {', '.join(choices)}"


def _check_cdktf(arguments: list[str]) -> Iterator[str]:
    if not arguments or arguments[0] not in CDKTF:
        yield f"cdktf {' '.join(arguments[:1])}: not one of {', '.join(CDKTF)}"
        return
    name, *rest = arguments
    named = [word for word in rest if word in STACKS]
    missing = [stack for word in named for stack in STACKS[: STACKS.index(word)] if stack not in named]
    if name == "deploy" and missing and "--ignore-missing-stack-dependencies" not in rest:
        yield f"cdktf deploy {' '.join(named)}: cdktf refuses this without {missing[0]}"
    if instead := unordered_stacks(name, arguments):
        yield f"cdktf {name} {' '.join(named)}: cdktf would do this at the same time; {instead}"
    for word in rest:
        if word.startswith("-") and word not in CDKTF[name]:
            yield f"cdktf {name} {word}: not one of {', '.join(CDKTF[name])}"
        elif not word.startswith(("-", "$")) and word not in STACKS:
            yield f"cdktf {name} {word}: no such stack"


def _check_module(module: str) -> Iterator[str]:
    path = ROOT.joinpath(*module.split("."))
    if module != "pytest" and not (path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()):
        yield f"python -m {module}: no such module"


def _check_files(arguments: list[str], created: set[str]) -> Iterator[str]:
    """Check words that name a file of the checkout, or one that the page has created."""
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}
    for word in arguments:
        name = word.partition("=")[2] or word
        if not re.fullmatch(r"[\w./-]+", name) or name in created or name.startswith("."):
            continue
        in_folder = name.partition("/")[0] in folders - {"cdktf.out"} and "/" in name
        if (in_folder or re.search(r"\.(ya?ml|md|py|json)$", name)) and not (ROOT / name).exists():
            yield f"{name}: no such file"

"""docs/cli.md, generated: ``python -m tools.docs.cli_page``.

`PAGE` is its text, with two kinds of lines that are replaced: ``{help COMMAND}`` by the description, usage, arguments
and options of `mesh COMMAND --help`, and ``{output COMMAND}`` by what `python -m tests.site.outputs` has recorded.
"""

import re
from enum import Enum
from pathlib import Path
from typing import Any

import typer

from cli.app import app
from config.paths import ROOT

PAGE = Path(__file__).parent / "cli.md"
OUTPUTS = Path(__file__).parent / "outputs"
FILE = ROOT / "docs" / "cli.md"

LONGEST = 12
"""Most lines of a section of an output that the page shows."""

WHOLE = ("init", "status", "verify", "drill", "drain", "undrain")
"""The commands whose output the page shows whole."""

_NOTE = "<!-- `make schema` generates this page from tools/docs/cli.md and `mesh --help`. Don't edit it. -->\n\n"
_PLACEHOLDER = re.compile(r"^\{(help|output) (\w+)\}$", re.MULTILINE)


def page_text() -> str:
    """Return the page as it stands in `FILE`.

    Raises:
        LookupError: a command is not on the page.
    """
    template = PAGE.read_text(encoding="utf-8")
    missing = [name for name in commands() if f"{{help {name}}}" not in template]
    if missing:
        raise LookupError(f"{PAGE.name}: describe {', '.join(missing)}")
    return _NOTE + _PLACEHOLDER.sub(_replacement, template)


def commands() -> dict[str, Any]:
    """Return the commands of `mesh`, by name."""
    group: Any = typer.main.get_command(app)
    return dict(group.commands)


def _replacement(placeholder: re.Match[str]) -> str:
    kind, name = placeholder.groups()
    if kind == "help":
        return _help(name, commands()[name])
    output = (OUTPUTS / f"{name}.txt").read_text(encoding="utf-8").strip()
    return f"<!-- recorded -->\n```console\n{output if name in WHOLE else _shortened(output)}\n```"


def _shortened(output: str) -> str:
    """Return the parts of an output that show what it looks like.

    These are the first two sections, each one with a warning or a failure, and the summary at the end.
    """
    command, *sections, summary = output.strip().split("\n\n")
    shown: list[str] = [command]
    for number, section in enumerate(sections):
        if number < 2 or " warning " in section or " failure " in section:
            lines = section.splitlines()
            shown.append("\n".join([*lines[:LONGEST], "  …"] if len(lines) > LONGEST else lines))
        elif shown[-1] != "…":
            shown.append("…")
    return "\n\n".join([*shown, summary])


def _help(name: str, command: Any) -> str:
    """Return what `mesh NAME --help` prints, as Markdown."""
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option"]
    usage = " ".join(["mesh", name, *(_metavar(one) for one in arguments), "[OPTIONS]"])
    parts = [command.help, f"```text\n{usage}\n```"]
    if command.epilog:
        parts += _epilog(command.epilog)
    if arguments:
        rows = [f"| `{_metavar(one)}` | {_value(one)} | {one.help} |" for one in arguments]
        parts.append("\n".join(["| Argument | Value | Description |", "| --- | --- | --- |", *rows]))
    rows = [f"| {_names(one)} | {_value(one)} | {_default(one)} | {one.help} |" for one in options]
    parts.append("\n".join(["| Option | Value | Default | Description |", "| --- | --- | --- | --- |", *rows]))
    return "\n\n".join(parts)


def _epilog(epilog: str) -> list[str]:
    """Return the example, as code, and the exit statuses."""
    example, *others = epilog.split("\n\n")
    label, _, command = example.partition(": ")
    return [f"{label}: `{command}`", *others]


def _names(option: Any) -> str:
    return ", ".join(f"`{one}`" for one in option.opts)


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _value(parameter: Any) -> str:
    """Return the kind of value that a parameter takes; nothing for a flag."""
    kind: Any = parameter.type_descriptor.annotation
    if getattr(parameter, "is_flag", False):
        return ""
    if isinstance(kind, type) and issubclass(kind, Enum):
        return ", ".join(f"`{one.value}`" for one in kind)
    if parameter.min is not None:
        least = f"{parameter.min} to {parameter.max}" if parameter.max is not None else f"{parameter.min} or more"
        return f"number, {least}"
    repeated = ", repeatable" if parameter.multiple else ""
    return f"`{_metavar(parameter)}`{repeated}" if parameter.metavar else "text"


def _default(option: Any) -> str:
    if isinstance(option.show_default, str):
        return str(option.show_default)
    value = option.default
    if value is None or callable(value) or option.is_flag:
        return ""
    return f"`{value.value if isinstance(value, Enum) else value}`"


if __name__ == "__main__":
    FILE.write_text(page_text(), encoding="utf-8")

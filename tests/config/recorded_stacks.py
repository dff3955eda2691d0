"""Builds the stacks with classes that only record their arguments: milliseconds for an environment, without Node.js.

``python -m tests.config.recorded_stacks`` reads YAML texts from standard input, as a JSON list, and writes for each
the errors, or the warnings and a digest of everything that the stacks pass to cdktf. It is a process of its own, as it
takes the place of cdktf in it.
"""

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from config import ConfigError, Problem
from config.loading.load import parse_environment
from config.paths import ROOT

RECORD: list[str] = []
"""What the classes have been called with since the last environment."""


class Token(str):
    """A value of a resource: every attribute and every result is one, too."""

    __slots__ = ()

    def __getattr__(self, name: str) -> "Token":
        if name.startswith("__"):
            raise AttributeError(name)
        return Token(f"{self}.{name}")

    def __call__(self, *arguments: Any, **named: Any) -> "Token":
        return Token(f"{self}({_show(arguments)}, {_show(named)})")


class _Class(type):
    def __getattr__(cls, name: str) -> Token:
        if name.startswith("__"):
            raise AttributeError(name)
        return Token(f"{cls.__name__}.{name}")


class Recorded(metaclass=_Class):
    """A construct, a resource or an argument."""

    path: str

    def __init__(self, *arguments: Any, **named: Any) -> None:
        parent = arguments[0] if arguments and isinstance(arguments[0], Recorded) else None
        name = arguments[1] if parent is not None and len(arguments) > 1 else ""
        self.path = f"{parent.path}/{name}" if parent is not None else ""
        self.text = f"{type(self).__name__} {self.path} {_show(arguments)} {_show(named)}"
        RECORD.append(self.text)

    def __getattr__(self, name: str) -> Token:
        if name.startswith("__"):
            raise AttributeError(name)
        return Token(f"{type(self).__name__}:{self.path}.{name}")

    def add_override(self, path: str, value: Any) -> None:
        RECORD.append(f"{self.path} {path} {_show(value)}")


def _show(value: Any) -> str:
    if isinstance(value, Recorded):
        return value.path or value.text
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_show(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_show, value)) + "]"
    return str(value)


class App(Recorded):
    outdir = str(ROOT / "cdktf.out")

    @classmethod
    def of(cls, _: Recorded) -> type["App"]:
        return cls


class _Bindings(ModuleType):
    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        made = _Class(name, (Recorded,), {})
        setattr(self, name, made)
        return made


def _take_the_place_of_cdktf() -> None:
    constructs = ModuleType("constructs")
    constructs.__path__ = [str(ROOT / "constructs")]
    constructs.Construct = type("Construct", (Recorded,), {})  # type: ignore[attr-defined]
    bindings = _Bindings("constructs.bindings")
    bindings.App = App  # type: ignore[attr-defined]
    bindings.implements = lambda _: lambda implementation: implementation  # type: ignore[attr-defined]
    sys.modules |= {"constructs": constructs, "constructs.bindings": bindings}


def _look_at(text: str) -> dict[str, Any]:
    from stacks.wiring import add_stacks  # noqa: PLC0415 (after cdktf is replaced)

    warnings: list[Problem] = []
    try:
        environment = parse_environment(text, "mesh.yaml", {}, lambda _, warning: warnings.append(warning))
    except ConfigError as error:
        return {"errors": [str(one) for one in error.problems]}
    values = hashlib.sha256(repr(environment).encode()).hexdigest()
    RECORD.clear()
    add_stacks(App(), environment, Path("mesh.yaml"))  # type: ignore[arg-type]
    digest = hashlib.sha256("\n".join(RECORD).encode()).hexdigest()
    return {"warnings": [str(one) for one in warnings], "digest": digest, "environment": values}


if __name__ == "__main__":
    _take_the_place_of_cdktf()
    json.dump([_look_at(text) for text in json.load(sys.stdin)], sys.stdout)

"""Reads a file into an `Environment`, or reports everything that is wrong with it."""

import copy
import gc
import os
import re
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from config.environment import Environment
from config.fields import TAG_MARK
from config.loading.kubernetes_keys import absent_key, known_elsewhere
from config.loading.renamed_keys import renamed_key
from config.loading.shared_state import check_state
from config.loading.strict_yaml import Path as DataPath
from config.loading.strict_yaml import dotted, lines_by_name, parse
from config.problems import MISSING, MOST_SHOWN, ConfigError, Problem, Suggestion, Warn, print_warning
from config.validation.checks import check, find_warnings

CONFIG_VARIABLE = "MESH_CONFIG"
"""Environment variable that names the configuration file."""

OPERATOR_VARIABLE = "MESH_OPERATOR_ADDRESS"
"""Environment variable that gives ``cluster.operator_address``."""

LONGEST = 1_000_000
"""Most bytes of a file: 200 services with settings of their own in each of 64 regions are less."""

_PLACEHOLDER = "placeholder"

# What is put in the place of something required that is missing or wrong, so that
# the rest can be checked all the same. A star is any key.
_PLACEHOLDERS: dict[DataPath, Any] = {
    ("project",): {"id": _PLACEHOLDER},
    ("project", "id"): _PLACEHOLDER,
    ("regions",): {_PLACEHOLDER: {"region": f"{_PLACEHOLDER}-region0", "number": 0}},
    ("regions", "*"): {"region": f"{_PLACEHOLDER}-region"},
    ("regions", "*", "region"): f"{_PLACEHOLDER}-region",
    ("cluster", "operator_address"): "192.0.2.1/32",
    ("ingress",): {"config_cluster": _PLACEHOLDER},
    ("ingress", "config_cluster"): _PLACEHOLDER,
    ("services", "*", "image"): _PLACEHOLDER,
    ("services", "*", "port"): 65535,
    ("services", "*", "ports", "*", "port"): 65534,
    ("services", "*", "routes", "*"): {"path": f"/{_PLACEHOLDER}"},
    ("services", "*", "routes", "*", "path"): f"/{_PLACEHOLDER}",
}


def config_path(root: Path, variables: Mapping[str, str] = os.environ) -> Path:
    """Return the file to read: the one that ``MESH_CONFIG`` names, else ``mesh.yaml`` in ``root``."""
    named = variables.get(CONFIG_VARIABLE)
    return Path(named) if named else root / "mesh.yaml"


def load(path: Path, variables: Mapping[str, str] = os.environ, warn: Warn = print_warning) -> Environment:
    """Read a configuration file.

    Args:
        path: The file.
        variables: Environment variables.
        warn: Receives each warning; prints it to standard error by default.

    Raises:
        ConfigError: The file can't be used; it holds every problem that was found.
    """
    source = displayed(path)
    text = _read(path, source)
    check_location(path, source)
    with _without_collection():
        environment = parse_environment(text, source, variables, warn)
        check_state(path, environment, source, LONGEST)
    return _with_installer(environment, path.parent, source)


@contextmanager
def _without_collection() -> Iterator[None]:
    """Hold back the garbage collector, which takes half of the time with 100,000 new objects."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def displayed(path: Path) -> str:
    """Return a path as messages name it: relative to the working directory, if there is one."""
    try:
        return os.path.relpath(path)
    except (OSError, ValueError):  # the working directory is gone; a NUL in the name
        return str(path)


def check_location(path: Path, source: str) -> None:
    """Check that a configuration can stand where a path leads.

    Raises:
        ConfigError: Terraform would evaluate the path.
    """
    resolved = str(path.resolve())
    if not resolved.isprintable() and any("\ud800" <= one <= "\udfff" for one in resolved):
        raise ConfigError(source, [Problem("", "has a path that is not UTF-8, which no JSON can hold; rename it")])
    if "${" in resolved or "%{" in resolved:
        # The state is kept beside it, under its name.
        raise ConfigError(source, [Problem("", "has ${ or %{ in its path, which terraform would evaluate; rename it")])


def _read(path: Path, source: str) -> str:
    """Return a file's text.

    Raises:
        ConfigError: It can't be read, or is no text file.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # to open a pipe or a device could wait for ever
            raise ConfigError(source, [Problem("", "is not a regular file; name a YAML file")])
        with path.open("rb") as file:
            content = file.read(LONGEST + 1)
        if len(content) > LONGEST:
            raise ConfigError(
                source,
                [Problem("", f"is longer than {LONGEST} bytes, the most for a configuration; name another file")],
            )
        return content.decode("utf-8")
    except FileNotFoundError:
        rule = f"there is no such file; set {CONFIG_VARIABLE} to yours, or write one by `mesh init`"
        raise ConfigError(source, [Problem("", rule)]) from None
    except UnicodeDecodeError:
        raise ConfigError(source, [Problem("", "is not UTF-8; save it as UTF-8")]) from None
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        why = getattr(error, "strerror", None) or error
        raise ConfigError(source, [Problem("", f"can't be read: {why}")]) from None


def _with_installer(environment: Environment, folder: Path, source: str) -> Environment:
    """Make the path of a local asmcli absolute: it is relative to the configuration file."""
    given = environment.mesh.asmcli.file
    if given is None:
        return environment
    try:
        file = folder.joinpath(given).resolve()
        found, is_folder = file.is_file(), file.is_dir()
    except (OSError, RuntimeError) as error:  # too long a name, a folder that is closed, links in a circle
        raise ConfigError(source, [Problem("mesh.asmcli.file", f"can't be read: {error}", given)]) from None
    if is_folder:
        raise ConfigError(source, [Problem("mesh.asmcli.file", "is a folder; name the file in it", given)])
    if not found:
        rule = "there is no such file; the path is relative to this configuration file"
        if file.exists():
            rule = "is a pipe or a device; name a file"
        raise ConfigError(source, [Problem("mesh.asmcli.file", rule, given)])
    asmcli = environment.mesh.asmcli.model_copy(update={"file": str(file)})
    mesh = environment.mesh.model_copy(update={"asmcli": asmcli})
    return environment.model_copy(update={"mesh": mesh})


def parse_environment(text: str, source: str, variables: Mapping[str, str], warn: Warn = print_warning) -> Environment:
    """Build an `Environment` from a YAML document.

    Raises:
        ConfigError: the configuration can't be used.
    """
    document = parse(text)
    problems = list(document.problems)
    data = document.data
    if data is None and not problems:
        problems.append(Problem("", "is empty; docs/configuration.md shows what belongs in it"))
    if data is not None and not isinstance(data, dict):
        problems.append(Problem("", "must be a mapping: project, regions, ingress and so on"))
    if not isinstance(data, dict):
        raise ConfigError(source, problems)
    environment, found = _validate(_with_operator(data, variables))
    _add_new(problems, found)
    if environment is not None:
        _add_new(problems, check(environment))
        if not problems:
            warnings = _place(find_warnings(environment), document.lines, variables)
            for warning in warnings[:MOST_SHOWN]:
                warn(source, warning)
            if len(warnings) > MOST_SHOWN:
                warn(source, Problem("", f"and {len(warnings) - MOST_SHOWN} more warnings"))
            return environment
    raise ConfigError(source, _place(problems, document.lines, variables))


def _place(problems: list[Problem], lines: Mapping[DataPath, int], variables: Mapping[str, str]) -> list[Problem]:
    """Return problems in the order of the file. Those that are shown have their lines."""
    by_name = lines_by_name(lines)
    # What is wrong with it is in no line of the file.
    operator = "cluster.operator_address" if variables.get(OPERATOR_VARIABLE) else None

    def line(problem: Problem) -> int | None:
        return None if problem.path == operator else problem.line or _line(problem.path, by_name)

    def placed(problem: Problem) -> Problem:
        path = OPERATOR_VARIABLE if problem.path == operator else problem.path
        return replace(problem, path=path, line=line(problem), rule=_rule_with_line(problem, by_name))

    ordered = sorted(problems, key=lambda problem: line(problem) or sys.maxsize)
    return [*map(placed, ordered[:MOST_SHOWN]), *ordered[MOST_SHOWN:]]


def _rule_with_line(problem: Problem, lines: Mapping[str, int]) -> str:
    """Return a problem's rule, with the line of the other place that it names."""
    line = _line(problem.other, lines) if problem.other else None
    return problem.rule if line is None else problem.rule.replace(problem.other or "", f"{problem.other} (line {line})")


def _line(path: str, lines: Mapping[str, int]) -> int | None:
    """Return the line of what stands at a path, or of what should contain it."""
    return next((lines[place] for place in _upwards(path) if place in lines), None)


def _upwards(path: str) -> Iterator[str]:
    """Yield a path, and those of what contains it."""
    while path:
        yield path
        path = path[: max(path.rfind("."), path.rfind("["), 0)]


def _add_new(problems: list[Problem], found: list[Problem]) -> None:
    """Add what was found, but for what follows from a problem that is known already."""
    known = {problem.path for problem in problems}
    containing = {place for path in known for place in _upwards(path)}
    for problem in found:
        follows = problem.path in containing or not known.isdisjoint(_upwards(problem.path))
        if not follows and not (known and _names_placeholder(problem)):
            problems.append(problem)


def _names_placeholder(problem: Problem) -> bool:
    return _PLACEHOLDER in f"{problem.path} {problem.value} {problem.rule}"


def _with_operator(data: dict[str, Any], variables: Mapping[str, str]) -> dict[str, Any]:
    address = variables.get(OPERATOR_VARIABLE)
    cluster = data.get("cluster", {})
    if not address or not isinstance(cluster, dict):
        return data
    return data | {"cluster": cluster | {"operator_address": address}}


def _validate(data: dict[str, Any]) -> tuple[Environment | None, list[Problem]]:
    """Check every field, then again without what was wrong, so that the parts can be checked together."""
    problems: dict[str, Problem] = {}
    rest = data
    for _ in range(20):  # each round takes something away, and a file has few levels
        try:
            return Environment.model_validate(rest), list(problems.values())
        except ValidationError as error:
            first = rest is data
            if first:
                rest = copy.deepcopy(data)
            containing = {place for known in problems for place in _upwards(known)}
            errors = [(_data_path(one["loc"], rest), one) for one in error.errors(include_url=False)]
            items = {path[:-1] for path, _ in errors if path and isinstance(path[-1], int)}
            paths = set()
            for path, one in errors:
                problem = _problem(path, one)
                # What a section lacks in a later round has been taken away as wrong, as is a list's only item.
                follows = not containing.isdisjoint((problem.path, dotted(path)))
                follows |= one["type"] == "too_short" and path in items
                follows |= one["type"] == "missing" and not first and dotted(path[:-1]) in containing
                if not follows and not problems.keys() & {problem.path, dotted(path)}:
                    problems[problem.path] = problem
                paths.add(path)
            for path in sorted(paths, key=len, reverse=True):
                _remove(rest, path)
    return None, list(problems.values())


def _data_path(location: tuple[int | str, ...], data: Any) -> DataPath:
    """Turn pydantic's location into a path in the file: it names union members and keys too."""
    path: list[str | int] = []
    here = data
    for index, step in enumerate(location):
        if step == "[key]":
            break
        last = index == len(location) - 1
        has_key = isinstance(here, Mapping) and step in here
        has_item = isinstance(here, list) and isinstance(step, int) and step < len(here)
        if has_key or has_item:
            here = here[step]
        elif not last or (isinstance(step, str) and step.startswith(TAG_MARK)):
            continue  # a union's tag
        elif isinstance(here, Mapping):
            here = MISSING
        else:
            continue
        path.append(step)
    return tuple(path)


MOST_FIELDS = 12
"""Most keys that a message lists."""


def _problem(path: DataPath, error: Any) -> Problem:
    kind, value = error["type"], error["input"]
    name = dotted(path)
    if kind == "missing":
        return Problem(name, absent_key(path) or "is missing")
    if value is None:
        empty = "write {} for the defaults" if _is_section_of_defaults(path) else "give it a value"
        return Problem(name, f"is empty; {empty}, or remove the key")
    if kind == "extra_forbidden":
        fields = _field_names(path[:-1])
        where = dotted(path[:-1]) or "the file"
        if known := renamed_key(path, value) or known_elsewhere(path):
            return Problem(name, known)
        if path[-1] in fields:
            return Problem(name, f"does not go with the type of {where}")
        suggestion = Suggestion(path[-1], fields, otherwise=f" ({', '.join(fields)})")
        return Problem(name, f"{where} has no such key", suggestion=suggestion)
    if kind == "rule":
        in_key = "[key]" in error["loc"]
        return Problem(name, ("the key " if in_key else "") + error["ctx"]["rule"], MISSING if in_key else value)
    if kind in ("literal_error", "union_tag_invalid"):
        context = error["ctx"]
        expected = context.get("expected", context.get("expected_tags", ""))
        choices = [choice.strip("' ") for choice in expected.replace(" or ", ", ").split(", ")]
        shown = value.get("type") if kind == "union_tag_invalid" and isinstance(value, Mapping) else value
        at = f"{name}.type" if kind == "union_tag_invalid" else name
        return Problem(at, f"must be one of {', '.join(choices)}", shown, Suggestion(shown, choices))
    if kind == "union_tag_not_found":
        return Problem(f"{name}.type", "is missing")
    limits = error.get("ctx", {})
    rules = {
        "greater_than_equal": f"must be {limits.get('ge')} or more",
        "less_than_equal": f"must be {limits.get('le')} or less",
        "model_attributes_type": _mapping_rule(path, value),
        "model_type": _mapping_rule(path, value),
        "dict_type": _mapping_rule(path, value),
        "tuple_type": f"must be a list{_as_list(value)}",
        "bool_type": "must be true or false",
        "int_type": "must be a whole number, without quotes or leading zeros",
        "string_type": "must be text; put it in quotes",
        "string_too_long": f"must be {limits.get('max_length')} characters long at most",
        "too_short": "must have at least one entry",
        "too_long": f"must have {limits.get('max_length')} entries at most",
    }
    no_space = re.fullmatch(r"([a-z_]+):([^\s/].*)", value) if isinstance(value, str) else None
    if kind in ("model_attributes_type", "model_type", "dict_type") and no_space:
        return Problem(name, f"needs a space after the colon; write {no_space[1]}: {no_space[2]}", value)
    shown = MISSING if isinstance(value, (Mapping, list)) else value
    return Problem(name, rules.get(kind, f"{error['msg'][0].lower()}{error['msg'][1:]}"), shown)


def _as_list(value: Any) -> str:
    """Return how a text is written that has to be a list."""
    return "; write it in brackets, each word as an entry of its own" if isinstance(value, str) else ""


def _mapping_rule(path: DataPath, value: Any) -> str:
    """Return what has to be at a path instead of a text, a number or a list."""
    rule = "must be a mapping of keys to values"
    fields = _field_names(path)
    if fields and len(fields) <= MOST_FIELDS:
        return f"{rule} ({', '.join(fields)})"
    names = value if isinstance(value, list) and all(isinstance(one, str) for one in value) else []
    if names and _is_section_of_defaults((*path, names[0])):
        return f"{rule}; write {{{', '.join(f'{one}: {{}}' for one in names[:MOST_FIELDS])}}}"
    return rule


def _is_section_of_defaults(path: DataPath) -> bool:
    """Return whether a section with a name of the file's own stands at a path, all of whose keys have defaults."""
    models = [one for one in _models(path) if isinstance(one, type) and issubclass(one, BaseModel)]
    named = bool(path) and path[-1] not in _field_names(path[:-1])
    return (
        named and bool(models) and not any(field.is_required() for one in models for field in one.model_fields.values())
    )


@lru_cache(maxsize=256)
def _field_names(path: DataPath) -> tuple[str, ...]:
    """Return the keys that the model has at a path."""
    kinds = (kind for kind in _models(path) if hasattr(kind, "model_fields"))
    return tuple(sorted({name for kind in kinds for name in kind.model_fields}))


def _models(path: DataPath) -> list[Any]:
    """Return the types that the model has at a path."""
    here: list[Any] = [Environment]
    for step in path:
        following: list[Any] = []
        for kind in here:
            if isinstance(kind, type) and issubclass(kind, BaseModel) and step in kind.model_fields:
                following += _members(kind.model_fields[str(step)].annotation)
            elif get_origin(kind) in (dict, tuple):
                following += _members(get_args(kind)[1 if get_origin(kind) is dict else 0])
        here = following
    return here


def _members(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [member for part in get_args(annotation) for member in _members(part)]
    return [annotation]


def _remove(data: Any, path: DataPath) -> None:
    """Remove what is wrong; if the model requires it, put a placeholder there or remove its parent."""
    for length in range(len(path), 0, -1):
        parent, step = _at(data, path[: length - 1]), path[length - 1]
        placeholder = _placeholder(path[:length])
        if (
            isinstance(parent, dict | list)
            and placeholder is not None
            and _PLACEHOLDER not in str(_at(parent, (step,)))
        ):
            parent[step] = copy.deepcopy(placeholder)  # type: ignore[index]  # a list's step is its index
            if length > 1 and path[0] == "regions":  # no two alike
                region = _at(data, path[:2])
                region["region"] = f"{_PLACEHOLDER}-region{list(data['regions']).index(path[1])}"
            return
        if isinstance(parent, dict) and step in parent:
            del parent[step]
            return
        if isinstance(parent, list) and isinstance(step, int) and step < len(parent):
            del parent[step]
            return


def _placeholder(path: DataPath) -> Any:
    """Return what can stand at a path, or None."""
    for pattern, value in _PLACEHOLDERS.items():
        if len(pattern) == len(path) and all(one in ("*", step) for one, step in zip(pattern, path, strict=True)):
            return value
    return None


def _at(data: Any, path: DataPath) -> Any:
    for step in path:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return None
    return data

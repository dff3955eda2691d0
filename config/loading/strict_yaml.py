"""YAML read without its traps.

A YAML file means what its reader's version of YAML says. This module reads the
part on which all versions agree, and refuses the rest with a line number: equal
keys (most readers keep the last one in silence), plain words and numbers that
YAML 1.1 and 1.2 understand differently (``no``, ``012``, ``17:00``, ``1e3``), keys
that are not text, anchors, aliases and tags.

The file is parsed in C where PyYAML has libyaml, as all wheels do: forty times as fast.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.reader import ReaderError

from config.problems import MISSING, Problem

Path = tuple[str | int, ...]

_STRING, _NULL, _BOOL, _INT, _FLOAT = (f"tag:yaml.org,2002:{name}" for name in ("str", "null", "bool", "int", "float"))
_OCTAL_OF_YAML_12 = re.compile(r"0o[0-7]+")
_PLAIN_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_PLAIN_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]*)\.[0-9]+")
_YAML_11_BOOLEANS = {"y", "n", "yes", "no", "on", "off"}
# Numbers to a reader of YAML 1.2 (its core schema), and text to PyYAML: 08, -.5, 1e3.
_NUMBER_OF_YAML_12 = re.compile(r"[-+]?[0-9]+|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
# Ends of a line in YAML 1.1, and none in 1.2 nor in an editor.
_LINE_ENDS_OF_YAML_11 = re.compile("[\x85\u2028\u2029]")
# No file name, no environment variable and no UTF-8 can hold these.
_NO_TEXT = re.compile("[\0\ud800-\udfff]")

DEEPEST = 20
"""Most levels of a file; the model has six."""

MOST_VALUES = 120_000
"""Most keys, values and items of a file, which bounds the time. 200 services with versions and replicas of their own
in each of 64 regions have 99,000, mappings counted twice."""


@dataclass
class Source:
    """What a file says.

    Attributes:
        data: mappings, lists, text, whole numbers, decimals, booleans and None.
        lines: for each path, the line on which its value starts, from 1.
        problems: what was refused; its places are absent from ``data``.
    """

    data: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


_SEPARATORS = frozenset(".[]")
"""Characters between the steps of a path; a step that has one is quoted."""


def dotted(path: Path) -> str:
    """Write a path as people do: ``regions.osaka.zones[1]``."""
    text = ""
    for step in path:
        text = _with_step(text, step)
    return text


def _with_step(text: str, step: str | int) -> str:
    if isinstance(step, int):
        return f"{text}[{step}]"
    name = step if step and _SEPARATORS.isdisjoint(step) else f"'{step}'"
    return f"{text}.{name}" if text else name


def lines_by_name(lines: Mapping[Path, int]) -> dict[str, int]:
    """Return lines by path as `dotted` writes it; a path comes after the one that contains it."""
    names: dict[Path, str] = {}
    found = {}
    for path, line in lines.items():
        containing = path[:-1]
        if containing not in names:
            names[containing] = dotted(containing)
        names[path] = _with_step(names[containing], path[-1]) if path else ""
        found[names[path]] = line
    return found


def parse(text: str) -> Source:
    """Read a YAML document. What is wrong with it is in the result, never raised."""
    source = Source()
    if end := _LINE_ENDS_OF_YAML_11.search(text):
        rule = f"holds U+{ord(end[0]):04X}, which only some YAML readers take for the end of a line; remove it"
        source.problems.append(Problem("", rule, line=_line_of(text, end.start())))
        return source
    try:
        tagged = _scan(text)
        node = yaml.compose(text, Loader=LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        what = error.problem or "not YAML"
        if error.context:
            start = error.context_mark
            what = f"{error.context}{f' from line {start.line + 1}' if start else ''}, {what}"
        if mark and "cannot start any token" in what:  # libyaml does not show which
            character = _character_at(text, mark.line, mark.column)
            what = f"{what}: {character!r}{'; indent with spaces' if character == chr(9) else ''}"
        source.problems.append(Problem("", f"not YAML: {what}", line=mark.line + 1 if mark else None))
        return source
    except ReaderError as error:
        rule = f"not YAML: it has the control character #x{error.character:04x}"
        source.problems.append(Problem("", rule, line=_line_of(text, error.position)))
        return source
    except ValueError:  # PyYAML's own slips, such as "\U00110000"
        source.problems.append(Problem("", "not YAML: it has a number or an escaped character that does not exist"))
        return source
    if node is not None:
        _Reader(source, tagged).read_document(node)
    return source


def _line_of(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _character_at(text: str, line: int, column: int) -> str:
    return text.split("\n", line + 1)[line][column : column + 1]


LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Whoever reads a file again does it with this one: the two do not accept the same tabs, and count differently."""


def _scan(text: str) -> set[tuple[int, int]]:
    """Return the positions of tagged nodes: PyYAML drops the tag ``!``, which makes text of anything in YAML 1.2.

    Raises:
        yaml.MarkedYAMLError: the file is nested too deep, for readers that call themselves for each level, or holds
            too many values.
    """
    tagged = set()
    has_tags = "!" in text
    depth = 0
    event: Any  # its mark may be libyaml's, which PyYAML's types don't take
    for count, event in enumerate(yaml.parse(text, Loader=LOADER)):
        if count > MOST_VALUES:
            raise yaml.MarkedYAMLError(problem=f"more than {MOST_VALUES} values", problem_mark=event.start_mark)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise yaml.MarkedYAMLError(problem="nested too deep", problem_mark=event.start_mark)
        if has_tags and getattr(event, "tag", None) == "!":
            tagged.add((event.start_mark.line, event.start_mark.column))
    return tagged


class _RefusedError(Exception):
    """A node that was refused; the problem has been noted."""


class _Reader:
    def __init__(self, source: Source, tagged: set[tuple[int, int]]) -> None:
        self._source = source
        self._tagged = tagged
        self._seen: set[int] = set()
        # Most plain scalars stand in a file many times, and mean the same each time: values by tag and text.
        self._values: dict[tuple[str, str], Any] = {}

    def read_document(self, node: yaml.Node) -> None:
        with suppress(_RefusedError):
            self._source.data = self._read(node, ())

    def _refuse(self, node: yaml.Node, path: Path, rule: str, value: str | None = None) -> _RefusedError:
        shown = MISSING if value is None else value
        problem = Problem(dotted(path), rule, shown, line=node.start_mark.line + 1)
        self._source.problems.append(problem)
        return _RefusedError()

    def _read(self, node: yaml.Node, path: Path) -> Any:
        self._source.lines[path] = node.start_mark.line + 1
        self._check_node(node, path)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return self._sequence(node, path)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        raise TypeError(f"PyYAML has composed a {type(node).__name__}")

    def _check_node(self, node: yaml.Node, path: Path) -> None:
        if id(node) in self._seen:
            raise self._refuse(node, path, "anchors and aliases (&, *) are not read; write it out")
        self._seen.add(id(node))
        if self._tagged and (node.start_mark.line, node.start_mark.column) in self._tagged:
            raise self._refuse(node, path, "tags are not read; take ! away, and use quotes for text")

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        self._only_the_tag(node, path, "tag:yaml.org,2002:map")
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            try:
                key = self._key(key_node, path)
                if key in result:
                    rule = "stands here a second time; keep one of the two"
                    raise self._refuse(key_node, (*path, key), rule)
                if ":" in key and (no_space := self._without_space(key, value_node)):
                    key = key.partition(":")[0]
                    result.setdefault(key)
                    raise self._refuse(key_node, (*path, key), no_space)
                # A key whose value is refused still counts as present.
                result[key] = None
                result[key] = self._read(value_node, (*path, key))
            except _RefusedError:
                continue
        return result

    @staticmethod
    def _without_space(key: str, value: yaml.Node) -> str | None:
        """Return how ``{a:b}`` is written, which is a key ``a:b`` without a value."""
        name, _, rest = key.partition(":")
        is_empty = isinstance(value, yaml.ScalarNode) and value.tag == _NULL and value.value == ""
        return f"needs a space after the colon; write {name}: {rest}" if rest and is_empty else None

    def _key(self, node: yaml.Node, path: Path) -> str:
        if node.tag == "tag:yaml.org,2002:merge":
            raise self._refuse(node, path, "merge keys (<<) are not read; write it out")
        if not isinstance(node, yaml.ScalarNode):
            raise self._refuse(node, path, "a key must be text; put what starts with { or [ in quotes")
        of_key = (*path, "(key)")
        self._check_node(node, of_key)
        key = self._scalar(node, of_key)
        if key is None or key == "":
            raise self._refuse(node, (*path, ""), "a key is empty; name it, or remove the line")
        if not isinstance(key, str):
            raise self._refuse(node, (*path, str(node.value)), "a key must be text; put it in quotes")
        if not node.style and key != key.strip():
            space = ord(next(letter for letter in key if letter.isspace() and letter != " "))
            rule = f"begins or ends with U+{space:04X}, which is no space to YAML; write ordinary spaces"
            raise self._refuse(node, (*path, key), rule)
        return key

    def _sequence(self, node: yaml.SequenceNode, path: Path) -> list[Any]:
        self._only_the_tag(node, path, "tag:yaml.org,2002:seq")
        result = []
        for index, item in enumerate(node.value):
            try:
                result.append(self._read(item, (*path, index)))
            except _RefusedError:
                result.append(None)
        return result

    def _only_the_tag(self, node: yaml.Node, path: Path, tag: str) -> None:
        if node.tag != tag:
            raise self._refuse(node, path, f"tags are not read; take {node.tag} away")

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        text = str(node.value)
        if found := _NO_TEXT.search(text):
            raise self._refuse(node, path, f"holds U+{ord(found[0]):04X}, which is no character of a text", text)
        if node.style:  # quoted or a block: text, whatever it looks like
            self._only_the_tag(node, path, _STRING)
            return text
        known = (node.tag, text)
        if known not in self._values:
            self._values[known] = self._plain_scalar(node, path, text)
        return self._values[known]

    def _plain_scalar(self, node: yaml.ScalarNode, path: Path, text: str) -> Any:
        if text.lower() in _YAML_11_BOOLEANS:
            rule = "is a boolean to some YAML readers and text to others; write true, false or quotes"
            raise self._refuse(node, path, rule, text)
        if node.tag == _STRING:
            if _OCTAL_OF_YAML_12.fullmatch(text):
                raise self._refuse(node, path, "is an octal number to some YAML readers", text)
            if _NUMBER_OF_YAML_12.fullmatch(text):
                rule = "is a number to some YAML readers and text to others; use quotes for text"
                raise self._refuse(node, path, rule, text)
            return text
        if node.tag == _NULL and text.lower() in ("", "~", "null"):
            return None
        if node.tag == _BOOL and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if node.tag == _INT and _PLAIN_INTEGER.fullmatch(text) and len(text) < 20:
            return int(text)
        if node.tag == _FLOAT and _PLAIN_FLOAT.fullmatch(text) and len(text) < 20:
            return float(text)
        if node.tag in (_INT, _FLOAT) and len(text) >= 20:
            raise self._refuse(node, path, "is too long a number; use quotes for text", text)
        if node.tag in (_INT, _FLOAT):
            kind = "sexagesimal" if ":" in text else "octal" if re.match(r"[-+]?0\d", text) else "odd"
            rule = f"is {kind}-number notation, read differently by different YAML readers; use quotes for text"
            raise self._refuse(node, path, rule, text)
        if node.tag == "tag:yaml.org,2002:timestamp":
            raise self._refuse(node, path, "is a date to some YAML readers; use quotes for text", text)
        if text in ("=", "<<"):
            raise self._refuse(node, path, "has a meaning of its own to some YAML readers; use quotes for text", text)
        raise self._refuse(node, path, f"tags are not read; take {node.tag} away", text)

"""Changes the key `drained` of a region in the text of a configuration file, and nothing else in it.

A YAML library that writes the whole document would reformat it. So the text is cut at the marks of its nodes, and the
result is read again: unless the key is the only difference, the file is left alone.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import yaml

from config.loading.strict_yaml import LOADER, parse

KEY = "drained"

BYTE_ORDER_MARK = "\ufeff"
"""Begins a file of some editors. The marks of nodes don't count it."""

_LINE_END = re.compile(r"\r?\n")


class LineError(Exception):
    """A file whose text can't be changed safely."""


class _Edit(NamedTuple):
    """A change of a text.

    Attributes:
        start: Where it begins.
        end: Where the text that it replaces ends.
        text: What takes its place.
    """

    start: int
    end: int
    text: str

    def apply(self, text: str) -> str:
        return text[: self.start] + self.text + text[self.end :]


def line_to_write(region: str, drained: bool) -> str:
    """Return what a person has to write into the file, in words."""
    return f"{KEY}: true under regions.{region}" if drained else f"{KEY}: false under regions.{region}"


def with_drained(text: str, region: str, drained: bool) -> str:
    """Return the text of a configuration in which a region is drained, or is not.

    Args:
        text: Of a file that `parse` reads without problems.
        region: Key of the region.
        drained: Whether it is to be drained. If not, the key is removed; a comment on its line stays, with the key.

    Raises:
        LineError: No change of the text is known to change the key alone.
    """
    source = parse(text)
    if source.problems:
        raise LineError(str(source.problems[0]))
    if source.data["regions"][region].get(KEY, False) is drained:
        return text
    first, body = text[: text.startswith(BYTE_ORDER_MARK)], text.removeprefix(BYTE_ORDER_MARK)
    for edit in _edits(body, region, drained):
        changed = first + edit.apply(body)
        if _only_difference(source.data, parse(changed), region, drained):
            return changed
    raise LineError("the file is written in a way that can't be edited safely")


def _only_difference(data: Any, changed: Any, region: str, drained: bool) -> bool:
    """Return whether two documents are the same but for the key."""
    if changed.problems or not isinstance(changed.data, dict):
        return False
    try:
        before, after = dict(data["regions"][region]), dict(changed.data["regions"][region])
    except (KeyError, TypeError, ValueError):
        return False
    if after.pop(KEY, False) is not drained:
        return False
    before.pop(KEY, None)
    others = [{**one, "regions": {**one["regions"], region: None}} for one in (data, changed.data)]
    return before == after and others[0] == others[1]


def _edits(text: str, region: str, drained: bool) -> Iterator[_Edit]:
    """Yield changes of the text that may be right, the best one first."""
    mapping = _find(_find(yaml.compose(text, Loader=LOADER), "regions"), region)
    present = next(((key, value) for key, value in mapping.value if key.value == KEY), None)
    if present is None:
        yield from _additions(text, mapping)
    elif drained:
        yield _value(present[1], "true")
    else:
        yield from _removals(text, mapping, *present)
        yield _value(present[1], "false")


def _find(node: Any, key: str) -> Any:
    return next(value for name, value in node.value if name.value == key)


def _value(node: yaml.Node, value: str) -> _Edit:
    return _Edit(node.start_mark.index, node.end_mark.index, value)


def _additions(text: str, mapping: yaml.MappingNode) -> Iterator[_Edit]:
    first, (_, last) = mapping.value[0][0], mapping.value[-1]
    entry = f'"{KEY}": true' if first.style == '"' else f"{KEY}: true"
    if mapping.flow_style:
        end = last.end_mark.index
        yield _Edit(end, end, f", {entry}")
        return
    indentation = " " * first.start_mark.column
    end = _line_end(text, _end(text, last))
    found = _LINE_END.search(text, end) or _LINE_END.search(text)  # the last line may have none
    newline = found[0] if found else "\n"
    yield _Edit(end, end, f"{newline}{indentation}{entry}")
    start = first.start_mark.index
    yield _Edit(start, start, f"{entry}{newline}{indentation}")


def _removals(text: str, mapping: yaml.MappingNode, key: yaml.Node, value: yaml.Node) -> Iterator[_Edit]:
    start, end = key.start_mark.index, value.end_mark.index
    if mapping.flow_style:
        ends = [0, *(one.end_mark.index for _, one in mapping.value)]
        before = next(place for place, following in pairwise(ends) if following == end)
        if before and re.fullmatch(r"\s*,\s*", text[before:start]):
            yield _Edit(before, end, "")
        elif after := re.compile(r"\s*,\s*").match(text, end):
            yield _Edit(start, after.end(), "")
        return
    line = start - key.start_mark.column
    if text[line:start].isspace() and not text[end : _line_end(text, end)].strip():
        # With the end of the line before: the last line of a file may have none of its own.
        before = line - (2 if text[:line].endswith("\r\n") else 1)
        yield _Edit(before, _line_end(text, end), "")


def _end(text: str, node: yaml.Node) -> int:
    """Return where the text of a node ends. The mark of a block is behind the comments and empty lines that follow."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(text, last[1] if isinstance(last, tuple) else last)
    end: int = node.end_mark.index
    if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
        return len(text[:end].rstrip())
    return end


def _line_end(text: str, place: int) -> int:
    """Return where the line of a place ends, before the characters that end it."""
    found = _LINE_END.search(text, place)
    return found.start() if found else len(text)

"""The JSON that cdktf has synthesized: the only reader of it."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from config.terraform_text import unescape


def stack_file(folder: Path, stack: str) -> Path:
    """Return a stack's file in an output folder such as ``cdktf.out``."""
    return folder / "stacks" / stack / "cdk.tf.json"


def read_stack(folder: Path, stack: str) -> dict[str, Any]:
    """Read a stack's JSON.

    Raises:
        OSError: The file can't be read.
        ValueError: The file is not a JSON object.
    """
    return parse_stack(stack_file(folder, stack).read_text(encoding="utf-8"))


def parse_stack(text: str) -> dict[str, Any]:
    """Parse a stack's JSON.

    Raises:
        ValueError: The text is not a JSON object, or has a key twice: terraform would take both, and Python the last.
    """
    content = json.loads(text, object_pairs_hook=_distinct)
    if not isinstance(content, dict):
        raise ValueError("not a JSON object")
    return content


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        twice = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
        raise ValueError(f"a JSON object has a key twice: {', '.join(twice)}")
    return content


def kubernetes_objects(stack: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield a stack's Kubernetes objects as the API server gets them, each after its address and its region's key."""
    for name, resource in stack.get("resource", {}).get("kubernetes_manifest", {}).items():
        region = resource["provider"].removeprefix("kubernetes.")
        yield f"kubernetes_manifest.{name}", region, unescape(resource["manifest"])

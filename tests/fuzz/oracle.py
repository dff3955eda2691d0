"""What has to hold of a file: it is refused in words and at once, or what it is synthesized to is right."""

import json
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from config import ConfigError, Environment, load
from policy.rule import claimed, evaluate
from policy.synthesis import with_files
from tests.config.platform_limits import violations
from tests.synthesis.test_manifests import problems
from tests.synthesized import Synthesis, synthesize
from tests.terraform.terraform import terraform

LIMIT_SECONDS = 1

_REFERENCE = re.compile(r"(?<!\$)\$\{([^}]*)\}")
_ADDRESS = re.compile(r"\b(data\.|ephemeral\.)?((?:google|kubernetes|null)_[a-z0-9_]+)\.([A-Za-z0-9_-]+)")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


def read(text: str) -> tuple[Environment | None, list[str]]:
    """Read a file; return the environment, if it is accepted, and what is wrong with how it was read."""
    started = time.process_time()
    environment = None
    found = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "fuzz.yaml")
            file.write_text(text, encoding="utf-8")
            environment = load(file, {}, lambda *_: None)
    except ConfigError as error:
        message = str(error)
        if not error.problems or not all(line.isprintable() for line in message.split("\n")):
            found.append(f"a message that can't be read: {message!r}")
    except Exception as error:  # the finding itself
        found.append(f"{type(error).__name__}: {error}")
    used = time.process_time() - started
    if used > LIMIT_SECONDS:
        found.append(f"took {used:.1f} s")
    return environment, found


def check(environment: Environment, data: dict[str, Any], validate: bool) -> Iterator[str]:
    """Yield what is wrong with what an accepted file is synthesized to.

    Args:
        environment: what the file describes.
        data: the file's data.
        validate: also hold it against the real providers, which takes seconds.
    """
    yield from violations(environment, data)
    with tempfile.TemporaryDirectory() as folder:
        try:
            synthesis = synthesize(environment, Path(folder))
        except Exception as error:  # the finding itself
            yield f"not synthesized: {type(error).__name__}: {str(error)[:500]}"
            return
        yield from problems(synthesis.objects())
        yield from _check_names(synthesis)
        yield from _check_references(synthesis)
        yield from map(str, evaluate(claimed(environment), with_files(synthesis.stacks, synthesis.outdir)))
        if validate:
            yield from _check_with_providers(synthesis)


def _check_names(synthesis: Synthesis) -> Iterator[str]:
    seen: set[tuple[str, str, str, str]] = set()
    for region in {one["alias"] for one in synthesis.stacks["ingress"]["provider"].get("kubernetes", [])}:
        for one in synthesis.objects(region):
            meta = one["metadata"]
            key = (region, one["kind"], meta.get("namespace", ""), meta["name"])
            if key in seen:
                yield f"two objects {key}"
            seen.add(key)
            if not _NAME.fullmatch(meta["name"]):
                yield f"{one['kind']} is called {meta['name']!r}"
            if sum(len(str(value)) for value in meta.get("annotations", {}).values()) > 262_144:
                yield f"{key} has too long annotations"


def _check_references(synthesis: Synthesis) -> Iterator[str]:
    """Check that every address in an expression is one of the stack."""
    for name, stack in synthesis.stacks.items():
        known = {
            (prefix, kind, one)
            for section, prefix in (("resource", ""), ("data", "data."), ("ephemeral", "ephemeral."))
            for kind, resources in stack.get(section, {}).items()
            for one in resources
        }
        for expression in _REFERENCE.findall(json.dumps(stack)):
            for prefix, kind, one in _ADDRESS.findall(expression):
                if (prefix, kind, one) not in known:
                    yield f"{name}: no {prefix}{kind}.{one} in the stack"


def _check_with_providers(synthesis: Synthesis) -> Iterator[str]:
    for name in synthesis.stacks:
        folder = synthesis.outdir / "stacks" / name
        started = terraform(folder, "init", "-backend=false")
        result = terraform(folder, "validate", "-json") if started.returncode == 0 else started
        if result.returncode != 0:
            yield f"{name}: terraform: {result.stdout[-1500:]} {result.stderr[-500:]}"

"""Synthesizes with cdktf and with its successor, and compares all stacks: `make compare-cdktn`.

What git would take of the checkout is copied twice into .tools/cdktn. One copy is
moved by `make move-to-cdktn` and installs what it needs for itself; the other one uses
what this checkout has. Every environment that is kept here is then synthesized in both,
each by its own command-line tool. Exits with 1 unless the JSON is the same but for the
differences named in `ALLOWED`, and unless terraform, with states made before the move,
plans no change after it. Needs PyPI and the npm registry, and a few minutes.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from config.paths import ROOT
from tests.terraform.plans_after_move import PlanError, plans_after

FOLDER = ROOT / ".tools" / "cdktn"
STACKS = ("clusters", "ingress", "mesh", "network")
PATIENCE = 1800
"""Seconds for any one command."""

MISSING = "(nothing)"
PROVIDER = r"stacks/\w+/cdk\.tf\.json: terraform\.required_providers\.(google|kubernetes|null)\.source"


class CompareError(Exception):
    """Why nothing could be compared, and what to do."""


class Difference(NamedTuple):
    """A value that is not the same.

    Attributes:
        place: file and keys.
    """

    place: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.place}\n    cdktf: {json.dumps(self.before)}\n    cdktn: {json.dumps(self.after)}"


def _is_version(one: Difference) -> bool:
    place = r"(stacks/\w+/cdk\.tf\.json: //\.metadata\.version|manifest\.json: version)"
    return re.fullmatch(place, one.place) is not None and {type(one.before), type(one.after)} == {str}


def _is_spelling(one: Difference) -> bool:
    found = re.fullmatch(PROVIDER, one.place)
    return found is not None and (one.before, one.after) == (found[1], f"hashicorp/{found[1]}")


def _is_command(one: Difference) -> bool:
    place = r"stacks/\w+/cdk\.tf\.json: .*\.(pre|post)condition\[\d+\]\.error_message"
    told = re.fullmatch(place, one.place) is not None and isinstance(one.before, str)
    return told and one.before.replace("`cdktf ", "`cdktn ") == one.after


ALLOWED = {
    "the library's own version": _is_version,
    "the spelling of a provider's source": _is_spelling,
    "the command's name in what a condition says": _is_command,
}
"""By name. Terraform reads both spellings as registry.terraform.io/hashicorp/NAME, and no version of a library. What a
condition says is in no state; elsewhere a command's name would be a change of what is deployed."""


@dataclass
class Comparison:
    """What came out.

    Attributes:
        stacks: how many were compared.
        same: how many values are the same.
        allowed: how many differ and may, by the name of the reason.
        wrong: what else differs.
        plans: what terraform would change after the move, by stack.
        unplanned: why there are no plans.
    """

    stacks: int = 0
    same: int = 0
    allowed: Counter[str] = field(default_factory=Counter)
    wrong: list[Difference] = field(default_factory=list)
    plans: dict[str, str] = field(default_factory=dict)
    unplanned: str = ""

    @property
    def agrees(self) -> bool:
        """Whether something was compared, and nothing differs that may not."""
        return self.stacks > 0 and self.same > 0 and not self.wrong and not any(self.plans.values())

    def add(self, before: Path, after: Path) -> None:
        """Compare two output folders, file by file.

        Raises:
            CompareError: one of them lacks a stack.
        """
        for folder in (before, after):
            missing = [stack for stack in STACKS if not (folder / "stacks" / stack / "cdk.tf.json").is_file()]
            if missing:
                raise CompareError(f"{folder} has no stack {', '.join(missing)}: see what synthesis says there")
        self.stacks += len(STACKS)
        files = {
            str(path.relative_to(folder)) for folder in (before, after) for path in folder.rglob("*") if path.is_file()
        }
        for file in sorted(files):
            contents = [_content(folder / file) for folder in (before, after)]
            for one in differences(f"{file}: ", *contents):
                self._judge(one)

    def _judge(self, one: Difference) -> None:
        if one.before == one.after and type(one.before) is type(one.after):
            self.same += 1
            return
        for reason, applies in ALLOWED.items():
            if applies(one):
                self.allowed[reason] += 1
                return
        self.wrong.append(one)


def _content(file: Path) -> Any:
    if not file.is_file():
        return MISSING
    text = file.read_text(encoding="utf-8")
    return json.loads(text) if file.suffix == ".json" else text


def differences(place: str, before: Any, after: Any) -> Iterator[Difference]:
    """Yield every pair of values at the ends of two JSON trees, the same or not."""
    if isinstance(before, dict) and isinstance(after, dict) and (before or after):
        for key in sorted({*before, *after}):
            dot = "" if place.endswith(": ") else "."
            yield from differences(f"{place}{dot}{key}", before.get(key, MISSING), after.get(key, MISSING))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after) > 0:
        for number, pair in enumerate(zip(before, after, strict=True)):
            yield from differences(f"{place}[{number}]", *pair)
    else:
        yield Difference(place, before, after)


def environments(root: Path) -> list[str]:
    """Return the configuration files that are kept in a checkout."""
    found = [
        root / "mesh.yaml",
        *(root / "tests" / "synthesis" / "environments").glob("*.yaml"),
        *(root / "examples").glob("*.yaml"),
    ]
    return sorted(str(path.relative_to(root)) for path in found)


def run(folder: Path, *command: str, **variables: str) -> str:
    """Return what a command printed.

    Raises:
        CompareError: it failed.
    """
    ours = ("CDKTF_", "MAKE", "MESH_", "MFLAGS", "PIPENV_", "VIRTUAL_ENV")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    try:
        result = subprocess.run(
            command,
            cwd=folder,
            env={**inherited, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired as error:
        raise CompareError(f"{' '.join(command)} took more than {PATIENCE} s in {folder}") from error
    if result.returncode != 0:
        said = "\n  ".join(result.stdout.strip().splitlines()[-20:])
        raise CompareError(f"{' '.join(command)} failed in {folder}:\n  {said}")
    return result.stdout


def copy(files: Sequence[str], folder: Path) -> Path:
    """Copy files of the checkout into a folder, as one commit."""
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / file, folder / file)
    run(folder, "git", "init", "--quiet")
    run(folder, "git", "add", "--all")
    who = ("-c", "user.name=compare-cdktn", "-c", "user.email=compare-cdktn@localhost")
    run(folder, "git", *who, "-c", "commit.gpgsign=false", "commit", "--quiet", "--message", "before the move")
    return folder


def output_of(config: str) -> str:
    """Return where a file is synthesized to, in its checkout."""
    return f"cdktf.out/{config.removesuffix('.yaml').replace('/', '-')}"


def synthesize(tools: Path, tree: Path, command: str, config: str) -> Path:
    """Synthesize an environment, and return the output folder.

    Args:
        tools: the checkout whose tools are used.
    """
    out = output_of(config)
    (tree / out).parent.mkdir(exist_ok=True)  # neither library makes more than one folder
    script = f'. tools/activate && cd "$1" && exec {command} synth --output "$2"'
    logs = {"CI": "1", "CDKTF_LOG_FILE_DIRECTORY": str(FOLDER)}
    run(tools, "sh", "-c", script, "sh", str(tree), out, MESH_CONFIG=config, **logs)
    return tree / out


def compare() -> Comparison:
    """Move a copy, synthesize, compare.

    Raises:
        CompareError: it can't be done.
    """
    if "\ncdktf = " not in (ROOT / "Pipfile").read_text(encoding="utf-8"):
        raise CompareError("this checkout is on CDK Terrain: there is no cdktf any more to compare with")
    shutil.rmtree(FOLDER, ignore_errors=True)
    listed = run(ROOT, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    files = sorted({file for file in listed if (ROOT / file).is_file()})
    before, after = copy(files, FOLDER / "before"), copy(files, FOLDER / "after")
    try:
        print("compare-cdktn: moving a copy", flush=True)
        run(after, "make", "move-to-cdktn")
        print("compare-cdktn: installing what it needs", flush=True)
        run(after, "make", "synth")
    except CompareError as error:
        raise CompareError(f"{error}\nNothing was compared. This needs PyPI and the npm registry.") from error
    comparison = Comparison()
    for config in environments(ROOT):
        print(f"compare-cdktn: synthesizing {config} with both", flush=True)
        with_cdktf = synthesize(ROOT, before, "cdktf", config)
        with_cdktn = synthesize(after, after, "cdktn", config)
        comparison.add(with_cdktf, with_cdktn)
    print(
        "compare-cdktn: applying the first two stacks of mesh.yaml to an emulated cloud, and planning them anew",
        flush=True,
    )
    try:
        comparison.plans = plans_after(before, after, output_of("mesh.yaml"))
    except PlanError as error:
        if not error.here:
            raise CompareError(str(error)) from error
        comparison.unplanned = str(error)
    return comparison


def main() -> int:
    """Return the exit status: 0 if all stacks are the same, but for what is allowed."""
    try:
        found = compare()
    except CompareError as error:
        print(f"compare-cdktn: {error}", file=sys.stderr)
        return 1
    for one in found.wrong:
        print(one)
    print(f"compare-cdktn: {found.stacks} stacks compared: {found.same} values the same, {len(found.wrong)} differ")
    for reason, number in found.allowed.items():
        print(f"  and {number} times {reason}")
    for stack, changes in found.plans.items():
        print(f"compare-cdktn: terraform plan of {stack} after the move: {changes or 'no changes'}")
    if found.unplanned:
        print(f"compare-cdktn: no terraform plan was tried: {found.unplanned}")
    return 0 if found.agrees else 1


if __name__ == "__main__":
    sys.exit(main())

"""Moves a checkout from cdktf, which is archived, to its successor CDK Terrain: `make move-to-cdktn`.

Names are rewritten wherever git knows of a text, and pipenv and npm lock the
successor's packages. Why it is done this way, and what was seen: docs/cdktn.md.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

PACKAGES = {
    "cdktf": ("cdktn", "0.23.4"),
    "cdktf-cdktf-provider-google": ("cdktn-provider-google", "18.0.0"),
    "cdktf-cdktf-provider-kubernetes": ("cdktn-provider-kubernetes", "14.0.0"),
    "cdktf-cdktf-provider-null": ("cdktn-provider-null", "13.0.0"),
}
"""By what they replace in the Pipfile: the last ones with the same providers, google 6.50.0, kubernetes 2.38.0 and null
3.2.4. A newer provider is a change of its own, for another day."""

CLI = ("cdktn-cli", "0.24.0")
NODE = "^22.19 || ^24"
"""What the command needs by its own package.json, as far as it was tried. The best for tools/setup comes first."""

FORGED = ("Pipfile", "Pipfile.lock", "package.json", "package-lock.json")
"""Files that are not rewritten by name."""

LEFT_ALONE = (
    "GOTCHAS.md",  # tells of the past
    "docs/cdktn.md",
    "tools/move_to_cdktn.py",
    "tests/tools/test_cdktn.py",
    "scripts/",  # shipped: another byte, and terraform runs them again
    "manifests/",
)

RENAMES = (
    (r"cdktf([-_])cdktf[-_]provider", r"cdktn\1provider"),
    (
        r"CDK for(\s+)Terraform\]\(https://developer\.hashicorp\.com/terraform/cdktf\)",
        r"CDK\1Terrain](https://cdktn.io)",
    ),
    (
        r"HashiCorp\s+archived\s+CDK\s+for\s+Terraform\s+in\s+December\s+2025;\s+\[one\s+command\]\(docs/cdktn\.md\)\s+moves\s+a"
        r"\s+checkout\s+to\s+its\s+successor,\s+after\s+which\s+the\s+lab\s+and\s+the\s+rehearsals\s+have\s+not\s+been\s+run\.",
        "The project\nused CDK for Terraform, archived in December 2025, [before](docs/cdktn.md).",
    ),
    # The successor has kept the names of these: cdktf.json, cdktf.out, Testing.fake_cdktf_json_path.
    (r"cdktf(?!\.json|\.out|_json)", "cdktn"),
)
SOURCES = (r'("source": )"(google|kubernetes|null)"', r'\1"hashicorp/\2"')
"""In snapshots. The successor writes the namespace; to terraform both are registry.terraform.io/hashicorp/NAME."""

PATIENCE = 600
"""Seconds for pipenv or npm."""


class MoveError(Exception):
    """Why the checkout was not moved, and what to do."""


def renamed(path: str, text: str) -> str:
    """Return a file's text with the successor's names.

    Args:
        path: the file's path in the checkout, which decides what is renamed.
        text: the file's text.
    """
    if path in FORGED or path.startswith(LEFT_ALONE):
        return text
    for pattern, replacement in (*RENAMES, *([SOURCES] if path.startswith("tests/synthesis/__snapshots__/") else [])):
        text = re.sub(pattern, replacement, text)
    return text


def moved_pipfile(text: str) -> str:
    """Return the Pipfile with the successor's packages.

    Raises:
        MoveError: it has none to replace.
    """
    for old, (new, version) in PACKAGES.items():
        text, found = re.subn(rf'^{old} = "==.*"$', f'{new} = "=={version}"', text, flags=re.MULTILINE)
        if found != 1:
            raise MoveError(f'Pipfile has no line {old} = "==VERSION": name its replacement in {Path(__file__).name}')
    return text


def moved_package(text: str) -> str:
    """Return package.json with the successor's command."""
    package = json.loads(text)
    package["description"] = package["description"].replace("cdktf-cli", CLI[0])
    package["engines"]["node"] = NODE
    del package["dependencies"]["cdktf-cli"]
    package["dependencies"][CLI[0]] = CLI[1]
    return json.dumps(package, indent=2) + "\n"


def locked(texts: Mapping[str, str]) -> dict[str, str]:
    """Let pipenv and npm lock what a Pipfile and a package.json ask for; what else is locked stays as it is.

    Args:
        texts: of the four files, by name.

    Raises:
        MoveError: one of them fails, or has not locked what was asked for.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, text in texts.items():
            (folder / file).write_text(text, encoding="utf-8")
        _run(
            folder,
            "pipenv",
            "upgrade",
            "--lock-only",
            "--python",
            sys.executable,
            *(new for new, _ in PACKAGES.values()),
        )
        _run(
            folder,
            *("npm", "install", "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund"),
            "--omit-lockfile-registry-resolved",
        )
        found = {file: (folder / file).read_text(encoding="utf-8") for file in texts}
    packages = json.loads(found["Pipfile.lock"])["default"]
    for old, (new, version) in PACKAGES.items():
        if old in packages or packages.get(new, {}).get("version") != f"=={version}":
            raise MoveError(f"pipenv did not lock {new} {version} instead of {old}; no file was changed")
    modules = json.loads(found["package-lock.json"])["packages"]
    if "node_modules/cdktf-cli" in modules or modules.get(f"node_modules/{CLI[0]}", {}).get("version") != CLI[1]:
        raise MoveError(f"npm did not lock {CLI[0]} {CLI[1]} instead of cdktf-cli; no file was changed")
    return found


def move(root: Path) -> int:
    """Move a checkout, and return how many files were changed: 0 if it has been moved before.

    Raises:
        MoveError: it can't be; nothing was changed.
    """
    if re.search(r"^cdktn = ", (root / "Pipfile").read_text(encoding="utf-8"), re.MULTILINE):
        return 0
    changes = _run(root, "git", "status", "--porcelain").splitlines()
    if changes:
        raise MoveError(f"the checkout has uncommitted changes, such as {changes[0][3:]}: commit or remove them first")
    before = {}
    for path in _run(root, "git", "ls-files", "-z").split("\0"):
        try:
            before[path] = (root / path).read_text(encoding="utf-8")
        except (IsADirectoryError, UnicodeDecodeError):
            continue  # no text
    asked = {file: before[file] for file in FORGED}
    asked["Pipfile"] = moved_pipfile(asked["Pipfile"])
    asked["package.json"] = moved_package(asked["package.json"])
    after = {path: renamed(path, text) for path, text in before.items()} | locked(asked)
    changed = [path for path in after if after[path] != before[path]]
    for path in changed:
        (root / path).write_text(after[path], encoding="utf-8")
    return len(changed)


def _run(folder: Path, *command: str) -> str:
    program = shutil.which(command[0])
    if program is None:
        raise MoveError(f"{command[0]} is not installed: run `make move-to-cdktn`, which installs it")
    variables = {**os.environ, "PIPENV_PIPFILE": str(folder / "Pipfile"), "PIPENV_VENV_IN_PROJECT": "1"}
    try:
        result = subprocess.run(
            [program, *command[1:]],
            cwd=folder,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired as error:
        raise MoveError(f"`{' '.join(command)}` did not end within {PATIENCE} s; no file was changed") from error
    if result.returncode != 0:
        said = "\n  ".join((result.stdout + result.stderr).strip().splitlines()[-8:])
        raise MoveError(f"`{' '.join(command[:3])}` failed; no file was changed:\n  {said}")
    return result.stdout


def main() -> int:
    """Return the exit status: 0 if the checkout uses CDK Terrain now."""
    try:
        number = move(Path(__file__).parent.parent)
    except MoveError as error:
        print(f"move-to-cdktn: {error}", file=sys.stderr)
        return 1
    if number == 0:
        print("move-to-cdktn: this checkout already uses CDK Terrain")
        return 0
    print(f"move-to-cdktn: {number} files changed. The checkout now uses:")
    for name, version in (*PACKAGES.values(), CLI):
        print(f"  {name} {version}")
    print("Next:")
    print("  make clean && make test    install them, and run the tests")
    print("  git diff                   review names, locks, and the provider sources in snapshots")
    print("  git checkout .             or undo everything")
    return 0


if __name__ == "__main__":
    sys.exit(main())

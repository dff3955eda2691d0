"""The programs that a deploy runs on this machine, and the versions that it needs of them."""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from cli.report.findings import Finding, FindingState, failure, ok, warning
from config import Environment
from config.paths import ROOT

SECONDS = 15.0
"""For a program to tell its version."""

Version = tuple[int, ...]


def version_of(text: str) -> Version:
    """Return the numbers of a version such as ``0.21.0``."""
    return tuple(int(part) for part in text.split("."))


MACHINE = "x86_64"
"""The only one that asmcli runs on."""

QUIET = {
    "CHECKPOINT_DISABLE": "1",
    "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
    "CLOUDSDK_CORE_DISABLE_FILE_LOGGING": "1",
    "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
    "DISABLE_VERSION_CHECK": "1",
}
"""Nothing that is asked for its version calls home, or writes a log."""


@dataclass(frozen=True)
class Tool:
    """A program.

    Attributes:
        arguments: with which it tells its version.
        least: the version that is needed, or a later one; empty for any.
        only: beginnings of versions, of which it has to be one; empty for any.
        needed: which one that is, in words; those of scripts/lib.sh, where scripts need it too.
        source: where it comes from: a command, or an address.
        pattern: of the version in what it prints.
    """

    name: str
    arguments: Sequence[str]
    needed: str
    source: str
    least: Version = ()
    only: tuple[Version, ...] = ()
    pattern: str = r"(\d+)\.(\d+)\.?(\d+)?"

    @property
    def fix(self) -> str:
        if "://" not in self.source:
            return self.source
        return f"install {self.name}, {self.needed}: {self.source}"


TERRAFORM = Tool(
    "terraform",
    ("version",),
    "1.5 or later",
    "https://developer.hashicorp.com/terraform/install",
    (1, 5),
    pattern=r"Terraform v(\d+)\.(\d+)\.?(\d+)?",
)
TERRAFORM_WITH_EPHEMERAL = Tool(
    "terraform",
    ("version",),
    "1.10 or later, as project.impersonate_service_account is set",
    TERRAFORM.source,
    (1, 10),
    pattern=TERRAFORM.pattern,
)
LOCKED = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))
"""cdktf-cli, and the versions of Node.js that it runs on."""

CDKTF = Tool(
    "cdktf",
    ("--version",),
    LOCKED["dependencies"]["cdktf-cli"].rpartition(".")[0],
    "make synth && . tools/activate",
    only=(version_of(LOCKED["dependencies"]["cdktf-cli"])[:2],),
)
_NODES = sorted(version_of(version.strip(" ^")) for version in LOCKED["engines"]["node"].split("||"))
NODE = Tool(
    "node",
    ("--version",),
    f"{' or '.join('.'.join(map(str, version)) for version in _NODES)}, which cdktf-cli runs on",
    "make synth && . tools/activate",
    least=_NODES[0],
    only=tuple(version[:1] for version in _NODES),
)
GCLOUD = Tool(
    "gcloud",
    ("version",),
    "400 or later",
    "https://cloud.google.com/sdk/docs/install",
    (400,),
    pattern=r"Google Cloud SDK (\d+)\.(\d+)\.?(\d+)?",
)
KUBECTL = Tool(
    "kubectl",
    ("version", "--client"),
    "1.28 or later",
    "gcloud components install kubectl",
    (1, 28),
    pattern=r"Client Version:.*?v(\d+)\.(\d+)\.?(\d+)?",
)
PLUGIN = Tool(
    "gke-gcloud-auth-plugin",
    ("--version",),
    "any version",
    "gcloud components install gke-gcloud-auth-plugin",
)
ISTIOCTL = Tool(
    "istioctl",
    ("version", "--remote=false"),
    "1.16 or later, which has create-remote-secret",
    "https://istio.io/latest/docs/setup/getting-started",
    (1, 16),
)
BASH = Tool("bash", ("--version",), "4 or later, which asmcli needs", "https://www.gnu.org/software/bash", (4,))
TOOLS = (CDKTF, NODE, GCLOUD, KUBECTL, PLUGIN, ISTIOCTL, BASH)
"""Besides terraform: all that a deploy may need. The words of those that scripts call are those of `needed` in
scripts/lib.sh.
"""

OF_THE_COMMAND = (KUBECTL, PLUGIN)
"""By these `mesh status`, and others, ask the clusters, whatever a deploy needs."""

SMALL = ("curl", "git", "jq", "tar", "awk", "grep", "sed", "tr", "head", "csplit")
"""Of these any version does."""

CHECKSUMS = ("sha256sum", "shasum")
"""One of these: scripts/install-mesh.sh takes the first that there is."""

PACKAGES = {"awk": "gawk", "csplit": "coreutils", "head": "coreutils", "sha256sum": "coreutils", "tr": "coreutils"}
"""By program: the package that has it, where it is not called the same."""

MANAGERS = {
    "apt-get": "sudo apt-get install --yes",
    "dnf": "sudo dnf install --assumeyes",
    "brew": "brew install",
}


def needed_by_deploy(environment: Environment) -> tuple[Tool, ...]:
    """Return the programs without which a deploy of this environment fails, and of which not any version does."""
    acts_as = environment.project.impersonate_service_account is not None
    terraform = TERRAFORM_WITH_EPHEMERAL if acts_as else TERRAFORM
    if environment.control_plane.runs_local_scripts:
        return (terraform, *TOOLS)
    # Acting as an account, terraform asks for tokens itself (constructs/cluster_access.py).
    return (terraform, CDKTF, NODE, *(() if acts_as else (PLUGIN,)))


def check(environment: Environment) -> list[Finding]:
    """Return what is found of all programs; they are asked at once."""
    needed = needed_by_deploy(environment)
    helpful = tuple(tool for tool in OF_THE_COMMAND if tool not in needed)
    with ThreadPoolExecutor(len(needed) + len(helpful) + 1) as pool:
        scripts = pool.submit(_for_scripts) if environment.control_plane.runs_local_scripts else None
        others = pool.map(_not_for_a_deploy, helpful)
        return [*pool.map(check_tool, needed), *others, *(scripts.result() if scripts is not None else ())]


def _for_scripts() -> list[Finding]:
    return [check_small(), check_machine()]


def _not_for_a_deploy(tool: Tool) -> Finding:
    found = check_tool(tool)
    if found.state is not FindingState.FAILURE:
        return found
    return warning(found.name, f"{found.text}; a deploy does without, and mesh status and others do not", found.fix)


def check_tool(tool: Tool) -> Finding:
    if shutil.which(tool.name) is None:
        return failure(tool.name, f"is not on this machine; needed: {tool.needed}", tool.fix)
    command = " ".join((tool.name, *tool.arguments))
    try:
        printed = run(tool.name, *tool.arguments)
    except ToolError as error:
        return failure(tool.name, str(error), f"see why it fails: {command}")
    found = re.search(tool.pattern, printed)
    if found is None:
        if tool.least or tool.only:
            return warning(tool.name, f"does not tell its version; needed: {tool.needed}", command)
        return ok(tool.name, tool.needed)
    version = tuple(int(part) for part in found.groups() if part is not None)
    shown = ".".join(map(str, version))
    if version < tool.least or (tool.only and not any(version[: len(one)] == one for one in tool.only)):
        return failure(tool.name, f"is {shown}; needed: {tool.needed}", tool.fix)
    return ok(tool.name, shown)


def check_small() -> Finding:
    """Return what is missing of the programs of which any version does."""
    name = "small tools"
    missing = [tool for tool in SMALL if shutil.which(tool) is None]
    if not any(shutil.which(tool) for tool in CHECKSUMS):
        missing.append(CHECKSUMS[0])
    if not missing:
        return ok(name, ", ".join(SMALL))
    return failure(name, f"not on this machine: {', '.join(missing)}", installation(missing))


def check_machine() -> Finding:
    name = "machine"
    try:
        machine = run("uname", "-m").strip()
    except ToolError as error:
        return failure(name, str(error), "see why it fails: uname -m")
    if machine != MACHINE:
        fix = f"deploy the mesh stack from an {MACHINE} machine, such as Cloud Shell: https://shell.cloud.google.com"
        return failure(name, f"is {machine}, and asmcli runs on {MACHINE} only", fix)
    return ok(name, machine)


def installation(tools: Iterable[str]) -> str:
    """Return the command that installs programs from this machine's packages."""
    packages = " ".join(dict.fromkeys(PACKAGES.get(tool, tool) for tool in tools))
    command = next((command for name, command in MANAGERS.items() if shutil.which(name)), None)
    return f"{command} {packages}" if command else f"install from your package manager: {packages}"


class ToolError(Exception):
    """A program that can't be started, fails or hangs."""


def run(*command: str, variables: Mapping[str, str] | None = None, merged: bool = True) -> str:
    """Return what a program prints.

    Args:
        *command: The program and its arguments.
        variables: Environment variables to add.
        merged: Whether to return what it prints as errors, too.

    Raises:
        ToolError: It can't be started, fails, or takes longer than `SECONDS`; then its processes are killed.
    """
    try:
        process = subprocess.Popen(
            command,
            env={**os.environ, **QUIET, **(variables or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merged else subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise ToolError(f"can't be started: {error.strerror}") from error
    try:
        printed, errors = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise ToolError(f"has not answered within {SECONDS:.0f} s") from error
    if process.returncode != 0:
        lines = (errors or printed).strip().splitlines() or ["without a word"]
        reason = next(
            (line for line in lines if line.startswith("ERROR:")), lines[-1]
        )  # gcloud's advice comes after it
        raise ToolError(f"failed with status {process.returncode}: {reason[:200]}")
    return printed

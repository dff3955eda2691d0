"""The programs that a deploy runs on this machine, and the required versions."""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from cli.report.findings import Finding, FindingState, failure, ok, warning
from cli.sources.program_environment import program_environment
from config import Environment, terraform_variables
from config.paths import ROOT

SECONDS = 15.0
"""Timeout of a program."""

Version = tuple[int, ...]


def version_of(text: str) -> Version:
    """Return the numbers of a version such as ``0.21.0``."""
    return tuple(int(part) for part in text.split("."))


MACHINE = "x86_64"
"""The only architecture that asmcli runs on."""


@dataclass(frozen=True)
class Tool:
    """A program.

    Attributes:
        name: Its name.
        arguments: The arguments with which it prints its version.
        needed: The required version, for messages; the same text as in scripts/lib.sh, where scripts need it too.
        source: How to install it: a command, or a URL.
        least: The lowest version that will do; empty for any.
        only: Beginnings of versions, one of which is required; empty for any.
        pattern: Pattern of the version in its output.
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
        """How to install it."""
        return f"install {self.name}, {self.needed}: {self.source}" if "://" in self.source else self.source


TERRAFORM = Tool(
    "terraform",
    ("version",),
    "1.5 or later",
    "https://developer.hashicorp.com/terraform/install",
    (1, 5),
    pattern=r"Terraform v(\d+)\.(\d+)\.?(\d+)?",
)
TERRAFORM_WITH_EPHEMERAL = replace(
    TERRAFORM, needed="1.10 or later, because project.impersonate_service_account is set", least=(1, 10)
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
    "gke-gcloud-auth-plugin", ("--version",), "any version", "gcloud components install gke-gcloud-auth-plugin"
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
"""Besides terraform, all that a deploy may need."""

OF_THE_CLI = (KUBECTL, PLUGIN)
"""The tools of `mesh status` and other commands, whatever a deploy needs."""

SMALL = ("curl", "git", "jq", "tar", "awk", "grep", "sed", "tr", "head", "csplit")
"""Programs of which any version will do."""

CHECKSUMS = ("sha256sum", "shasum")
"""One of these is required: scripts/install-mesh.sh takes the first that exists."""

PACKAGES = {"awk": "gawk", "csplit": "coreutils", "head": "coreutils", "sha256sum": "coreutils", "tr": "coreutils"}
"""The packages of programs, where their name is another."""

MANAGERS = {
    "apt-get": "sudo apt-get install --yes",
    "dnf": "sudo dnf install --assumeyes",
    "brew": "brew install",
}


def needed_by_deploy(environment: Environment) -> tuple[Tool, ...]:
    """Return the programs without which a deploy fails, and of which not any version will do."""
    acts_as = environment.project.impersonate_service_account is not None
    terraform = TERRAFORM_WITH_EPHEMERAL if acts_as else TERRAFORM
    if environment.control_plane.runs_local_scripts:
        return (terraform, *TOOLS)
    # Terraform itself makes the tokens of an account to act as (constructs/cluster_access.py).
    return (terraform, CDKTF, NODE, *(() if acts_as else (PLUGIN,)))


def check(environment: Environment) -> list[Finding]:
    """Check all programs, at once."""
    needed = needed_by_deploy(environment)
    helpful = tuple(tool for tool in OF_THE_CLI if tool not in needed)
    checks: list[Callable[[], Finding]] = [check_variables, *(partial(check_tool, tool) for tool in needed)]
    checks += [partial(_check_helpful, tool) for tool in helpful]
    if environment.control_plane.runs_local_scripts:
        checks += [check_small, check_machine]
    with ThreadPoolExecutor(len(checks)) as pool:
        return list(pool.map(lambda one: one(), checks))


def check_variables() -> Finding:
    """Check that no variable of the caller's leads terraform elsewhere."""
    name = "environment variables"
    found = list(terraform_variables.problems(os.environ))
    if not found:
        return ok(name, "none that changes what terraform acts on")
    texts, fixes = zip(*found, strict=True)
    return failure(name, "; ".join(texts), " && ".join(fixes))


def _check_helpful(tool: Tool) -> Finding:
    found = check_tool(tool)
    if found.state is not FindingState.FAILURE:
        return found
    return warning(
        found.name, f"{found.text}; a deploy does not use it, but mesh status, verify, drill and audit do", found.fix
    )


def check_tool(tool: Tool) -> Finding:
    """Check that a program is on this machine, in a version that will do."""
    if shutil.which(tool.name) is None:
        return failure(tool.name, f"not installed; required: {tool.needed}", tool.fix)
    command = " ".join((tool.name, *tool.arguments))
    try:
        printed = run(tool.name, *tool.arguments)
    except ToolError as error:
        return failure(tool.name, str(error), f"run it to see the error: {command}")
    found = re.search(tool.pattern, printed)
    if found is None:
        if tool.least or tool.only:
            return warning(tool.name, f"prints no version; required: {tool.needed}", command)
        return ok(tool.name, tool.needed)
    version = tuple(int(part) for part in found.groups() if part is not None)
    shown = ".".join(map(str, version))
    if version < tool.least or (tool.only and not any(version[: len(one)] == one for one in tool.only)):
        return failure(tool.name, f"{shown} is installed; required: {tool.needed}", tool.fix)
    return ok(tool.name, shown)


def check_small() -> Finding:
    """Check the programs of which any version will do."""
    name = "other programs"
    missing = [tool for tool in SMALL if shutil.which(tool) is None]
    if not any(shutil.which(tool) for tool in CHECKSUMS):
        missing.append(CHECKSUMS[0])
    if not missing:
        return ok(name, ", ".join(SMALL))
    return failure(name, f"not installed: {', '.join(missing)}", installation(missing))


def check_machine() -> Finding:
    """Check the machine's architecture."""
    name = "CPU architecture"
    try:
        machine = run("uname", "-m").strip()
    except ToolError as error:
        return failure(name, str(error), "run it to see the error: uname -m")
    if machine != MACHINE:
        fix = f"deploy the mesh stack from an {MACHINE} machine, such as Cloud Shell: https://shell.cloud.google.com"
        return failure(name, f"{machine}, and asmcli runs on {MACHINE} only", fix)
    return ok(name, machine)


def installation(tools: Iterable[str]) -> str:
    """Return the command that installs programs with this machine's package manager."""
    packages = " ".join(dict.fromkeys(PACKAGES.get(tool, tool) for tool in tools))
    command = next((command for name, command in MANAGERS.items() if shutil.which(name)), None)
    return f"{command} {packages}" if command else f"install these packages: {packages}"


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
            env=program_environment(variables),
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
        raise ToolError(f"did not end within {SECONDS:.0f} s") from error
    if process.returncode != 0:
        lines = (errors or printed).strip().splitlines() or ["no output"]
        reason = next(
            (line for line in lines if line.startswith("ERROR:")), lines[-1]
        )  # gcloud's advice comes after it
        raise ToolError(f"failed with status {process.returncode}: {reason[:200]}")
    return printed

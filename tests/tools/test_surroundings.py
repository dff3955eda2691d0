"""The project's tools work the same whatever the shell, make, pip, pipenv, Python, Node.js and npm find around them."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from config.naming import STACKS
from config.paths import ROOT
from tools import next_command

pytestmark = pytest.mark.process

Result = subprocess.CompletedProcess[str]

REMOVED = {
    "BASH_ENV": "/nonexistent",
    "ENV": "/nonexistent",
    "CDPATH": "/",
    "GREP_OPTIONS": "--invert-match",
    "POSIXLY_CORRECT": "1",
    "VIRTUAL_ENV": "/nonexistent",
    "TMPDIR": "/nonexistent",
    "SHELLOPTS": "nounset",
    "PIP_CONSTRAINT": "/nonexistent",
    "PIP_PREFIX": "/nonexistent",
    "PIP_REQUIRE_VIRTUALENV": "1",
    "PIP_TARGET": "/nonexistent",
    "PIP_USER": "1",
    "PIPENV_CUSTOM_VENV_NAME": "other",
    "PIPENV_PYTHON": "/nonexistent",
    "PIPENV_SKIP_LOCK": "1",
    "PYTHONHOME": "/nonexistent",
    "PYTHONOPTIMIZE": "2",
    "PYTHONPATH": "/nonexistent",
    "PYTHONSAFEPATH": "1",
    "PYTHONSTARTUP": "/nonexistent",
    "PYTHONWARNINGS": "error",
    "NODE_OPTIONS": "--require /nonexistent",
    "NODE_PATH": "/nonexistent",
    "NPM_CONFIG_PREFIX": "/nonexistent",
    "npm_config_dry_run": "true",
    "npm_config_global": "true",
    "npm_config_omit": "optional",
    "GIT_DIR": "/nonexistent",
    "GIT_WORK_TREE": "/nonexistent",
}
KEPT = {
    "PIP_INDEX_URL": "https://index.example/simple",
    "PIP_CERT": "/certificates.pem",
    "PIPENV_PYPI_MIRROR": "https://index.example/simple",
    "NODE_EXTRA_CA_CERTS": "/certificates.pem",
    "npm_config_registry": "https://npm.example/",
    "NPM_CONFIG_CAFILE": "/certificates.pem",
    "HTTPS_PROXY": "http://proxy.example:3128",
    "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
    "MESH_CONFIG": "tokyo.yaml",
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the tools, fake programs, and everything installed as far as make looks."""
    root = tmp_path / "a checkout"
    shutil.copytree(ROOT / "tools", root / "tools", ignore=shutil.ignore_patterns("__pycache__", "*.txt"))
    shutil.copytree(ROOT / ".ci", root / ".ci")
    for name in ("Makefile", "package.json"):
        shutil.copy(ROOT / name, root)
    for name in ("Pipfile.lock", "package-lock.json", *(f"tools/{path.name}" for path in ROOT.glob("tools/*.txt"))):
        (root / name).touch()
    for name in (".venv/bin/python", ".tools/bin/pipenv", "node_modules/.bin/cdktf"):
        program(root / name, 'test "$1" = -I || echo "${0##*/} $* MESH_CONFIG=${MESH_CONFIG:-}"')
    (root / ".tools" / "bin" / "cdktf").symlink_to("../../tools/cdk")
    (root / ".tools" / "stamps").mkdir()
    (root / ".tools" / "root").write_text(f"{root.resolve()}\n", encoding="utf-8")
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    # In their order, as each is newer than what it is made of.
    for stamp in ("pipenv", "packages", f"node-{node}", "cdktf"):
        (root / ".tools" / "stamps" / stamp).touch()
    return root


def program(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def run(folder: Path, *command: str | Path, variables: Mapping[str, str] = {}, path: Path | None = None) -> Result:
    """Run a command with few variables, and with a folder of programs first on the PATH."""
    few = {"PATH": os.environ["PATH"], "HOME": str(folder), **variables}
    if path is not None:
        few["PATH"] = f"{path}{os.pathsep}{few['PATH']}"
    return subprocess.run(command, cwd=folder, env=few, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_what_recipes_find_in_their_environment(checkout: Path, shell: str) -> None:
    result = run(checkout, shell, "tools/sh", "-c", "exec env", variables=REMOVED | KEPT)
    found = dict(line.split("=", 1) for line in result.stdout.splitlines() if "=" in line)
    assert {name for name, value in REMOVED.items() if found.get(name) == value} == set()
    assert KEPT.items() <= found.items()


def test_what_is_installed_here_comes_first_once(checkout: Path) -> None:
    script = ". tools/activate && . tools/activate && exec tools/sh -c 'echo \"$PATH\"'"
    folders = run(checkout, "sh", "-c", script).stdout.strip().split(":")
    own = [folder for folder in folders if folder.startswith(str(checkout))]
    assert own == [f"{checkout}/{name}" for name in ("tools/bin", ".tools/bin", "node_modules/.bin")] == folders[:3]


def test_make_takes_the_machines_own_node(checkout: Path) -> None:
    """Even where the checkout's is on the PATH: else each of the two would have it installed again."""
    program(checkout / ".tools" / "bin" / "node", "echo v22.0.0")
    plain = run(checkout, "make", "-n", "synth")
    assert "tools/setup" not in plain.stdout
    assert run(checkout, "make", "-n", "synth", path=checkout / ".tools" / "bin").stdout == plain.stdout


def test_make_synth_with_everything_around_it(checkout: Path) -> None:
    functions = {f"BASH_FUNC_{name}%%": "() { echo function; exit 9; }" for name in ("cd", "pwd", "rm", "printf")}
    result = run(checkout, "make", "synth", variables=REMOVED | functions)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "python -m tools.synthesis check MESH_CONFIG=",
        "cdktf synth MESH_CONFIG=",
        "python -m tools.synthesis summary MESH_CONFIG=",
    ]


def test_make_synth_of_a_file(checkout: Path) -> None:
    for variables in ({}, {"CONFIG": "other.yaml", "MESH_CONFIG": "other.yaml"}):
        result = run(checkout, "make", "synth", "CONFIG=tokyo.yaml", variables=variables)
        assert [line.rpartition("=")[2] for line in result.stdout.splitlines()] == ["tokyo.yaml"] * 3
    result = run(checkout, "make", "synth", variables={"CONFIG": "some other program's"})
    assert [line.rpartition("=")[2] for line in result.stdout.splitlines()] == [""] * 3


def test_a_target_that_reads_no_configuration_refuses_one(checkout: Path) -> None:
    result = run(checkout, "make", "clean", "CONFIG=tokyo.yaml")
    assert result.returncode == 2
    assert "clean reads no configuration: leave CONFIG out" in result.stderr
    assert (checkout / ".venv").exists()
    result = run(checkout, "make", "rehearse", "CONFIG=tokyo.yaml", "CONTROL_PLANE=fleet")
    assert "leave one of them out" in result.stderr


def test_a_checkout_through_a_link_is_the_same(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(checkout)
    for folder in (checkout, tmp_path / "link"):
        for target in ("help", "synth"):
            result = run(folder, "make", target, variables={"PWD": str(folder)})
            assert (result.returncode, result.stderr) == (0, ""), result
        assert "rm -rf" not in run(folder, "make", "-n", "synth").stdout
    assert (checkout / ".venv" / "bin" / "python").exists()


def test_a_moved_checkout_is_installed_anew_when_it_is_used(checkout: Path, tmp_path: Path) -> None:
    moved = checkout.rename(tmp_path / "another place")
    assert run(moved, "make", "help").returncode == 0
    assert (moved / ".venv" / "bin" / "python").exists()
    steps = run(moved, "make", "-n", "synth").stdout.splitlines()
    assert steps[0] == "rm -rf .tools .venv"
    assert [step for step in steps if step.startswith("tools/setup")][:2] == [
        "tools/setup pipenv",
        "tools/setup packages",
    ]


def test_setup_with_everything_around_it(checkout: Path) -> None:
    (checkout / "bash_env").write_text("cd /\necho BASH_ENV\n", encoding="utf-8")
    functions = {f"BASH_FUNC_{name}%%": "() { echo function; exit 9; }" for name in ("cd", "pwd", "rm", "mkdir")}
    variables = REMOVED | functions | {"BASH_ENV": str(checkout / "bash_env")}
    result = run(checkout / "tools", "./setup", "nothing", variables=variables)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("setup: usage: tools/setup PART, with one of pipenv, ")
    assert result.stderr.count("\n") == 1


def test_ci_runs_in_the_checkout(checkout: Path, tmp_path: Path) -> None:
    program(tmp_path / "bin" / "make", 'pwd; echo "$@"')
    (tmp_path / "trap" / ".ci").mkdir(parents=True)
    result = run(checkout, ".ci/run", variables={"CDPATH": str(tmp_path / "trap")}, path=tmp_path / "bin")
    assert result.stdout == f"{checkout}\ncheck SMALL=1\n"


PIP_SETTINGS = r"""
global.index-url='https://index.example/simple'
global.extra-index-url='\nhttps://one.example\nhttps://two.example'
global.cert='/from/file.pem'
global.user='true'
install.target='/nonexistent'
install.constraint='/nonexistent'
install.trusted-host='index.example'
:env:.default-timeout='180'
"""


def test_of_pips_files_only_the_places_of_packages_count(tmp_path: Path) -> None:
    setup = (ROOT / "tools" / "setup").read_text(encoding="utf-8")
    function = re.findall(r"^keep_index_settings\(\) \{\n.*?^\}\n", setup, re.DOTALL | re.MULTILINE)
    assert len(function) == 1
    program(tmp_path / "python", f"cat <<'END'\n{PIP_SETTINGS}END")
    script = f"set -euo pipefail\n{function[0]}keep_index_settings ./python\nenv | grep ^PIP_ | sort"
    result = run(tmp_path, "bash", "-c", script, variables={"PIP_CERT": "/from/environment.pem"})
    assert result.stdout.splitlines() == [
        "PIP_CERT=/from/environment.pem",
        "PIP_CONFIG_FILE=/dev/null",
        "PIP_EXTRA_INDEX_URL= https://one.example https://two.example",
        "PIP_INDEX_URL=https://index.example/simple",
        "PIP_TRUSTED_HOST=index.example",
    ]


@pytest.mark.parametrize(
    ("command", "status"), [(("tools/setup", "cdktf"), 1), ((".tools/bin/cdktf", "synth"), 2), (("make", "mesh"), 2)]
)
def test_a_home_that_cannot_be_written(checkout: Path, command: tuple[str, ...], status: int) -> None:
    result = run(checkout, *command, variables={"HOME": "/dev/null/home"})
    assert result.returncode == status
    assert result.stdout == ""
    reasons = [line for line in result.stderr.splitlines() if not line.startswith("make:")]
    assert reasons == ["HOME, /dev/null/home, can't be written, and cdktf needs it: export HOME=FOLDER"]


DESTROY = (".tools/bin/cdktf", "destroy", "network")


@pytest.mark.parametrize(
    ("verb", "status", "named"),
    [
        *(("destroy", 0, []), ("destroy", 3, ["mesh audit"])),
        *(("deploy", 0, []), ("deploy", 3, ["mesh status"]), ("apply", 3, ["mesh status"]), ("diff", 3, [])),
    ],
)
def test_a_failure_names_the_next_command(checkout: Path, verb: str, status: int, named: Sequence[str]) -> None:
    program(checkout / ".venv" / "bin" / "python", f'exec {sys.executable} "$@"')
    shutil.copytree(ROOT / "config", checkout / "config", ignore=shutil.ignore_patterns("__pycache__"))
    program(checkout / "node_modules" / ".bin" / "cdktf", f'echo "$@"; exit {status}')
    result = run(checkout, ".tools/bin/cdktf", verb, "network")
    assert (result.returncode, result.stdout) == (status, f"{verb} network\n")
    assert re.findall(r"`(mesh \w+)`", result.stderr) == named


@pytest.mark.parametrize(
    ("verb", "stacks", "instead"),
    [
        ("deploy", ("ingress", "mesh"), ["deploy mesh", "deploy ingress"]),
        ("destroy", ("mesh", "ingress"), ["destroy ingress", "destroy mesh"]),
        ("deploy", ("mesh",), []),
    ],
)
def test_stacks_are_not_deployed_at_the_same_time(
    checkout: Path, verb: str, stacks: Sequence[str], instead: Sequence[str]
) -> None:
    program(checkout / ".venv" / "bin" / "python", f'exec {sys.executable} "$@"')
    shutil.copytree(ROOT / "config", checkout / "config", ignore=shutil.ignore_patterns("__pycache__"))
    program(checkout / "node_modules" / ".bin" / "cdktf", 'echo "$@"')
    result = run(checkout, ".tools/bin/cdktf", verb, *stacks, "--ignore-missing-stack-dependencies")
    assert result.returncode == (2 if instead else 0)
    assert bool(result.stdout) == (not instead)
    assert re.findall(r"cdktf (\w+ \w+) --ignore-missing", result.stderr) == list(instead)


def test_the_names_of_the_stacks_are_those_of_the_project() -> None:
    assert next_command.STACKS == STACKS


def test_a_destroy_that_is_stopped_passes_it_on(checkout: Path) -> None:
    program(checkout / ".venv" / "bin" / "python", f'exec {sys.executable} "$@"')
    shutil.copytree(ROOT / "config", checkout / "config", ignore=shutil.ignore_patterns("__pycache__"))
    program(
        checkout / "node_modules" / ".bin" / "cdktf",
        "trap 'exit 7' TERM; sleep 0.3; echo started; while :; do sleep 0.05; done",
    )
    few = {"PATH": os.environ["PATH"], "HOME": str(checkout)}
    with subprocess.Popen(DESTROY, cwd=checkout, env=few, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        process.terminate()
        assert process.wait(20) == 7


def test_the_cdktf_of_the_checkout_is_not_disturbed(checkout: Path) -> None:
    program(checkout / "node_modules" / ".bin" / "cdktf", "exec env")
    (checkout / ".tools" / "bin" / "other").mkdir()
    result = run(checkout / ".tools" / "bin" / "other", "../cdktf", "synth", variables=REMOVED | KEPT)
    found = dict(line.split("=", 1) for line in result.stdout.splitlines() if "=" in line)
    left = {"SHELLOPTS"}  # bash alone keeps it, and sh need not be bash
    assert {name for name, value in REMOVED.items() if found.get(name) == value} <= left
    assert KEPT.items() <= found.items()


@pytest.mark.slow
def test_an_installation_with_everything_around_it(tmp_path: Path) -> None:
    """What `make synth` does on a new machine, in a clone through a link, with pip's files against it."""
    python = ROOT / ".tools" / "pipenv" / "bin" / "python"  # the one with a pip
    probe = (python, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", tmp_path, "publication==0.0.3")
    if not python.exists() or subprocess.run(probe, capture_output=True, check=False, timeout=120).returncode != 0:
        pytest.skip("no package index can be reached")
    subprocess.run(["git", "clone", "--quiet", "--config", "core.autocrlf=true", ROOT, tmp_path / "clone"], check=True)
    (tmp_path / "link").symlink_to(tmp_path / "clone")
    (tmp_path / "home" / ".config" / "pip").mkdir(parents=True)
    settings = "[global]\nuser = true\n[install]\ntarget = /nonexistent\n"
    (tmp_path / "home" / ".config" / "pip" / "pip.conf").write_text(settings, encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if name in KEPT and name != "MESH_CONFIG"}
    result = subprocess.run(
        ["make", "synth"],
        cwd=tmp_path / "link",
        env={
            "PATH": os.environ["PATH"],
            **REMOVED,
            **kept,
            "HOME": str(tmp_path / "home"),
            "PWD": str(tmp_path / "link"),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
    )
    assert result.returncode == 0, result.stderr
    assert "cdktf.out/stacks/{network,clusters,mesh,ingress}/cdk.tf.json" in result.stdout
    assert len(list((tmp_path / "clone" / "cdktf.out" / "stacks").glob("*/cdk.tf.json"))) == 4


@pytest.mark.parametrize(
    ("last", "variables", "arguments", "status"),
    [
        ("mesh.yaml", {}, ("deploy", "--skip-synth", "mesh"), 0),
        ("mesh.yaml", {"MESH_CONFIG": "examples/fleet.yaml"}, ("deploy", "--skip-synth", "mesh"), 2),
        ("examples/fleet.yaml", {}, ("deploy", "mesh", "--skip-synth"), 2),
        ("examples/fleet.yaml", {}, ("deploy", "mesh", "--outputs-file", "out.json", "--skip-synth"), 2),
        ("examples/fleet.yaml", {"MESH_CONFIG": "examples/fleet.yaml"}, ("deploy", "--skip-synth", "mesh"), 0),
        ("examples/fleet.yaml", {}, ("deploy", "--skip-synth", "--output", "cdktf.out/fleet-9e6fa90d"), 0),
        ("examples/fleet.yaml", {}, ("deploy", "mesh"), 0),  # it synthesizes, which checks
        (None, {}, ("deploy", "--skip-synth", "mesh"), 2),
        ("lost.yaml", {"MESH_CONFIG": "lost.yaml"}, ("deploy", "--skip-synth", "mesh"), 2),
        ("lost.yaml", {}, ("deploy", "--skip-synth", "--output", "cdktf.out"), 2),
        ("lost.yaml", {}, ("deploy", "--skip-synth", "--output=cdktf.out"), 2),
    ],
)
def test_a_deploy_without_a_synthesis(
    checkout: Path, last: str | None, variables: Mapping[str, str], arguments: tuple[str, ...], status: int
) -> None:
    for name in ("config", "mesh.yaml", "examples"):
        (checkout / name).symlink_to(ROOT / name)
    program(checkout / ".venv" / "bin" / "python", f'exec "{sys.executable}" "$@"')
    # Where the files of `config` are is where the checkout is: a copy.
    (checkout / "config").unlink()
    shutil.copytree(ROOT / "config", checkout / "config", ignore=shutil.ignore_patterns("__pycache__"))
    (checkout / "examples").unlink()
    (checkout / "mesh.yaml").unlink()
    shutil.copytree(ROOT / "examples", checkout / "examples")
    shutil.copy(ROOT / "mesh.yaml", checkout)
    shutil.copy(ROOT / "mesh.yaml", checkout / "lost.yaml")
    (checkout / "terraform.lost.mesh.tfstate").write_text("{", encoding="utf-8")  # as a killed terraform leaves it
    if last is not None:
        (checkout / "cdktf.out").mkdir()
        (checkout / "cdktf.out" / "manifest.json").touch()
        (checkout / "cdktf.out" / ".configuration").write_text(f"{last}\n", encoding="utf-8")
    result = run(checkout, ".tools/bin/cdktf", *arguments, variables=variables)
    assert result.returncode == status, result.stderr
    assert result.stdout.startswith("cdktf deploy") == (status == 0)
    assert result.stderr.count("\n") == (status != 0)


@pytest.mark.parametrize("command", [("deploy", "--skip-synth", "mesh"), ("diff", "mesh"), ("destroy",), ("output",)])
@pytest.mark.parametrize("name", ["KUBE_TOKEN", "KUBE_CONFIG_PATH", "TF_DATA_DIR", "TF_WORKSPACE"])
def test_cdktf_does_not_start_with_variables_that_lead_terraform_elsewhere(
    checkout: Path, command: tuple[str, ...], name: str
) -> None:
    program(checkout / ".venv" / "bin" / "python", f'exec "{sys.executable}" "$@"')
    (checkout / "config").symlink_to(ROOT / "config")
    result = run(checkout, ".tools/bin/cdktf", *command, variables={name: "/other"})
    assert (result.returncode, result.stdout) == (2, "")
    assert f"unset {name}" in result.stderr
    assert run(checkout, ".tools/bin/cdktf", "--version", variables={name: "/other"}).returncode == 0


def test_texts_have_unix_line_endings_in_every_checkout(tmp_path: Path) -> None:
    """A clone with `core.autocrlf` would else have scripts that bash can't run."""
    for name in (".gitattributes", "Makefile", "tools/setup", "scripts/lib.sh"):
        (tmp_path / "origin" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / "origin" / name)
    git = ("git", "-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false")
    for command in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "--message", "all")):
        assert run(tmp_path / "origin", *git, *command).returncode == 0
    clone = run(tmp_path, "git", "clone", "--quiet", "--config", "core.autocrlf=true", "origin", "clone")
    assert clone.returncode == 0, clone.stderr
    files = [path for path in (tmp_path / "clone").rglob("*") if path.is_file() and ".git" not in path.parts]
    assert len(files) == 4
    assert [path for path in files if b"\r" in path.read_bytes()] == []

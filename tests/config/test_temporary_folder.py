"""What a process that is killed leaves in the folder for temporary files, and who deletes it."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from cli.drain.configuration_file import ConfigurationFile
from config.paths import ROOT
from config.temporary_folder import NAME, own_temporary_folder, prefix_of_process, remove_abandoned

pytestmark = pytest.mark.skipif(shutil.which("ps") is None, reason="ps is not on this machine")

MACHINE = prefix_of_process(NAME).rpartition(f"{os.getpid()}.")[0]
SECONDS = 180

FOLDERS = ("cli", "config", "constructs", "policy", "stacks", "tools")
USERS = {
    "cli/drain/command.py": "cli/__main__.py",
    "cli/drain/configuration_file.py": "cli/__main__.py",
    "cli/sources/api_server.py": "cli/__main__.py",
    "cli/sources/kubernetes.py": "cli/__main__.py",
    "cli/topology/command.py": "cli/__main__.py",
    "cli/traffic/rollback.py": "cli/traffic/rollback.py",
    "policy/__main__.py": "policy/__main__.py",
    "policy/synthesis.py": "policy/__main__.py",
    "tools/supply/vulnerabilities.py": "tools/supply/vulnerabilities.py",
}
"""Every module with temporary files, and the program that gives it a folder."""

HOLD = """
from config.temporary_folder import own_temporary_folder
import tempfile, time
with own_temporary_folder(), tempfile.NamedTemporaryFile() as file:
    print(file.name, flush=True)
    time.sleep(60)
"""


def test_every_program_with_temporary_files_has_a_folder_of_its_own() -> None:
    """The closed world: a module or a script that makes some needs the mechanism, and a line in `USERS`."""
    modules = [ROOT / "main.py", *(file for name in FOLDERS for file in (ROOT / name).rglob("*.py"))]
    found = {str(file.relative_to(ROOT)) for file in modules if "import tempfile\n" in file.read_text(encoding="utf-8")}
    # The move runs once, in pipenv's environment, and can import nothing of the project.
    assert found - {"config/temporary_folder.py", "tools/move_to_cdktn.py"} == USERS.keys()
    for program in {"main.py", *USERS.values()}:
        assert "    with own_temporary_folder()" in (ROOT / program).read_text(encoding="utf-8"), program
    shell = [file for name in ("scripts", "tools") for file in (ROOT / name).rglob("*") if file.is_file()]
    with_shell = [file.name for file in shell if b"mktemp" in file.read_bytes() and file.suffix != ".pyc"]
    assert with_shell == ["lib.sh"]


@pytest.fixture
def temporary(tmp_path: Path) -> Iterator[Path]:
    """An empty folder for temporary files."""
    with patch.object(tempfile, "tempdir", str(tmp_path)):
        yield tmp_path


def start(temporary: Path, *command: str) -> "subprocess.Popen[str]":
    variables = {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, text=True, start_new_session=True)


def kill(process: "subprocess.Popen[str]") -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=SECONDS)


def killed_id(temporary: Path) -> int:
    """Return the id of a process that has ended."""
    process = start(temporary, "true")
    process.communicate(timeout=SECONDS)
    return process.pid


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_process_leaves_nothing(temporary: Path) -> None:
    with own_temporary_folder() as folder:
        assert folder is not None
        with tempfile.NamedTemporaryFile() as file:
            assert Path(file.name).parent == folder
    assert names(temporary) == []
    assert tempfile.gettempdir() == str(temporary)


def test_the_folder_of_a_killed_process_is_deleted_by_the_next_one(temporary: Path) -> None:
    process = start(temporary, sys.executable, "-c", HOLD)
    assert process.stdout is not None
    file = Path(process.stdout.readline().strip())
    remove_abandoned(temporary, NAME)
    assert file.exists(), "the process runs"
    kill(process)
    assert file.exists()
    remove_abandoned(temporary, NAME)
    assert names(temporary) == []


@pytest.mark.parametrize("kept", ["another machine's", "a link", "another name", "a running process'", "still used"])
def test_what_may_be_in_use_is_kept(temporary: Path, kept: str) -> None:
    number = killed_id(temporary)
    path = temporary / f"{MACHINE}{number}.abcdefgh"
    user = None
    match kept:
        case "another machine's":
            path = temporary / f"{NAME}.elsewher.{number}.abcdefgh"
            path.mkdir()
        case "a link":
            path.symlink_to(ROOT)
        case "another name":
            path = temporary / f"{MACHINE}{number}"
            path.mkdir()
        case "a running process'":
            path = temporary / f"{MACHINE}{os.getppid()}.abcdefgh"
            path.mkdir()
        case _:
            path.mkdir()
            (path / "pipe").touch()
            user = start(temporary, "tail", "-f", str(path / "pipe"))
    remove_abandoned(temporary, NAME)
    assert names(temporary) == [path.name]
    if user is not None:
        kill(user)
        remove_abandoned(temporary, NAME)
        assert names(temporary) == []


@pytest.mark.process
def test_a_killed_synthesis_leaves_nothing_to_the_next_command(tmp_path: Path) -> None:
    """Node.js has files there, too."""
    process = start(tmp_path, sys.executable, "-m", "cli", "picture", "--config", str(ROOT / "mesh.yaml"))
    deadline = time.monotonic() + SECONDS
    while not list(tmp_path.glob("mesh.*/jsii-kernel-*")):
        assert time.monotonic() < deadline, names(tmp_path)
        assert process.poll() is None, "it has ended too early"
        time.sleep(0.02)
    kill(process)
    assert len(names(tmp_path)) == 2, "of `mesh` and of the synthesis"
    start(tmp_path, sys.executable, "-m", "cli", "--version").communicate(timeout=SECONDS)
    assert names(tmp_path) == []


def test_what_a_killed_drain_leaves_beside_the_file_is_deleted_by_the_next_one(temporary: Path) -> None:
    config = temporary / "mesh.yaml"
    config.write_text("old", encoding="utf-8")
    hold = (
        "from pathlib import Path; import time; from cli.drain.configuration_file import ConfigurationFile\n"
        f"with ConfigurationFile(Path({str(config)!r}), 'old', 'new', 'old').copy('copy') as file:\n"
        "    print(file, flush=True); time.sleep(60)"
    )
    process = start(temporary, sys.executable, "-c", hold)
    assert process.stdout is not None
    file = Path(process.stdout.readline().strip())
    kill(process)
    assert file.parent == temporary
    assert file.read_text(encoding="utf-8") == "copy"
    ConfigurationFile(config, "old", "new", "old").write()
    assert names(temporary) == ["mesh.yaml"]
    assert config.read_text(encoding="utf-8") == "new"


def test_what_a_killed_init_leaves_beside_the_file_is_deleted_by_the_next_one(temporary: Path) -> None:
    options = ["init", "--project", "acme-mesh", "--region", "asia-northeast1", "--plain-http"]
    command = ["-m", "cli", *options, "--output", str(temporary / "mesh.yaml")]
    hold = "os.link = lambda *_: print('there', flush=True) or time.sleep(60)"
    code = f"import os, time; from cli.app import main; {hold}; main({command[2:]})"
    process = start(temporary, sys.executable, "-c", code)
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    kill(process)
    [left] = names(temporary)
    assert left.startswith(".mesh.yaml.")
    again = start(temporary, sys.executable, *command)
    again.communicate(timeout=SECONDS)
    assert again.returncode == 0
    assert names(temporary) == ["mesh.yaml"]

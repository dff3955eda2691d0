"""Every environment has its own output folder."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from queue import Queue
from threading import Thread

import pytest

from config import output_folder
from config.naming import STACKS
from config.output_folder import OutputFolder, OutputFolderError, folder_name
from config.paths import ROOT

Variables = dict[str, str]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with three configuration files."""
    root = tmp_path / "checkout"
    for name in ("mesh.yaml", "tokyo.yaml", "team/tokyo.yaml"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    monkeypatch.setattr(output_folder, "ROOT", root)
    monkeypatch.setattr(output_folder, "DEFAULT", root / "cdktf.out")
    monkeypatch.chdir(root)
    return root


def find(root: Path, config: str | None, variables: Mapping[str, str] = {}) -> OutputFolder:
    """Return the output folder as main.py does, with ``MESH_CONFIG`` set to a file, or not set."""
    chosen = {} if config is None else {"MESH_CONFIG": config}
    return OutputFolder.of(root / (config or "mesh.yaml"), {"CDKTF_OUTDIR": "cdktf.out", **chosen, **variables})


def synthesize(folder: OutputFolder) -> None:
    """Write an output folder as a synthesis does."""
    folder.check()
    with folder.locked(lambda _: None):
        paths = {"workingDirectory": "stacks/mesh", "synthesizedStackPath": "stacks/mesh/cdk.tf.json"}
        folder.stack("mesh").mkdir(parents=True, exist_ok=True)
        folder.begin()
        manifest = {"version": "0", "stacks": {"mesh": {**paths, "stackMetadataPath": "stacks/mesh/metadata.json"}}}
        (folder.path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        folder.finish()


def working_directory(given: Path) -> Path:
    manifest = json.loads((given / "manifest.json").read_text(encoding="utf-8"))
    return given / str(manifest["stacks"]["mesh"]["workingDirectory"])


def test_the_stacks_of_mesh_yaml_are_in_the_default_folder(checkout: Path) -> None:
    folder = find(checkout, None)
    synthesize(folder)
    assert folder.stack("mesh") == checkout / "cdktf.out" / "stacks" / "mesh"
    assert working_directory(checkout / "cdktf.out") == folder.stack("mesh")


def test_every_other_file_has_its_own_folder(checkout: Path) -> None:
    files = (None, "tokyo.yaml", "team/tokyo.yaml")
    folders = [find(checkout, file) for file in files]
    assert len({folder.path for folder in folders}) == len(files)
    for folder in folders[1:]:
        synthesize(folder)
        assert folder.path.parent == checkout / "cdktf.out"
        assert folder.path.name.startswith("tokyo-")
        assert working_directory(checkout / "cdktf.out") == folder.stack("mesh")
        # `cdktf deploy --skip-synth --output FOLDER` reads the manifest in that folder.
        assert working_directory(folder.path) == folder.stack("mesh")


def test_all_paths_of_a_file_lead_to_one_folder(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "link.yaml").symlink_to(checkout / "tokyo.yaml")
    paths = (
        checkout / "tokyo.yaml",
        Path("tokyo.yaml"),
        checkout / "team" / ".." / "tokyo.yaml",
        tmp_path / "link.yaml",
    )
    assert len({folder_name(path) for path in paths}) == 1


def test_any_file_name_results_in_a_valid_folder_name(checkout: Path) -> None:
    for name in ("stacks.yaml", "a b/ü$(x).yaml", "x" * 200 + ".yaml", "../outside.yaml", "..yaml", "mesh.yml"):
        (checkout / name).parent.mkdir(exist_ok=True)
        found = folder_name(checkout / name)
        assert found == Path(found).name != "stacks"
        assert len(found) < 60
        assert found.isascii()
        assert " " not in found


def test_a_folder_of_the_users_choice_is_used_as_it_is(checkout: Path) -> None:
    for variable in ("CDKTF_OUTDIR", "CDKTF_OUTPUT"):
        other = {"CDKTF_OUTDIR": "", variable: "review"}
        assert find(checkout, "tokyo.yaml", other).path == checkout / "review"


def test_a_file_outside_the_checkout_is_synthesized_again(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.yaml").touch()
    folder = find(checkout, str(tmp_path / "outside.yaml"), {"CDKTF_OUTDIR": "review"})
    synthesize(folder)
    assert output_folder.last_synthesized(folder.given) == folder.config
    synthesize(folder)


def test_a_forgotten_variable_does_not_switch_the_environment(checkout: Path) -> None:
    synthesize(find(checkout, "tokyo.yaml"))
    with pytest.raises(OutputFolderError) as refused:
        find(checkout, None).check()
    assert str(refused.value).splitlines() == [
        "MESH_CONFIG is not set, and tokyo.yaml was synthesized last, not mesh.yaml: is another environment meant?",
        "  export MESH_CONFIG=tokyo.yaml    # to go on with tokyo.yaml",
        "  export MESH_CONFIG=mesh.yaml    # to change to mesh.yaml",
    ]
    synthesize(find(checkout, "team/tokyo.yaml"))  # explicitly chosen
    synthesize(find(checkout, "mesh.yaml"))
    find(checkout, None).check()


def test_a_moved_checkout_keeps_its_folders(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synthesize(find(checkout, "tokyo.yaml"))
    before = find(checkout, "tokyo.yaml").path.name
    moved = checkout.rename(tmp_path / "moved")
    monkeypatch.setattr(output_folder, "ROOT", moved)
    monkeypatch.setattr(output_folder, "DEFAULT", moved / "cdktf.out")
    assert find(moved, "tokyo.yaml").path.name == before
    find(moved, "tokyo.yaml").check()


def test_a_folder_of_the_users_choice_belongs_to_one_environment(checkout: Path) -> None:
    named = {"CDKTF_OUTDIR": "review"}
    synthesize(find(checkout, "tokyo.yaml", named))
    find(checkout, "tokyo.yaml", named).check()
    for config in (None, "team/tokyo.yaml"):
        with pytest.raises(OutputFolderError, match=r"review holds the environment of tokyo\.yaml, not of "):
            find(checkout, config, named).check()


def test_an_environments_own_folder_can_be_chosen_explicitly(checkout: Path) -> None:
    synthesize(find(checkout, "tokyo.yaml"))
    own = {"CDKTF_OUTDIR": str(find(checkout, "tokyo.yaml").path)}
    find(checkout, "tokyo.yaml", own).check()
    with pytest.raises(OutputFolderError):
        find(checkout, None, own).check()


def test_a_failed_synthesis_leaves_nothing_to_deploy(checkout: Path) -> None:
    for config in ("mesh.yaml", "tokyo.yaml"):
        synthesize(find(checkout, config))
    find(checkout, "tokyo.yaml").begin()
    assert not (checkout / "cdktf.out" / "manifest.json").exists()
    assert not (find(checkout, "tokyo.yaml").path / "manifest.json").exists()


def test_a_second_synthesis_waits_for_the_first(checkout: Path) -> None:
    """Also of another environment: both write the manifest in `cdktf.out` that cdktf reads."""
    waiting: Queue[str] = Queue()
    done: Queue[str] = Queue()

    def second() -> None:
        with find(checkout, "tokyo.yaml").locked(waiting.put):
            done.put("second")

    thread = Thread(target=second)
    with find(checkout, None).locked(lambda _: pytest.fail("waits for itself")):
        thread.start()
        assert waiting.get(timeout=20) == "waiting for another synthesis into cdktf.out"
        assert done.empty()
        done.put("first")
    thread.join(20)
    assert [done.get_nowait(), done.get_nowait()] == ["first", "second"]


def test_an_unwritable_folder_is_an_error(checkout: Path) -> None:
    (checkout / "cdktf.out").write_text("", encoding="utf-8")
    with (
        pytest.raises(OutputFolderError, match=r"^cdktf\.out can't be written: File exists$"),
        find(checkout, None).locked(print),
    ):
        pass


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        ("circle", "File exists"),
        ("circle/out", "Too many levels of symbolic links"),
        ("pipe", "File exists"),
        ("file", "File exists"),
        ("file/out", "Not a directory"),
    ],
)
def test_what_is_no_folder_is_an_error(out: str, reason: str, checkout: Path) -> None:
    (checkout / "circle").symlink_to("circle")
    os.mkfifo(checkout / "pipe")
    (checkout / "file").touch()
    folder = find(checkout, "tokyo.yaml", {"CDKTF_OUTDIR": out})
    folder.check()
    with pytest.raises(OutputFolderError, match=f"^{out} can't be written: {reason}$"), folder.locked(print):
        pass


def test_a_link_to_a_folder_is_resolved(checkout: Path, tmp_path: Path) -> None:
    """The path of a local state is relative to the target."""
    (tmp_path / "disk" / "out").mkdir(parents=True)
    (checkout / "cdktf.out").symlink_to(tmp_path / "disk" / "out")
    assert find(checkout, None).stack("mesh") == tmp_path / "disk" / "out" / "stacks" / "mesh"
    assert find(checkout, "tokyo.yaml").path.parent == tmp_path / "disk" / "out"


def start(config: str, folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "main.py"],
        cwd=ROOT,
        env={**os.environ, "MESH_CONFIG": config, "CDKTF_OUTDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def two_at_once(tmp_path: Path) -> Iterator[tuple[Path, list["subprocess.Popen[str]"]]]:
    """Two processes that synthesize different environments into one folder."""
    running = [start(config, tmp_path / "out") for config in ("mesh.yaml", "examples/hardened.yaml")]
    try:
        yield tmp_path / "out", running
    finally:
        for process in running:
            process.kill()
            process.communicate()


@pytest.mark.process
@pytest.mark.slow
def test_two_syntheses_into_one_folder_do_not_mix(
    two_at_once: tuple[Path, list["subprocess.Popen[str]"]],
) -> None:
    folder, running = two_at_once
    outputs = [process.communicate(timeout=120) for process in running]
    assert sorted(process.returncode for process in running) == [0, 2]
    done, refused = sorted(outputs, key=lambda output: "holds the environment of" in output[1])
    assert "holds the environment of" in refused[1]
    assert refused[0] == f"waiting for another synthesis into {os.path.relpath(folder, ROOT)}\n" or not refused[0]
    assert done[0] == ""
    prefixes = {
        json.loads((folder / "stacks" / stack / "cdk.tf.json").read_text(encoding="utf-8"))["terraform"]["backend"][
            "local"
        ]["path"]
        .rpartition("/")[2]
        .removesuffix(f"{stack}.tfstate")
        for stack in STACKS
    }
    assert len(prefixes) == 1

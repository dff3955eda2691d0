"""What `make synth` says before and after cdktf."""

from pathlib import Path

import pytest

from config import output_folder
from config.loading.load import displayed
from config.output_folder import OutputFolder
from config.paths import ROOT
from tests.synthesized import load_without_variables
from tools import synthesis


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that stands for ``cdktf.out``."""
    monkeypatch.setattr(output_folder, "DEFAULT", tmp_path / "cdktf.out")
    for name in ("CDKTF_OUTDIR", "CDKTF_OUTPUT", "MESH_CONFIG", "MESH_OPERATOR_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(ROOT)
    return tmp_path / "cdktf.out"


def synthesized(config: str) -> None:
    """Leave what a synthesis of a file does, as far as is looked at."""
    folder = OutputFolder.of(ROOT / config, {"MESH_CONFIG": config})
    folder.path.mkdir(parents=True, exist_ok=True)
    folder.begin()
    folder.manifest.touch()


def lines(config: str) -> list[str]:
    environment = load_without_variables(ROOT / config)
    return list(synthesis.summary(environment, OutputFolder.of(ROOT / config)))


def test_the_summary_of_mesh_yaml(given: Path) -> None:
    synthesized("mesh.yaml")
    assert lines("mesh.yaml") == [
        "",
        "  configuration        mesh.yaml",
        "  project              my-mesh-project",
        "  regions              tokyo (asia-northeast1), osaka (asia-northeast2)",
        "  control plane mode   asmcli-managed",
        f"  output               {displayed(given)}/stacks/{{network,clusters,mesh,ingress}}/cdk.tf.json",
        "",
        "Next, in your shell:",
        "  . tools/activate",
        "  cdktf diff network    # shows the plan of the first stack, and changes nothing",
        "  cdktf deploy network clusters mesh ingress",
    ]


def test_the_summary_of_another_file(given: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESH_CONFIG", "examples/fleet.yaml")
    synthesized("examples/fleet.yaml")
    text = lines("examples/fleet.yaml")
    assert f"{displayed(given)}/fleet-" in text[5]
    assert "  control plane mode   fleet" in text
    assert text[text.index("  . tools/activate") + 1] == "  export MESH_CONFIG=examples/fleet.yaml"


def test_a_retired_region_is_said() -> None:
    assert "retired" in lines("tests/synthesis/environments/three-regions.yaml")[3]


def test_what_another_synthesis_has_written_is_not_reported(
    given: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    synthesized("mesh.yaml")
    assert synthesis.main(["summary"]) == 0
    assert "mesh.yaml" in capsys.readouterr().out
    synthesized("examples/fleet.yaml")
    for command in ("summary", "check", "last"):
        assert synthesis.main([command]) == 2
        output = capsys.readouterr()
        assert output.out == ""
        assert "examples/fleet.yaml was synthesized last, not mesh.yaml" in output.err
    monkeypatch.setenv("MESH_CONFIG", "mesh.yaml")
    assert synthesis.main(["check"]) == 0
    (given / "manifest.json").unlink()
    assert synthesis.main(["summary"]) == 2
    assert "has no synthesized stacks" in capsys.readouterr().err


def test_a_wrong_file_is_refused_in_its_own_words(
    given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "wrong.yaml").write_text("project: {}\n", encoding="utf-8")
    monkeypatch.setenv("MESH_CONFIG", str(tmp_path / "wrong.yaml"))
    assert synthesis.main(["check"]) == 2
    assert "wrong.yaml: " in capsys.readouterr().err
    assert not given.exists()

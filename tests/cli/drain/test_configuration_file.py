"""The configuration file is replaced as a whole, or left alone."""

import os
import subprocess
from pathlib import Path

import pytest

from cli.drain.configuration_file import ConfigurationFile
from cli.errors import MeshError
from cli.sources.synthesis import synthesize

TEXT = "# mine\nregions:\r\n  osaka: {number: 8} # é\r\n"
DRAINED = "# mine\nregions:\r\n  osaka: {number: 8, drained: true} # é\r\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "mesh.yaml"
    file.write_bytes(TEXT.encode())
    file.chmod(0o640)
    return file


def test_written_and_restored(path: Path) -> None:
    file = ConfigurationFile.of(path, "osaka", True)
    assert file.is_changed
    file.write()
    assert path.read_bytes() == DRAINED.encode()
    assert path.stat().st_mode & 0o777 == 0o640
    file.restore()
    assert path.read_bytes() == TEXT.encode()
    assert os.listdir(path.parent) == ["mesh.yaml"]


def test_a_link_stays_one(path: Path) -> None:
    link = path.with_name("link.yaml")
    link.symlink_to(path.name)
    ConfigurationFile.of(link, "osaka", True).write()
    assert link.is_symlink()
    assert path.read_bytes() == DRAINED.encode()


def test_a_file_that_somebody_changes_meanwhile(path: Path) -> None:
    file = ConfigurationFile.of(path, "osaka", True)
    path.write_text("another", encoding="utf-8")
    with pytest.raises(MeshError, match="changed meanwhile"):
        file.write()
    assert not file.restore()
    assert path.read_text(encoding="utf-8") == "another"


def test_a_change_that_another_command_takes_back(path: Path) -> None:
    """Such as a second drain of the region, which has found the change of the first one in the file."""
    path.write_bytes(DRAINED.encode())
    file = ConfigurationFile.of(path, "osaka", True)
    assert not file.is_changed
    path.write_bytes(TEXT.encode())
    with pytest.raises(MeshError, match="changed meanwhile"):
        file.write()


def test_a_read_only_file(path: Path) -> None:
    path.chmod(0o440)
    with pytest.raises(MeshError, match="is read-only"):
        ConfigurationFile.of(path, "osaka", True)
    assert not ConfigurationFile.of(path, "osaka", False).is_changed


def test_a_file_that_is_valid_in_one_way_only(path: Path) -> None:
    """`mesh undrain` of the region that serves, in place of the drained one."""
    path.write_text(
        "project: {id: acme-mesh-prod}\n"
        "regions:\n"
        "  tokyo: {region: asia-northeast1, number: 0}\n"
        "  osaka: {region: asia-northeast2, number: 8, drained: true}\n"
        "ingress: {config_cluster: tokyo, plain_http: true}\n",
        encoding="utf-8",
    )
    with pytest.raises(MeshError, match=r"has the change already, and is not valid without it.*all are drained"):
        ConfigurationFile.of(path, "tokyo", False).environment()


def test_services_that_only_the_region_runs(path: Path) -> None:
    """All of them are named, without a line: the file that is left alone does not have the text that was checked."""
    path.write_text(
        "project: {id: acme-mesh-prod}\n"
        "regions:\n"
        "  tokyo: {region: asia-northeast1, number: 0}\n"
        "  osaka:\n"
        "    region: asia-northeast2\n"
        "    number: 8\n"
        "ingress: {config_cluster: tokyo, plain_http: true}\n"
        "services:\n"
        "  cart: {image: example.com/cart:1, port: 80, regions: {osaka: {}}}\n"
        "  shop: {image: example.com/shop:1, port: 80, regions: {osaka: {}}}\n",
        encoding="utf-8",
    )
    with pytest.raises(MeshError, match=r"was left alone: services\.cart: has .*; services\.shop: has ") as error:
        ConfigurationFile.of(path, "osaka", True).environment()
    assert "line " not in str(error.value)


def test_a_link_in_another_folder(path: Path) -> None:
    """The change is made where the file is, and copies are beside the link, as `load` reads them."""
    folder = path.parent / "links"
    folder.mkdir()
    link = folder / "mesh.yaml"
    link.symlink_to(path)
    file = ConfigurationFile.of(link, "osaka", True)
    with file.copy("content") as copy:
        assert copy.parent == folder
    file.write()
    assert path.read_bytes() == DRAINED.encode()
    assert os.listdir(folder) == ["mesh.yaml"]


def test_a_link_is_synthesized_as_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As by cdktf, for which the paths in the file are relative to the link's folder."""
    link = path.with_name("link.yaml")
    link.symlink_to(path.name)
    found = []

    def run(command: list[str], *, env: dict[str, str], **_: object) -> "subprocess.CompletedProcess[str]":
        found.append(env["MESH_CONFIG"])
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr("cli.sources.synthesis.subprocess.run", run)
    monkeypatch.chdir(path.parent)
    synthesize(Path(link.name))
    assert found == [str(link)]


def test_a_copy_is_beside_the_file_for_a_while(path: Path) -> None:
    file = ConfigurationFile.of(path, "osaka", True)
    with file.copy("content") as copy:
        assert copy.parent == path.parent
        assert copy.read_text(encoding="utf-8") == "content"
    assert not copy.exists()


def test_a_file_that_can_t_be_edited(path: Path) -> None:
    text = "regions:\n  osaka:\n    ? number\n    : 8\n"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(MeshError, match="left alone") as error:
        ConfigurationFile.of(path, "osaka", True)
    assert error.value.fix.startswith("write drained: true under regions.osaka")
    assert path.read_text(encoding="utf-8") == text

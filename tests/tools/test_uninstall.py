"""`make uninstall`, in a home that is a temporary folder."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.paths import ROOT
from tests.local_mesh.toolchain import cache_folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A home's cache with 4 MB that are this project's, and another project's folders."""
    cache = tmp_path / ".cache"
    for name in ("multi-region-mesh/kubernetes-v1", "multi-region-mesh-2", "pip", "another"):
        (cache / name).mkdir(parents=True)
        (cache / name / "file").write_bytes(bytes(4_000_000))
    return cache


def uninstall(home: Path, *arguments: str, text: str = "", **variables: str) -> tuple[int, list[str]]:
    """Return the exit status and the lines of a run without anything but Python."""
    result = subprocess.run(
        [sys.executable, "-I", str(ROOT / "tools" / "uninstall.py"), *arguments],
        env={"HOME": str(home), **variables},
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not result.stderr
    return result.returncode, result.stdout.splitlines()


def folders(cache: Path) -> set[str]:
    return {path.name for path in cache.iterdir()}


def test_what_bears_the_projects_name_is_listed_with_its_size_and_removed(tmp_path: Path, cache: Path) -> None:
    status, lines = uninstall(tmp_path, "--yes")
    assert status == 0
    assert lines[0].split()[:3] == ["keep", "4.0", "MB"]
    assert lines[0].endswith(f"{cache}/pip (shared with other projects; to clean it: pip cache purge)")
    assert lines[1].split() == ["remove", "4.0", "MB", f"{cache}/multi-region-mesh"]
    assert folders(cache) == {"multi-region-mesh-2", "pip", "another"}


@pytest.mark.parametrize(("answer", "status"), [("y\n", 0), ("no\n", 1), ("\n", 1), ("", 1)])
def test_it_asks_first(tmp_path: Path, cache: Path, answer: str, status: int) -> None:
    assert uninstall(tmp_path, text=answer)[0] == status
    assert (cache / "multi-region-mesh").exists() == bool(status)


def test_the_configured_cache_folder_counts_too(tmp_path: Path, cache: Path) -> None:
    other = tmp_path / "elsewhere"
    (other / "multi-region-mesh").mkdir(parents=True)
    assert uninstall(tmp_path, "--yes", XDG_CACHE_HOME=str(other))[0] == 0
    assert folders(other) == set()
    assert "multi-region-mesh" not in folders(cache)


def test_a_link_that_leads_elsewhere_stays_and_what_it_leads_to(tmp_path: Path, cache: Path) -> None:
    target = tmp_path / "valuable"
    (cache / "multi-region-mesh").rename(target)
    (cache / "multi-region-mesh").symlink_to(target)
    status, lines = uninstall(tmp_path, "--yes")
    assert status == 1
    assert f"a symbolic link to {target}" in lines[1]
    assert (target / "kubernetes-v1" / "file").exists()
    assert (cache / "multi-region-mesh").is_symlink()


def test_a_link_inside_is_removed_and_what_it_leads_to_stays(tmp_path: Path, cache: Path) -> None:
    (cache / "multi-region-mesh" / "link").symlink_to(cache / "another")
    assert uninstall(tmp_path, "--yes")[0] == 0
    assert (cache / "another" / "file").exists()


def test_a_build_that_is_going_on_is_left_alone(tmp_path: Path, cache: Path) -> None:
    with (cache / "multi-region-mesh" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        status, lines = uninstall(tmp_path, "--yes")
    assert status == 1
    assert "in use" in lines[1]
    assert (cache / "multi-region-mesh").is_dir()


def test_nothing_to_remove(tmp_path: Path) -> None:
    assert uninstall(tmp_path) == (
        0,
        ["removed 0 of 0 folders outside the checkout; to clean the checkout: make clean"],
    )


def test_it_removes_where_the_toolchain_is_built(tmp_path: Path) -> None:
    """The two modules agree: one of them imports nothing."""
    folder = cache_folder({"HOME": str(tmp_path)})
    folder.mkdir(parents=True)
    assert uninstall(tmp_path, "--yes")[0] == 0
    assert not os.path.lexists(folder)

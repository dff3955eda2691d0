"""Fixtures of the CLI's tests."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from tests.cli.deployed_mesh import MANAGED, DeployedMesh, deploy, restored


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A .netrc with an entry for every host, by which requests would replace an Authorization header.

    It is the one of this process, and of an emulated project's home.
    """
    (tmp_path / ".netrc").write_text("default login somebody password x\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))


@pytest.fixture(scope="session")
def _deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], DeployedMesh]]:
    """Give a deployed mesh by its control plane mode; each is deployed once."""
    with ExitStack() as stack:

        @cache
        def give(mode: str) -> DeployedMesh:
            return stack.enter_context(deploy(tmp_path_factory.mktemp("deployed"), mode))

        yield give


@pytest.fixture
def mesh(_deployed: Callable[[str], DeployedMesh], request: pytest.FixtureRequest) -> Iterator[DeployedMesh]:
    """A deployed mesh in which all is well, to be changed; the parameter is its control plane mode."""
    with restored(_deployed(getattr(request, "param", MANAGED))) as found:
        yield found

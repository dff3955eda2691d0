"""Fixtures of the CLI's tests."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

import pytest

from tests.cli.deployed_mesh import MANAGED, DeployedMesh, deploy, restored


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

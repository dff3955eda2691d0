"""Fixtures: the environments that tests look at."""

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.local_mesh.errors import LocalMeshError
from tests.rehearsal.prerequisites import gather_providers, mirror_of
from tests.synthesized import ENVIRONMENTS, Synthesis, load_without_variables, synthesize
from tests.terraform.terraform import terraform

if TYPE_CHECKING:  # it brings a server, which most tests do without
    from tests.cli.deployed_mesh import DeployedMesh


def pytest_configure() -> None:
    """Let our children be stopped by signals also where a nohup or a script has us ignore them."""
    for number in (signal.SIGHUP, signal.SIGINT):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


@pytest.fixture(scope="session")
def synthesized(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Synthesis]:
    """Give what an environment of `ENVIRONMENTS` makes; each is synthesized once."""

    @cache
    def give(name: str) -> Synthesis:
        return synthesize(load_without_variables(ENVIRONMENTS[name]), tmp_path_factory.mktemp(name))

    return give


@pytest.fixture(scope="session")
def reference(synthesized: Callable[[str], Synthesis]) -> Synthesis:
    """The reference environment, mesh.yaml."""
    return synthesized("reference")


@pytest.fixture(scope="session")
def three_regions(synthesized: Callable[[str], Synthesis]) -> Synthesis:
    """Three regions, one of them retired, and a service of the user's own."""
    return synthesized("three_regions")


@pytest.fixture(scope="session")
def _providers(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skip where terraform or the providers are not to be had."""
    if shutil.which("terraform") is None:
        pytest.skip("terraform is not on this machine: JSON not tried before the real providers")
    folder = tmp_path_factory.mktemp("providers")
    versions = {
        name: {"source": f"hashicorp/{name}", "version": version}
        for name, version in (("google", "6.50.0"), ("kubernetes", "2.38.0"), ("null", "3.2.4"))
    }
    (folder / "main.tf.json").write_text(json.dumps({"terraform": {"required_providers": versions}}), encoding="utf-8")
    result = terraform(folder, "init")
    if result.returncode != 0:
        reason = (result.stderr.strip().splitlines() or ["no reason given"])[0]
        pytest.skip(f"terraform init can't get the providers ({reason}): JSON not tried before the real ones")


@pytest.fixture(scope="session")
def _deployed(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Callable[[str], DeployedMesh]]":
    """Give the environment of `tests.cli.deployed_mesh`, by the way to its mesh; each is deployed once."""
    from tests.cli.deployed_mesh import deploy  # noqa: PLC0415

    with ExitStack() as stack:

        @cache
        def give(way: str) -> "DeployedMesh":
            return stack.enter_context(deploy(tmp_path_factory.mktemp("deployed"), way))

        yield give


@pytest.fixture
def mesh(_deployed: "Callable[[str], DeployedMesh]", request: pytest.FixtureRequest) -> "Iterator[DeployedMesh]":
    """An environment in which all is well, to be changed. Its parameter is the way to its mesh."""
    from tests.cli.deployed_mesh import MANAGED, restored  # noqa: PLC0415

    with restored(_deployed(getattr(request, "param", MANAGED))) as found:
        yield found


@pytest.fixture(scope="session")
def provider_mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the pinned providers, for those who may not ask the registry; skip where there are none."""
    folder = tmp_path_factory.mktemp("mirror") / "providers"
    try:
        gather_providers(folder)
    except LocalMeshError as error:
        pytest.skip(f"{error}: not tried before the real providers")
    return mirror_of(folder)

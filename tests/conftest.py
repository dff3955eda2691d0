"""Fixtures: the environments that tests look at."""

import json
import os
import re
import shutil
import signal
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from config.paths import ROOT
from config.terraform_variables import DATA_FOLDER, KUBERNETES_PROVIDER
from tests.local_mesh.errors import LocalMeshError
from tests.rehearsal.prerequisites import gather_providers, mirror_of
from tests.synthesized import ENVIRONMENTS, Synthesis, load_without_variables, synthesize
from tests.terraform.terraform import terraform


def pytest_configure() -> None:
    """Let the caller's environment change no test.

    Children can be stopped by signals also where a nohup or a script ignores them, and are
    synthesized also where variables of the caller's would prevent a deploy.
    """
    for number in (signal.SIGHUP, signal.SIGINT):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    for name in (*KUBERNETES_PROVIDER, DATA_FOLDER):
        os.environ.pop(name, None)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a test that uses terraform's providers."""
    if {"_providers", "provider_mirror"}.intersection(getattr(item, "fixturenames", ())):
        item.add_marker("providers")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give all fast tests that synthesize to one worker, as it starts Node.js: 3 s and 900 MB each time.

    The slow ones take minutes, most of which they wait, and those of one file share a worker. So do tests that share
    a table which takes minutes. It goes by files: pytest-xdist 3.8 ignores `xdist_group` with pytest 9.2.
    """
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 (installed where tests run in parallel)

    are_fast = "not slow" in config.option.markexpr

    @cache
    def shared(file: str) -> str:
        """Return what the tests of a file share; empty if it is nothing that takes long."""
        text = (ROOT / file).read_text(encoding="utf-8")
        if re.search(r"\bSynthesis\b|\bsynthesize\(|\bobjects_by_region\b|\bstacks\.wiring\b", text):
            return "synthesis" if are_fast else file
        return file if "tests.config.recorded_stacks" in text else ""

    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = lambda nodeid: shared(nodeid.partition("::")[0]) or nodeid
    return scheduler


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
def provider_mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the pinned providers, for those who may not ask the registry; skip where there are none."""
    folder = tmp_path_factory.mktemp("mirror") / "providers"
    try:
        gather_providers(folder)
    except LocalMeshError as error:
        pytest.skip(f"{error}: not tried before the real providers")
    return mirror_of(folder)

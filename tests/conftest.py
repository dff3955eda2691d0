"""Fixtures: the two environments that most tests look at."""

import pytest

from tests.synthesis import REFERENCE, THREE_REGIONS, Synthesis, load_without_variables, synthesize


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Synthesis:
    """The reference environment, mesh.yaml."""
    return synthesize(load_without_variables(REFERENCE), tmp_path_factory.mktemp("reference"))


@pytest.fixture(scope="session")
def three_regions(tmp_path_factory: pytest.TempPathFactory) -> Synthesis:
    """Three regions, one of them retired, and a service of the user's own."""
    return synthesize(load_without_variables(THREE_REGIONS), tmp_path_factory.mktemp("three-regions"))

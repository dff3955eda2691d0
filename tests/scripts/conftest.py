"""Fixtures of the script tests."""

from pathlib import Path

import pytest

from tests.scripts.sandbox import Sandbox


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path)

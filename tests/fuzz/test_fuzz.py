"""Generated files."""

import pytest

from tests.fuzz.generator import Generator
from tests.fuzz.run import run


def test_one_seed_is_one_sequence() -> None:
    first, second = Generator(1), Generator(1)
    assert [first.file() for _ in range(20)] == [second.file() for _ in range(20)]
    assert Generator(2).file() != Generator(1).file()


@pytest.mark.slow
def test_sixty_files() -> None:
    generator = Generator(1)
    result = run(generator.file() for _ in range(60))
    assert result.findings == {}
    assert result.counts["accepted"] > 5  # so that the oracle was asked
    assert result.counts["refused"] > 20

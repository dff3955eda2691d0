"""A running fake cloud, and a client of it."""

from collections.abc import Iterator

import pytest

from tests.fake_cloud.testing import ApiClient, FakeGcp, enable, running


@pytest.fixture
def gcp() -> Iterator[FakeGcp]:
    with running() as cloud:
        yield cloud


@pytest.fixture
def client(gcp: FakeGcp) -> ApiClient:
    """A client for which all APIs are enabled."""
    client = gcp.client()
    enable(client)
    return client

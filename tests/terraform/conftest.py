"""Clusters for the tests of what terraform does to Kubernetes objects."""

from collections.abc import Iterator

import pytest

from tests.local_mesh.toolchain import get_toolchain, is_available
from tests.terraform.api_server import ApiServer, api_server


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, _providers: None) -> Iterator[ApiServer]:
    if not is_available():
        pytest.skip("no toolchain is built: `make lab` does, and then this is tried before a real API server")
    with api_server(tmp_path_factory.mktemp("cluster"), get_toolchain(print)) as running:
        running.kubectl("create", "namespace", "istio-system")
        yield running

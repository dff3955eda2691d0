"""The fake Google Cloud for the real terraform."""

from pathlib import Path

from config.environment import Environment
from tests.fake_cloud.testing import PROJECT, FakeGcp
from tests.synthesized import load_without_variables


def google_variables(gcp: FakeGcp) -> dict[str, str]:
    """Return environment variables that send the provider's requests to the fake cloud only.

    The provider calls openidconnect.googleapis.com for its log, whatever its endpoints
    are: its proxy refuses connections.
    """
    return {**gcp.server.variables(), "HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}


def in_fake_project(file: Path, **update: object) -> Environment:
    """Return an environment in the fake cloud's project, without impersonation.

    The provider requests another account's tokens at Google's own address, whatever its
    endpoints are.

    Args:
        file: the configuration file.
        **update: other sections of the configuration.
    """
    environment = load_without_variables(file)
    project = environment.project.model_copy(update={"id": PROJECT, "impersonate_service_account": None})
    return environment.model_copy(update={"project": project, **update})

"""The credentials that terraform's google provider takes, in the provider's own order.

An access token comes first, then a key or another credential file in a variable of the provider, then the application
default credentials where Go's library looks for them: it ignores CLOUDSDK_CONFIG.

Source: hashicorp/terraform-provider-google, google/provider/provider.go and google/transport/config.go.
"""

import json
import os
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google.auth
from google.auth import exceptions
from google.oauth2.credentials import Credentials

from cli.errors import MeshError

LOGIN = "gcloud auth application-default login"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
TOKEN_VARIABLE = "GOOGLE_OAUTH_ACCESS_TOKEN"
CREDENTIAL_VARIABLES = ("GOOGLE_CREDENTIALS", "GOOGLE_CLOUD_KEYFILE_JSON", "GCLOUD_KEYFILE_JSON")
"""Each holds the path or the content of a credential file; the provider takes the first that is set."""

ADC_VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"
ADC_FILE = "application_default_credentials.json"
IMPERSONATE_VARIABLE = "GOOGLE_IMPERSONATE_SERVICE_ACCOUNT"
"""The service account to act as where the configuration names none."""

# google-auth has no types for these.
_token_credentials: Callable[..., Any] = Credentials
_load_file: Callable[..., tuple[Any, str | None]] = google.auth.load_credentials_from_file
_load_content: Callable[..., tuple[Any, str | None]] = google.auth.load_credentials_from_dict


@dataclass(frozen=True)
class ProviderCredentials:
    """Credentials of Google's library.

    Attributes:
        credentials: The credentials, without impersonation.
        variable: The provider's variable that they come from; empty for application default credentials.
    """

    credentials: Any
    variable: str = ""


def provider_credentials() -> ProviderCredentials:
    """Return the credentials that the google provider would take.

    Raises:
        MeshError: There are none, or they can't be read.
    """
    if given := os.environ.get(TOKEN_VARIABLE):
        return ProviderCredentials(_token_credentials(_path_or_content(given).strip()), TOKEN_VARIABLE)
    for variable in CREDENTIAL_VARIABLES:
        if given := os.environ.get(variable):
            return ProviderCredentials(_load(variable, _load_json, _path_or_content(given)), variable)
    return ProviderCredentials(default_credentials())


def default_credentials() -> Any:
    """Return the application default credentials, as Go's library finds them.

    Raises:
        MeshError: There are none, or they can't be read.
    """
    if file := os.environ.get(ADC_VARIABLE):
        return _load(ADC_VARIABLE, _load_file, file)
    well_known = Path.home() / ".config" / "gcloud" / ADC_FILE
    if well_known.exists():
        return _load(str(well_known), _load_file, str(well_known))
    if (folder := os.environ.get("CLOUDSDK_CONFIG")) and Path(folder, ADC_FILE).exists():
        raise MeshError(
            "terraform ignores the application default credentials in CLOUDSDK_CONFIG",
            f'export {ADC_VARIABLE}="$CLOUDSDK_CONFIG/{ADC_FILE}"',
        )
    try:
        return google.auth.default(scopes=[SCOPE])[0]
    except exceptions.DefaultCredentialsError as error:
        raise MeshError("there are no application default credentials", LOGIN) from error


def _load_json(text: str, scopes: list[str]) -> tuple[Any, str | None]:
    return _load_content(json.loads(text), scopes=scopes)


def _load(source: str, load: Callable[..., tuple[Any, str | None]], given: str) -> Any:
    """Load credentials.

    Args:
        source: Where they are from, for messages.
        load: Loads them.
        given: Its argument.

    Raises:
        MeshError: They can't be read.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about a user's own login, which terraform accepts too
            return load(given, scopes=[SCOPE])[0]
    except (exceptions.GoogleAuthError, OSError, ValueError) as error:
        reason = "it is neither a file nor JSON" if isinstance(error, json.JSONDecodeError) else first_line(error)
        raise MeshError(f"can't use {source}: {reason}", f"correct {source}, or unset it and run: {LOGIN}") from error


def _path_or_content(text: str) -> str:
    """Return the content of a file if a text is the path of one, else the text."""
    try:
        return Path(text).expanduser().read_text(encoding="utf-8")
    except (OSError, ValueError, RuntimeError):
        return text


def quota_project(project: str) -> str:
    """Return the project that the provider charges its calls to; empty for the caller's own.

    Args:
        project: The project of the resources.
    """
    if os.environ.get("USER_PROJECT_OVERRIDE") in ("1", "t", "T", "true", "True", "TRUE"):  # Go's strconv.ParseBool
        return os.environ.get("GOOGLE_BILLING_PROJECT") or project
    return os.environ.get("GOOGLE_CLOUD_QUOTA_PROJECT", "")


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, without its full stop: text follows it."""
    return (str(error).splitlines() or [type(error).__name__])[0].removesuffix(".")


def connection_cause(error: Exception) -> str:
    """Return why a connection failed: the operating system's words, which requests and urllib3 wrap in their own."""
    text = first_line(error)
    found = re.findall(r"\[Errno -?\d+\] ([^'\")]+)", text)
    if not found:
        return text
    return f"through the proxy: {found[-1]}" if "proxy" in text.lower() or "socks" in text.lower() else found[-1]

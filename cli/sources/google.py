"""Google's REST APIs, called with the credentials that Terraform takes.

REST and Google's own auth library rather than gcloud: these are the credentials that a
deploy will use, a call takes a tenth of a second, and the endpoints follow the google
provider's environment variables. Clusters are reached with kubectl (`cli.sources.kubernetes`),
which an operator has: it brings exec and the endpoint's credentials.
"""

import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import google.auth
import requests
from google.auth import exceptions, impersonated_credentials
from google.auth.transport.requests import AuthorizedSession
from google.oauth2.credentials import Credentials
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from cli.errors import MeshError

LOGIN = "gcloud auth application-default login"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
TOKEN_VARIABLE = "GOOGLE_OAUTH_ACCESS_TOKEN"
"""The google provider's variable for a token that somebody else has made."""

IAM_CREDENTIALS_VARIABLE = "GOOGLE_IAM_CREDENTIALS_CUSTOM_ENDPOINT"
"""The google provider's variable for another endpoint that makes tokens of a service account."""

SECONDS = 30
# google-auth has no types for these.
_credentials_of: Callable[..., Any] = Credentials
_acting_as: Callable[..., Any] = impersonated_credentials.Credentials
_session_of: Callable[..., requests.Session] = AuthorizedSession

RETRIES = Retry(total=3, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503), allowed_methods=None)

ENDPOINTS: Mapping[str, tuple[str, str]] = {
    "billing": ("GOOGLE_CLOUD_BILLING_CUSTOM_ENDPOINT", "https://cloudbilling.googleapis.com/v1/"),
    "compute": ("GOOGLE_COMPUTE_CUSTOM_ENDPOINT", "https://compute.googleapis.com/compute/v1/"),
    "container": ("GOOGLE_CONTAINER_CUSTOM_ENDPOINT", "https://container.googleapis.com/v1/"),
    "gkehub": ("GOOGLE_GKE_HUB2_CUSTOM_ENDPOINT", "https://gkehub.googleapis.com/v1/"),
    "iam": ("GOOGLE_IAM_CUSTOM_ENDPOINT", "https://iam.googleapis.com/v1/"),
    "projects": ("GOOGLE_RESOURCE_MANAGER_CUSTOM_ENDPOINT", "https://cloudresourcemanager.googleapis.com/v1/"),
    "services": ("GOOGLE_SERVICE_USAGE_CUSTOM_ENDPOINT", "https://serviceusage.googleapis.com/v1/"),
}
"""By a short name: the provider's variable for another endpoint, and Google's own."""


@dataclass
class ApiError(Exception):
    """An API's refusal.

    Attributes:
        status: of HTTP, 0 for no answer
        reason: Google's word for it.
    """

    status: int
    reason: str
    message: str

    def __str__(self) -> str:
        return self.message

    @property
    def api_is_off(self) -> bool:
        """Whether nobody has switched the API on in the project; older and newer APIs say so in different ways."""
        return self.reason in ("accessNotConfigured", "SERVICE_DISABLED") or "it is disabled" in self.message


class GoogleClient:
    """Calls APIs as the caller, or as the account that the configuration names; safe to use from several threads."""

    def __init__(self, project: str, account: str | None = None) -> None:
        """
        Args:
            account: service account to act as.
        """
        self.project = project
        self._account = account

    def get(self, api: str, path: str, **query: str) -> dict[str, Any]:
        """Return an answer.

        Raises:
            ApiError: Google refused the call.
            MeshError: there are no credentials.
        """
        return self._call("GET", api, path, None, query)

    def post(self, api: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return an answer; only for questions that need a body.

        Raises:
            as `get`.
        """
        return self._call("POST", api, path, body, {})

    def pages(self, api: str, path: str, key: str, **query: str) -> Iterator[Any]:
        """Yield the items of a list, from all its pages; `key` names them in an answer.

        Raises:
            as `get`.
        """
        token = ""
        while True:
            answer = self.get(api, path, **query, **({"pageToken": token} if token else {}))
            items = answer.get(key, [])
            yield from items.items() if isinstance(items, dict) else items
            token = answer.get("nextPageToken", "")
            if not token:
                return

    def find(self, api: str, path: str) -> dict[str, Any] | None:
        """Return what is there, or None if nothing is.

        Raises:
            as `get`, but for 404.
        """
        try:
            return self.get(api, path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    @cached_property
    def session(self) -> requests.Session:
        """Raises:
        MeshError: there are no credentials.
        """
        given = os.environ.get(TOKEN_VARIABLE)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of a person's own login: terraform takes it too
                credentials = _credentials_of(given) if given else google.auth.default(scopes=[SCOPE])[0]
        except exceptions.DefaultCredentialsError as error:
            raise MeshError("there are no application default credentials", LOGIN) from error
        if self._account:
            where = os.environ.get(IAM_CREDENTIALS_VARIABLE)
            path = f"projects/-/serviceAccounts/{self._account}:generateAccessToken"
            override = f"{where.rstrip('/')}/{path}" if where else None
            credentials = _acting_as(credentials, self._account, [SCOPE], iam_endpoint_override=override)
        session = _session_of(credentials)
        session.mount("http://", HTTPAdapter(max_retries=RETRIES))
        session.mount("https://", HTTPAdapter(max_retries=RETRIES))
        return session

    @property
    def caller(self) -> str:
        """Who calls, as far as the credentials themselves say: a service account's address, or nothing.

        Raises:
            MeshError: there are no credentials.
        """
        credentials = getattr(self.session, "credentials", None)
        return str(getattr(credentials, "service_account_email", "") or "")

    def _call(
        self, method: str, api: str, path: str, body: Mapping[str, Any] | None, query: Mapping[str, str]
    ) -> dict[str, Any]:
        variable, own = ENDPOINTS[api]
        url = f"{os.environ.get(variable, own).rstrip('/')}/{path}"
        try:
            response = self.session.request(method, url, json=body, params=query, timeout=SECONDS)
        except exceptions.RefreshError as error:
            raise MeshError(f"the credentials are of no use: {_first_line(error)}", LOGIN) from error
        except (exceptions.TransportError, requests.RequestException) as error:
            raise ApiError(0, "noAnswer", f"no answer from {url.split('/')[2]}: {_first_line(error)}") from error
        try:
            answer = response.json()
        except ValueError:
            answer = {}
        if response.ok:
            return dict(answer)
        refusal = answer.get("error", {})
        if not isinstance(refusal, dict):
            refusal = {}
        message = refusal.get("message") or f"{response.status_code} {response.reason}"
        if response.status_code == 401:
            raise MeshError(f"the credentials are of no use: {message}", LOGIN)
        reason = next((one.get("reason", "") for one in refusal.get("errors", [])), refusal.get("status", ""))
        raise ApiError(response.status_code, reason, message)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]

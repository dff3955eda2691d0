"""Google's REST APIs, called as terraform's google provider calls them.

REST and Google's own auth library rather than gcloud: a call takes a tenth of a second, and credentials, endpoints
and quota project follow the provider's environment variables. Clusters are reached with kubectl
(`cli.sources.kubernetes`), which brings exec and the endpoint's credentials.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import requests
from google.auth import exceptions, impersonated_credentials
from google.auth.transport.requests import AuthorizedSession, Request
from google.oauth2.credentials import Credentials
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from cli.errors import MeshError
from cli.sources.provider_credentials import (
    IMPERSONATE_VARIABLE,
    LOGIN,
    SCOPE,
    ProviderCredentials,
    connection_cause,
    first_line,
    provider_credentials,
    quota_project,
)
from config import Environment

IAM_CREDENTIALS_VARIABLE = "GOOGLE_IAM_CREDENTIALS_CUSTOM_ENDPOINT"
"""The google provider's variable for another endpoint that makes tokens of a service account."""

SECONDS = 30
# google-auth has no types for these.
_token_credentials: Callable[..., Any] = Credentials
_impersonated: Callable[..., Any] = impersonated_credentials.Credentials
_authorized_session: Callable[..., requests.Session] = AuthorizedSession

RETRIES = Retry(total=3, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503), allowed_methods=None)

ENDPOINTS: Mapping[str, tuple[str, str]] = {
    "billing": ("GOOGLE_CLOUD_BILLING_CUSTOM_ENDPOINT", "https://cloudbilling.googleapis.com/v1/"),
    "certificatemanager": (
        "GOOGLE_CERTIFICATE_MANAGER_CUSTOM_ENDPOINT",
        "https://certificatemanager.googleapis.com/v1/",
    ),
    "compute": ("GOOGLE_COMPUTE_CUSTOM_ENDPOINT", "https://compute.googleapis.com/compute/v1/"),
    "container": ("GOOGLE_CONTAINER_CUSTOM_ENDPOINT", "https://container.googleapis.com/v1/"),
    "gkehub": ("GOOGLE_GKE_HUB2_CUSTOM_ENDPOINT", "https://gkehub.googleapis.com/v1/"),
    "iam": ("GOOGLE_IAM_CUSTOM_ENDPOINT", "https://iam.googleapis.com/v1/"),
    "projects": ("GOOGLE_RESOURCE_MANAGER_CUSTOM_ENDPOINT", "https://cloudresourcemanager.googleapis.com/v1/"),
    "services": ("GOOGLE_SERVICE_USAGE_CUSTOM_ENDPOINT", "https://serviceusage.googleapis.com/v1/"),
    "userinfo": ("MESH_USERINFO_ENDPOINT", "https://openidconnect.googleapis.com/v1/"),
}
"""By a short name: the variable for another endpoint (the provider's, but of the last), and Google's own."""

NO_RESULTS = "NO_RESULTS_ON_PAGE"
"""Warning of a list, or of a scope of an aggregated list, that is empty."""


@dataclass
class ApiError(Exception):
    """An API's error, or a response that is not complete.

    Attributes:
        status: The HTTP status; 0 if there was no response.
        reason: Google's code for it.
        message: What Google, or the connection, reports.
    """

    status: int
    reason: str
    message: str

    def __str__(self) -> str:
        return self.message

    @property
    def no_response(self) -> bool:
        """Whether there was no response, or no call at all."""
        return self.status == 0

    @property
    def api_is_off(self) -> bool:
        """Whether the API is disabled in the project; older and newer APIs have different codes for it."""
        return self.reason in ("accessNotConfigured", "SERVICE_DISABLED") or "it is disabled" in self.message


LookupResult = dict[str, Any] | ApiError | None
"""A resource as its API has it; None if it does not exist; an error if that is not known."""


def http_session(session: requests.Session | None = None, *, retries: bool = True) -> requests.Session:
    """Return a session that takes proxies from the environment, and never credentials from ~/.netrc.

    requests would replace the Authorization header by those. It looks for them where a session has no
    authentication of its own, and again after a redirect, which no API of Google sends.

    Args:
        session: A session to set up; a new one if absent.
        retries: Whether to retry.
    """
    session = session or requests.Session()
    session.auth = lambda request: request
    session.max_redirects = 0
    for scheme in ("http://", "https://") if retries else ():
        session.mount(scheme, HTTPAdapter(max_retries=RETRIES))
    return session


class GoogleClient:
    """Calls APIs as terraform's google provider does; safe to use from several threads."""

    def __init__(self, project: str, account: str | None = None, token: str = "") -> None:
        """Make no call yet.

        Args:
            project: The project's id.
            account: The service account to act as; the caller's own identity if absent.
            token: An access token to use instead of the provider's credentials.
        """
        self.project = project
        self._account = account
        self._token = token

    @classmethod
    def of(cls, environment: Environment) -> "GoogleClient":
        """Return a client that acts as the google provider of an environment's stacks."""
        return cls(environment.project.id, impersonated_account(environment))

    def get(self, api: str, path: str, **query: str) -> dict[str, Any]:
        """Return a response.

        Raises:
            ApiError: Google refused the call.
            MeshError: there are no credentials.
        """
        return self._call("GET", api, path, None, query)

    def post(self, api: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return a response; only for calls that read and need a body.

        Raises:
            as `get`.
        """
        return self._call("POST", api, path, body, {})

    def list_items(self, api: str, path: str, key: str, **query: str) -> Iterator[dict[str, Any]]:
        """Yield the items of a list, from all its pages; of an aggregated list, those of all scopes.

        Args:
            api: One of `ENDPOINTS`.
            path: The list's path.
            key: The field of a response that holds the items.
            query: Query parameters.

        Raises:
            ApiError: Google refused the call, or the list lacks the items of some place.
            MeshError: There are no credentials.
        """
        token = ""
        while True:
            page = self.get(api, path, **query, **({"pageToken": token} if token else {}))
            yield from _items(page, key)
            token = page.get("nextPageToken", "")
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

    def try_find(self, api: str, path: str) -> LookupResult:
        """Return a resource, None if it does not exist, or the error.

        Raises:
            MeshError: There are no credentials.
        """
        try:
            return self.find(api, path)
        except ApiError as error:
            return error

    @cached_property
    def source(self) -> ProviderCredentials:
        """The credentials, before the client acts as another account.

        Raises:
            MeshError: There are none.
        """
        return ProviderCredentials(_token_credentials(self._token)) if self._token else provider_credentials()

    @cached_property
    def session(self) -> requests.Session:
        """A session with the credentials.

        Raises:
            MeshError: There are none.
        """
        credentials = self.source.credentials
        if self._account:
            where = os.environ.get(IAM_CREDENTIALS_VARIABLE)
            path = f"projects/-/serviceAccounts/{self._account}:generateAccessToken"
            override = f"{where.rstrip('/')}/{path}" if where else None
            credentials = _impersonated(credentials, self._account, [SCOPE], iam_endpoint_override=override)
        if getattr(credentials, "quota_project_id", None):
            credentials = credentials.with_quota_project(None)  # the provider ignores that of a credential file
        session = http_session(_authorized_session(credentials, auth_request=Request(http_session())))
        if charged := quota_project(self.project):
            session.headers["X-Goog-User-Project"] = charged
        return session

    @property
    def caller(self) -> str:
        """The address of the service account that calls; empty if the credentials do not name it.

        Raises:
            MeshError: There are no credentials.
        """
        credentials = getattr(self.session, "credentials", None)
        return str(getattr(credentials, "service_account_email", "") or "")

    def email(self) -> str:
        """Return the caller's address, from Google's userinfo if need be; empty if it is not known.

        Raises:
            MeshError: There are no credentials.
        """
        if "@" in self.caller:
            return self.caller
        try:
            return str(self.get("userinfo", "userinfo").get("email", ""))
        except (ApiError, MeshError):  # a token without the scope for it is none the worse
            return ""

    def _call(
        self, method: str, api: str, path: str, body: Mapping[str, Any] | None, query: Mapping[str, str]
    ) -> dict[str, Any]:
        variable, own = ENDPOINTS[api]
        url = f"{os.environ.get(variable, own).rstrip('/')}/{path}"
        try:
            response = self.session.request(method, url, json=body, params=query, timeout=SECONDS)
        except (exceptions.GoogleAuthError, requests.RequestException) as error:
            no_response = (exceptions.TransportError, requests.RequestException)
            if isinstance(error, no_response) or isinstance(error.__cause__, no_response):
                raise ApiError(
                    0, "noResponse", f"no response from {url.split('/')[2]}: {connection_cause(error)}"
                ) from error
            raise MeshError(f"invalid credentials: {first_line(error)}", LOGIN) from error
        try:
            content = response.json()
        except ValueError:
            content = {}
        if response.ok:
            return dict(content)
        refusal = content.get("error", {})
        if not isinstance(refusal, dict):
            refusal = {}
        message = refusal.get("message") or f"{response.status_code} {response.reason}"
        if response.status_code == 401:
            raise MeshError(f"Google rejects the credentials: {message}", LOGIN)
        reason = next((one.get("reason", "") for one in refusal.get("errors", [])), refusal.get("status", ""))
        raise ApiError(response.status_code, reason, message)


def impersonated_account(environment: Environment) -> str | None:
    """Return the service account that the google provider acts as; None for the caller's own identity."""
    return environment.project.impersonate_service_account or os.environ.get(IMPERSONATE_VARIABLE) or None


def _items(page: Mapping[str, Any], key: str) -> Iterator[dict[str, Any]]:
    """Yield the items of one page.

    Source: https://cloud.google.com/compute/docs/reference/rest/v1/networkEndpointGroups/aggregatedList

    Raises:
        ApiError: Something is missing; a list without it would pass for the whole.
    """
    for field in ("unreachable", "unreachables", "missingZones"):
        if page.get(field):
            raise ApiError(200, "partial", f"{', '.join(page[field])} did not respond")
    found = page.get(key, [])
    scopes = found if isinstance(found, dict) else {"": {"warning": page.get("warning"), key: found}}
    for scope, content in scopes.items():
        warning = content.get("warning") or {}
        if warning.get("code", NO_RESULTS) != NO_RESULTS:
            raise ApiError(200, "partial", ": ".join(filter(None, (scope, warning.get("message", warning["code"])))))
        for value in content.values():
            yield from value if isinstance(value, list) else ()

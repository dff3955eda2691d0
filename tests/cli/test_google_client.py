"""The client of Google's APIs."""

import json
import ssl
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import requests

from cli.sources.google import ApiError, GoogleClient, http_session
from cli.sources.provider_credentials import ADC_VARIABLE, connection_cause
from tests.cli.doctor.diagnosis import PROJECT
from tests.cli.loopback_server import http_server


@pytest.mark.parametrize(
    ("variables", "charged"),
    [
        ({}, None),
        ({"GOOGLE_BILLING_PROJECT": "billed"}, None),
        ({"USER_PROJECT_OVERRIDE": "true"}, PROJECT),
        ({"USER_PROJECT_OVERRIDE": "1", "GOOGLE_BILLING_PROJECT": "billed"}, "billed"),
        ({"USER_PROJECT_OVERRIDE": "false", "GOOGLE_BILLING_PROJECT": "billed"}, None),
        ({"GOOGLE_CLOUD_QUOTA_PROJECT": "quota"}, "quota"),
        ({"GOOGLE_CLOUD_QUOTA_PROJECT": "quota", "USER_PROJECT_OVERRIDE": "t"}, PROJECT),
    ],
)
def test_calls_are_charged_to_the_providers_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], charged: str | None
) -> None:
    """Not to the quota project of a credential file, which the provider ignores."""
    login = {"type": "authorized_user", "client_id": "a", "client_secret": "b", "refresh_token": "c"}
    (tmp_path / "login.json").write_text(json.dumps({**login, "quota_project_id": "of-the-file"}), encoding="utf-8")
    for name in ("GOOGLE_BILLING_PROJECT", "USER_PROJECT_OVERRIDE", "GOOGLE_CLOUD_QUOTA_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({ADC_VARIABLE: str(tmp_path / "login.json")} | variables).items():
        monkeypatch.setenv(name, value)
    session = GoogleClient(PROJECT).session
    assert session.credentials.quota_project_id is None  # type: ignore[attr-defined]
    assert session.headers.get("X-Goog-User-Project") == charged


@pytest.mark.usefixtures("netrc")
def test_a_redirect_is_not_followed() -> None:
    """The library requests would look into ~/.netrc again."""
    requested: list[str] = []

    def redirect(request: BaseHTTPRequestHandler) -> tuple[int, str]:
        requested.append(f"{request.path} {request.headers.get('Authorization')}")
        return 302, "/elsewhere"

    with http_server(redirect) as url, pytest.raises(requests.TooManyRedirects):
        http_session(retries=False).get(f"{url}/here", timeout=5)
    assert requested == ["/here None"]


def test_a_certificate_of_an_unknown_authority_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cryptography", reason="it is of the lab's packages")
    from tests.local_mesh.authority import Authority  # noqa: PLC0415 (needs cryptography)

    authority = Authority.create()
    issued = authority.issue(["localhost"])
    for name, content in (("ca", authority.certificate), ("server", issued.certificate), ("key", issued.key)):
        (tmp_path / name).write_bytes(content)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "server", tmp_path / "key")
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(variable, raising=False)
    with http_server(lambda request: (200, "here"), tls) as url:
        with pytest.raises(requests.exceptions.SSLError):
            http_session(retries=False).get(url, timeout=5)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca"))
        assert http_session(retries=False).get(url, timeout=5).text == "here"


@pytest.mark.parametrize(
    ("reason", "message", "off"),
    [
        ("accessNotConfigured", "no", True),
        ("SERVICE_DISABLED", "no", True),
        ("PERMISSION_DENIED", "X API has not been used in project 1 before or it is disabled.", True),
        ("PERMISSION_DENIED", "The caller does not have permission", False),
    ],
)
def test_how_google_says_that_an_api_is_off(reason: str, message: str, off: bool) -> None:
    assert ApiError(403, reason, message).api_is_off is off


@dataclass
class PagedClient(GoogleClient):
    """Responds with pages, by token."""

    pages: dict[str, dict[str, Any]]
    project: str = PROJECT

    def get(self, api: str, path: str, **query: str) -> dict[str, Any]:
        return self.pages[query.get("pageToken", "")]


EMPTY = {"warning": {"code": "NO_RESULTS_ON_PAGE"}}
PLAIN: dict[str, Any] = {
    "": {"items": [{"a": 1}], "nextPageToken": "2"},
    "2": {"nextPageToken": "3"},
    "3": {"items": [{"a": 2}]},
}
AGGREGATED: dict[str, Any] = {
    "": {"items": {"zones/a": {"groups": [{"a": 1}]}, "zones/b": EMPTY}, "nextPageToken": "2"},
    "2": {"items": {"zones/a": {"groups": [{"a": 2}]}}, **EMPTY},
}


@pytest.mark.parametrize("pages", [PLAIN, AGGREGATED], ids=["plain", "aggregated"])
def test_a_list_is_read_to_its_end(pages: dict[str, dict[str, Any]]) -> None:
    assert list(PagedClient(pages).list_items("compute", "x", "items")) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ({"unreachable": ["zones/b"]}, "zones/b did not respond"),
        ({"unreachables": ["zones/b", "zones/c"]}, "zones/b, zones/c did not respond"),
        ({"missingZones": ["b"]}, "b did not respond"),
        ({"warning": {"code": "UNREACHABLE", "message": "so it is"}}, "so it is"),
        ({"items": {"zones/b": {"warning": {"code": "UNREACHABLE"}}}}, "zones/b: UNREACHABLE"),
    ],
)
def test_a_part_of_a_list_is_no_list(page: dict[str, Any], text: str) -> None:
    """On whichever page it says so."""
    google = PagedClient({"": PLAIN[""], "2": {"items": [{"a": 2}], **page}})
    with pytest.raises(ApiError, match=f"^{text}$"):
        list(google.list_items("compute", "x", "items"))


@pytest.mark.parametrize(
    ("url", "proxies", "cause"),
    [
        ("http://127.0.0.1:1/x", {}, "Connection refused"),
        ("https://127.0.0.1:1/x", {"https": "http://127.0.0.1:2"}, "through the proxy: Connection refused"),
    ],
)
def test_a_connection_that_fails_is_named_in_a_few_words(url: str, proxies: dict[str, str], cause: str) -> None:
    with pytest.raises(requests.RequestException) as caught:
        requests.get(url, proxies=proxies, timeout=5)
    assert connection_cause(caught.value) == cause

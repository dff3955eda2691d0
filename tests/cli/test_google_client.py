"""The client of Google's APIs."""

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import requests

from cli.sources.google import ApiError, GoogleClient, http_session
from cli.sources.provider_credentials import ADC_VARIABLE
from tests.cli.doctor.diagnosis import PROJECT, Body


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


def test_a_redirect_is_not_followed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The library requests would look into ~/.netrc again."""
    (tmp_path / ".netrc").write_text("default login somebody password x\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.path} {self.headers.get('Authorization')}")
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(requests.TooManyRedirects):
            http_session(retries=False).get(f"http://127.0.0.1:{server.server_port}/here", timeout=5)
        server.shutdown()
    assert asked == ["/here None"]


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

    pages: dict[str, Body]
    project: str = PROJECT

    def get(self, api: str, path: str, **query: str) -> Body:
        return self.pages[query.get("pageToken", "")]


NONE_THERE = {"warning": {"code": "NO_RESULTS_ON_PAGE"}}


def test_a_list_is_read_to_its_end() -> None:
    empty = {"nextPageToken": "3"}
    pages: dict[str, Body] = {"": {"items": [{"a": 1}], "nextPageToken": "2"}, "2": empty, "3": {"items": [{"a": 2}]}}
    plain = PagedClient(pages)
    assert list(plain.list_items("compute", "x", "items")) == [{"a": 1}, {"a": 2}]
    first = {"items": {"zones/a": {"groups": [{"a": 1}]}, "zones/b": NONE_THERE}, "nextPageToken": "2"}
    aggregated = PagedClient({"": first, "2": {"items": {"zones/a": {"groups": [{"a": 2}]}}, **NONE_THERE}})
    assert list(aggregated.list_items("compute", "x", "items")) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ({"unreachable": ["zones/b"]}, "zones/b did not answer"),
        ({"unreachables": ["zones/b", "zones/c"]}, "zones/b, zones/c did not answer"),
        ({"missingZones": ["b"]}, "b did not answer"),
        ({"warning": {"code": "UNREACHABLE", "message": "so it is"}}, "so it is"),
        ({"items": {"zones/b": {"warning": {"code": "UNREACHABLE"}}}}, "zones/b: UNREACHABLE"),
    ],
)
def test_a_part_of_a_list_is_no_list(page: Body, text: str) -> None:
    """On whichever page it says so."""
    google = PagedClient({"": {"items": [{"a": 1}], "nextPageToken": "2"}, "2": {"items": [{"a": 2}], **page}})
    with pytest.raises(ApiError, match=f"^{text}$"):
        list(google.list_items("compute", "x", "items"))

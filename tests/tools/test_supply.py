"""What is locked: hashes, versions, licences, and the search for known vulnerabilities."""

import gzip
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from config.paths import ROOT
from tools.supply import licences, vulnerabilities
from tools.supply.locked import (
    NODE,
    NPM_FOLDERS,
    PYTHON,
    Package,
    everything,
    npm_packages,
    python_packages,
    requirement_files,
)
from tools.supply.vulnerabilities import Accepted, QueryError, Vulnerability, judge

TODAY = date(2026, 11, 25)
BAD = Vulnerability(("GHSA-1", "CVE-1"), "requests", "2.0", "2.1", "Pipfile.lock")


def test_everything_that_is_locked_is_read() -> None:
    packages = everything()
    files = {package.file for package in packages}
    assert {
        "Pipfile.lock",
        "package-lock.json",
        "tests/synthesis/schemas/package-lock.json",
        "tools/pipenv.txt",
    } < files
    assert {f"tools/{path.name}" for path in requirement_files()} < files
    lock = json.loads((ROOT / "Pipfile.lock").read_text(encoding="utf-8"))
    in_lock = sum(len(part) for name, part in lock.items() if name != "_meta")
    assert sum(package.file == "Pipfile.lock" for package in packages) == in_lock > 50


@pytest.mark.parametrize("path", requirement_files(), ids=lambda path: path.name)
def test_every_line_of_a_tools_requirements_is_read(path: Path) -> None:
    lines = re.sub(r"\\\n", " ", path.read_text(encoding="utf-8")).splitlines()
    named = [line for line in lines if line.strip() and not line.startswith("#")]
    assert len(named) == sum(package.file == f"tools/{path.name}" for package in everything()) > 0


def test_every_package_has_a_hash() -> None:
    strong = re.compile(r"sha256:[0-9a-f]{64}|sha512-[\w+/]{86}==")
    without = [
        package
        for package in everything()
        if not package.bundled and not (package.hashes and all(strong.fullmatch(one) for one in package.hashes))
    ]
    assert without == []


def test_what_is_bundled_is_inside_a_package_that_has_a_hash() -> None:
    lock = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    bundled = [path for path, entry in lock.items() if entry.get("inBundle")]
    assert bundled
    for path in bundled:
        assert "integrity" in lock["/".join(path.split("/")[:2])], path


def test_nothing_is_installed_that_is_not_locked() -> None:
    """Where one of these is missing, an installation takes what the registry has that day."""
    setup = (ROOT / "tools" / "setup").read_text(encoding="utf-8")
    commands = [line for line in re.sub(r"\\\n", " ", setup).splitlines() if not line.lstrip().startswith(("#", "say"))]
    installing = [
        line
        for line in commands
        if re.search(r"\bpip install|\bpipenv (sync|install|update)|\bnpm (ci|i|install)\b", line)
    ]
    assert len(installing) == 3
    for line in installing:
        assert "--require-hashes" in line or "pipenv sync" in line or "npm ci" in line, line


def test_licences_are_those_of_what_is_locked() -> None:
    rows = licences.ROW.findall(licences.FILE.read_text(encoding="utf-8"))
    listed = {(name, version) for name, version, _ in rows}
    assert listed == {(package.name, package.version) for package in everything()}, "run `make licences`"


def test_every_licence_is_one_that_may_be_here() -> None:
    rows = licences.ROW.findall(licences.FILE.read_text(encoding="utf-8"))
    allowed = set(licences.data()["allowed"])
    assert len(rows) > 500
    assert {licence for _, _, licence in rows} == allowed, "in docs/licences.md or in tools/supply/licences.yaml only"


def test_a_licence_that_nobody_knows_stops_the_list() -> None:
    with pytest.raises(LookupError, match=r"the licence of left-pad 1\.0 is unknown"):
        licences.text([Package(NODE, "left-pad", "1.0", "package-lock.json")], {}, {})
    with pytest.raises(LookupError, match="pad"):
        licences.text([Package(PYTHON, "pad", "1.0", "Pipfile.lock")], {("pad", "1.0"): "UNKNOWN"}, {})
    assert "| `pad` | 1.0 | MIT |" in licences.text([Package(PYTHON, "pad", "1.0", "Pipfile.lock")], {}, {"pad": "MIT"})


def test_what_is_accepted_has_a_reason_and_an_end() -> None:
    for entry in vulnerabilities.accepted():
        assert entry.reason
        assert entry.until >= date.today(), f"{entry.id}: accepted until {entry.until}"


@pytest.mark.parametrize(
    ("found", "known", "says"),
    [
        ([], [], []),
        ([BAD], [], [r"requests 2\.0 \(Pipfile\.lock\): GHSA-1, CVE-1; fixed in 2\.1"]),
        ([BAD], [Accepted("CVE-1", "requests", "not used", date(2026, 11, 25))], []),
        (
            [BAD],
            [Accepted("CVE-1", "requests", "not used", date(2026, 11, 24))],
            ["risk expired on 2026-11-24"],
        ),
        (
            [BAD],
            [Accepted("CVE-1", "urllib3", "not used", date(2027, 1, 1))],
            ["GHSA-1, CVE-1", "CVE-1 of urllib3, "],
        ),
        (
            [],
            [Accepted("CVE-1", "requests", "not used", date(2027, 1, 1))],
            ["no longer found"],
        ),
    ],
)
def test_what_is_known_is_judged(found: list[Vulnerability], known: list[Accepted], says: list[str]) -> None:
    said = list(judge(found, known, TODAY, complete=True))
    assert len(said) == len(says)
    for text, pattern in zip(said, says, strict=True):
        assert re.search(pattern, text)


@contextmanager
def answering(posts: Mapping[str, Any], gets: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Serve JSON by path; an unknown path is a 405, as where a mirror only serves packages."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def _answer(self, answers: Mapping[str, Any], body: bytes) -> None:
            asked.append(f"{self.path} {body.decode(errors='replace')}")
            answer = answers.get(self.path)
            content = json.dumps(answer(body) if callable(answer) else answer).encode()
            self.send_response(405 if answer is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._answer(posts, gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)

        def do_GET(self) -> None:
            self._answer(gets, b"")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


ADVISORIES = "/-/npm/v1/security/advisories/bulk"


def test_npm_is_asked_about_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real npm, with a registry of ours that knows nothing bad."""
    for folder in NPM_FOLDERS:
        with answering({ADVISORIES: {}}, {}) as (url, asked):
            monkeypatch.setenv("npm_config_registry", url)
            number, found = vulnerabilities.query_npm(folder)
        assert number > 100
        assert found == []
        names = set(json.loads(asked[0].partition(" ")[2]))
        assert {one.name for one in npm_packages(folder) if not one.bundled} <= names


def test_npm_tells_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    version = next(one.version for one in npm_packages("tests/synthesis/schemas") if one.name == "mermaid")
    advisory = {
        "id": 1,
        "url": "https://github.com/advisories/GHSA-aaaa-bbbb-cccc",
        "title": "made up",
        "severity": "high",
        "vulnerable_versions": "<99",
    }
    packument = {"name": "mermaid", "versions": {version: {"name": "mermaid", "version": version}}}
    with answering({ADVISORIES: {"mermaid": [advisory]}}, {"/mermaid": packument}) as (url, _):
        monkeypatch.setenv("npm_config_registry", url)
        _, found = vulnerabilities.query_npm("tests/synthesis/schemas")
    assert [(one.ids, one.package, one.version) for one in found] == [(("GHSA-aaaa-bbbb-cccc",), "mermaid", version)]


def test_a_registry_that_does_not_answer_is_no_all_clear(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering({}, {}) as (url, _):
        monkeypatch.setenv("npm_config_registry", url)
        monkeypatch.setenv(vulnerabilities.OSV_VARIABLE, f"{url}/v1/query")
        with pytest.raises(QueryError, match="405"):
            vulnerabilities.query_npm(".")
        assert vulnerabilities.main() == 2
    assert capsys.readouterr().out.count("UNREACHABLE") == 3


def osv(bad: str = "") -> Any:
    """Return a stand-in for OSV that knows something bad of one package."""

    def answer(body: bytes) -> Any:
        query = json.loads(body)
        if query["package"]["name"] != bad:
            return {}
        affected = {
            "package": {"name": bad, "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99"}]}],
        }
        return {
            "vulns": [
                {"id": "PYSEC-1", "aliases": ["CVE-1"], "summary": "made up", "details": "", "affected": [affected]}
            ]
        }

    return answer


def test_pip_audit_is_asked_about_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real pip-audit, with an OSV of ours."""
    packages = list(python_packages())
    with answering({"/v1/query": osv()}, {}) as (url, asked):
        monkeypatch.setenv(vulnerabilities.OSV_VARIABLE, f"{url}/v1/query")
        number, found = vulnerabilities.query_pip_audit(packages)
    queries = [json.loads(one.partition(" ")[2]) for one in asked]
    wanted = {(licences.normal(one.name), one.version) for one in packages}
    assert {(licences.normal(one["package"]["name"]), one["version"]) for one in queries} == wanted
    assert number == len({(one.name, one.version) for one in packages})
    assert found == []


def test_pip_audit_tells_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = ("sha256:" + "0" * 64,)
    packages = [Package(PYTHON, name, "1.0", "Pipfile.lock", "default", hashes) for name in ("good", "bad")]
    with answering({"/v1/query": osv("bad")}, {}) as (url, _):
        monkeypatch.setenv(vulnerabilities.OSV_VARIABLE, f"{url}/v1/query")
        number, found = vulnerabilities.query_pip_audit(packages)
    assert number == 2
    assert found == [Vulnerability(("PYSEC-1", "CVE-1"), "bad", "1.0", "99", "Pipfile.lock")]

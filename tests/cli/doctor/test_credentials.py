"""`mesh doctor`: credentials of terraform, of its kubernetes provider, and of gcloud."""

import json
import shutil
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from cli.doctor import credentials
from cli.sources import google
from cli.sources.google import GoogleClient
from cli.sources.provider_credentials import ADC_FILE, ADC_VARIABLE, CREDENTIAL_VARIABLES
from tests.cli.doctor.diagnosis import DEPLOYER, PROJECT, assert_all_ok, diagnose, expect, gcloud_replies
from tests.cli.emulated_project import EmulatedProject
from tests.cli.loopback_server import http_server

SOMEBODY = f"somebody@{PROJECT}.iam.gserviceaccount.com"
LOGIN = "gcloud auth application-default login"


def test_no_credentials(project: EmulatedProject) -> None:
    del project.variables[ADC_VARIABLE]
    text = "there are no application default credentials; no other check of the project was possible"
    found = expect(project, credentials.OWN, "failure", text, LOGIN, NO_GCE_CHECK="true")
    assert found.bad() == [credentials.OWN]
    assert "terraform" in found.findings
    assert "project" not in found.findings
    lines = project.run("doctor", NO_GCE_CHECK="true").stdout.splitlines()
    at = lines.index("Credentials")
    assert len([line for line in lines[at + 1 :] if line][:2]) == 2
    assert lines[at + 3] == "", "two calm lines"


def test_credentials_that_are_of_no_use(project: EmulatedProject) -> None:
    text = "Google rejects the token in GOOGLE_OAUTH_ACCESS_TOKEN; no other check of the project was possible"
    fix = 'export GOOGLE_OAUTH_ACCESS_TOKEN="$(gcloud auth print-access-token)"'
    token = "ya29.of-somebody-else"
    found = expect(project, credentials.OWN, "failure", text, fix, GOOGLE_OAUTH_ACCESS_TOKEN=token)
    assert "of-somebody-else" not in json.dumps(found.data)


def test_a_key_file(project: EmulatedProject) -> None:
    assert expect(project, credentials.OWN, "ok", DEPLOYER).bad() == []
    project.server.resource_manager.withheld.add("compute.firewalls.create")
    role = "roles/compute.securityAdmin"
    bind = f"gcloud projects add-iam-policy-binding {PROJECT} --member=serviceAccount:{DEPLOYER} --role={role}"
    expect(project, role, "...", "...", bind)


def test_a_persons_login_is_no_reason_for_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Google's library has one for it (here it would be an error), and terraform takes it."""
    login = {
        "type": "authorized_user",
        "client_id": "764086051850-6qr4p6gpi6hn506pt8ejuq83di341hur.apps.googleusercontent.com",
        "client_secret": "gclouds-own-and-known-to-all",
        "refresh_token": "nobodys",
    }
    (tmp_path / "login.json").write_text(json.dumps(login), encoding="utf-8")
    monkeypatch.delenv("GOOGLE_OAUTH_ACCESS_TOKEN", raising=False)
    monkeypatch.setenv(ADC_VARIABLE, str(tmp_path / "login.json"))
    assert GoogleClient(PROJECT).caller == ""


@pytest.mark.parametrize(("email", "may"), [(DEPLOYER, True), (SOMEBODY, False)], ids=["deployer", "somebody"])
def test_acting_as_an_account(project: EmulatedProject, email: str, may: bool) -> None:
    project.act_as(email)
    token = project.token()
    gcloud_replies(project, f"echo {token}")
    found = diagnose(project, GOOGLE_OAUTH_ACCESS_TOKEN=token)
    if may:
        found.expect("impersonation", "ok", f"as {email}")
        assert found.bad() == []
        return
    fix = (
        f"gcloud iam service-accounts add-iam-policy-binding {email} "
        '--member="user:$(gcloud config get-value account)" '
        f"--role=roles/iam.serviceAccountTokenCreator --project {PROJECT}"
    )
    found.expect(
        "impersonation", "failure", f"these credentials can't impersonate {email}: invalid credentials: ...", fix
    )
    assert "project" not in found.findings


@pytest.mark.parametrize("variable", CREDENTIAL_VARIABLES)
@pytest.mark.parametrize("form", ["path", "content"])
def test_credentials_in_a_variable_of_the_provider(project: EmulatedProject, variable: str, form: str) -> None:
    key = Path(project.variables.pop(ADC_VARIABLE))
    given = str(key) if form == "path" else key.read_text(encoding="utf-8")
    found = diagnose(project, NO_GCE_CHECK="true", **{variable: given})
    found.expect(credentials.OWN, "ok", f"{DEPLOYER}, from {variable}")
    # Without application default credentials, terraform's kubernetes provider gets no token.
    assert found.bad() == [credentials.KUBERNETES]
    text = (
        f"gke-gcloud-auth-plugin uses the application default credentials, and ignores {variable}; "
        "there are no application default credentials"
    )
    found.expect(credentials.KUBERNETES, "warning", text, LOGIN)


def test_the_providers_order(project: EmulatedProject) -> None:
    """An access token comes first, then the variables for keys, and the application default credentials last."""
    nonsense = str(project.folder / "no-such-file")
    variables = {ADC_VARIABLE: nonsense, "GCLOUD_KEYFILE_JSON": nonsense, "GOOGLE_CLOUD_KEYFILE_JSON": nonsense}
    variables["GOOGLE_CREDENTIALS"] = project.variables[ADC_VARIABLE]
    expect(project, credentials.OWN, "ok", f"{DEPLOYER}, from GOOGLE_CREDENTIALS", **variables)
    (project.folder / "token").write_text(f"{project.token()}\n", encoding="utf-8")
    for token in (project.token(), str(project.folder / "token")):
        variables["GOOGLE_OAUTH_ACCESS_TOKEN"] = token
        expect(project, credentials.OWN, "ok", "the token in GOOGLE_OAUTH_ACCESS_TOKEN", **variables)
    for variable in ("GOOGLE_CLOUD_KEYFILE_JSON", ADC_VARIABLE):
        unusable = f"can't use {variable}:..."
        found = expect(project, credentials.OWN, "failure", unusable, "...", **{variable: nonsense})
        assert "project" not in found.findings


def test_application_default_credentials_are_where_terraform_looks(project: EmulatedProject) -> None:
    """Go's library ignores CLOUDSDK_CONFIG, Python's does not."""
    key = Path(project.variables.pop(ADC_VARIABLE))
    folder, home = project.folder / "sdk", project.folder / ".config" / "gcloud"
    folder.mkdir()
    shutil.copy(key, folder / ADC_FILE)
    fix = f'export {ADC_VARIABLE}="$CLOUDSDK_CONFIG/application_default_credentials.json"'
    expect(project, credentials.OWN, "failure", "...", fix, CLOUDSDK_CONFIG=str(folder))
    home.mkdir(parents=True)
    shutil.copy(key, home / "application_default_credentials.json")
    expect(project, credentials.OWN, "ok", DEPLOYER, CLOUDSDK_CONFIG=str(folder))


def test_the_account_in_the_environment(project: EmulatedProject) -> None:
    """The configuration's comes first."""
    acts = f"as {DEPLOYER}"
    found = expect(project, "impersonation", "ok", acts, GOOGLE_IMPERSONATE_SERVICE_ACCOUNT=DEPLOYER)
    assert found.bad() == [credentials.KUBERNETES]
    found.expect(credentials.KUBERNETES, "...", "...and ignores GOOGLE_IMPERSONATE_SERVICE_ACCOUNT...", "...")
    project.variables["GOOGLE_IMPERSONATE_SERVICE_ACCOUNT"] = SOMEBODY
    expect(project, "impersonation", "failure", "...", "...")
    project.act_as(DEPLOYER)
    assert expect(project, "impersonation", "ok", acts).bad() == []


@pytest.mark.usefixtures("netrc")
def test_netrc_is_not_for_google(project: EmulatedProject) -> None:
    """The library requests would replace the token by what a default entry has, for every host."""
    assert_all_ok(project)
    project.act_as(DEPLOYER)
    assert_all_ok(project)


@pytest.mark.usefixtures("netrc")
def test_netrc_is_not_for_the_token_exchange(project: EmulatedProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a session of its own in Google's library."""
    authorizations: dict[str, str | None] = {}

    def respond(request: BaseHTTPRequestHandler) -> tuple[int, str]:
        authorizations[request.path] = request.headers.get("Authorization")
        return 200, json.dumps({"access_token": "fresh", "expires_in": 3600})

    key = Path(project.variables[ADC_VARIABLE])
    with http_server(respond) as url:
        content = json.loads(key.read_text(encoding="utf-8")) | {"token_uri": f"{url}/token"}
        key.write_text(json.dumps(content), encoding="utf-8")
        monkeypatch.setenv(ADC_VARIABLE, str(key))
        monkeypatch.setenv("MESH_USERINFO_ENDPOINT", url)
        GoogleClient(PROJECT).get("userinfo", "userinfo")
    assert authorizations == {"/token": None, "/userinfo": "Bearer fresh"}


@pytest.mark.parametrize("proxy", ["socks5h://127.0.0.1:1", "http://127.0.0.1:1"])
def test_without_an_answer_nothing_is_ok(project: EmulatedProject, monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    """Here, as a proxy of the environment is in the way."""
    monkeypatch.setattr(google, "RETRIES", 0)
    text, fix = (
        "unknown: no response from 127.0.0.1...",
        "check that this machine can reach Google's APIs, and run the command again",
    )
    token = project.token()
    variables = {"ALL_PROXY": proxy, "GOOGLE_OAUTH_ACCESS_TOKEN": token}
    found = expect(project, credentials.OWN, "failure", text, fix, **variables)
    assert "project" not in found.findings
    expect(project, credentials.OWN, "failure", "...", "...", ALL_PROXY=proxy)
    assert_all_ok(project, ALL_PROXY=proxy, NO_PROXY="127.0.0.1")


def test_gcloud_is_not_logged_in(project: EmulatedProject) -> None:
    problem = "ERROR: (gcloud.auth.print-access-token) You do not currently have an active account selected."
    advice = "to select an already authenticated account to use."
    gcloud_replies(project, f"printf '{problem}\\n\\n{advice}\\n' >&2; exit 1")
    text = f"the scripts require a token, and gcloud prints none: failed with status 1: {problem}"
    assert expect(project, credentials.GCLOUD, "failure", text, "gcloud auth login").bad() == [credentials.GCLOUD]
    project.set_mode("fleet")  # no script is run
    assert_all_ok(project)


def test_gcloud_has_a_token_that_is_of_no_use(project: EmulatedProject) -> None:
    gcloud_replies(project, "echo ya29.revoked")
    text = "Google rejects gcloud's token"
    assert expect(project, credentials.GCLOUD, "failure", text, "gcloud auth login").bad() == [credentials.GCLOUD]


def test_gcloud_acts_as_somebody_else(project: EmulatedProject) -> None:
    expect(project, credentials.GCLOUD, "ok", DEPLOYER)
    token = project.server.cloud.identity.new_token(SOMEBODY)["access_token"]
    gcloud_replies(project, f"echo {token}")
    text = f"the scripts act as {SOMEBODY}, and terraform as {DEPLOYER}"
    found = expect(project, credentials.GCLOUD, "warning", text, f"gcloud config set account {DEPLOYER}, or ...")
    assert (found.status, found.bad()) == (0, [credentials.GCLOUD])


def test_gcloud_acts_as_the_account(project: EmulatedProject) -> None:
    """As scripts/lib.sh has it act."""
    project.act_as(DEPLOYER)
    variable = '"${CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT:-nobody}"'
    gcloud_replies(project, f"echo {variable} >{project.folder}/acts; echo {project.token()}")
    assert_all_ok(project)
    assert (project.folder / "acts").read_text(encoding="utf-8") == f"{DEPLOYER}\n"


def test_an_identity_that_is_not_told(project: EmulatedProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(google, "RETRIES", 0)
    text = "a token; not known whether terraform acts as the same account"
    expect(project, credentials.GCLOUD, "ok", text, MESH_USERINFO_ENDPOINT="http://127.0.0.1:1/")

"""`mesh doctor`: credentials of terraform, of its kubernetes provider, and of gcloud."""

import json
import shutil
from pathlib import Path

import pytest

from cli.doctor import credentials
from cli.sources import google
from cli.sources.google import GoogleClient
from cli.sources.provider_credentials import ADC_VARIABLE, CREDENTIAL_VARIABLES
from tests.cli.doctor.diagnosis import DEPLOYER, PROJECT, act_as, diagnose, gcloud_replies, set_mode
from tests.cli.emulated_project import EmulatedProject


def test_no_credentials(project: EmulatedProject) -> None:
    del project.variables[ADC_VARIABLE]
    found = diagnose(project, NO_GCE_CHECK="true")
    assert found.status == 1
    assert found.bad() == [credentials.OWN]
    assert found.of(credentials.OWN) == (
        "failure",
        "there are no application default credentials; nothing in Google Cloud was looked at",
        "gcloud auth application-default login",
    )
    assert "terraform" in found.findings
    assert "project" not in found.findings
    lines = project.run("doctor", NO_GCE_CHECK="true").stdout.splitlines()
    at = lines.index("Credentials")
    assert len([line for line in lines[at + 1 :] if line][:2]) == 2
    assert lines[at + 3] == "", "two calm lines"


def test_credentials_that_are_of_no_use(project: EmulatedProject) -> None:
    found = diagnose(project, GOOGLE_OAUTH_ACCESS_TOKEN="ya29.of-somebody-else")
    assert found.of(credentials.OWN) == (
        "failure",
        "Google does not take the token in GOOGLE_OAUTH_ACCESS_TOKEN; nothing in Google Cloud was looked at",
        'export GOOGLE_OAUTH_ACCESS_TOKEN="$(gcloud auth print-access-token)"',
    )
    assert "of-somebody-else" not in json.dumps(found.data)


def test_a_key_file(project: EmulatedProject) -> None:
    found = diagnose(project)
    assert found.of(credentials.OWN) == ("ok", f"deployer@{PROJECT}.iam.gserviceaccount.com", "")
    assert found.bad() == []
    project.server.resource_manager.withheld.add("compute.firewalls.create")
    fix = diagnose(project).of("roles/compute.securityAdmin")[2]
    assert fix == (
        f"gcloud projects add-iam-policy-binding {PROJECT} "
        f"--member=serviceAccount:deployer@{PROJECT}.iam.gserviceaccount.com --role=roles/compute.securityAdmin"
    )


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
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "login.json"))
    assert GoogleClient(PROJECT).caller == ""


@pytest.mark.parametrize(("account", "may"), [("deployer", True), ("somebody", False)])
def test_acting_as_an_account(project: EmulatedProject, account: str, may: bool) -> None:
    email = f"{account}@{PROJECT}.iam.gserviceaccount.com"
    act_as(project, email)
    token = project.token()
    gcloud_replies(project, f"echo {token}")
    found = diagnose(project, GOOGLE_OAUTH_ACCESS_TOKEN=token)
    state, text, fix = found.of("impersonation")
    if may:
        assert (state, text, found.bad()) == ("ok", f"acts as {email}", [])
        return
    assert state == "failure"
    assert text.startswith(f"may not act as {email}: the credentials are of no use: ")
    assert fix == (
        f"gcloud iam service-accounts add-iam-policy-binding {email} "
        '--member="user:$(gcloud config get-value account)" '
        f"--role=roles/iam.serviceAccountTokenCreator --project {PROJECT}"
    )
    assert "project" not in found.findings


@pytest.mark.parametrize("variable", CREDENTIAL_VARIABLES)
@pytest.mark.parametrize("form", ["path", "content"])
def test_credentials_in_a_variable_of_the_provider(project: EmulatedProject, variable: str, form: str) -> None:
    key = Path(project.variables.pop(ADC_VARIABLE))
    given = str(key) if form == "path" else key.read_text(encoding="utf-8")
    found = diagnose(project, NO_GCE_CHECK="true", **{variable: given})
    assert found.of(credentials.OWN) == ("ok", f"{DEPLOYER}, of {variable}", "")
    # Without application default credentials, terraform's kubernetes provider gets no token.
    assert found.bad() == [credentials.KUBERNETES]
    assert found.of(credentials.KUBERNETES) == (
        "warning",
        f"gke-gcloud-auth-plugin takes the application default credentials, and not {variable}; "
        "there are no application default credentials",
        "gcloud auth application-default login",
    )


def test_the_providers_order(project: EmulatedProject) -> None:
    """An access token comes first, then the variables for keys, and the application default credentials last."""
    nonsense = str(project.folder / "no-such-file")
    variables = {ADC_VARIABLE: nonsense, "GCLOUD_KEYFILE_JSON": nonsense, "GOOGLE_CLOUD_KEYFILE_JSON": nonsense}
    variables["GOOGLE_CREDENTIALS"] = project.variables[ADC_VARIABLE]
    assert diagnose(project, **variables).of(credentials.OWN)[1] == f"{DEPLOYER}, of GOOGLE_CREDENTIALS"
    (project.folder / "token").write_text(f"{project.token()}\n", encoding="utf-8")
    for token in (project.token(), str(project.folder / "token")):
        found = diagnose(project, **variables, GOOGLE_OAUTH_ACCESS_TOKEN=token)
        assert found.of(credentials.OWN) == ("ok", "the token in GOOGLE_OAUTH_ACCESS_TOKEN", "")
    for variable in ("GOOGLE_CLOUD_KEYFILE_JSON", ADC_VARIABLE):
        found = diagnose(project, **{variable: nonsense})
        state, text, _ = found.of(credentials.OWN)
        assert (state, text.partition(":")[0]) == ("failure", f"{variable} can't be used")
        assert "project" not in found.findings


def test_application_default_credentials_are_where_terraform_looks(project: EmulatedProject) -> None:
    """Go's library ignores CLOUDSDK_CONFIG, Python's does not."""
    key = Path(project.variables.pop(ADC_VARIABLE))
    folder = project.folder / "sdk"
    folder.mkdir()
    shutil.copy(key, folder / "application_default_credentials.json")
    found = diagnose(project, CLOUDSDK_CONFIG=str(folder))
    assert found.of(credentials.OWN)[::2] == (
        "failure",
        'export GOOGLE_APPLICATION_CREDENTIALS="$CLOUDSDK_CONFIG/application_default_credentials.json"',
    )
    home = project.folder / ".config" / "gcloud"
    home.mkdir(parents=True)
    shutil.copy(key, home)
    (home / key.name).rename(home / "application_default_credentials.json")
    assert diagnose(project, CLOUDSDK_CONFIG=str(folder)).of(credentials.OWN) == ("ok", DEPLOYER, "")


def test_the_account_in_the_environment(project: EmulatedProject) -> None:
    """The configuration's comes first."""
    other = f"somebody@{PROJECT}.iam.gserviceaccount.com"
    found = diagnose(project, GOOGLE_IMPERSONATE_SERVICE_ACCOUNT=DEPLOYER)
    assert found.of("impersonation") == ("ok", f"acts as {DEPLOYER}", "")
    assert found.bad() == [credentials.KUBERNETES]
    assert "and not GOOGLE_IMPERSONATE_SERVICE_ACCOUNT" in found.of(credentials.KUBERNETES)[1]
    assert diagnose(project, GOOGLE_IMPERSONATE_SERVICE_ACCOUNT=other).of("impersonation")[0] == "failure"
    act_as(project, DEPLOYER)
    found = diagnose(project, GOOGLE_IMPERSONATE_SERVICE_ACCOUNT=other)
    assert found.of("impersonation") == ("ok", f"acts as {DEPLOYER}", "")
    assert found.bad() == []


def test_netrc_is_not_for_google(project: EmulatedProject) -> None:
    """The library requests would replace the token by what a default entry has, for every host."""
    (project.folder / ".netrc").write_text("default login somebody password x\n", encoding="utf-8")
    found = diagnose(project)
    assert (found.status, found.bad()) == (0, [])
    act_as(project, DEPLOYER)
    assert diagnose(project).bad() == []


@pytest.mark.parametrize("proxy", ["socks5h://127.0.0.1:1", "http://127.0.0.1:1"])
def test_without_an_answer_nothing_is_ok(project: EmulatedProject, monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    """Here, as a proxy of the environment is in the way."""
    monkeypatch.setattr(google, "RETRIES", 0)
    token = project.token()
    found = diagnose(project, ALL_PROXY=proxy, GOOGLE_OAUTH_ACCESS_TOKEN=token)
    state, text, fix = found.of(credentials.OWN)
    assert (state, fix) == ("failure", "see that Google's APIs can be reached from here, and try again")
    assert text.startswith("not known: no answer from 127.0.0.1")
    assert found.of(credentials.OWN)[0] == diagnose(project, ALL_PROXY=proxy).of(credentials.OWN)[0]
    assert "project" not in found.findings
    assert diagnose(project, ALL_PROXY=proxy, NO_PROXY="127.0.0.1").bad() == []


def test_gcloud_is_not_logged_in(project: EmulatedProject) -> None:
    problem = "ERROR: (gcloud.auth.print-access-token) You do not currently have an active account selected."
    advice = "to select an already authenticated account to use."
    gcloud_replies(project, f"printf '{problem}\\n\\n{advice}\\n' >&2; exit 1")
    found = diagnose(project)
    assert (found.status, found.bad()) == (1, [credentials.GCLOUD])
    assert found.of(credentials.GCLOUD) == (
        "failure",
        f"the scripts need it, and gcloud gives no token: failed with status 1: {problem}",
        "gcloud auth login",
    )
    set_mode(project, "fleet")  # no script is run
    assert diagnose(project).bad() == []


def test_gcloud_has_a_token_that_is_of_no_use(project: EmulatedProject) -> None:
    gcloud_replies(project, "echo ya29.revoked")
    found = diagnose(project)
    assert found.bad() == [credentials.GCLOUD]
    assert found.of(credentials.GCLOUD) == ("failure", "Google does not take gcloud's token", "gcloud auth login")


def test_gcloud_acts_as_somebody_else(project: EmulatedProject) -> None:
    other = f"somebody@{PROJECT}.iam.gserviceaccount.com"
    assert diagnose(project).of(credentials.GCLOUD) == ("ok", DEPLOYER, "")
    token = project.server.cloud.identity.new_token(other)["access_token"]
    gcloud_replies(project, f"echo {token}")
    found = diagnose(project)
    assert (found.status, found.bad()) == (0, [credentials.GCLOUD])
    state, text, fix = found.of(credentials.GCLOUD)
    assert (state, text) == ("warning", f"the scripts act as {other}, and terraform as {DEPLOYER}")
    assert fix.startswith(f"gcloud config set account {DEPLOYER}, or ")


def test_gcloud_acts_as_the_account(project: EmulatedProject) -> None:
    """As scripts/lib.sh has it act."""
    act_as(project, DEPLOYER)
    variable = '"${CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT:-nobody}"'
    gcloud_replies(project, f"echo {variable} >{project.folder}/acts; echo {project.token()}")
    assert diagnose(project).bad() == []
    assert (project.folder / "acts").read_text(encoding="utf-8") == f"{DEPLOYER}\n"


def test_an_identity_that_is_not_told(project: EmulatedProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(google, "RETRIES", 0)
    found = diagnose(project, MESH_USERINFO_ENDPOINT="http://127.0.0.1:1/")
    text = "a token; Google does not tell whether terraform acts as the same identity"
    assert found.of(credentials.GCLOUD) == ("ok", text, "")

"""The credentials that terraform and the scripts use, and whether Google accepts them."""

import os
import shutil
from collections.abc import Sequence

from cli.doctor.tools import ToolError, run
from cli.errors import MeshError
from cli.report.findings import Finding, FindingState, failure, ok, warning
from cli.sources.google import ApiError, GoogleClient, impersonated_account
from cli.sources.provider_credentials import IMPERSONATE_VARIABLE, LOGIN, TOKEN_VARIABLE, default_credentials
from cli.sources.remediation import api_error_fix
from config import Environment

NEW_TOKEN = f'export {TOKEN_VARIABLE}="$(gcloud auth print-access-token)"'
"""An access token is valid for an hour, and only gcloud, which issued it, can issue another."""

OWN, ACCOUNT = "terraform's credentials", "impersonation"
KUBERNETES, GCLOUD = "kubernetes provider's credentials", "gcloud's login"
GCLOUD_LOGIN = "gcloud auth login"
PERSON = "a user account"


def check(environment: Environment, google: GoogleClient) -> list[Finding]:
    """Check the credentials of the google provider, of the kubernetes provider, and of gcloud in the scripts.

    Args:
        environment: The environment.
        google: The client that acts as the google provider.
    """
    account = impersonated_account(environment)
    own = GoogleClient(google.project)
    found = [_check_own(own)]
    if account is not None and usable(found):
        found.append(_check_account(account, own, google))
    if not usable(found):
        return found
    if environment.project.impersonate_service_account is None:
        found += _check_kubernetes_provider(own)
    if environment.control_plane.runs_local_scripts and shutil.which("gcloud"):
        found.append(_check_gcloud(environment, google))
    return found


def usable(findings: Sequence[Finding]) -> bool:
    """Whether Google accepts the google provider's credentials."""
    return all(one.state is FindingState.OK for one in findings if one.name in (OWN, ACCOUNT))


def member(google: GoogleClient) -> str:
    """Return the caller as IAM writes it; the address of a person is left to gcloud."""
    return f"serviceAccount:{google.caller}" if google.caller else '"user:$(gcloud config get-value account)"'


def _check_own(own: GoogleClient) -> Finding:
    unseen = "no other check of the project was possible"
    try:
        _probe(own)
    except ApiError as error:
        return failure(OWN, f"unknown: {error}; {unseen}", api_error_fix(error, "projects", own.project))
    except MeshError as error:
        if os.environ.get(TOKEN_VARIABLE):
            return failure(OWN, f"Google rejects the token in {TOKEN_VARIABLE}; {unseen}", NEW_TOKEN)
        return failure(OWN, f"{error}; {unseen}", error.fix or LOGIN)
    if own.source.variable == TOKEN_VARIABLE:
        return ok(OWN, f"the token in {TOKEN_VARIABLE}")
    variable = f", from {own.source.variable}" if own.source.variable else ""
    return ok(OWN, f"{own.caller or PERSON}{variable}")


def _check_account(account: str, own: GoogleClient, google: GoogleClient) -> Finding:
    try:
        _probe(google)
    except ApiError as error:
        return failure(ACCOUNT, f"unknown: {error}", api_error_fix(error, "projects", google.project))
    except MeshError as error:
        grant = (
            f"gcloud iam service-accounts add-iam-policy-binding {account} --member={member(own)} "
            f"--role=roles/iam.serviceAccountTokenCreator --project {account.partition('@')[2].partition('.')[0]}"
        )
        return failure(ACCOUNT, f"these credentials can't impersonate {account}: {error}", grant)
    return ok(ACCOUNT, f"as {account}")


def _check_kubernetes_provider(own: GoogleClient) -> list[Finding]:
    """Check the credentials of gke-gcloud-auth-plugin, which takes none of the google provider's variables."""
    variables = [name for name in (own.source.variable, IMPERSONATE_VARIABLE) if os.environ.get(name)]
    if not variables:
        return []
    text = f"gke-gcloud-auth-plugin uses the application default credentials, and ignores {' and '.join(variables)}"
    try:
        default_credentials()
    except MeshError as error:
        return [warning(KUBERNETES, f"{text}; {error}", error.fix)]
    return [
        warning(KUBERNETES, f"{text}: they may belong to another identity", "set project.impersonate_service_account")
    ]


def _check_gcloud(environment: Environment, google: GoogleClient) -> Finding:
    """Check gcloud's own login, as which the scripts act, and compare it with the google provider's identity."""
    account = environment.project.impersonate_service_account
    # As scripts/lib.sh does it.
    variables = {} if account is None else {"CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT": account}
    try:
        token = run("gcloud", "auth", "print-access-token", variables=variables, merged=False).strip()
    except ToolError as error:
        may = "" if account is None else f", with an account that has roles/iam.serviceAccountTokenCreator on {account}"
        return failure(GCLOUD, f"the scripts require a token, and gcloud prints none: {error}", f"{GCLOUD_LOGIN}{may}")
    gcloud = GoogleClient(google.project, token=token)
    try:
        _probe(gcloud)
    except ApiError as error:
        return failure(GCLOUD, f"unknown: {error}", api_error_fix(error, "projects", google.project))
    except MeshError:
        return failure(GCLOUD, "Google rejects gcloud's token", GCLOUD_LOGIN)
    scripts, terraform = gcloud.email(), google.email()
    if not scripts or not terraform:
        return ok(GCLOUD, f"{scripts or 'a token'}; not known whether terraform acts as the same account")
    if scripts != terraform:
        fix = f"gcloud config set account {terraform}, or log in with the same account twice: {GCLOUD_LOGIN} && {LOGIN}"
        return warning(GCLOUD, f"the scripts act as {scripts}, and terraform as {terraform}", fix)
    return ok(GCLOUD, scripts)


def _probe(google: GoogleClient) -> None:
    """Make a call that needs a valid token and no permission.

    Raises:
        ApiError: There was no response.
        MeshError: Google does not accept the credentials.
    """
    try:
        google.post("projects", f"projects/{google.project}:testIamPermissions", {"permissions": []})
    except ApiError as error:
        if error.status == 0:
            raise
        # Any response will do; what it means is another check's subject.

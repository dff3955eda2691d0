"""Who calls Google's APIs, and whether they take it."""

import os
from contextlib import suppress

from cli.errors import MeshError
from cli.report.findings import Finding, failure, ok
from cli.sources.google import LOGIN, TOKEN_VARIABLE, ApiError, GoogleClient
from config import Environment

NEW_TOKEN = f'export {TOKEN_VARIABLE}="$(gcloud auth print-access-token)"'
"""Tokens live for an hour, and nobody can renew one that somebody else has made."""

OWN, ACCOUNT = "application default credentials", "impersonation"


def check(environment: Environment, google: GoogleClient) -> list[Finding]:
    """Return whether there are credentials that are of use, and whether the caller may act as the account.

    Args:
        google: as the account that the configuration names, if it names one.
    """
    account = environment.project.impersonate_service_account
    own = google if account is None else GoogleClient(google.project)
    try:
        _try(own)
    except MeshError as error:
        text, fix = str(error), error.fix or LOGIN
        if os.environ.get(TOKEN_VARIABLE):
            text, fix = f"Google does not take the token in {TOKEN_VARIABLE}", NEW_TOKEN
        return [failure(OWN, f"{text}; nothing in Google Cloud was looked at", fix)]
    found = [ok(OWN, _described(own))]
    if account is None:
        return found
    try:
        _try(google)
    except MeshError as error:
        return [*found, failure(ACCOUNT, f"may not act as {account}: {error}", _grant(account, own))]
    return [*found, ok(ACCOUNT, f"acts as {account}")]


def member(google: GoogleClient) -> str:
    """Return the caller as IAM writes it; a person's address only gcloud knows."""
    return f"serviceAccount:{google.caller}" if google.caller else '"user:$(gcloud config get-value account)"'


def _try(google: GoogleClient) -> None:
    """Make a call that needs a token and no permission.

    Raises:
        MeshError: the token is of no use.
    """
    with suppress(ApiError):  # an answer all the same; what it means is another check's
        google.post("projects", f"projects/{google.project}:testIamPermissions", {"permissions": []})


def _described(google: GoogleClient) -> str:
    if os.environ.get(TOKEN_VARIABLE):
        return f"the token in {TOKEN_VARIABLE}"
    return google.caller or "a person's login"


def _grant(account: str, own: GoogleClient) -> str:
    return (
        f"gcloud iam service-accounts add-iam-policy-binding {account} --member={member(own)} "
        f"--role=roles/iam.serviceAccountTokenCreator --project {account.partition('@')[2].partition('.')[0]}"
    )

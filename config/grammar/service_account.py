"""E-mail addresses of Google's service accounts.

Source: https://docs.cloud.google.com/iam/docs/service-account-types, and for a project of a domain (example.com:shop)
https://docs.cloud.google.com/iam/docs/service-accounts-create
"""

import re

_PROJECT = r"[a-z]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_NAME = r"[a-z]([-a-z0-9]{4,28}[a-z0-9])"

PATTERN = rf"({_NAME}@{_PROJECT}\.iam|[0-9]+-compute@developer|{_PROJECT}@appspot|[0-9]+@[a-z]+)\.gserviceaccount\.com"
"""Accounts of users and service agents; Compute Engine's default; App Engine's default; older service agents."""

_SERVICE_AGENT = re.compile(r"(service-[0-9]+@.*|.*@gcp-sa-[-a-z0-9]+\.iam|[0-9]+@[a-z]+)\.gserviceaccount\.com")
_DEFAULT = re.compile(rf"([0-9]+-compute@developer|{_PROJECT}@appspot)\.gserviceaccount\.com")

_EXAMPLE = "deployer@my-project.iam.gserviceaccount.com"


def problem(text: str) -> str | None:
    """Return what is wrong with a service account, or None."""
    if re.fullmatch(PATTERN, text):
        return None
    if not text.strip():
        return f"is empty; name a service account such as {_EXAMPLE}, or remove the key"
    found = re.search(r"[A-Za-z0-9.-]+@[A-Za-z0-9.-]+", text)
    if found and found[0] != text and re.fullmatch(PATTERN, found[0]):
        return f"must be a service account's e-mail address alone; write {found[0]!r}"
    if re.fullmatch(PATTERN, text.strip().lower()):
        return f"must be a service account's e-mail address, in lower case; write {text.strip().lower()!r}"
    if re.fullmatch(r"[0-9]+", text):
        return f"must be a service account's e-mail address, such as {_EXAMPLE}, and is a number"
    if text.endswith(".iam.gserviceaccount.com"):
        name = text.partition("@")[0]
        if re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name) and not 6 <= len(name) <= 30:
            return f"must have a name of 6 to 30 characters before the @, and has one of {len(name)}"
    elif "@" in text and not text.endswith(".gserviceaccount.com"):
        return f"must be a service account, such as {_EXAMPLE}: a person can't be impersonated"
    return f"must be a service account's e-mail address, such as {_EXAMPLE}"


def is_service_agent(email: str) -> bool:
    """Return whether an account is one of Google's own, in a project of Google's."""
    return _SERVICE_AGENT.fullmatch(email) is not None


def google_owner(email: str) -> str | None:
    """Return what Google's account of this address is; None for an account that somebody has created.

    Source: https://docs.cloud.google.com/iam/docs/service-account-types
    """
    if _DEFAULT.fullmatch(email):
        return "a default service account, which all workloads of its project share, often with roles/editor"
    if is_service_agent(email):
        return "a service agent, which Google manages and only its own services use"
    return None


def project_of(email: str) -> str:
    """Return the id of the project of an account that somebody has created.

    The address of an account in a project of a domain, ``example.com:shop``, ends with ``@shop.example.com.iam…``.
    """
    project, _, domain = email.partition("@")[2].removesuffix(".iam.gserviceaccount.com").partition(".")
    return f"{domain}:{project}" if domain else project

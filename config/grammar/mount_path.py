"""Paths in a container at which a volume is mounted.

Source: ValidateVolumeMounts in
https://github.com/kubernetes/kubernetes/blob/v1.34.0/pkg/apis/core/validation/validation.go, which refuses colons, and
the container runtime, which resolves the rest.
"""

import re

_CHARACTER = r"[!-#%-)+-.0-9;-\[\]-~]"
PATTERN = rf"(/{_CHARACTER}({{_CHARACTER}}|[ ]+{_CHARACTER})*)+".replace("{_CHARACTER}", _CHARACTER)
"""Printable ASCII. A colon separates paths; $, * and backslashes are slips: nothing replaces a variable here."""


def problem(text: str) -> str | None:
    """Return what is wrong with a mount path, or None."""
    if not text:
        return "is empty; it must be an absolute path such as /etc/shop"
    if not text.startswith("/"):
        return f"must be an absolute path; write {'/' + text.lstrip('./')!r}"
    parts = text[1:].split("/")
    if not any(parts):
        return "is the whole file system of the image; name a folder such as /cache"
    if "" in parts:
        return f"has a slash too many; write {'/' + '/'.join(part for part in parts if part)!r}"
    if "." in parts or ".." in parts:
        return "has a part . or ..; write the path that it leads to"
    if not re.fullmatch(PATTERN, text):
        return (
            "must be an absolute path such as /etc/shop, in ASCII, without : $ * and backslashes, and without spaces "
            "at the ends of its parts"
        )
    return None


def is_within(path: str, folder: str) -> bool:
    """Return whether a path is a folder, or below it."""
    return f"{path}/".startswith(f"{folder}/")

"""Scan of files for credentials."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.fake_cloud.identity import TOKEN_MARKER, Identity
from tests.reporting.report import Report
from tests.reporting.table import Table

CHUNK = 1 << 20


CACHES = ("access_tokens.db", "gke_gcloud_auth_plugin_cache")
"""Caches of gcloud and its plugin, which keep tokens for an hour; only the user can read them."""


def search(folders: Iterable[Path], words: Sequence[bytes]) -> tuple[int, list[str]]:
    """Return the number of files that were read, and the paths of those that contain a word."""
    read, found = 0, []
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_symlink() or not path.is_file():
                continue
            read += 1
            if _contains(path, words):
                found.append(str(path))
    return read, found


def scan_for_secrets(report: Report, identity: Identity, tokens: Sequence[str], folders: Sequence[Path]) -> None:
    """Search all files for the account's key, its tokens, and the remote secrets' tokens.

    Args:
        report: of the rehearsal.
        identity: of the account.
        tokens: of the remote secrets.
        folders: searched.
    """
    lines = identity.private_key().splitlines()
    words = [f"ya29.{TOKEN_MARKER}".encode(), lines[len(lines) // 2].encode(), *(token.encode() for token in tokens)]
    read, found = search(folders, words)
    caches = [path for path in found if Path(path).name in CACHES]
    found = [path for path in found if path not in caches]
    table = Table("Credentials in states, plans, logs and temporary files", ["Files", "Files with a credential"])
    table.add(read, len(found), ok=read > 0 and not found)
    table.notes += found
    if caches:
        table.notes.append(f"not counted, gcloud's own caches: {', '.join(Path(path).name for path in caches)}")
    report.figure("Credentials", f"{len(found)} of {read} files have one: states, plans, logs and temporary files")
    report.add(table)


def _contains(path: Path, words: Sequence[bytes]) -> bool:
    tail = b""
    longest = max(map(len, words))
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            if any(word in tail + chunk for word in words):
                return True
            tail = chunk[-longest:]
    return False

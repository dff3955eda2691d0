"""Whether a credential has got into a file."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.fake_cloud.identity import TOKEN_MARKER, Identity
from tests.reporting.table import Table

CHUNK = 1 << 20


CACHES = ("access_tokens.db", "gke_gcloud_auth_plugin_cache")
"""Where gcloud and its plugin keep tokens for an hour, for everybody who uses them; only the user can read them."""


def search(folders: Iterable[Path], words: Sequence[bytes], excluded: Sequence[Path]) -> tuple[int, list[str]]:
    """Return how many files were read, and which of them have one of the words in it."""
    read, found = 0, []
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_symlink() or not path.is_file() or any(path.is_relative_to(one) for one in excluded):
                continue
            read += 1
            if _contains(path, words):
                found.append(str(path))
    return read, found


def scan_for_secrets(
    identity: Identity, tokens: Sequence[str], folders: Sequence[Path], excluded: Sequence[Path]
) -> Table:
    """Look for the account's key, its tokens, and the remote secrets' tokens in all files.

    Args:
        tokens: of the remote secrets.
        excluded: where they have to be: the key file itself, and the clusters' own stores.
    """
    lines = identity.private_key().splitlines()
    words = [f"ya29.{TOKEN_MARKER}".encode(), lines[len(lines) // 2].encode(), *(token.encode() for token in tokens)]
    read, found = search(folders, words, excluded)
    caches = [path for path in found if Path(path).name in CACHES]
    found = [path for path in found if path not in caches]
    table = Table("7  credentials in states, plans, logs and left-over files", ["files", "with a credential"])
    table.add(read, len(found), ok=read > 0 and not found)
    table.notes += found
    if caches:
        table.notes.append(f"besides gcloud's own: {', '.join(Path(path).name for path in caches)}")
    return table


def _contains(path: Path, words: Sequence[bytes]) -> bool:
    tail = b""
    longest = max(map(len, words))
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            if any(word in tail + chunk for word in words):
                return True
            tail = chunk[-longest:]
    return False

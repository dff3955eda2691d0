"""Keys that have another name now, so that a file with the old one is refused with what to write."""

from typing import Any

from config.loading.strict_yaml import Path

RENAMED = {
    ("mesh", "channel"): "is the channel of the clusters now; remove it, or set cluster.release_channel: {value}",
    ("services", "*", "route"): "is `routes` now, a list; write routes: [{value}]",
}
"""What to write in place of a key, by its path; a star is any name. ``{value}`` is what the file has there."""


def renamed_key(path: Path, value: Any) -> str | None:
    """Return what is wrong with a key that has another name now; None for all others."""
    for pattern, rule in RENAMED.items():
        if len(pattern) == len(path) and all(one in ("*", step) for one, step in zip(pattern, path, strict=True)):
            return rule.format(value=_as_yaml(value))
    return None


def _as_yaml(value: Any) -> str:
    """Return a value as it is written within one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {one}" for key, one in value.items()) + "}"
    return str(value)

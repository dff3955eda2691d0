"""Redacts what Google's APIs answer, so that a recording can be given away.

Nothing passes because it looks harmless: a text passes if the configuration has sent it, if it is a word of the APIs,
or if its form allows no more than a state, a number, a version, a time or a private address. All else is replaced, the
same text by the same one, of the same form where programs read it.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

PROJECT, NUMBER = "my-mesh-project", "123456789012"
"""Stand for the project's id and number."""

DATA_KEYED = frozenset(
    {"annotations", "items", "labels", "membershipSpecs", "membershipStates", "metadata", "resourceLabels", "tags"}
)
"""Fields whose keys are data, and no field names."""

_WORDS = (
    "accounts addresses aggregated all backendServices certificatemanager certificateMapEntries certificateMaps "
    "certificates clusters com compute container default dnsAuthorizations features firewalls forwardingRules global "
    "googleapis healthChecks http https iam instanceGroupManagers instanceGroups locations memberships "
    "networkEndpointGroups networks nodePools operations projects regions routers serviceAccounts services "
    "sslCertificates sslPolicies subnetworks targetHttpProxies targetHttpsProxies urlMaps www zones"
)
WORDS = frozenset(_WORDS.split())
"""Segments of paths and hosts of Google's APIs."""

ENUM = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
KINDS = ("@type", "kind", "type")
"""Fields with the name of a type of the API."""

_TYPE = re.compile(r"[A-Za-z0-9.#/:_]+")
_TOKEN = re.compile(r"[A-Za-z0-9_.\-]+")
_SAFE = re.compile(r"-|v\d+((alpha|beta)\d+)?|\d{1,5}|\d+\.\d+\.\d+(-gke\.\d+)?|([a-z0-9]+\.)?googleapis\.com")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_HEX = re.compile(r"(?=.*\d)[0-9a-f]{8,}")
_MOST = 10**6
"""Numbers below it are sizes and counts."""


class Redaction:
    """Replaces texts; one instance for everything that belongs together."""

    def __init__(self, project: str, known: Iterable[str] = (), number: str = "") -> None:
        """Know what may pass.

        Args:
            project: The project's id.
            known: Texts that the configuration has sent, such as names and ranges.
            number: The project's number; empty if it is not known.
        """
        self._projects = {project: PROJECT} | ({number: NUMBER} if number else {})
        self._known = {token for text in known for token in _TOKEN.findall(self._without_project(text))}
        self._known |= {PROJECT, NUMBER, f"{PROJECT}.iam.gserviceaccount.com"} | WORDS
        self._replaced: dict[str, str] = {}

    def _without_project(self, text: str) -> str:
        for found, placeholder in self._projects.items():
            text = text.replace(found, placeholder)
        return text

    def value(self, value: Any, field: str = "") -> Any:
        """Return a value of JSON without what may not be given away.

        Args:
            value: The value.
            field: The field that holds it.
        """
        match value:
            case bool() | None | float():
                return value
            case int():
                return value if abs(value) < _MOST else int(self._replace(str(value)))
            case str():
                return self.text(value, field)
            case list():
                return [self.value(one, "" if isinstance(one, dict) else field) for one in value]
            case dict():
                return {self._key(key, field): self.value(one, str(key)) for key, one in value.items()}
        raise TypeError(f"no value of JSON: {type(value).__name__}")

    def _key(self, key: str, field: str) -> str:
        return self.text(key) if field in DATA_KEYED and key not in WORDS else key

    def text(self, text: str, field: str = "") -> str:
        """Return a text without what may not be given away."""
        if ENUM.fullmatch(text) or _TIME.fullmatch(text) or (field in KINDS and _TYPE.fullmatch(text)):
            return text
        return _TOKEN.sub(lambda found: self._token(found[0]), self._without_project(text))

    def _token(self, token: str) -> str:
        if token in self._known or _SAFE.fullmatch(token) or _is_private(token):
            return token
        return self._replace(token)

    def _replace(self, token: str) -> str:
        if token not in self._replaced:
            self._replaced[token] = _placeholder(token, len(self._replaced) + 1)
        return self._replaced[token]

    def masked(self, text: str) -> str:
        """Return a text for people without the project's id and number, addresses of mail, and public addresses."""
        text = re.sub(r"[\w.+-]+@[\w-]+(\.[\w-]+)+", "somebody@example.com", self._without_project(text))
        return re.sub(r"\d+\.\d+\.\d+\.\d+", lambda found: found[0] if _is_private(found[0]) else "192.0.2.1", text)


def _is_private(token: str) -> bool:
    try:
        return ipaddress.ip_address(token).is_private
    except ValueError:
        return False


def _placeholder(token: str, number: int) -> str:
    """Return a text of the same form, which is unique by a number."""
    forms: tuple[tuple[Callable[[str], bool], str], ...] = (
        (str.isdigit, str(number).rjust(len(token), "9")),
        (_is_address, f"192.0.2.{number % 256}"),
        (lambda one: _HEX.fullmatch(one) is not None, f"{number:x}".rjust(len(token), "0")),
    )
    return next((replacement for fits, replacement in forms if fits(token)), f"redacted-{number}")


def _is_address(token: str) -> bool:
    try:
        ipaddress.ip_address(token)
    except ValueError:
        return False
    return True


def texts(value: Any) -> Iterable[str]:
    """Yield all texts in a value of JSON, and all keys."""
    match value:
        case str():
            yield value
        case list():
            for one in value:
                yield from texts(one)
        case dict():
            for key, one in value.items():
                yield key
                yield from texts(one)


def without_empty_scopes(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return an aggregated list without the scopes that hold nothing, but for the first of them."""
    items = answer.get("items")
    if not isinstance(items, dict):
        return dict(answer)
    empty = [scope for scope, content in items.items() if set(content) == {"warning"}]
    return {**answer, "items": {scope: content for scope, content in items.items() if scope not in empty[1:]}}

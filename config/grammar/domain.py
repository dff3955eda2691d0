"""Domain names: those of the public DNS, as certificates have them, and host names of services.

Sources: RFC 1123 for letters, RFC 5890 and 5891 for international names, RFC 6761, 6762, 7686, 9476 and
https://www.icann.org/en/board-activities-and-meetings/materials/approved-resolutions-special-meeting-of-the-icann-board-29-07-2024-en
for names that no public DNS has.
"""

import re
import unicodedata

LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
PATTERN = rf"({LABEL}\.)+[a-z]([-a-z0-9]{{0,61}}[a-z0-9])?"
ROUTE_HOST_PATTERN = rf"{LABEL}(\.{LABEL})+"
HOST_PATTERN = rf"{LABEL}(\.{LABEL})*(:[0-9]{{1,5}})?"

NOT_PUBLIC = frozenset({"alt", "arpa", "internal", "invalid", "local", "localhost", "onion", "test"})
"""Last labels of names that no public DNS has, so that no certificate is issued for them."""

_EXAMPLE = "shop.example.com"


def problem(text: str) -> str | None:
    """Return what is wrong with a domain of the public DNS, or None."""
    if not text.strip():
        return f"is empty; name a domain such as {_EXAMPLE}"
    if "*" in text:
        return f"must be a domain without a star, such as {_EXAMPLE}; list each one, as each has its own certificate"
    rule = _spelling(text, port_allowed=False) or _labels(text)
    if rule:
        return rule
    labels = text.split(".")
    if len(labels) < 2:
        return f"must be a domain such as {_EXAMPLE}, with a dot"
    if not re.match(r"[a-z]", labels[-1]):
        kind = "is an IP address" if re.fullmatch(r"[0-9.]+", text) else f"ends in {labels[-1]!r}"
        return f"must be a domain such as {_EXAMPLE}, and {kind}"
    if labels[-1] in NOT_PUBLIC:
        return f"must be a domain of the public DNS: no certificate is issued for a name that ends in .{labels[-1]}"
    return None


def host_problem(text: str) -> str | None:
    """Return what is wrong with the host name of a service, which may have a port, or None."""
    if not text.strip():
        return "is empty; name a host such as tfe.example.com"
    if rule := _spelling(text, port_allowed=True):
        return rule
    host, _, port = text.partition(":")
    if port and not (re.fullmatch(r"[0-9]{1,5}", port) and 1 <= int(port) <= 65535):
        return f"must be a host name; {port} is not a valid port"
    return _labels(host)


def route_host_problem(text: str) -> str | None:
    """Return what is wrong with the host name of requests, or None. It need not be in the public DNS."""
    if not text.strip():
        return f"is empty; name a host such as {_EXAMPLE}"
    if "*" in text:
        return f"must be one host, such as {_EXAMPLE}; leave host out for all hosts"
    if rule := _spelling(text, port_allowed=False) or _labels(text):
        return rule
    if "." not in text or re.fullmatch(r"[0-9.]+", text):
        return f"must be a host name such as {_EXAMPLE}, with a dot"
    return None


def _spelling(text: str, *, port_allowed: bool) -> str | None:
    """Return how a name that is close to right is written."""
    kind = "a host name" if port_allowed else "a domain"
    if re.search(r"\s", text):
        return f"must be {kind}, which has no spaces"
    bare = re.sub(r"^[A-Za-z][A-Za-z0-9+.-]*://", "", text)
    name = bare.partition("/")[0]
    if name != text:
        return f"must be {kind} alone, without a scheme and a path; write {name.lower()!r}"
    port = re.search(r":([0-9]*)$", name)
    if port and not (port_allowed and port[1]):
        return f"must be {kind} without a port; write {name[: port.start()]!r}"
    if name.endswith("."):
        return f"must be {kind} without a dot at its end; write {name.rstrip('.')!r}"
    if not name.isascii():
        return _international(name, kind)
    if name != name.lower():
        return f"must be {kind} in lower case; write {name.lower()!r}"
    return None


def _international(name: str, kind: str) -> str:
    labels = unicodedata.normalize("NFC", name.casefold() if "ß" not in name else name.lower()).split(".")
    encoded = ".".join(label if label.isascii() else f"xn--{label.encode('punycode').decode()}" for label in labels)
    if re.fullmatch(rf"{LABEL}(\.{LABEL})*", encoded):
        return f"must be {kind} as the DNS has it, in ASCII; write {encoded!r}"
    return f"must be {kind} as the DNS has it: letters without accents, digits, and hyphens between them"


def _labels(name: str) -> str | None:
    for label in name.split("."):
        if label == "":
            return "must be a host name or domain; between two dots, or at an end, a part of it is empty"
        if len(label) > 63:
            return f"must have at most 63 characters between two dots; {label[:20]!r}… has {len(label)}"
        if not re.fullmatch(LABEL, label):
            return (
                f"must be a host name or domain; {label!r} is not a valid part: letters, digits, hyphens between them"
            )
        if rule := _ace_problem(label):
            return rule
    return None


def _ace_problem(label: str) -> str | None:
    """Return what is wrong with a label whose third and fourth characters are hyphens: it has to be punycode."""
    if label[2:4] != "--":
        return None
    try:
        text = label[4:].encode().decode("punycode") if label.startswith("xn--") else ""
        odd = any(unicodedata.category(letter)[0] in "CZ" for letter in text)
        if not text.isascii() and not odd and text == text.lower() and text.encode("punycode").decode() == label[4:]:
            return None
    except (UnicodeError, ValueError, IndexError, OverflowError):
        pass
    return f"must be a host name or domain; {label!r} is not a valid international name (xn--…)"

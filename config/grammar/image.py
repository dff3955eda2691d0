"""References of container images.

Source: the grammar in https://github.com/distribution/reference/blob/main/reference.go, and for digests
https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests, as the kubelet reads them.
"""

import re

EXAMPLE = "docker.io/istio/examples-helloworld-v1:1.0"

LONGEST_NAME = 255

_HOST_LABEL = r"[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?"
_HOST = rf"({_HOST_LABEL}(\.{_HOST_LABEL})*|\[[0-9A-Fa-f:]+\])(:[0-9]+)?"
_PART = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}
_DIGEST = "|".join(f"{name}:[0-9a-f]{{{length}}}" for name, length in _DIGEST_LENGTHS.items())

PATTERN = rf"({_HOST}/)?{_PART}(/{_PART})*(:{_TAG})?(@({_DIGEST}))?"


def problem(text: str) -> str | None:
    """Return what is wrong with an image's reference, or None."""
    if not text.strip():
        return f"is empty; name a container image such as {EXAMPLE}"
    if re.search(r"\s", text):
        return "must be a container image, which has no spaces"
    if scheme := re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
        return f"must be a container image, which has no scheme; take {scheme[0]} away"
    named, at, digest = text.partition("@")
    if at and not re.fullmatch(_DIGEST, digest):
        return _digest_problem(digest)
    slash = named.rfind("/")
    path, colon, tag = named[slash + 1 :].partition(":")
    if colon and ":" in tag:
        return f"must be a container image, which has one tag; {path} has {' and '.join(map(repr, tag.split(':')))}"
    if colon and not re.fullmatch(_TAG, tag):
        return "has an empty tag; name one, or remove the colon" if not tag else _tag_problem(tag)
    parts = [*(named[:slash].split("/") if slash >= 0 else []), path]
    if "" in parts:
        return "must be a container image; between two slashes, or at an end, a part of the name is empty"
    host = parts[0] if len(parts) > 1 and _is_host(parts[0]) else None
    if host is not None and (rule := _host_problem(host)):
        return rule
    for part in parts[1:] if host is not None else parts:
        if not re.fullmatch(_PART, part):
            if part != part.lower():
                return f"must be a container image, whose name has no capitals: write {part.lower()!r} for {part!r}"
            return (
                f"must be a container image such as {EXAMPLE}; {part!r} is not a valid part of its name: lower-case "
                "letters and digits, with single dots, one or two underscores or hyphens between them"
            )
    if len("/".join(parts)) > LONGEST_NAME:
        return f"must have {LONGEST_NAME} characters at most before the tag"
    if not at and re.fullmatch(r"(sha256:)?[0-9a-f]{64}", named):
        return "must be a container image, and is a checksum; write NAME@sha256:CHECKSUM"
    return None


def _is_host(part: str) -> bool:
    """Whether the first part of several is a registry's host, as the kubelet reads it."""
    return bool(re.search(r"[.:\[]", part)) or part == "localhost" or part != part.lower()


def _host_problem(host: str) -> str | None:
    if not re.fullmatch(_HOST, host):
        # An underscore makes it a part of the name, if it has no capitals and no port.
        return (
            None
            if re.fullmatch(_PART, host)
            else f"must be a container image; {host!r} is not a valid host of a registry"
        )
    if not re.search(r"[.:]", host) and host != "localhost":
        return (
            f"must be a container image, whose name has no capitals: {host!r} is read as a registry's host; "
            f"write {host.lower()!r}"
        )
    port = host.rpartition(":")[2] if re.search(r":[0-9]+$", host) and not host.endswith("]") else "1"
    if not 1 <= int(port[:6]) <= 65535:
        return f"must be a container image; {port} is not a valid port"
    return None


def _tag_problem(tag: str) -> str:
    if len(tag) > 128:
        return f"must have a tag of 128 characters at most, and has one of {len(tag)}"
    return f"must be a container image; {tag!r} is not a valid tag: letters, digits, underscores, dots and hyphens"


def _digest_problem(digest: str) -> str:
    name, colon, value = digest.partition(":")
    if colon and name in _DIGEST_LENGTHS:
        length = _DIGEST_LENGTHS[name]
        return f"must have a digest of {length} hexadecimal digits in lower case after {name}:, and has {value!r}"
    return f"must have a digest such as sha256: and 64 hexadecimal digits after @, and has {digest!r}"

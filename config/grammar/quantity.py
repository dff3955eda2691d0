"""Quantities of Kubernetes: amounts of CPU and of bytes.

Source: https://github.com/kubernetes/apimachinery/blob/v0.34.2/pkg/api/resource/quantity.go, without exponents (1e3),
signs, and fractions that it would round.
"""

import re
from collections.abc import Callable
from fractions import Fraction

CPU_PATTERN = r"[0-9]{1,6}m|[0-9]{1,3}(\.[0-9]{1,3})?"
BYTES_PATTERN = r"[0-9]{1,17}(\.[0-9]{1,9})?([kMGTP]|[KMGTP]i)?"

DECIMAL = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50}
MOST_CPU = 1000
"""Less than this; no machine of Compute Engine has as many."""

LEAST_BYTES = BINARY["Mi"]
"""Less is a slip: no container starts in less memory, and a number without a suffix is bytes."""

_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)([A-Za-z]*)")


def cpu_problem(text: str) -> str | None:
    """Return what is wrong with an amount of CPU, or None."""
    found = _QUANTITY.fullmatch(text)
    if not found or found[2] not in {"", "m"}:
        return "must be an amount of CPU: CPUs such as 2 or 1.5, or thousandths such as 500m"
    if not re.fullmatch(CPU_PATTERN, text):
        return "must be less than 1000 CPUs, in whole thousandths such as 500m"
    if millicpus(text) == 0:
        return "must be more than 0; 100m is a tenth of a CPU"
    if millicpus(text) >= MOST_CPU * 1000:
        return f"must be less than {MOST_CPU} CPUs"
    return None


def bytes_problem(text: str) -> str | None:
    """Return what is wrong with an amount of bytes, or None."""
    found = _QUANTITY.fullmatch(text)
    if not found:
        return "must be an amount of bytes such as 512Mi or 2Gi"
    number, suffix = found.groups()
    if suffix == "m":
        return f"is in thousandths of a byte; write {number}Mi for mebibytes"
    if suffix not in DECIMAL | BINARY:
        known = _meant(suffix)
        return f"has an unknown unit; write {number}{known}" if known else "must end in Mi, Gi or another unit of bytes"
    if not re.fullmatch(BYTES_PATTERN, text) or _exact_bytes(text).denominator != 1:
        return "must be a whole number of bytes, such as 512Mi"
    if byte_count(text) < LEAST_BYTES:
        return f"is less than 1Mi: a number without a unit is bytes; write {number}Mi for mebibytes"
    if byte_count(text) >= 1024 * BINARY["Pi"]:
        return "must be less than 1024Pi"
    return None


def _meant(suffix: str) -> str | None:
    """Return the unit that a misspelled one stands for, such as Mi for MiB, and M for mb."""
    meant = {one.lower(): one for one in (*DECIMAL, *BINARY)}
    return meant.get(suffix.lower()) or meant.get(suffix.lower().removesuffix("b")) or None


def millicpus(text: str) -> int:
    """Return a valid amount of CPU in thousandths."""
    return int(text[:-1]) if text.endswith("m") else int(Fraction(text) * 1000)


def byte_count(text: str) -> int:
    """Return a valid amount of bytes."""
    return int(_exact_bytes(text))


def _exact_bytes(text: str) -> Fraction:
    found = _QUANTITY.fullmatch(text)
    assert found is not None
    return Fraction(found[1]) * (DECIMAL | BINARY)[found[2]]


def canonical_cpu(text: str) -> str:
    """Return a valid amount of CPU as the API server stores it."""
    whole, rest = divmod(millicpus(text), 1000)
    return f"{millicpus(text)}m" if rest else str(whole)


def canonical_bytes(text: str) -> str:
    """Return a valid amount of bytes as the API server stores it: in the largest unit that has no fraction."""
    count = byte_count(text)
    units = BINARY if text.endswith("i") else DECIMAL
    suffix = max((one for one in units if count % units[one] == 0), key=lambda one: units[one], default="")
    return f"{count // units.get(suffix, 1)}{suffix}"


AMOUNTS: dict[str, Callable[[str], int]] = {"cpu": millicpus, "memory": byte_count, "ephemeral_storage": byte_count}
"""How each resource is counted."""

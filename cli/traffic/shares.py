"""Whether counts are compatible with given shares, and what a count says of a share."""

import math
from collections.abc import Mapping

LEAST_EXPECTED = 5
"""Of each version, for the test to hold: the usual rule for Pearson's (W. G. Cochran, Biometrics 10, 1954)."""

BISECTIONS = 60
"""Halvings of an interval of length 1, after which its ends are as near as floating point gets them."""


def probability(counts: Mapping[str, int], shares: Mapping[str, float]) -> float:
    """Return how probable counts at least as far off are, if the shares are right.

    Pearson's chi-squared test (Philosophical Magazine 50, 1900).

    Args:
        counts: Responses by version.
        shares: By version; they add up to 1.

    Returns:
        The test's p-value.
    """
    total = sum(counts.values())
    expected = {version: total * share for version, share in shares.items()}
    if total == 0 or set(counts) - set(shares):
        return 0.0
    distance = sum((counts.get(version, 0) - mean) ** 2 / mean for version, mean in expected.items())
    return _chi_squared_tail(distance, len(shares) - 1) if len(shares) > 1 else 1.0


def interval(count: int, total: int, confidence: float) -> tuple[float, float]:
    """Return the confidence limits of the share that a count was drawn with.

    The interval that holds for every share (C. J. Clopper, E. S. Pearson, Biometrika 26, 1934).

    Args:
        count: Responses of one kind.
        total: All responses.
        confidence: Between 0 and 1, such as 0.99.

    Returns:
        The lower and the upper limit, 0 to 1.
    """
    if total == 0:
        return 0.0, 1.0
    tail = (1 - confidence) / 2
    return _lower_limit(count, total, tail), 1 - _lower_limit(total - count, total, tail)


def _chi_squared_tail(distance: float, degrees: int) -> float:
    """Return the probability of a distance or more, by the closed form for a whole number of degrees of freedom."""
    half = distance / 2
    if half == 0:
        return 1.0
    odd = degrees % 2
    # Each term is half**k * exp(-half) / gamma(k + 1); logarithms keep it from overflowing.
    powers = (step + odd / 2 for step in range(degrees // 2))
    terms = (math.exp(power * math.log(half) - half - math.lgamma(power + 1)) for power in powers)
    return (math.erfc(math.sqrt(half)) if odd else 0.0) + math.fsum(terms)


def _lower_limit(count: int, total: int, tail: float) -> float:
    """Return the share with which a count or more is drawn in that part, `tail`, of all draws."""
    if count == 0:
        return 0.0
    low, high = 0.0, count / total
    for _ in range(BISECTIONS):
        share = (low + high) / 2
        low, high = (low, share) if _binomial_tail(count, total, share) > tail else (share, high)
    return (low + high) / 2


def _binomial_tail(count: int, total: int, share: float) -> float:
    """Return the probability to draw a count or more, with a share of less than count / total: terms only shrink."""
    choices = math.lgamma(total + 1) - math.lgamma(count + 1) - math.lgamma(total - count + 1)
    term = math.exp(choices + count * math.log(share) + (total - count) * math.log1p(-share))
    result = 0.0
    for drawn in range(count, total + 1):
        result += term
        if term <= result * 1e-17:
            break
        term *= (total - drawn) / (drawn + 1) * share / (1 - share)
    return result

"""Whether counts are compatible with given shares, and what a count says of a share."""

from collections.abc import Mapping

LEAST_EXPECTED = 5
"""Of each version, for the test to hold: the usual rule for Pearson's (W. G. Cochran, Biometrics 10, 1954)."""


def probability(counts: Mapping[str, int], shares: Mapping[str, float]) -> float:
    """Return how probable counts as far off as these are, or farther, if the shares are right.

    Pearson's chi-squared test (Philosophical Magazine 50, 1900), its distribution from scipy.

    Args:
        counts: answers by version.
        shares: by version; they add up to 1.
    """
    # Imported late: it takes a third of a second, and requests can run meanwhile.
    from scipy.special import chdtrc  # noqa: PLC0415

    total = sum(counts.values())
    expected = {version: total * share for version, share in shares.items()}
    if total == 0 or set(counts) - set(shares):
        return 0.0
    distance = sum((counts.get(version, 0) - mean) ** 2 / mean for version, mean in expected.items())
    return float(chdtrc(len(shares) - 1, distance)) if len(shares) > 1 else 1.0


def interval(count: int, total: int, confidence: float) -> tuple[float, float]:
    """Return the limits between which the share is of which a count was drawn.

    The interval that holds for every share (C. J. Clopper, E. S. Pearson, Biometrika 26, 1934).

    Args:
        confidence: between 0 and 1, such as 0.99.
    """
    from scipy.special import betaincinv  # noqa: PLC0415

    if total == 0:
        return 0.0, 1.0
    tail = (1 - confidence) / 2
    low = float(betaincinv(count, total - count + 1, tail)) if count > 0 else 0.0
    high = float(betaincinv(count + 1, total - count, 1 - tail)) if count < total else 1.0
    return low, high

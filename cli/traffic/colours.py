"""The colours of plots: each region has the same one in all of them."""

from collections.abc import Iterable

from cli.traffic.counts import UNKNOWN

FAILED = "failed"
"""In place of a region: a request that failed."""

_OTHERS = {UNKNOWN: "#9aa0a6", FAILED: "#b3261e"}
_PALETTE = (
    *("#1f77b4", "#ff9f40", "#2ca02c", "#9467bd", "#17becf", "#e377c2", "#bcbd22", "#8c564b"),
    *("#5b9bd5", "#b35900", "#7fc97f", "#5e3c99", "#0b7285", "#f7b6d2", "#7a7a1e", "#c49c94"),
)
"""Without red and grey, which are `_OTHERS`."""


def response_colours(regions: Iterable[str]) -> dict[str, str]:
    """Return the colour of the responses of each region, of `UNKNOWN` ones, and of those that `FAILED`.

    Args:
        regions: Keys of all regions of the environment, in the order of the file.
    """
    return {key: _PALETTE[number % len(_PALETTE)] for number, key in enumerate(regions)} | _OTHERS

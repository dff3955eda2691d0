"""Items that a list has twice."""

from collections.abc import Hashable, Iterator, Sequence

from config.problems import Problem


def check_duplicates(path: str, values: Sequence[Hashable]) -> Iterator[Problem]:
    """Yield a problem for each item of a list that is equal to one before it.

    Args:
        path: of the list.
        values: the list.
    """
    seen: set[Hashable] = set()
    for index, value in enumerate(values):
        if value in seen:
            yield Problem(f"{path}[{index}]", "is listed twice", value)
        seen.add(value)

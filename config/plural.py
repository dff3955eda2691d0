"""Numbers with their nouns."""


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: ``1 failure``, ``2 failures``.

    Args:
        number: The number.
        noun: The noun in the singular.
        plural: The noun in the plural; with an s if absent.
    """
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"

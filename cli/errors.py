"""The error that ends a command before it has a result."""


class MeshError(Exception):
    """A problem that the user has to solve first.

    Attributes:
        fix: What to do next, a command or a sentence.
    """

    def __init__(self, text: str, fix: str = "") -> None:
        super().__init__(text)
        self.fix = fix

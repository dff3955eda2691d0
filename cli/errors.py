"""What stops a command before it could find out anything."""


class MeshError(Exception):
    """Something that the user has to put right first.

    Attributes:
        fix: what to do next, a command or a sentence.
    """

    def __init__(self, text: str, fix: str = "") -> None:
        super().__init__(text)
        self.fix = fix

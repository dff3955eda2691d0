"""The options of `mesh drain` and `mesh undrain`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DrainOptions:
    """The options of `mesh drain` and `mesh undrain`.

    Attributes:
        region: Key of the region.
        drained: Whether it is to be drained, or put back into service.
        yes: Whether to go on without a prompt.
        timeout: Seconds to wait until the region is empty, or serves again.
    """

    region: str
    drained: bool
    yes: bool
    timeout: float

    @property
    def command(self) -> str:
        """The command without its options."""
        return f"mesh {'drain' if self.drained else 'undrain'} {self.region}"

    @property
    def opposite(self) -> str:
        """The command that takes it back."""
        return f"mesh {'undrain' if self.drained else 'drain'} {self.region}"

"""The requests from all regions during a drill, as they are watched."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cli.errors import MeshError
from cli.traffic.client import LoadGenerator, stop_all
from cli.traffic.outage import is_steady, seconds_of_failure
from cli.traffic.response import Response

STEADY = 20
"""Responses in a row that make a state."""

PAUSE_SECONDS = 0.1

SECONDS_OF_SILENCE = 15.0
"""After which a client is lost: each request ends within 5 s (`cli.traffic.client.TIMEOUT_SECONDS`)."""


@dataclass(frozen=True)
class DrillLoad:
    """The requests from all regions.

    Attributes:
        generators: By region.
        started_at: When they started.
    """

    generators: Mapping[str, LoadGenerator]
    started_at: float = field(default_factory=time.monotonic)

    def responses(self) -> dict[str, list[Response]]:
        """Return the responses so far, by the region that has sent the requests."""
        return {key: list(one.responses) for key, one in self.generators.items()}

    def stop(self) -> None:
        """Send no more requests."""
        stop_all(list(self.generators.values()))

    def find_outage(self, since: float, seconds: float) -> str:
        """Return the key of a region to which nothing but failures has arrived for some seconds; empty if none.

        Args:
            since: The moment from which on responses count.
            seconds: Their number.
        """
        now = time.monotonic()
        for key, one in self.generators.items():
            if seconds_of_failure(one.since(since), since, now) >= seconds:
                return key
        return ""

    def wait_until_steady(
        self,
        region: str,
        condition: Callable[[Response], bool],
        moment: float,
        seconds: float,
        stop: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Wait until the responses to a region's requests since a moment steadily meet a condition.

        Args:
            region: Its key.
            condition: Of a response.
            moment: From which on they count.
            seconds: From that moment on, for which to wait.
            stop: Whether to give up.

        Returns:
            Whether they do.

        Raises:
            MeshError: A client was lost.
        """
        while time.monotonic() < moment + seconds:
            if self.watch(PAUSE_SECONDS, stop):
                return False
            if is_steady(self.generators[region].since(moment), condition, STEADY):
                return True
        return False

    def watch(self, seconds: float, stop: Callable[[], bool]) -> bool:
        """Let time pass, and return whether to stop earlier.

        Raises:
            MeshError: A client was lost.
        """
        deadline = time.monotonic() + seconds
        while True:
            for key, one in self.generators.items():
                if not one.running:
                    raise MeshError(f"lost the connection to the client pod in {key}: {one.problem}", "mesh status")
                last = one.responses[-1].received if one.responses else self.started_at
                if time.monotonic() > last + SECONDS_OF_SILENCE:
                    text = f"the client pod in {key} has reported nothing for {SECONDS_OF_SILENCE:.0f} s"
                    raise MeshError(text, "run the drill again")
            if stop():
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(PAUSE_SECONDS)

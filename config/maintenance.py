"""When GKE may upgrade a cluster: half a day a week, never two regions at the same time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

WEEK_HOURS = 168

WINDOW_HOURS = 12
"""Length of a window, once a week: the least that GKE takes.

It wants 48 hours in any 32 days, and a span of 32 days is only sure to have four whole weekly windows in it.
Source: https://cloud.google.com/kubernetes-engine/docs/how-to/maintenance-window
"""

WINDOWS_A_WEEK = WEEK_HOURS // WINDOW_HOURS
"""Most clusters that can each have a window of their own."""

_FIRST_WEEK = datetime(2024, 1, 1)  # a Monday; GKE takes from it the day and the time only


@dataclass(frozen=True)
class MaintenanceWindow:
    """A span of the week.

    Attributes:
        start: hour of the week in UTC, from 0, the one that begins with Monday.
    """

    start: int

    @classmethod
    def at(cls, text: str) -> "MaintenanceWindow":
        """Return the window that begins at a time such as ``saturday 15:00``, which has to be right."""
        day, _, time = text.partition(" ")
        return cls(DAYS.index(day) * 24 + int(time.partition(":")[0]))

    def after(self, windows: int) -> "MaintenanceWindow":
        """Return the window that begins so many windows later."""
        return MaintenanceWindow((self.start + windows * WINDOW_HOURS) % WEEK_HOURS)

    def overlaps(self, other: "MaintenanceWindow") -> bool:
        """Whether there is an hour of the week that both have: the week is a circle."""
        apart = (self.start - other.start) % WEEK_HOURS
        return apart < WINDOW_HOURS or apart > WEEK_HOURS - WINDOW_HOURS

    @property
    def start_time(self) -> str:
        """As RFC 3339 writes it, in UTC: the provider compares texts."""
        return self._at(self.start)

    @property
    def end_time(self) -> str:
        return self._at(self.start + WINDOW_HOURS)

    @property
    def recurrence(self) -> str:
        """As RFC 5545 writes it; the day is the one on which a window starts, in UTC."""
        return f"FREQ=WEEKLY;BYDAY={DAYS[self.start // 24][:2].upper()}"

    def __str__(self) -> str:
        return f"{DAYS[self.start // 24]} {self.start % 24:02}:00 UTC, {WINDOW_HOURS} hours"

    @staticmethod
    def _at(hour: int) -> str:
        return (_FIRST_WEEK + timedelta(hours=hour)).strftime("%Y-%m-%dT%H:%M:%SZ")


def staggered(
    first: MaintenanceWindow, own: Mapping[str, MaintenanceWindow], numbers: Mapping[str, int | None]
) -> dict[str, MaintenanceWindow]:
    """Return a window for each region that there is a free one for.

    A region's number determines its window, so that adding or removing a region changes no
    other one. If two numbers lead to the same window, or a region has no number, it gets the
    first free one.

    Args:
        first: of number 0; the other numbers' follow it.
        own: windows that are given; two of them may overlap, which is for a check to refuse.
        numbers: of all regions, in the order of the file.
    """
    windows = dict(own)
    asking = [key for key in numbers if key not in own]
    by_number = sorted((number, key) for key in asking if (number := numbers[key]) is not None)
    for number, key in by_number:
        wanted = first.after(number)
        if not any(wanted.overlaps(taken) for taken in windows.values()):
            windows[key] = wanted
    for key in asking:
        if key not in windows:
            every = map(first.after, range(WINDOWS_A_WEEK))
            free = [one for one in every if not any(one.overlaps(taken) for taken in windows.values())]
            if free:
                windows[key] = free[0]
    return windows

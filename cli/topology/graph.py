"""The graph that each format draws: boxes in nested groups, and arrows between boxes."""

from collections.abc import Iterator
from enum import Enum
from itertools import product
from typing import NamedTuple


class Kind(Enum):
    """What a box or an arrow stands for: the color of its lines, and of the inside of a box."""

    INGRESS = ("#b35900", "#fef0d5")
    SERVICE = ("#188038", "#e3f4e8")
    FAILOVER = ("#c5221f", "#fce8e6")
    DISCOVERY = ("#3367d6", "#e8eefc")
    INFRASTRUCTURE = ("#3c4043", "#f1f3f4")


class Box(NamedTuple):
    """A box with lines of text, of which the first one is its name. Its id is GROUP_PART, or PART outside groups."""

    id: str
    kind: Kind
    lines: tuple[str, ...]


class Arrow(NamedTuple):
    """Arrows of one meaning: from each start to each end, but for those within a region if there is more than one."""

    kind: Kind
    label: tuple[str, ...]
    starts: tuple[str, ...]
    ends: tuple[str, ...]

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Yield the start and the end of each arrow."""
        for start, end in product(self.starts, self.ends):
            if len(self.ends) * len(self.starts) == 1 or start.partition("_")[0] != end.partition("_")[0]:
                yield start, end


class Group(NamedTuple):
    """A frame around boxes and frames, with a title of lines."""

    id: str
    title: tuple[str, ...]
    boxes: tuple[Box, ...] = ()
    groups: tuple["Group", ...] = ()
    retired: bool = False


class Graph(NamedTuple):
    """A picture: boxes above, the group of the VPC, in it a group for each region, in it a group for its cluster."""

    boxes: tuple[Box, ...]
    vpc: Group
    arrows: tuple[Arrow, ...]

"""The faults of ``faults.yaml``, and at calls of scripts."""

import itertools
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from pathlib import Path
from typing import Any

import yaml

from config.environment import Environment
from config.paths import ROOT
from tests.rehearsal.fault_wrappers import TOOLS, Call

FILE = Path(__file__).parent / "faults.yaml"
DEPLOY, DESTROY = "deploy", "destroy"
CHANGE = "change"
"""Verb of a fault of a changed configuration, in all stacks."""

ALL = "all"
"""In place of a stack's name, for this verb."""

LONGEST_DELAY = 1.0
"""Seconds between a step of terraform and a kill at a random moment, at most; it does not wait for the next step."""


ACTIONS = {"fail": "fails", "kill": "is killed"}
"""What happens to a call of a script, or to the script."""

VERBS = (DEPLOY, DESTROY)
SCRIPTS = ("asmcli", *sorted(path.name for path in (ROOT / "scripts").glob("*.sh")))
CALLS = [Call(script, number, tool) for script in SCRIPTS for number in range(1, 50) for tool in TOOLS]
"""Every call that a script may make."""


@dataclass(frozen=True)
class InjectedFault:
    """A fault, with the keys of ``faults.yaml``, or at a call of a script."""

    name: str
    stack: str
    verb: str
    request: str = ""
    status: int = 0
    times: int = 0
    operation: str = ""
    kill: str = ""
    kill_at: str = ""
    kill_after: float | None = None
    delay: float = 0.0
    moments: int = 0
    expire: str = ""
    outage: str = ""
    seconds: int = 0
    twice: str = ""
    lifetime: int = 0
    unreachable: int | None = None
    mesh_delay: float = 0.0
    modes: tuple[str, ...] = ()
    when: Mapping[str, Sequence[str]] = field(default_factory=dict)
    cycle: Sequence[Mapping[str, Any]] = ()
    step: int = 0
    first: Sequence[str] = ()
    small: bool = False
    call: Call | None = None
    action: str = ""

    def can_happen(self, environment: Environment) -> bool:
        """Return whether the environment has what the fault concerns."""
        if self.modes and environment.mesh.control_plane not in self.modes:
            return False
        return all(attrgetter(key)(environment) in values for key, values in self.when.items())

    def at_moments(self, seed: str) -> Iterator["InjectedFault"]:
        """Yield the fault, or one for each of its moments, which are the same in every run with the same seed."""
        if not self.moments:
            yield self
        for number in range(1, self.moments + 1):
            chosen = random.Random(f"{self.stack} {self.verb} {self.name} {number}{seed}")
            share, delay = chosen.random(), chosen.uniform(0, LONGEST_DELAY)
            name = f"{self.name}: moment {number}, after {share:.0%} of its steps"
            yield replace(self, name=name, moments=0, kill_after=share, delay=delay)


def read_faults(small: bool, environment: Environment | None = None, seed: str = "") -> list[InjectedFault]:
    """Return the faults of ``faults.yaml``.

    Args:
        small: return only those of the small set.
        environment: return only those that can happen in this environment; all if there is none.
        seed: any text; each has other random moments.
    """
    entries = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    every = (fault for entry in entries for fault in InjectedFault(**entry).at_moments(seed))
    faults = [fault for fault in every if fault.small or not small]
    return [fault for fault in faults if environment is None or fault.can_happen(environment)]


@dataclass(frozen=True)
class FaultSelection:
    """A selection of faults.

    Attributes:
        small: only those of the small set.
        only: pattern for ``STACK, VERB: NAME``; the calls of scripts have names such as
            ``create-remote-secret.sh is killed at its call 3, kubectl``.
        seed: as for `read_faults`.
    """

    small: bool = False
    only: str = ""
    seed: str = ""

    def wants(self, fault: InjectedFault) -> bool:
        return re.search(self.only, f"{fault.stack}, {fault.verb}: {fault.name}") is not None

    def may_want(self, stack: str, listed: Iterable[InjectedFault]) -> bool:
        """Return whether a fault of a stack may be selected: a listed one, or one of a script's calls if not small.

        Args:
            stack: name of the stack.
            listed: the faults of the file.
        """
        faults = [one for one in listed if one.stack == stack]
        if not self.small:
            every = itertools.product(VERBS, CALLS, ACTIONS)
            faults += [call_fault(stack, verb, call, action) for verb, call, action in every]
        return any(map(self.wants, faults))


def call_fault(stack: str, verb: str, call: Call, action: str) -> InjectedFault:
    """Return a fault at a call of a script."""
    name = f"{call.script} {ACTIONS[action]} at its call {call.number}, {call.tool}"
    return InjectedFault(name, stack, verb, call=call, action=action)

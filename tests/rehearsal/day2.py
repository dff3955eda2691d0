"""Changes of a deployed environment, one after the other, each followed by a deploy that changes nothing."""

import copy
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cli.traffic.outage import count_failed
from config.effects import Effect
from config.grammar.service_account import project_of
from config.reference import effects_of_keys
from tests.lab.demo import LabDemo
from tests.local_mesh.errors import LocalMeshError
from tests.local_mesh.isolation import ignore_sigint
from tests.local_mesh.traffic import Client, Stream
from tests.rehearsal import checks, mesh_cli_check
from tests.rehearsal.changes import changes_since, take_checkpoint
from tests.rehearsal.context import RehearsalContext, conclude
from tests.rehearsal.deployment import CommandRun
from tests.rehearsal.observed_effect import observe, seen_effect
from tests.reporting.table import Table

FILE = Path(__file__).parent / "day2.yaml"
INTERVAL_SECONDS = 0.1
CLIENT_IMAGE = "demo.client_image"
"""Key whose change replaces the pods that send requests."""

MOST_LINES = 12


@dataclass(frozen=True)
class FileChange:
    """A change of the configuration file.

    Attributes:
        change: its name.
        set: new values by key, with the names of this environment.
        effect: a weaker effect than the reference has for the keys; None for that of the reference.
        small: it is one of a small selection.
        first: stacks that are deployed first, as docs/gateway.md has it.
        status: the commands of `mesh status` for former field managers are run next, as docs/operations.md has it.
    """

    change: str
    set: Mapping[str, Any] = field(default_factory=dict)
    effect: Effect | None = None
    small: bool = False
    first: Sequence[str] = ()
    status: bool = False

    def apply(self, content: dict[str, Any]) -> None:
        """Change the content of a file."""
        for path, value in self.set.items():
            *sections, last = path.split(".")
            section = content
            for name in sections:
                section = section.setdefault(name, {})
            section[last] = copy.deepcopy(value)

    def expected_effect(self, effects: Mapping[str, Effect | None]) -> Effect:
        """Return the strongest effect of its keys.

        Args:
            effects: by the keys of the reference.
        """
        if self.effect is not None:
            return self.effect
        found = [strongest_effect(reference_key(path, effects), effects) for path in self.set]
        return max((one for one in found if one is not None), key=list(Effect).index)


def read_changes(only_small: bool, pattern: str = "") -> list[FileChange]:
    """Return the changes, or the small selection of them, whose names match a regular expression.

    Raises:
        LocalMeshError: none matches.
    """
    entries = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    changes = [
        FileChange(**{**entry, "effect": Effect(entry["effect"]) if "effect" in entry else None}) for entry in entries
    ]
    found = [one for one in changes if (one.small or not only_small) and re.search(pattern, one.change)]
    if not found:
        raise LocalMeshError(f"no change in {FILE.name} has a name that matches {pattern}")
    return found


def strongest_effect(key: str, effects: Mapping[str, Effect | None]) -> Effect | None:
    """Return the effect of a key, or of a section: the strongest of its keys."""
    found = [one for name, one in effects.items() if one is not None and name.startswith(f"{key}.")]
    return effects[key] or max(found, key=list(Effect).index, default=None)


def reference_key(path: str, keys: Mapping[str, Any]) -> str:
    """Return the key of the reference that a path in a file belongs to, such as ``services.*.image``.

    Raises:
        KeyError: there is none.
    """
    names = path.split(".")
    for length in range(len(names), 0, -1):
        for key in keys:
            pattern = key.split(".")
            pairs = zip(pattern, names[:length], strict=False)
            if len(pattern) != length or not all(one in ("*", name) for one, name in pairs):
                continue
            if keys[key] or (length == len(names) and pattern[-1] != "*" and strongest_effect(key, keys)):
                return key
    raise KeyError(f"{path}: no key of the reference with an effect")


def run_day2(context: RehearsalContext, changes: Sequence[FileChange]) -> None:
    """Deploy, and make the changes."""
    ignore_sigint()
    report = context.report
    report.tried = (
        f"changes of a deployed mesh.yaml, {len(changes)} in all, each deployed twice, then without changes: "
        "real terraform and Kubernetes, emulated Google Cloud"
    )
    report.progress("first deploy")
    run = context.deployment.deploy()
    report.figure("First deploy", f"{run.totals()[0]} resources added in {run.seconds:.0f} s")
    report.add(checks.deployed("First deploy", run))
    if run.ok:
        Day2(context).run(changes)
    conclude(context)


class Day2:
    """Makes changes, and compares their effects with the reference's."""

    def __init__(self, context: RehearsalContext) -> None:
        self._context = context
        self._deployment = context.deployment
        self._effects = effects_of_keys()
        columns = [
            *("Change", "Documented effect", "Observed effect", "Duration (s)", "Added", "Changed", "Destroyed"),
            *("Second deploy", "Requests", "Failed requests"),
        ]
        self._table = Table("Changes of mesh.yaml", columns)
        self._documented = self._repeatable = self._requests = self._failed = 0

    def run(self, changes: Sequence[FileChange]) -> None:
        """Make all changes, and report the results."""
        with self._context.report.filling(self._table):
            self._run_all(changes)

    def _run_all(self, changes: Sequence[FileChange]) -> None:
        for number, change in enumerate(changes, start=1):
            self._context.report.progress(f"{number} of {len(changes)}: {change.change}")
            self._run(change)
            self._summarize(number)
        keys = {reference_key(path, self._effects) for change in changes for path in change.set}
        with_effect = sum(effect is not None for effect in self._effects.values())
        self._table.notes.append(
            f"{len(changes)} changes of {len(keys)} keys, of {with_effect} keys with a documented effect"
        )

    def _summarize(self, number: int) -> None:
        """Put the key figures of the changes so far into the summary."""
        report = self._context.report
        report.figure("Effects", f"{self._documented} of {number} as docs/configuration.md documents them")
        report.figure("Second deploys", f"{self._repeatable} of {number} without changes")
        if self._context.lab is not None:
            report.figure("Failed requests", f"{self._failed} of {self._requests} during the changes")

    def _run(self, change: FileChange) -> None:
        before_content = copy.deepcopy(self._deployment.content)
        environment = self._context.environment
        before = observe(self._context.cloud, environment)
        start = take_checkpoint(self._context.cloud)
        change.apply(self._deployment.content)
        self._deployment.write()
        self._create_accounts()
        expected = change.expected_effect(self._effects)
        with self._send_requests(change) as streams:
            run = self._deployment.deploy_after(change.first)
            made = changes_since(self._context.cloud, start)
            if expected is Effect.REFUSED:
                self._deployment.content = before_content
                self._deployment.write()
            seen = self._seen(run, made, before)
            commands = self._give_up_fields() if change.status else []
            again_start = take_checkpoint(self._context.cloud)
            again = self._deployment.deploy()
            made_again = changes_since(self._context.cloud, again_start)
        responses = [response for stream in streams for response in stream.responses]
        failed = count_failed(responses)
        empty = again.ok and sum(again.totals()) == 0 and not made_again
        self._documented += seen == expected
        self._repeatable += empty
        self._requests += len(responses)
        self._failed += failed
        second = "no changes" if empty else "changes"
        self._context.report.progress(f"documented effect: {expected}; observed: {seen}; second deploy: {second}")
        self._table.add(
            *(change.change, expected, seen, f"{run.seconds:.0f}", *run.totals()),
            *(second, len(responses), failed),
            ok=seen == expected
            and empty
            and not failed
            and bool(responses) == bool(streams)
            and bool(commands) == change.status,
        )
        problems = [] if run.ok or expected is Effect.REFUSED else run.errors() or run.last_lines().splitlines()
        if not empty:
            problems += [*again.errors(), *made_again]
        self._table.notes += [f"{change.change}: {line}" for line in problems[:MOST_LINES]]

    def _give_up_fields(self) -> list[str]:
        """Run the commands of `mesh status` with which a former field manager gives up its fields, and return them."""
        account = self._context.environment.project.impersonate_service_account
        as_deployer = f"export CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT={account} && " if account else ""
        outputs = json.loads(self._deployment.state_file("ingress").read_text(encoding="utf-8"))["outputs"]
        findings = mesh_cli_check.read_findings(self._deployment.run_mesh_cli("status", "--json"))
        commands = [one["fix"] for one in findings if "of earlier deploys still owns fields" in one["text"]]
        connect = [output["value"] for name, output in outputs.items() if name.startswith("connect-")]
        for command in [*connect, *commands]:
            self._deployment.shell(f"{as_deployer}{command}", of_user=True)
        return commands

    def _create_accounts(self) -> None:
        """Create the Google service accounts that the services act as, as their owners do."""
        for service in self._context.environment.services.values():
            if service.service_account is not None:
                path = f"projects/{project_of(service.service_account)}/serviceAccounts/{service.service_account}"
                self._context.cloud.server.iam.add_of_others(path)

    def _seen(self, run: CommandRun, made: Sequence[str], before: Any) -> str:
        """Return the effect of a deploy; that of a failed one is a refusal if it has made no changing call."""
        if not run.ok:
            return "failed" if made else Effect.REFUSED
        # With the namespaces of both files: a service may have left one.
        return seen_effect(before, observe(self._context.cloud, self._context.environment))

    @contextmanager
    def _send_requests(self, change: FileChange) -> Iterator[list[Stream]]:
        """Send requests during the block, if pods run."""
        with ExitStack() as stack:
            if self._context.lab is None:
                yield []
                return
            demo = LabDemo(self._context.lab, self._context.environment)
            clients: list[Client] = []
            for region in demo.lab.regions:
                clients.append(demo.gateways(region)[0])
                if CLIENT_IMAGE not in change.set:
                    clients.append(demo.client(region))
            yield [stack.enter_context(client.stream(demo.path, INTERVAL_SECONDS)) for client in clients]

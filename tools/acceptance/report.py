"""The report of an acceptance run: Markdown for people, JSON for programs."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.acceptance.progress import Progress, StepRecord, StepState
from tools.acceptance.recording import ANSWERS
from tools.acceptance.redaction import Redaction
from tools.acceptance.step import Step

MARKDOWN, JSON = "report.md", "report.json"
NOT_RUN = "not run"


def result(progress: Progress, steps: Sequence[Step]) -> str:
    """Return the result of the run in one line."""
    failed = [step.name for step in steps if progress.state(step.name) is StepState.FAILED]
    missing = [
        step.name for step in steps if progress.state(step.name) is not StepState.DONE and step.name not in failed
    ]
    if not failed and not missing and not progress.ending:
        return "accepted"
    parts = [f"failed: {', '.join(failed)}"] if failed else []
    parts += [f"incomplete: {', '.join(missing)}"] if missing else []
    parts += [progress.ending] if progress.ending else []
    return f"not accepted: {'; '.join(parts)}"


def write_report(
    folder: Path, progress: Progress, steps: Sequence[Step], versions: Mapping[str, str], redaction: Redaction
) -> None:
    """Write both files, without the project's id and number, addresses of mail, and public addresses."""
    measured = progress.steps["record"].measured if "record" in progress.steps else {}
    google = {name: value for name, value in measured.items() if isinstance(value, str) and name != "number"}
    every = {**versions, **google}
    data = {"result": result(progress, steps), "versions": every, **progress.data(), "answers": ANSWERS}
    (folder / JSON).write_text(redaction.masked(json.dumps(data, indent=2)) + "\n", encoding="utf-8")
    text = "\n".join(_markdown(progress, steps, every))
    (folder / MARKDOWN).write_text(redaction.masked(text) + "\n", encoding="utf-8")


def _markdown(progress: Progress, steps: Sequence[Step], versions: Mapping[str, str]) -> Iterator[str]:
    yield "# Acceptance run"
    yield ""
    yield f"**{result(progress, steps)}**; started {progress.began}" + (
        f"; interrupted and continued: {progress.resumed}" if progress.resumed else ""
    )
    yield ""
    rows = [_row(step, progress.steps.get(step.name)) for step in steps]
    yield from _table(("Step", "State", "Duration (s)", "Expected duration (min)", "Problem"), rows)
    yield ""
    commands = [
        (step, one.line, "interrupted" if one.status is None else one.status, one.seconds)
        for step, record in progress.steps.items()
        for one in record.commands
    ]
    yield from _table(("Step", "Command", "Exit status", "Duration (s)"), commands)
    yield ""
    counts = [
        (step, name, *value.values())
        for step, record in progress.steps.items()
        for name, value in record.measured.items()
        if isinstance(value, dict)
    ]
    yield from _table(("Step", "Stack", "Added", "Changed", "Destroyed"), counts)
    yield ""
    yield from _table(("Program or service", "Version"), sorted(versions.items()))
    yield ""
    yield f"Responses of Google's APIs before the environment was destroyed, redacted: {ANSWERS}."


def _row(step: Step, record: StepRecord | None) -> tuple[Any, ...]:
    if record is None:
        return step.name, NOT_RUN, "", step.minutes, ""
    state = "interrupted" if record.state is StepState.RUNNING else record.state
    return step.name, state, f"{record.seconds:.0f}", step.minutes, record.problem


def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"| {' | '.join('---' for _ in columns)} |"
    for row in rows:
        yield f"| {' | '.join(str(cell).replace('|', '/').replace(chr(10), '<br>') for cell in row)} |"

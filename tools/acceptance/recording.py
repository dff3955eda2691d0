"""Records the responses of Google's APIs about an environment, to the reads of `mesh status` and `mesh audit`."""

import json
from pathlib import Path
from typing import Any

from cli.errors import MeshError
from cli.sources.apis import enabled_apis
from cli.sources.described import describe_environment
from cli.sources.google import ApiError, GoogleClient, impersonated_account
from cli.sources.resources import expected_resources, list_all, look_up
from config import Environment
from config.naming import STACKS
from config.synthesized import read_stack
from tools.acceptance.redaction import Redaction, texts, without_empty_scopes
from tools.acceptance.step import StepContext, StepFailedError

ANSWERS = "answers.json"
FORMAT = 1


class RecordingClient(GoogleClient):
    """A client that keeps every answer.

    Attributes:
        calls: Each call, with its answer or its error.
    """

    def __init__(self, project: str, account: str | None = None) -> None:
        super().__init__(project, account)
        self.calls: list[dict[str, Any]] = []

    def get(self, api: str, path: str, **query: str) -> dict[str, Any]:
        call: dict[str, Any] = {"api": api, "path": path, "query": query}
        try:
            answer = super().get(api, path, **query)
        except ApiError as error:
            self.calls.append({**call, "status": error.status, "reason": error.reason})
            raise
        self.calls.append({**call, "status": 200, "answer": without_empty_scopes(answer)})
        return answer


def record(environment: Environment) -> list[dict[str, Any]]:
    """Read everything about an environment, and return the calls with their answers.

    Raises:
        MeshError: There are no credentials.
    """
    google = RecordingClient(environment.project.id, impersonated_account(environment))
    enabled = enabled_apis(google)
    if not isinstance(enabled, ApiError):
        look_up(google, expected_resources(environment), enabled)
    list_all(google)
    describe_environment(environment, google)
    calls = {json.dumps([one["api"], one["path"], one["query"]]): one for one in google.calls}
    return [calls[key] for key in sorted(calls)]


def redacted(calls: list[dict[str, Any]], redaction: Redaction) -> list[dict[str, Any]]:
    """Return calls without what may not be given away."""
    return [
        {
            "api": one["api"],
            "path": redaction.text(one["path"]),
            "query": redaction.value(one["query"]),
            **{key: redaction.value(one[key], key) for key in ("status", "reason", "answer") if key in one},
        }
        for one in calls
    ]


def redaction_of(environment: Environment, output: Path, number: str = "") -> Redaction:
    """Return the redaction of an environment: what its stacks send may pass.

    Args:
        environment: The environment.
        output: The output folder of cdktf.
        number: The project's number, if it is known.
    """
    known = set(texts(environment.model_dump(mode="json")))
    for stack in STACKS:
        try:
            known |= set(texts(read_stack(output, stack)))
        except OSError:  # not synthesized yet
            continue
    return Redaction(environment.project.id, known, number)


def record_answers(context: StepContext) -> None:
    """Write the recording, and note the versions that only Google's APIs know."""
    environment = context.environment
    try:
        calls = record(environment)
    except MeshError as error:
        raise StepFailedError(f"can't read Google's APIs: {error}") from None
    number = next(
        (str(one["answer"]["projectNumber"]) for one in calls if "projectNumber" in one.get("answer", {})), ""
    )
    redaction = redaction_of(environment, context.workspace.output, number)
    content = {"format": FORMAT, "calls": redacted(calls, redaction)}
    (context.workspace.folder / ANSWERS).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    context.measure("calls", len(calls))
    context.measure("number", number)
    for name, value in google_versions(calls).items():
        context.measure(name, value)


def google_versions(calls: list[dict[str, Any]]) -> dict[str, str]:
    """Return the versions of GKE and of the mesh control planes, by what has them."""
    found: dict[str, str] = {}
    for answer in (one.get("answer", {}) for one in calls):
        if "currentMasterVersion" in answer:
            nodes = answer.get("currentNodeVersion", "unknown")
            found[f"GKE in {answer['location']}"] = f"{answer['currentMasterVersion']}, nodes {nodes}"
        for name, state in answer.get("membershipStates", {}).items():
            if management := state.get("servicemesh", {}).get("controlPlaneManagement"):
                text = f"{management.get('implementation', 'implementation unknown')}, {management.get('state')}"
                found[f"mesh control plane of {name.split('/')[3]}"] = text
    return found

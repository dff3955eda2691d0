"""The HTTP server of the fake Terraform Cloud."""

import hashlib
import json
import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from tests.fake_cloud.listener import Listener
from tests.fake_cloud.terraform_cloud import documents
from tests.fake_cloud.terraform_cloud.documents import Document
from tests.fake_cloud.terraform_cloud.model import (
    AUTO_APPLY,
    CONFIRM,
    PLAN_ONLY,
    Organization,
    StateVersion,
    TerraformCloudError,
    TerraformRun,
    TokenOwner,
    Upload,
    Workspace,
    find,
    new_id,
    not_found,
)
from tests.fake_cloud.terraform_cloud.runner import Runner, RunnerMachine

API = "/api/v2"
SERVICES = ("tfe.v2", "tfe.v2.1", "tfe.v2.2")
"""Services of the cloud block, the last two those of data.terraform_remote_state."""

API_VERSION = "2.6"
EMPTY_LIST = {"data": list[Document](), "meta": {"pagination": {"current-page": 1, "total-pages": 1}}}
RUN_FIELDS = {"auto-apply", "configuration-version", "is-destroy", "message", "plan-only", "refresh", "save-plan"}
MEDIA_TYPE = "application/vnd.api+json"

log = logging.getLogger(__name__)

Content = Document | bytes | None
"""A document, a file's content, or none."""


class TerraformCloud(Listener):
    """Serves an organization until it is stopped.

    Attributes:
        organization: has the workspaces, which tests set up.
    """

    def __init__(self, organization: Organization, *, hostname: str, port: int = 0) -> None:
        """Bind a port on loopback.

        Args:
            organization: has the workspaces.
            hostname: in configurations; it is never resolved, see `configuration`.
            port: any free one if 0.
        """
        self.organization = organization
        self._hostname = hostname
        self._runner: Runner | None = None
        self._map = Map(self._rules(), strict_slashes=False)
        super().__init__(port=port)

    def configuration(self) -> str:
        """Return the part of terraform's CLI configuration with this server's address."""
        services = "".join(f'    "{service}" = "{self.base}{API}/"\n' for service in SERVICES)
        return f'host "{self._hostname}" {{\n  services = {{\n{services}  }}\n}}\n'

    def variables(self) -> dict[str, str]:
        """Return the environment variable with a member's token for terraform."""
        return {f"TF_TOKEN_{self._hostname.replace('.', '_').replace('-', '__')}": self.organization.user_token}

    def run_on(self, machine: RunnerMachine) -> None:
        """Set the machine of the runner; without one, runs are rejected."""
        self._runner = Runner(self.organization, self._hostname, machine)

    def _rules(self) -> list[Rule]:
        organization, workspace = f"{API}/organizations/<organization>", f"{API}/workspaces/<id_>"
        calls: list[tuple[str, str, Callable[..., Content]]] = [
            ("GET", f"{organization}/entitlement-set", self._entitlements),
            ("GET", f"{organization}/workspaces/<name>", self._workspace_by_name),
            ("POST", f"{organization}/workspaces", self._add_workspace),
            ("GET", workspace, self._workspace),
            ("PATCH", workspace, self._change),
            ("POST", f"{workspace}/actions/lock", self._lock),
            ("POST", f"{workspace}/actions/unlock", self._unlock),
            ("POST", f"{workspace}/relationships/remote-state-consumers", self._share),
            ("GET", f"{workspace}/vars", self._variables),
            ("GET", f"{workspace}/all-vars", self._variables),
            ("GET", f"{workspace}/current-state-version", self._current_state),
            ("POST", f"{workspace}/state-versions", self._add_state),
            ("GET", f"{API}/state-versions/<id_>", self._state),
            ("GET", f"{workspace}/current-state-version-outputs", self._outputs),
            ("GET", f"{API}/state-version-outputs/<name>", self._output),
            ("PUT", "/uploads/states/<id_>", self._upload_state),
            ("PUT", "/uploads/json-states/<id_>", self._upload_json_state),
            ("GET", "/downloads/states/<id_>", self._download_state),
            ("POST", f"{workspace}/configuration-versions", self._add_upload),
            ("GET", f"{API}/configuration-versions/<id_>", self._upload),
            ("PUT", "/uploads/configurations/<id_>", self._upload_configuration),
            ("POST", f"{API}/runs", self._add_run),
            ("GET", f"{API}/runs/<id_>", self._run),
            ("GET", f"{API}/runs/<id_>/run-events", self._events),
            ("POST", f"{API}/runs/<id_>/actions/<action>", self._confirm),
            ("GET", f"{API}/plans/plan-<id_>", lambda caller, body, id_: self._phase(caller, id_, "plan")),
            ("GET", f"{API}/applies/apply-<id_>", lambda caller, body, id_: self._phase(caller, id_, "apply")),
        ]
        return [Rule(path, methods=[method], endpoint=handler) for method, path, handler in calls]

    def respond(self, request: Request) -> Response:
        is_log = request.path.startswith("/downloads/logs/")
        response = self._log(request) if is_log else self._respond(request)
        response.headers["TFP-API-Version"] = API_VERSION
        response.headers["X-RateLimit-Limit"] = "1000"
        return response

    def _respond(self, request: Request) -> Response:
        if request.path == f"{API}/ping":
            return Response(status=204)
        try:
            content = self._call(request)
        except TerraformCloudError as error:
            return _build_error(error.status, error.title, error.detail)
        except HTTPException as error:
            return _build_error(400, str(error))
        except Exception as error:
            log.exception("a request")
            return _build_error(500, repr(error))
        if content is None:
            return Response(status=204)
        if isinstance(content, bytes):
            return Response(content, mimetype="application/octet-stream")
        return Response(json.dumps(content), status=201 if request.method == "POST" else 200, mimetype=MEDIA_TYPE)

    def _call(self, request: Request) -> Content:
        caller = TokenOwner("anonymous")
        if not request.path.startswith("/uploads/"):  # an upload's URL is secret and can be used once
            caller = self.organization.caller(request.headers.get("Authorization", "").removeprefix("Bearer "))
        try:
            handler, found = self._map.bind_to_environ(request.environ).match()
        except (NotFound, MethodNotAllowed) as error:
            raise _unknown(f"{request.method} {request.path}") from error
        arguments = dict(found)
        if arguments.pop("organization", self.organization.name) != self.organization.name:
            raise TerraformCloudError(404, "not found")
        body: Any = request.get_data()
        if MEDIA_TYPE in (request.content_type or "") and body:
            body = json.loads(body)
        called: Callable[..., Content] = handler
        with self.organization.lock:
            return called(caller, body, **arguments)

    # --- workspaces

    def _entitlements(self, caller: TokenOwner, body: Any) -> Content:
        return documents.entitlements(self.organization.name)

    def _show(self, workspace: Workspace) -> Document:
        return documents.workspace(workspace, self.organization.name)

    def _workspace_by_name(self, caller: TokenOwner, body: Any, name: str) -> Content:
        return self._show(self.organization.named(name))

    def _workspace(self, caller: TokenOwner, body: Any, id_: str) -> Content:
        return self._show(self.organization.workspace(id_))

    def _add_workspace(self, caller: TokenOwner, body: Any) -> Content:
        self.organization.check_user(caller)
        return self._show(self.organization.add_workspace(body["data"]["attributes"]["name"]))

    def _change(self, caller: TokenOwner, body: Any, id_: str) -> Content:
        self.organization.check_user(caller)
        workspace, attributes = self.organization.workspace(id_), body["data"]["attributes"]
        _check_known(attributes, {"terraform-version", "execution-mode"}, "a workspace")
        workspace.terraform = attributes.get("terraform-version", workspace.terraform)
        workspace.execution = attributes.get("execution-mode", workspace.execution)
        return self._show(workspace)

    def _lock(self, caller: TokenOwner, body: Any, id_: str) -> Content:
        workspace = self._with_state(caller, id_, write=True)
        if workspace.locked_by:
            raise TerraformCloudError(409, "conflict", "the workspace is locked already")
        workspace.locked_by = caller.name
        return self._show(workspace)

    def _unlock(self, caller: TokenOwner, body: Any, id_: str) -> Content:
        workspace = self._locked(caller, id_)
        workspace.locked_by = ""
        return self._show(workspace)

    def _share(self, caller: TokenOwner, body: Any, id_: str) -> Content:
        self.organization.check_user(caller)
        readers = {self.organization.workspace(one["id"]).id for one in body["data"]}
        self.organization.workspace(id_).consumers |= readers
        return None

    def _variables(self, caller: TokenOwner, body: Any, id_: str) -> Content:
        """List terraform variables: there are none, as a workspace here has environment variables only."""
        self.organization.workspace(id_)
        return EMPTY_LIST

    def _with_state(self, caller: TokenOwner, id_: str, *, write: bool = False) -> Workspace:
        """Return a workspace to whose state the caller has access."""
        workspace = self.organization.workspace(id_)
        self.organization.check_state(caller, workspace, write=write)
        return workspace

    def _locked(self, caller: TokenOwner, id_: str) -> Workspace:
        """Return a workspace that the caller has locked."""
        workspace = self._with_state(caller, id_, write=True)
        if workspace.locked_by != caller.name:
            raise TerraformCloudError(409, "conflict", "the workspace is not locked by you")
        return workspace

    # --- states

    def _current_state(self, caller: TokenOwner, body: Any, id_: str) -> Content:
        current = self._with_state(caller, id_).current()
        if current is None:
            raise not_found()
        return documents.state(current, self.base)

    def _add_state(self, caller: TokenOwner, body: Any, id_: str) -> Content:
        workspace = self._locked(caller, id_)
        attributes = body["data"]["attributes"]
        if attributes.get("state"):
            raise _unknown("states in the request: it takes uploads only")
        current = workspace.current()
        if current is not None and attributes["lineage"] != current.lineage:
            raise TerraformCloudError(409, "conflict", "another lineage")
        if current is not None and attributes["serial"] <= current.serial:
            raise TerraformCloudError(409, "conflict", "an old serial")
        version = StateVersion(
            new_id("sv"), id_, attributes["serial"], attributes.get("lineage", ""), attributes["md5"]
        )
        workspace.states.append(version)
        return documents.state(version, self.base)

    def _readable_state(self, caller: TokenOwner, id_: str) -> StateVersion:
        version = self.organization.state(id_)
        self._with_state(caller, version.workspace)
        return version

    def _state(self, caller: TokenOwner, body: Any, id_: str) -> Content:
        return documents.state(self._readable_state(caller, id_), self.base)

    def _outputs(self, caller: TokenOwner, body: Any, id_: str) -> Content:
        outputs = self._read_outputs(self._with_state(caller, id_), secrets=False)
        return EMPTY_LIST | {"data": list(outputs.values())}

    def _output(self, caller: TokenOwner, body: Any, name: str) -> Content:
        for workspace in self.organization.workspaces.values():
            outputs = self._read_outputs(workspace, secrets=True)
            if name in outputs:
                self.organization.check_state(caller, workspace)
                return {"data": outputs[name]}
        raise not_found()

    @staticmethod
    def _read_outputs(workspace: Workspace, *, secrets: bool) -> dict[str, Document]:
        """Return a workspace's outputs by id; only a request for a single one gets a sensitive value."""
        current = workspace.current()
        if current is None or current.content is None:
            raise not_found()
        found = {}
        for number, (name, output) in enumerate(json.loads(current.content)["outputs"].items()):
            id_ = f"wsout-{current.id}-{number}"
            found[id_] = documents.output(id_, name, output, shown=secrets or not output.get("sensitive"))
        return found

    def _upload_state(self, caller: TokenOwner, body: bytes, id_: str) -> Content:
        version = self.organization.state(id_)
        if hashlib.md5(body, usedforsecurity=False).hexdigest() != version.md5 or version.content is not None:
            raise TerraformCloudError(422, "invalid", "not the announced content")
        version.content = body
        return None

    def _upload_json_state(self, caller: TokenOwner, body: bytes, id_: str) -> Content:
        """Accept the JSON of a state, which only the web site shows."""
        self.organization.state(id_)
        return None

    def _download_state(self, caller: TokenOwner, body: Any, id_: str) -> Content:
        content = self._readable_state(caller, id_).content
        if content is None:
            raise not_found()
        return content

    # --- runs

    def _add_upload(self, caller: TokenOwner, body: Any, id_: str) -> Content:
        self.organization.check_user(caller)
        speculative = bool(body["data"]["attributes"].get("speculative"))
        upload = Upload(new_id("cv"), self.organization.workspace(id_).id, speculative)
        self.organization.uploads[upload.id] = upload
        return documents.upload(upload, self.base)

    def _upload(self, caller: TokenOwner, body: Any, id_: str) -> Content:
        return documents.upload(find(self.organization.uploads, id_), self.base)

    def _upload_configuration(self, caller: TokenOwner, body: bytes, id_: str) -> Content:
        upload = find(self.organization.uploads, id_)
        if upload.content is not None:
            raise TerraformCloudError(422, "invalid", "uploaded already")
        upload.content = body
        return None

    def _add_run(self, caller: TokenOwner, body: Any) -> Content:
        self.organization.check_user(caller)
        if self._runner is None:
            raise _unknown("runs: it has no machine for them")
        attributes, related = body["data"]["attributes"], body["data"]["relationships"]
        upload = find(self.organization.uploads, related["configuration-version"]["data"]["id"])
        workspace = self.organization.workspace(related["workspace"]["data"]["id"])
        if workspace.execution == "local":
            raise TerraformCloudError(422, "invalid", "runs of this workspace are local")
        _check_known(
            (name for name, value in attributes.items() if value not in (None, False, [])), RUN_FIELDS, "a run"
        )
        wanted = AUTO_APPLY if attributes.get("auto-apply") else CONFIRM
        if attributes.get("plan-only") or upload.speculative:
            wanted = PLAN_ONLY
        options = ("-destroy",) if attributes.get("is-destroy") else ()
        run = TerraformRun(new_id("run"), workspace.id, upload.id, wanted, options)
        self.organization.runs[run.id] = run
        threading.Thread(target=self._perform, args=(self._runner, run), daemon=True).start()
        return documents.run(run)

    def _perform(self, runner: Runner, run: TerraformRun) -> None:
        try:
            runner.perform(run)
        except Exception as error:
            log.exception("a run")
            for phase in ("plan", "apply"):
                run.logs[phase] += f"{error!r}\n".encode() + b"\x03"
                run.phases[phase] = "errored"
            run.status = "errored"

    def _run(self, caller: TokenOwner, body: Any, id_: str) -> Content:
        run = find(self.organization.runs, id_)
        if run.status == "apply_queued":
            run.polled.set()
        return documents.run(run)

    def _events(self, caller: TokenOwner, body: Any, id_: str) -> Content:
        """List the events of a run, among which terraform looks for warnings."""
        find(self.organization.runs, id_)
        return EMPTY_LIST

    def _confirm(self, caller: TokenOwner, body: Any, id_: str, action: str) -> Content:
        self.organization.check_user(caller)
        run = find(self.organization.runs, id_)
        if action not in ("apply", "discard"):
            raise _unknown(f"{action} of a run")
        if run.status != "planned":
            raise TerraformCloudError(409, "conflict", f"the run is {run.status}")
        run.status = "discarded" if action == "discard" else "apply_queued"
        run.confirmed.set()
        return None

    def _phase(self, caller: TokenOwner, id_: str, name: str) -> Content:
        return documents.phase(find(self.organization.runs, id_), name, self.base)

    def _log(self, request: Request) -> Response:
        """Return the part of a log that the client has not read yet."""
        _, _, _, id_, phase = request.path.split("/")
        run = self.organization.runs.get(id_)
        if run is None or phase not in run.logs:
            return Response(status=404)
        offset, limit = int(request.args.get("offset", 0)), int(request.args.get("limit", 65536))
        return Response(bytes(run.logs[phase][offset : offset + limit]), mimetype="text/plain")


def _build_error(status: int, title: str, detail: str = "") -> Response:
    content = {"errors": [{"status": str(status), "title": title, "detail": detail}]}
    return Response(json.dumps(content), status=status, mimetype=MEDIA_TYPE)


def _unknown(what: str) -> TerraformCloudError:
    return TerraformCloudError(501, f"the fake Terraform Cloud does not know {what}")


def _check_known(given: Iterable[str], known: set[str], what: str) -> None:
    if names := sorted(set(given) - known):
        raise _unknown(f"{', '.join(names)} of {what}")

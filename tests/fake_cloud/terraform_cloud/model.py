"""An organization: workspaces, states, runs and tokens."""

import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

PLAN_ONLY, AUTO_APPLY, CONFIRM = "plan only", "auto-apply", "confirm"


class TerraformCloudError(Exception):
    """An error response.

    Attributes:
        status: of HTTP.
        title: of the error.
        detail: for people.
    """

    def __init__(self, status: int, title: str, detail: str = "") -> None:
        super().__init__(title)
        self.status, self.title, self.detail = status, title, detail


def not_found() -> TerraformCloudError:
    return TerraformCloudError(404, "not found")


def find(items: Mapping[str, T], id_: str) -> T:
    """Return an item by its id.

    Raises:
        TerraformCloudError: it does not exist.
    """
    if id_ not in items:
        raise not_found()
    return items[id_]


def new_id(kind: str) -> str:
    return f"{kind}-{secrets.token_hex(8)}"


@dataclass
class StateVersion:
    """One version of a state.

    Attributes:
        id: of the API.
        workspace: its id.
        serial: of terraform.
        lineage: of terraform.
        md5: of the content, announced before the upload.
        content: None until it is uploaded.
    """

    id: str
    workspace: str
    serial: int
    lineage: str
    md5: str
    content: bytes | None = None


@dataclass
class Upload:
    """A configuration version: the files that a client uploads for a run.

    Attributes:
        id: of the API.
        workspace: its id.
        speculative: its plan is never applied.
        content: a tar.gz; None until it is uploaded.
    """

    id: str
    workspace: str
    speculative: bool
    content: bytes | None = None


@dataclass
class TerraformRun:
    """A run: a plan, and an apply depending on its mode.

    Attributes:
        id: of the API.
        workspace: its id.
        upload: id of the configuration version.
        wanted: its mode: plan only, auto-apply, or apply after a confirmation.
        options: terraform's, such as ``-destroy``.
        status: of the run.
        has_changes: whether the plan has changes.
        phases: status by ``plan`` and ``apply``.
        logs: by phase, all that terraform has printed so far.
        confirmed: set after a confirmation or a refusal.
        polled: set when a client has polled the run while its apply is queued.
    """

    id: str
    workspace: str
    upload: str
    wanted: str
    options: tuple[str, ...]
    status: str = "planning"
    has_changes: bool = False
    phases: dict[str, str] = field(default_factory=lambda: {"plan": "running", "apply": "unreachable"})
    logs: dict[str, bytearray] = field(default_factory=lambda: {"plan": bytearray(), "apply": bytearray()})
    confirmed: threading.Event = field(default_factory=threading.Event)
    polled: threading.Event = field(default_factory=threading.Event)


@dataclass
class Workspace:
    """A workspace.

    Attributes:
        id: of the API.
        name: unique in the organization.
        execution: ``local``, ``remote`` or ``agent``.
        terraform: its version.
        variables: environment variables of its runs, secrets among them.
        consumers: ids of the workspaces whose runs may read its state.
        locked_by: name of the token that holds the lock; empty if it is not locked.
        states: the versions of its state, the current one last.
    """

    id: str
    name: str
    execution: str
    terraform: str
    variables: dict[str, str] = field(default_factory=dict)
    consumers: set[str] = field(default_factory=set)
    locked_by: str = ""
    states: list[StateVersion] = field(default_factory=list)

    def current(self) -> StateVersion | None:
        return next((one for one in reversed(self.states) if one.content is not None), None)


@dataclass(frozen=True)
class TokenOwner:
    """The user or the run that a token belongs to.

    Attributes:
        name: for locks.
        workspace: id of the run's workspace; empty for a user.
    """

    name: str
    workspace: str = ""


class Organization:
    """An organization with its workspaces.

    Attributes:
        name: of the organization.
        default_execution: of workspaces that a client creates; Terraform Cloud's own default is remote.
        workspaces: by id.
        uploads: by id.
        runs: by id.
        lock: held for every change.
        user_token: of a member with all permissions.
    """

    def __init__(self, name: str, *, terraform: str, default_execution: str = "remote") -> None:
        """Create an empty organization with one member.

        Args:
            name: of the organization.
            terraform: version in new workspaces.
            default_execution: of workspaces that a client creates.
        """
        self.name = name
        self.default_execution = default_execution
        self.workspaces: dict[str, Workspace] = {}
        self.uploads: dict[str, Upload] = {}
        self.runs: dict[str, TerraformRun] = {}
        self.lock = threading.RLock()
        self._terraform = terraform
        self._tokens: dict[str, TokenOwner] = {}
        self.user_token = self.new_token(TokenOwner("user"))

    def new_token(self, caller: TokenOwner) -> str:
        token = f"canary.atlasv1.{secrets.token_hex(16)}"
        self._tokens[token] = caller
        return token

    def tokens(self) -> frozenset[str]:
        """Return all valid tokens."""
        return frozenset(self._tokens)

    def forget_token(self, token: str) -> None:
        self._tokens.pop(token, None)

    def caller(self, token: str) -> TokenOwner:
        """Return the owner of a token.

        Raises:
            TerraformCloudError: the token is invalid.
        """
        if token not in self._tokens:
            raise TerraformCloudError(401, "unauthorized")
        return self._tokens[token]

    def add_workspace(self, name: str, **attributes: Any) -> Workspace:
        with self.lock:
            if any(one.name == name for one in self.workspaces.values()):
                raise TerraformCloudError(422, "invalid attribute", "Name has already been taken")
            one = Workspace(new_id("ws"), name, self.default_execution, self._terraform, **attributes)
            self.workspaces[one.id] = one
            return one

    def named(self, name: str) -> Workspace:
        """Return a workspace by its name.

        Raises:
            TerraformCloudError: it does not exist.
        """
        return find({one.name: one for one in self.workspaces.values()}, name)

    def workspace(self, id_: str) -> Workspace:
        return find(self.workspaces, id_)

    def state(self, id_: str) -> StateVersion:
        return find({state.id: state for workspace in self.workspaces.values() for state in workspace.states}, id_)

    def check_state(self, caller: TokenOwner, workspace: Workspace, *, write: bool = False) -> None:
        """Check access to a state: a run has its own workspace's, and reads those that are shared with it.

        Raises:
            TerraformCloudError: access is denied.
        """
        if caller.workspace in ("", workspace.id):
            return
        if not write and caller.workspace in workspace.consumers:
            return
        reader = self.workspaces[caller.workspace].name
        raise TerraformCloudError(
            403, "forbidden", f"a run of {reader} may not read the state of {workspace.name}: it is not shared with it"
        )

    def check_user(self, caller: TokenOwner) -> None:
        """Check that the caller is a user.

        Raises:
            TerraformCloudError: it is a run, which has access to states only.
        """
        if caller.workspace:
            raise TerraformCloudError(403, "forbidden", "the token of a run is for states only")

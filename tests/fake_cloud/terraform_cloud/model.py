"""What an organization has."""

import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

PLAN_ONLY, AUTO_APPLY, CONFIRM = "plan only", "auto-apply", "confirm"


class TerraformCloudError(Exception):
    """A call that is refused.

    Attributes:
        status: HTTP's.
    """

    def __init__(self, status: int, title: str, detail: str = "") -> None:
        super().__init__(title)
        self.status, self.title, self.detail = status, title, detail


def new_id(kind: str) -> str:
    return f"{kind}-{secrets.token_hex(8)}"


@dataclass
class StateVersion:
    """One version of a state.

    Attributes:
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
    """A configuration version: what a client has uploaded for a run.

    Attributes:
        speculative: for a look at a plan, which is never applied.
        content: a tar.gz.
    """

    id: str
    workspace: str
    speculative: bool
    content: bytes | None = None


@dataclass
class TerraformRun:
    """A run, which is planned, and applied if that is wanted.

    Attributes:
        wanted: whether it ends with its plan, applies by itself, or asks.
        options: terraform's, such as ``-destroy``.
        phases: by ``plan`` and ``apply``, how far each is, as the API says it.
        logs: by phase, all that terraform has printed so far.
        confirmed: set when somebody has said yes or no.
        asked: set when somebody has looked at it while its apply waits.
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
    asked: threading.Event = field(default_factory=threading.Event)


@dataclass
class Workspace:
    """A workspace.

    Attributes:
        execution: ``local``, ``remote`` or ``agent``.
        variables: environment variables of its runs, secrets among them.
        consumers: ids of the workspaces whose runs may read its state.
        locked_by: who has it locked; empty if nobody has.
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
    """Whose token it is.

    Attributes:
        workspace: id of the one that a run is of; empty for a person.
    """

    name: str
    workspace: str = ""


class Organization:
    """An organization, its workspaces and all that is in them.

    Attributes:
        user_token: a member's, who may do everything.
        default_execution: of workspaces that a client makes; Terraform Cloud's own default is remote.
        lock: held for every change.
    """

    def __init__(self, name: str, *, terraform: str, default_execution: str = "remote") -> None:
        """
        Args:
            terraform: version that new workspaces have.
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
        """Return all that are of use now."""
        return frozenset(self._tokens)

    def forget_token(self, token: str) -> None:
        self._tokens.pop(token, None)

    def caller(self, token: str) -> TokenOwner:
        """Return whose a token is.

        Raises:
            TerraformCloudError: nobody's.
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
            TerraformCloudError: there is none.
        """
        for one in self.workspaces.values():
            if one.name == name:
                return one
        raise TerraformCloudError(404, "not found")

    def workspace(self, id_: str) -> Workspace:
        if id_ not in self.workspaces:
            raise TerraformCloudError(404, "not found")
        return self.workspaces[id_]

    def state(self, id_: str) -> StateVersion:
        for one in self._states():
            if one.id == id_:
                return one
        raise TerraformCloudError(404, "not found")

    def _states(self) -> Iterator[StateVersion]:
        for workspace in self.workspaces.values():
            yield from workspace.states

    def check_state(self, caller: TokenOwner, workspace: Workspace, *, write: bool = False) -> None:
        """Let a person do all, and a run what is its own workspace's, or read what is shared with that.

        Raises:
            TerraformCloudError: neither is so.
        """
        if caller.workspace in ("", workspace.id):
            return
        if not write and caller.workspace in workspace.consumers:
            return
        reader = self.workspaces[caller.workspace].name
        raise TerraformCloudError(
            403, "forbidden", f"a run of {reader} may not read the state of {workspace.name}: it is not shared with it"
        )

    def check_person(self, caller: TokenOwner) -> None:
        """Raises:
        TerraformCloudError: the caller is a run, which may do nothing but with states.
        """
        if caller.workspace:
            raise TerraformCloudError(403, "forbidden", "the token of a run is for states only")

"""Requests to an API server through one `kubectl proxy`, which has the credentials and the way to it.

Each process of kubectl takes a tenth of a second of a processor, and `mesh status` makes hundreds of calls. What this
module can't do, or gets no good response to, kubectl itself does, with its own words for what is wrong.
"""

import base64
import contextlib
import http.client
import json
import os
import socket
import struct
import subprocess
import tempfile
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from getopt import GetoptError, gnu_getopt
from pathlib import Path
from typing import Any, BinaryIO

_UNTIL_STDIN_ENDS = '"$@" & exec >/dev/null; read -r _; kill $!'
"""A script that runs a command until its standard input ends: also if this process is killed."""

_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
"""Source: https://kubernetes.io/docs/concepts/overview/kubernetes-api/#aggregated-discovery"""

_PAGE = 500
"""Objects of a page, as kubectl has it."""

_FLAGS = ("all-namespaces", "show-managed-fields", "namespace=", "selector=")
_STDOUT, _STATUS = 1, 3
"""Channels of `exec`."""

_BINARY, _CONTINUED, _CLOSE = 2, 0, 8
"""Kinds of WebSocket frames: https://www.rfc-editor.org/rfc/rfc6455#section-5.2"""

_SHORT = 125
"""The longest content whose length is in the second byte of a frame."""

FAILURES = (OSError, ValueError, KeyError, TypeError, http.client.HTTPException, GetoptError, struct.error)
"""What is raised where there is no good response. A timeout is one."""


class MissingError(ValueError):
    """There is no such object."""


@dataclass(frozen=True)
class Resource:
    """A kind that the API server lists.

    Attributes:
        group: Of its API.
        version: The preferred one.
        kind: Its name in objects.
        name: Its name in paths.
        namespaced: Whether its objects are in namespaces.
    """

    group: str
    version: str
    kind: str
    name: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        """The value of ``apiVersion`` in objects."""
        return f"{self.group}/{self.version}".lstrip("/")

    def path(self, namespace: str | None) -> str:
        """Return the path of its objects, in one namespace or in all."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        return f"{root}/namespaces/{namespace}/{self.name}" if namespace and self.namespaced else f"{root}/{self.name}"


class _Connection(http.client.HTTPConnection):
    """A connection to a Unix socket."""

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class ApiServer:
    """An API server behind a `kubectl proxy`; safe to use from several threads. Methods raise one of `FAILURES`.

    Attributes:
        closed: Whether the command has ended, such as by Ctrl-C, and nothing is to be tried again.
    """

    def __init__(self, path: Path) -> None:
        """Make no request yet.

        Args:
            path: The socket of the proxy.
        """
        self._path = path
        self.closed = False

    @cached_property
    def resources(self) -> Mapping[str, Resource]:
        """What the API server lists, by the name that kubectl has for it, such as ``deployments.apps``."""
        found: dict[str, Resource] = {}
        for root in ("/api", "/apis"):
            content = self._request("GET", root, accept=_DISCOVERY, seconds=10)
            if content["kind"] != "APIGroupDiscoveryList":
                raise ValueError("no aggregated discovery")
            for group in content["items"]:
                name = group["metadata"].get("name", "")
                for version in group["versions"]:
                    for one in version.get("resources", ()):
                        if "list" in one["verbs"]:
                            kind, namespaced = one["responseKind"]["kind"], one["scope"] == "Namespaced"
                            resource = Resource(name, version["version"], kind, one["resource"], namespaced)
                            found.setdefault(f"{one['resource']}.{name}".rstrip("."), resource)
        return found

    def get(self, *arguments: str) -> dict[str, Any]:
        """Return what `kubectl get` with these arguments returns as JSON."""
        pairs, (kinds, *names) = gnu_getopt(list(arguments), "", _FLAGS)
        options = dict(pairs)
        namespace = None if "--all-namespaces" in options else options["--namespace"]
        query = {"limit": str(_PAGE), **({"labelSelector": options["--selector"]} if "--selector" in options else {})}
        resources = [self.resources[kind] for kind in kinds.split(",")]
        if names:
            [resource], [name] = resources, names
            items = [self._request("GET", f"{resource.path(namespace)}/{name}")]
        else:
            items = [one for resource in resources for one in self._list(resource, resource.path(namespace), query)]
        if "--show-managed-fields" not in options:
            for one in items:
                one["metadata"].pop("managedFields", None)
        return items[0] if names else {"items": items}

    def create(self, one: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Create an object at a path, and return it."""
        return self._request("POST", path, json.dumps(one))

    def execute(self, namespace: str, pod: str, container: str, command: Sequence[str], seconds: float) -> str:
        """Return what a command in a pod's container prints.

        Source: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/ and, for the channels,
        k8s.io/apimachinery/pkg/util/remotecommand.
        """
        query = [("container", container), ("stdout", "true"), ("stderr", "true")]
        query += [("command", one) for one in command]
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/exec?{urllib.parse.urlencode(query)}"
        connection = _Connection(self._path, seconds)
        with contextlib.closing(connection):
            headers = {
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Protocol": "v5.channel.k8s.io, v4.channel.k8s.io",
            }
            connection.putrequest("GET", path)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            return _read_output(connection.sock)

    def _list(self, resource: Resource, path: str, query: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        more = ""
        while True:
            pages = {**query, **({"continue": more} if more else {})}
            page = self._request("GET", f"{path}?{urllib.parse.urlencode(pages)}")
            for one in page["items"]:
                yield {"apiVersion": resource.api_version, "kind": resource.kind, **one}
            more = page["metadata"].get("continue", "")
            if not more:
                return

    def _request(
        self, method: str, path: str, body: str | None = None, *, accept: str = "application/json", seconds: float = 30
    ) -> dict[str, Any]:
        with contextlib.closing(_Connection(self._path, seconds)) as connection:
            connection.request(method, path, body, {"Accept": accept, "Content-Type": "application/json"})
            response = connection.getresponse()
            text = response.read()
            if response.status == http.HTTPStatus.NOT_FOUND:
                raise MissingError(path)
            if response.status not in (http.HTTPStatus.OK, http.HTTPStatus.CREATED):
                raise ValueError(f"status {response.status}")
            content: dict[str, Any] = json.loads(text)
            return content


def _read_output(connection: socket.socket) -> str:
    """Return the standard output of a command, from a connection on which the response to its request begins."""
    output, status, message = bytearray(), bytearray(), bytearray()
    with connection.makefile("rb") as stream:
        if b" 101 " not in stream.readline():
            raise ValueError("no WebSocket")
        while stream.readline().strip():
            pass
        for opcode, last, payload in _frames(stream):
            if opcode == _CLOSE:
                break
            if opcode in (_BINARY, _CONTINUED):
                message += payload
                if last and message:  # it begins with its channel
                    {_STDOUT: output, _STATUS: status}.get(message[0], bytearray()).extend(message[1:])
                    message = bytearray()
    if json.loads(status)["status"] != "Success":
        raise ValueError(status.decode())
    return output.decode()


def _frames(stream: BinaryIO) -> Iterator[tuple[int, bool, bytes]]:
    """Yield kind and content of each frame, and whether it is the last of its message, until the stream ends."""
    while len(head := stream.read(2)) == 2:
        length = head[1] & 0x7F
        if length > _SHORT:
            form = ">H" if length == _SHORT + 1 else ">Q"
            [length] = struct.unpack(form, stream.read(struct.calcsize(form)))
        yield head[0] & 0x0F, bool(head[0] & 0x80), stream.read(length)


@contextlib.contextmanager
def proxied(commands: Mapping[str, Sequence[str]], variables: Mapping[str, str]) -> Iterator[dict[str, ApiServer]]:
    """Yield API servers, each behind a `kubectl proxy` that runs until the end of the block; none that did not start.

    The proxies listen on sockets in a private folder.

    Args:
        commands: Of kubectl, with the flags by which it finds the cluster, by region.
        variables: The environment of kubectl.
    """
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        started = {}
        for number, (key, command) in enumerate(commands.items()):
            path = Path(folder) / str(number)
            arguments = [*command, "proxy", f"--unix-socket={path}", "--reject-paths=^/none$"]
            with contextlib.suppress(OSError):
                process = subprocess.Popen(
                    ["sh", "-c", _UNTIL_STDIN_ENDS, "sh", *arguments],
                    env=dict(variables),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
                stack.callback(_stop, process)
                started[key] = process, path
        servers = {key: ApiServer(path) for key, (process, path) in started.items() if _is_ready(process)}
        try:
            yield servers
        finally:
            for one in servers.values():
                one.closed = True


def _is_ready(process: "subprocess.Popen[bytes]") -> bool:
    """Wait for the line that kubectl prints when it listens."""
    assert process.stdout is not None
    return process.stdout.readline().startswith(b"Starting to serve")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(OSError):
        process.stdin.close()
    process.stdout.close()
    process.wait()

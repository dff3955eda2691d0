"""Long-running operations."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Any, Literal

from tests.fake_cloud.errors import CloudError
from tests.fake_cloud.faults import Faults
from tests.fake_cloud.latencies import Latencies
from tests.fake_cloud.store import Store

Style = Literal["compute", "container", "longrunning"]

SYNCHRONOUS_SECONDS = 0.5
"""An operation that takes no longer is done when its request gets the response."""

log = logging.getLogger(__name__)


class Operations:
    """Work that goes on after the response; clients poll an operation's path until it is done."""

    def __init__(self, store: Store, faults: Faults, latencies: Latencies, base: str) -> None:
        """Start without operations.

        Args:
            store: keeps the operations.
            faults: decides which operations fail.
            latencies: durations.
            base: URL in front of the paths in links.
        """
        self._store = store
        self._faults = faults
        self._latencies = latencies
        self._base = base
        self._numbers = count(1)
        self._ends: dict[str, threading.Event] = {}

    def wait(self, name: str, seconds: float) -> None:
        """Wait until an operation has ended, at most so many seconds; do not wait for one that does not exist."""
        if name in self._ends:
            self._ends[name].wait(seconds)

    def start(
        self,
        style: Style,
        kind: str,
        target: str,
        latency: str,
        *,
        work: Callable[[], Any] | None = None,
        failed: Callable[[], None] | None = None,
        slow: bool = False,
        folder: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Start an operation and return the content of the response.

        Args:
            style: the API's format.
            kind: the type, such as ``insert`` or ``CREATE_CLUSTER``.
            target: path of the resource.
            latency: name of the duration that it takes besides the work itself.
            work: runs at the end; a long-running operation has its result as ``response``, with the type's name.
            failed: runs if the operation ends in an error.
            slow: the work itself takes long.
            folder: path in front of ``/operations/NAME``; the target's project and location if absent.
            metadata: of a long-running operation, with the type's name.
        """
        if folder is None:
            parts = target.split("/")
            folder = "/".join(parts[:3] if parts[2] == "global" else parts[:4])
        seconds = self._latencies.of(latency)
        name = f"operation-{next(self._numbers):05d}"
        path = f"{folder}/operations/{name}".lstrip("/")
        if style == "longrunning":
            operation = {"name": path, "done": False, "metadata": metadata}
        else:
            operation = self._new(style, path, name, kind, target)
        self._store.add(path, operation)
        end = self._ends[name] = threading.Event()
        fault = self._faults.take_operation(f"{kind} {target}")

        def run() -> None:
            time.sleep(seconds)
            response, error = None, None
            try:
                if fault is not None:
                    raise CloudError(fault, "faultInjected", f"the operation on {target} failed (injected)")
                response = work() if work is not None else None
            except Exception as caught:  # or its caller waits forever
                if failed is not None:
                    failed()
                if not isinstance(caught, CloudError):
                    log.exception("operation %s on %s", kind, target)
                    caught = CloudError(500, "internalError", f"{type(caught).__name__}: {caught}")
                error = caught
            with self._store.lock:
                operation.update(_build_result(style, response, error))
            end.set()

        if seconds <= SYNCHRONOUS_SECONDS and not slow:
            run()  # the caller then need not poll, which the provider does every ten seconds
        else:
            threading.Thread(target=run, daemon=True).start()
        with self._store.lock:
            return dict(operation)

    def _new(self, style: Style, path: str, name: str, kind: str, target: str) -> dict[str, Any]:
        link = f"{self._base}/{style}/v1"
        common = {
            "name": name,
            "operationType": kind,
            "status": "RUNNING",
            "selfLink": f"{link}/{path}",
            "targetLink": f"{link}/{target}",
        }
        if style == "container":
            return {**common, "zone": path.split("/")[3], "location": path.split("/")[3], "startTime": _now()}
        place = path.split("/")[2:4]
        where = {"region": f"{link}/projects/{path.split('/')[1]}/regions/{place[1]}"} if place[0] == "regions" else {}
        return {**common, **where, "kind": "compute#operation", "id": str(abs(hash(path))), "progress": 0}


def _build_result(style: Style, response: dict[str, Any] | None, error: CloudError | None) -> dict[str, Any]:
    """Return the fields that an operation gets when it ends."""
    if style == "longrunning":
        if error is not None:
            return {"done": True, "error": {"code": 9, "message": error.message}}
        return {"done": True, "response": response}
    done = {"status": "DONE", **({"progress": 100} if style == "compute" else {"endTime": _now()})}
    if error is None:
        return done
    if style == "container":
        return {**done, "statusMessage": error.message, "error": {"code": 13, "message": error.message}}
    errors = [{"code": error.reason, "message": error.message}]
    return {**done, "error": {"errors": errors}, "httpErrorStatusCode": error.code}


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")

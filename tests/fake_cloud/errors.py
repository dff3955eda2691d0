"""Google's error responses."""

from collections.abc import Mapping, Sequence
from typing import Any

_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    412: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
}


class CloudError(Exception):
    """An error response.

    Attributes:
        code: HTTP status.
        reason: as in ``error.errors[].reason``, such as ``alreadyExists``.
        message: for people.
        status: canonical code.
        details: as in ``error.details``.
    """

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        status: str | None = None,
        details: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Keep what the response contains.

        Args:
            code: HTTP status.
            reason: as in ``error.errors[].reason``.
            message: for people.
            status: canonical code; the usual one of the HTTP status if absent.
            details: as in ``error.details``.
        """
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.status = status or _STATUSES[code]
        self.details = details

    def body(self) -> dict[str, Any]:
        """Return the content. Source: https://cloud.google.com/apis/design/errors, with the older APIs' reasons."""
        error = {"domain": "global", "reason": self.reason, "message": self.message}
        content = {"code": self.code, "message": self.message, "status": self.status, "errors": [error]}
        return {"error": {**content, "details": list(self.details)} if self.details else content}


def not_found(path: str) -> CloudError:
    return CloudError(404, "notFound", f"The resource '{path}' was not found")


def already_exists(path: str) -> CloudError:
    return CloudError(409, "alreadyExists", f"The resource '{path}' already exists")


def in_use(path: str, user: str) -> CloudError:
    message = f"The {path.split('/')[-2].rstrip('s')} resource '{path}' is already being used by '{user}'"
    return CloudError(400, "resourceInUseByAnotherResource", message)


def unknown(what: str) -> CloudError:
    """Return the error for something that the real API may know."""
    return CloudError(501, "notImplemented", f"the fake cloud does not know {what}")

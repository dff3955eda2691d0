"""A fake of the parts of Cloud Storage that terraform's gcs backend uses. For tests.

Written from the JSON API's documentation, https://cloud.google.com/storage/docs/json_api/v1:
objects with generations and preconditions, with which the backend builds its locks.
"""

import base64
import hashlib
import json
import threading
from dataclasses import dataclass
from email.parser import BytesParser
from typing import Any, cast
from urllib.parse import unquote

from werkzeug.wrappers import Request, Response

from tests.fake_cloud.conformance.conformance import Conformance
from tests.fake_cloud.errors import CloudError
from tests.fake_cloud.identity import Identity
from tests.fake_cloud.listener import Listener

LISTED = "/storage/v1/b/"
UPLOADED = "/upload/storage/v1/b/"


@dataclass(frozen=True)
class ObjectVersion:
    """A version of an object.

    Attributes:
        content: of the object.
        generation: a unique number.
    """

    content: bytes
    generation: int


class FakeBucket(Listener):
    """Serves one bucket until it is stopped.

    Attributes:
        name: of the bucket.
        objects: by name.
        conformance: the calls of the JSON API, held against Google's discovery documents.
    """

    def __init__(self, name: str, identity: Identity) -> None:
        """Create an empty bucket.

        Args:
            name: of the bucket.
            identity: accepts its tokens.
        """
        self.name = name
        self.objects: dict[str, ObjectVersion] = {}
        self._identity = identity
        self._generation = 1000
        self.conformance = Conformance()
        self._lock = threading.Lock()
        super().__init__()

    def variables(self) -> dict[str, str]:
        """Return the environment in which the gcs backend calls this server."""
        return {"GOOGLE_BACKEND_STORAGE_CUSTOM_ENDPOINT": f"{self.base}/storage/v1/"}

    def respond(self, request: Request) -> Response:
        raw = str(request.environ["REQUEST_URI"]).partition("?")[0]
        if not raw.startswith((LISTED, UPLOADED)):
            return self._respond(request, raw)  # the XML API, of which there is no document
        path = raw.removeprefix("/upload")
        uploaded = _parse_upload(request)[0] if path != raw else None
        try:
            call = self.conformance.find(request.method, path)
            self.conformance.check_request(call, request.args.items(multi=True), uploaded)
        except CloudError as error:
            return _build_document(error.body(), error.code)
        response = self._respond(request, raw)
        if response.mimetype == "application/json" and response.status_code == 200:
            self.conformance.check_response(call, json.loads(response.get_data()))
        return response

    def _respond(self, request: Request, raw: str) -> Response:
        with self._lock:
            return self._call(request, unquote(raw))

    def _call(self, request: Request, path: str) -> Response:
        if not self._identity.is_valid(request.headers.get("Authorization", "").removeprefix("Bearer ")):
            return _build_error(401, "Invalid Credentials")
        objects = f"{self.name}/o"
        if request.method == "POST" and path == f"{UPLOADED}{objects}":
            return self._upload(request)
        if request.method == "GET" and path == f"{LISTED}{objects}":
            found = sorted(name for name in self.objects if name.startswith(request.args.get("prefix", "")))
            return _build_document({"kind": "storage#objects", "items": [self._describe(name) for name in found]})
        if path.startswith(f"{LISTED}{objects}/"):
            return self._call_object(request, path.removeprefix(f"{LISTED}{objects}/"))
        if request.method == "GET" and path.startswith(f"/{self.name}/"):
            return self._content(path.removeprefix(f"/{self.name}/"))
        if path.startswith((LISTED, UPLOADED)) and f"/{self.name}/" not in path:
            return _build_error(404, "The specified bucket does not exist.")
        return _build_error(501, f"the fake bucket does not know {request.method} {path}")

    def _call_object(self, request: Request, name: str) -> Response:
        if name not in self.objects:
            return _build_error(404, f"No such object: {self.name}/{name}")
        if request.method == "DELETE":
            if not self._matches_generation(request, name):
                return _build_error(412, "At least one of the pre-conditions you specified did not hold.")
            del self.objects[name]
            return Response(status=204)
        if request.method == "GET":
            return self._content(name) if request.args.get("alt") == "media" else _build_document(self._describe(name))
        return _build_error(501, f"the fake bucket does not know {request.method} of an object")

    def _upload(self, request: Request) -> Response:
        if request.args.get("uploadType") != "multipart":
            return _build_error(501, f"the fake bucket does not know uploadType {request.args.get('uploadType')}")
        about, content = _parse_upload(request)
        name = request.args.get("name") or about["name"]
        if not self._matches_generation(request, name):
            return _build_error(412, "At least one of the pre-conditions you specified did not hold.")
        self._generation += 1
        self.objects[name] = ObjectVersion(content, self._generation)
        return _build_document(self._describe(name))

    def _matches_generation(self, request: Request, name: str) -> bool:
        wanted = request.args.get("ifGenerationMatch")
        current = self.objects[name].generation if name in self.objects else 0
        return wanted is None or int(wanted) == current

    def _content(self, name: str) -> Response:
        if name not in self.objects:
            return _build_error(404, f"No such object: {self.name}/{name}")
        version = self.objects[name]
        return Response(
            version.content,
            mimetype="application/octet-stream",
            headers={"X-Goog-Generation": str(version.generation), "X-Goog-Metageneration": "1"},
        )

    def _describe(self, name: str) -> dict[str, Any]:
        version = self.objects[name]
        return {
            "kind": "storage#object",
            "name": name,
            "bucket": self.name,
            "generation": str(version.generation),
            "metageneration": "1",
            "size": str(len(version.content)),
            "md5Hash": base64.b64encode(hashlib.md5(version.content, usedforsecurity=False).digest()).decode(),
        }


def _parse_upload(request: Request) -> tuple[dict[str, Any], bytes]:
    """Return an object's resource and its content."""
    header = f"Content-Type: {request.content_type}\r\n\r\n".encode()
    about, content = (
        cast(bytes, part.get_payload(decode=True))
        for part in BytesParser().parsebytes(header + request.get_data()).walk()
        if not part.is_multipart()
    )
    return json.loads(about), content


def _build_document(content: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(content), status=status, mimetype="application/json")


def _build_error(status: int, message: str) -> Response:
    return _build_document({"error": {"code": status, "message": message}}, status)

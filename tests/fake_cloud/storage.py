"""A bucket of Cloud Storage, as far as terraform's gcs backend uses one. For tests.

Written from the JSON API's documentation, https://cloud.google.com/storage/docs/json_api/v1:
objects with generations and their preconditions, which is what the locks are made of.
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

from tests.fake_cloud.identity import Identity
from tests.fake_cloud.listener import Listener

LISTED = "/storage/v1/b/"
UPLOADED = "/upload/storage/v1/b/"


@dataclass(frozen=True)
class ObjectVersion:
    """An object's content.

    Attributes:
        generation: a number that no other version has.
    """

    content: bytes
    generation: int


class FakeBucket(Listener):
    """Serves one bucket until it is stopped.

    Attributes:
        name: the bucket's.
        objects: by name; tests look into it.
        journal: every call that came.
    """

    def __init__(self, name: str, identity: Identity) -> None:
        """
        Args:
            identity: whose tokens are taken.
        """
        self.name = name
        self.objects: dict[str, ObjectVersion] = {}
        self._identity = identity
        self._generation = 1000
        self._lock = threading.Lock()
        super().__init__()

    def variables(self) -> dict[str, str]:
        """Return the environment in which the gcs backend finds the bucket here."""
        return {"GOOGLE_BACKEND_STORAGE_CUSTOM_ENDPOINT": f"{self.base}/storage/v1/"}

    def respond(self, request: Request) -> Response:
        with self._lock:
            return self._call(request, unquote(str(request.environ["REQUEST_URI"]).partition("?")[0]))

    def _call(self, request: Request, path: str) -> Response:
        if not self._identity.is_valid(request.headers.get("Authorization", "").removeprefix("Bearer ")):
            return _refused(401, "Invalid Credentials")
        objects = f"{self.name}/o"
        if request.method == "POST" and path == f"{UPLOADED}{objects}":
            return self._upload(request)
        if request.method == "GET" and path == f"{LISTED}{objects}":
            found = sorted(name for name in self.objects if name.startswith(request.args.get("prefix", "")))
            return _document({"kind": "storage#objects", "items": [self._described(name) for name in found]})
        if path.startswith(f"{LISTED}{objects}/"):
            return self._of_object(request, path.removeprefix(f"{LISTED}{objects}/"))
        if request.method == "GET" and path.startswith(f"/{self.name}/"):
            return self._content(path.removeprefix(f"/{self.name}/"))
        if path.startswith((LISTED, UPLOADED)) and f"/{self.name}/" not in path:
            return _refused(404, "The specified bucket does not exist.")
        return _refused(501, f"the stand-in does not know {request.method} {path}")

    def _of_object(self, request: Request, name: str) -> Response:
        if name not in self.objects:
            return _refused(404, f"No such object: {self.name}/{name}")
        if request.method == "DELETE":
            if not self._is_met(request, name):
                return _refused(412, "At least one of the pre-conditions you specified did not hold.")
            del self.objects[name]
            return Response(status=204)
        if request.method == "GET":
            return self._content(name) if request.args.get("alt") == "media" else _document(self._described(name))
        return _refused(501, f"the stand-in does not know {request.method} of an object")

    def _upload(self, request: Request) -> Response:
        if request.args.get("uploadType") != "multipart":
            return _refused(501, f"the stand-in does not know uploadType {request.args.get('uploadType')}")
        header = f"Content-Type: {request.content_type}\r\n\r\n".encode()
        about, content = (
            cast(bytes, part.get_payload(decode=True))
            for part in BytesParser().parsebytes(header + request.get_data()).walk()
            if not part.is_multipart()
        )
        name = request.args.get("name") or json.loads(about)["name"]
        if not self._is_met(request, name):
            return _refused(412, "At least one of the pre-conditions you specified did not hold.")
        self._generation += 1
        self.objects[name] = ObjectVersion(content, self._generation)
        return _document(self._described(name))

    def _is_met(self, request: Request, name: str) -> bool:
        wanted = request.args.get("ifGenerationMatch")
        there = self.objects[name].generation if name in self.objects else 0
        return wanted is None or int(wanted) == there

    def _content(self, name: str) -> Response:
        if name not in self.objects:
            return _refused(404, f"No such object: {self.name}/{name}")
        version = self.objects[name]
        return Response(
            version.content,
            mimetype="application/octet-stream",
            headers={"X-Goog-Generation": str(version.generation), "X-Goog-Metageneration": "1"},
        )

    def _described(self, name: str) -> dict[str, Any]:
        version = self.objects[name]
        return {
            "kind": "storage#object",
            "name": name,
            "bucket": self.name,
            "generation": str(version.generation),
            "metageneration": "1",
            "size": str(len(version.content)),
            "md5Hash": base64.b64encode(hashlib.md5(version.content).digest()).decode(),
        }


def _document(content: dict[str, Any]) -> Response:
    return Response(json.dumps(content), mimetype="application/json")


def _refused(status: int, message: str) -> Response:
    return Response(
        json.dumps({"error": {"code": status, "message": message}}), status=status, mimetype="application/json"
    )

"""Certificate Manager: DNS authorizations, certificates, certificate maps and their entries."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from werkzeug.routing import Rule

from tests.fake_cloud.cloud import PROJECT_NUMBER, ApiRequest, Body, Cloud, rule
from tests.fake_cloud.errors import CloudError, already_exists, not_found, unknown
from tests.fake_cloud.references import path_of, user_of
from tests.fake_cloud.store import Resource

PREFIX = "/certificatemanager/v1/"

_TYPES = "type.googleapis.com/google.cloud.certificatemanager.v1"


class Kind(NamedTuple):
    """A kind of resource.

    Attributes:
        id_parameter: parameter of the query with the name of a new one.
        type: name of the message.
    """

    id_parameter: str
    type: str


ENTRIES = "certificateMapEntries"
KINDS: Mapping[str, Kind] = {
    "dnsAuthorizations": Kind("dnsAuthorizationId", "DnsAuthorization"),
    "certificates": Kind("certificateId", "Certificate"),
    "certificateMaps": Kind("certificateMapId", "CertificateMap"),
    ENTRIES: Kind("certificateMapEntryId", "CertificateMapEntry"),
}
"""By collection."""


class CertificateManager:
    """The API's methods on the collections of `KINDS`.

    Attributes:
        records: names of the CNAME records that the domains' owners have created. A managed certificate with DNS
            authorizations becomes active when all of them have theirs, before the domain leads to a load balancer.
            Source: https://cloud.google.com/certificate-manager/docs/domain-authorization
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.records: set[str] = set()

    def rules(self) -> list[Rule]:
        location = f"{PREFIX}projects/<project>/locations/<location>"
        collections = [name for name in KINDS if name != ENTRIES]
        folders = [f"{location}/<any({', '.join(collections)}):collection>"]
        folders.append(f"{location}/certificateMaps/<map>/<any({ENTRIES}):collection>")
        rules = [rule("GET", f"{location}/operations/<name>", self._cloud.show)]
        for folder in folders:
            rules += [
                rule("GET", folder, self.index),
                rule("POST", folder, self.create),
                rule("GET", f"{folder}/<name>", self.get),
                rule("PATCH", f"{folder}/<name>", self.patch),
                rule("DELETE", f"{folder}/<name>", self.delete),
            ]
        return rules

    def index(self, request: ApiRequest) -> Body:
        """List the resources of a location, or of all if it is ``-``."""
        wanted = request.path.split("/")
        found = []
        for path, resource in self._cloud.store.all().items():
            parts = path.split("/")
            if len(parts) == len(wanted) + 1 and parts[2] == "locations" and parts[4:-1] == wanted[4:]:
                found += [self._shown(path, resource)] if wanted[3] in ("-", parts[3]) else []
        return {request.name: found}

    def get(self, request: ApiRequest) -> Body:
        return self._shown(request.path, self._cloud.store.get(request.path))

    def create(self, request: ApiRequest) -> Body:
        kind = KINDS[request.name]
        path = f"{request.path}/{request.query[kind.id_parameter]}"
        with self._cloud.store.lock:
            if self._cloud.store.find(path) is not None:
                raise already_exists(path)
            if request.name == ENTRIES:
                self._cloud.store.get(request.path.rpartition("/")[0])
            body = self._with_references(request.body)
            resource = {**body, "name": path, "createTime": datetime.now(UTC).isoformat()}
            if request.name == "dnsAuthorizations":
                resource = {"type": "FIXED_RECORD", **resource, "dnsResourceRecord": self._record(body["domain"])}
            if request.name == "certificates":
                resource = {"scope": "DEFAULT", **resource, "sanDnsnames": body.get("managed", {}).get("domains", [])}
            self._cloud.store.add(path, resource)
        return self._start("create", path, lambda: resource, failed=lambda: self._cloud.store.remove(path))

    def patch(self, request: ApiRequest) -> Body:
        """Change the fields of the update mask."""
        found = self._cloud.store.get(request.path)
        names = request.query["updateMask"].split(",")
        if others := sorted(set(names) - {"certificates", "description", "labels"}):
            raise unknown(f"the update of {', '.join(others)}")
        body = self._with_references(request.body)
        changes = {name: body.get(name) for name in names}

        def work() -> Resource:
            with self._cloud.store.lock:
                found.update(changes)
                for field in [name for name, value in changes.items() if value is None]:
                    del found[field]
            return found

        return self._start("update", request.path, work)

    def delete(self, request: ApiRequest) -> Body:
        """Delete a resource that no other one needs, and that is no map with entries.

        Source: https://cloud.google.com/certificate-manager/docs/maps
        """
        path = request.path
        with self._cloud.store.lock:
            self._cloud.store.get(path)
            entries = (one for one in self._cloud.store.all() if one.startswith(f"{path}/{ENTRIES}/"))
            user = user_of(self._cloud.store, path) or user_of(self._cloud.store, _by_number(path)) or next(entries, "")
        if user:
            message = f"can't delete {path} that is referenced by a resource or contains one: {user}"
            raise CloudError(400, "failedPrecondition", message, status="FAILED_PRECONDITION")

        def work() -> None:
            self._cloud.store.remove(path)

        return self._start("delete", path, work)

    def _shown(self, path: str, resource: Resource) -> Body:
        """Return a resource with its current state."""
        collection = path.split("/")[-2]
        if collection == "certificates" and "managed" in resource:
            return {**resource, "managed": {**resource["managed"], **self._issue(resource)}}
        if collection == ENTRIES:
            certificates = [self._find(one) for one in resource.get("certificates", [])]
            active = any(self._issue(one)["state"] == "ACTIVE" for one in certificates if "managed" in one)
            return {**resource, "state": "ACTIVE" if active else "PENDING"}
        return resource

    def _issue(self, certificate: Resource) -> Body:
        """Return the state of a managed certificate."""
        found = [self._find(one) for one in certificate["managed"].get("dnsAuthorizations", [])]
        there = {one["domain"]: one["dnsResourceRecord"]["name"] in self.records for one in found}
        attempts = [
            {"domain": domain, "state": "AUTHORIZED" if there.get(domain) else "AUTHORIZING"}
            for domain in certificate["managed"].get("domains", [])
        ]
        active = all(one["state"] == "AUTHORIZED" for one in attempts)
        return {"state": "ACTIVE" if active else "PROVISIONING", "authorizationAttemptInfo": attempts}

    def _with_references(self, body: Body) -> Body:
        """Return a body in which references have the project's number, as in responses.

        Raises:
            CloudError: 404, it refers to something that does not exist.
        """
        body = {**body}
        if "certificates" in body:
            body["certificates"] = [self._reference(one) for one in body["certificates"]]
        if authorizations := body.get("managed", {}).get("dnsAuthorizations"):
            numbered = [self._reference(one) for one in authorizations]
            body["managed"] = {**body["managed"], "dnsAuthorizations": numbered}
        return body

    def _reference(self, link: str) -> str:
        self._find(link)
        return _by_number(path_of(link))

    def _find(self, link: str) -> Resource:
        path = path_of(link).replace(f"projects/{PROJECT_NUMBER}/", f"projects/{self._cloud.project}/", 1)
        found = self._cloud.store.find(path)
        if found is None:
            raise not_found(path)
        return found

    def _record(self, domain: str) -> Body:
        """Return the record of a domain's authorization, which is the same whenever it is created again."""
        digest = hashlib.sha256(f"{self._cloud.project} {domain}".encode()).hexdigest()
        data = f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"
        return {
            "name": f"_acme-challenge.{domain}.",
            "type": "CNAME",
            "data": f"{data}.{int(digest[32:34], 16) % 20}.authorize.certificatemanager.goog.",
        }

    def _start(
        self, verb: str, path: str, work: Callable[[], Resource | None], failed: Callable[[], None] | None = None
    ) -> Body:
        metadata = {"@type": f"{_TYPES}.OperationMetadata", "target": path, "verb": verb, "apiVersion": "v1"}

        def run() -> Body:
            found = work()
            if found is None:
                return {"@type": "type.googleapis.com/google.protobuf.Empty"}
            return {"@type": f"{_TYPES}.{KINDS[path.split('/')[-2]].type}", **self._shown(path, found)}

        return self._cloud.operations.start(
            "longrunning", verb, path, "certificate", work=run, metadata=metadata, failed=failed
        )


def _by_number(path: str) -> str:
    return f"projects/{PROJECT_NUMBER}/{path.split('/', 2)[2]}"

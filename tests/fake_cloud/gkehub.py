"""The fleet: its memberships and features."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from werkzeug.routing import Rule

from tests.fake_cloud.cloud import PROJECT_NUMBER, ApiRequest, Body, Cloud, rule
from tests.fake_cloud.errors import CloudError, not_found, unknown
from tests.fake_cloud.references import path_of

PREFIX = "/gkehub/v1/"

Changed = Callable[[str, Body | None], None]
HasResources = Callable[[str], bool]

SPECS, STATES = "membershipSpecs", "membershipStates"
MASKS = {"labels": "labels", "spec": "spec", SPECS: SPECS, "membership_specs": SPECS}
"""Names in an update mask, and their fields."""

_TYPES = "type.googleapis.com/google.cloud.gkehub.v1"

IN_USE = (
    "Feature has associated resources that should be cleaned up before deletion. Check the Feature state details for "
    "more information. This check can be overridden by setting force=true."
)
"""Seen at https://github.com/GoogleCloudPlatform/terraform-ecommerce-microservices-on-gke/issues/3"""


class GkeHub:
    """The API's methods on features; memberships are created and deleted with their clusters."""

    def __init__(self, cloud: Cloud, changed: Changed, has_resources: HasResources) -> None:
        """Start with an empty fleet.

        Args:
            cloud: has the project.
            changed: called with each enabled feature and its content, or None when it is disabled.
            has_resources: whether a feature still has resources and can't be disabled.
        """
        self._cloud = cloud
        self._changed = changed
        self._has_resources = has_resources

    def rules(self) -> list[Rule]:
        location = f"{PREFIX}projects/<project>/locations/<location>"
        return [
            rule("GET", f"{location}/operations/<name>", self._cloud.show),
            rule("POST", f"{location}/features", self.create),
            rule("GET", f"{location}/features", self.list_features),
            rule("GET", f"{location}/features/<name>", self._cloud.show),
            rule("PATCH", f"{location}/features/<name>", self.patch),
            rule("DELETE", f"{location}/features/<name>", self.delete),
            rule("GET", f"{location}/memberships", self.list_memberships),
            rule("GET", f"{location}/memberships/<name>", self._cloud.show),
        ]

    def list_features(self, request: ApiRequest) -> Body:
        return {"resources": [one for _, one in self._cloud.store.under(request.path)]}

    def list_memberships(self, request: ApiRequest) -> Body:
        found = [one for path, one in self._cloud.store.all().items() if "/memberships/" in path]
        return {"resources": [one for one in found if request.location in ("-", one["name"].split("/")[3])]}

    def create(self, request: ApiRequest) -> Body:
        name = request.query["featureId"]
        path = f"{request.path}/{name}"
        self._check(request.body)
        created = datetime.now(UTC).isoformat()
        feature = self._cloud.store.add(
            path, {**request.body, "name": path, "createTime": created, "resourceState": {"state": "ENABLING"}}
        )

        def work() -> Body:
            with self._cloud.store.lock:
                feature["resourceState"] = {"state": "ACTIVE"}
            self._changed(name, feature)
            return {"@type": f"{_TYPES}.Feature", **feature}

        return self._start("create", path, work, failed=lambda: self._cloud.store.remove(path))

    def patch(self, request: ApiRequest) -> Body:
        """Change the fields of the update mask.

        Of the memberships' specs, only those in the body change; an empty one deletes a spec.
        The google provider deletes that way, and gcloud sends one spec of several.
        """
        feature = self._cloud.store.get(request.path)
        self._check(request.body)
        masks = request.query.get("updateMask", "labels,spec").split(",")
        if names := [one for one in masks if one not in MASKS]:
            raise unknown(f"the update of {', '.join(names)}")
        changes = {MASKS[one]: request.body[MASKS[one]] for one in masks if MASKS[one] in request.body}
        specs = {self._by_number(key): spec for key, spec in changes.pop(SPECS, {}).items()}

        def work() -> Body:
            with self._cloud.store.lock:
                feature.update(changes)
                for field in [name for name, value in changes.items() if value is None]:
                    del feature[field]
                if specs:
                    feature[SPECS] = {key: spec for key, spec in (feature.get(SPECS, {}) | specs).items() if spec}
            self._changed(request.name, feature)
            return {"@type": f"{_TYPES}.Feature", **feature}

        # The provider's library takes an operation that is done at once for a success, whatever its error
        # (StandardGCPOperation.Wait in GoogleCloudPlatform/declarative-resource-client-library 1.81.0).
        return self._start("update", request.path, work, slow=SPECS in request.body)

    def delete(self, request: ApiRequest) -> Body:
        feature = self._cloud.store.get(request.path)
        if self._has_resources(request.name) or feature.get(SPECS):
            raise CloudError(400, "failedPrecondition", IN_USE, status="FAILED_PRECONDITION")

        def work() -> Body:
            self._cloud.store.remove(request.path)
            self._changed(request.name, None)
            return {"@type": "type.googleapis.com/google.protobuf.Empty"}

        return self._start("delete", request.path, work)

    def set_membership_state(self, name: str, location: str, member: str, state: Body | None) -> None:
        """Set the state of a membership in a feature; None deletes it."""
        with self._cloud.store.lock:
            feature = self._cloud.store.find(f"projects/{self._cloud.project}/locations/global/features/{name}")
            if feature is None:
                return
            states, key = feature.setdefault(STATES, {}), _build_name(location, member)
            if state is None:
                states.pop(key, None)
            else:
                states[key] = state

    def remove_membership(self, location: str, member: str) -> None:
        """Delete specs and states of a membership that was deleted with its cluster."""
        with self._cloud.store.lock:
            for _, feature in self._cloud.store.under(f"projects/{self._cloud.project}/locations/global/features"):
                for field in (SPECS, STATES):
                    feature.get(field, {}).pop(_build_name(location, member), None)

    def find_membership(self, link: str) -> Body | None:
        """Return a membership by its name, in which the project may be a number."""
        path = path_of(link).replace(f"projects/{PROJECT_NUMBER}/", f"projects/{self._cloud.project}/")
        return self._cloud.store.find(path)

    def _check(self, feature: Body) -> None:
        membership = feature.get("spec", {}).get("multiclusteringress", {}).get("configMembership")
        if membership is not None and self.find_membership(membership) is None:
            raise not_found(membership)

    def _by_number(self, membership: str) -> str:
        """Return a membership's name as responses have it.

        Raises:
            CloudError: it does not exist.
        """
        if self.find_membership(membership) is None:
            raise not_found(membership)
        return f"projects/{PROJECT_NUMBER}/{membership.split('/', 2)[2]}"

    def _start(self, verb: str, path: str, work: Callable[[], Body], **options: Any) -> Body:
        metadata = {"@type": f"{_TYPES}.OperationMetadata", "target": path, "verb": verb, "apiVersion": "v1"}
        return self._cloud.operations.start(
            "longrunning", verb, path, "feature", work=work, metadata=metadata, **options
        )


def _build_name(location: str, member: str) -> str:
    """Return a membership's name as features have it, with the project's number."""
    return f"projects/{PROJECT_NUMBER}/locations/{location}/memberships/{member}"

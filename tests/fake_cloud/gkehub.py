"""The fleet: its memberships and features."""

from collections.abc import Callable

from werkzeug.routing import Rule

from tests.fake_cloud.cloud import PROJECT_NUMBER, Body, Cloud, Query, rule
from tests.fake_cloud.errors import CloudError, not_found
from tests.fake_cloud.references import path_of

PREFIX = "/gkehub/v1/"

Changed = Callable[[str, Body | None], None]
HasResources = Callable[[str], bool]

SPECS, STATES = "membershipSpecs", "membershipStates"
MASKS = {"labels": "labels", "spec": "spec", SPECS: SPECS, "membership_specs": SPECS}
"""What an update mask may name, and which field that is."""

IN_USE = (
    "Feature has associated resources that should be cleaned up before deletion. Check the Feature state details for "
    "more information. This check can be overridden by setting force=true."
)
"""As users saw it: https://github.com/GoogleCloudPlatform/terraform-ecommerce-microservices-on-gke/issues/3"""


class GkeHub:
    """Features are switched on and off here; memberships come and go with their clusters."""

    def __init__(self, cloud: Cloud, changed: Changed, has_resources: HasResources) -> None:
        """
        Args:
            changed: is told of every feature that is on, with what it is, or None when it is off.
            has_resources: whether a feature still has something, so that it can't be switched off.
        """
        self._cloud = cloud
        self._changed = changed
        self._has_resources = has_resources

    def rules(self) -> list[Rule]:
        location = f"{PREFIX}projects/<project>/locations/<location>"
        return [
            rule("GET", f"{location}/operations/<name>", self.get_operation),
            rule("POST", f"{location}/features", self.create),
            rule("GET", f"{location}/features", self.list_features),
            rule("GET", f"{location}/features/<name>", self.get),
            rule("PATCH", f"{location}/features/<name>", self.patch),
            rule("DELETE", f"{location}/features/<name>", self.delete),
            rule("GET", f"{location}/memberships", self.list_memberships),
            rule("GET", f"{location}/memberships/<name>", self.get_membership),
        ]

    def get_operation(self, body: Body, query: Query, *, project: str, location: str, name: str) -> Body:
        return self._cloud.store.get(f"projects/{project}/locations/{location}/operations/{name}")

    def get(self, body: Body, query: Query, *, project: str, location: str, name: str) -> Body:
        return self._cloud.store.get(f"projects/{project}/locations/{location}/features/{name}")

    def list_features(self, body: Body, query: Query, *, project: str, location: str) -> Body:
        folder = f"projects/{project}/locations/{location}/features"
        return {"resources": [one for _, one in self._cloud.store.under(folder)]}

    def get_membership(self, body: Body, query: Query, *, project: str, location: str, name: str) -> Body:
        return self._cloud.store.get(f"projects/{project}/locations/{location}/memberships/{name}")

    def list_memberships(self, body: Body, query: Query, *, project: str, location: str) -> Body:
        found = [one for path, one in self._cloud.store.all().items() if "/memberships/" in path]
        return {"resources": [one for one in found if location in ("-", one["name"].split("/")[3])]}

    def create(self, body: Body, query: Query, *, project: str, location: str) -> Body:
        name = query["featureId"]
        path = f"projects/{project}/locations/{location}/features/{name}"
        self._check(body)
        feature = {**body, "name": path, "resourceState": {"state": "ENABLING"}}
        self._cloud.store.add(path, feature)

        def work() -> Body:
            with self._cloud.store.lock:
                feature["resourceState"] = {"state": "ACTIVE"}
            self._changed(name, feature)
            return feature

        return self._start("create", path, work, lambda: self._cloud.store.remove(path))

    def patch(self, body: Body, query: Query, *, project: str, location: str, name: str) -> Body:
        """Change what the update mask names.

        Of the specs of memberships only those change that the body has; an empty one takes a spec away.
        That is how the google provider deletes one, and gcloud sends one spec where there are several.
        """
        path = f"projects/{project}/locations/{location}/features/{name}"
        feature = self._cloud.store.get(path)
        self._check(body)
        masks = query.get("updateMask", "labels,spec").split(",")
        if unknown := [one for one in masks if one not in MASKS]:
            raise CloudError(501, "notImplemented", f"the fake cloud knows no update of {', '.join(unknown)}")
        changes = {MASKS[one]: body[MASKS[one]] for one in masks if MASKS[one] in body}
        specs = {self._by_number(key): spec for key, spec in changes.pop(SPECS, {}).items()}

        def work() -> Body:
            with self._cloud.store.lock:
                feature.update(changes)
                if specs:
                    feature[SPECS] = {key: spec for key, spec in (feature.get(SPECS, {}) | specs).items() if spec}
            self._changed(name, feature)
            return feature

        # The provider's library takes an operation that is done at once for a success, whatever its error
        # (StandardGCPOperation.Wait in GoogleCloudPlatform/declarative-resource-client-library 1.81.0).
        return self._start("update", path, work, slow=SPECS in body)

    def delete(self, body: Body, query: Query, *, project: str, location: str, name: str) -> Body:
        path = f"projects/{project}/locations/{location}/features/{name}"
        self._cloud.store.get(path)
        if self._has_resources(name) or self._cloud.store.get(path).get(SPECS):
            raise CloudError(400, "failedPrecondition", IN_USE, status="FAILED_PRECONDITION")

        def work() -> Body:
            self._cloud.store.remove(path)
            self._changed(name, None)
            return {}

        return self._start("delete", path, work)

    def tell(self, name: str, location: str, member: str, state: Body | None) -> None:
        """Let a feature say something of a membership, by the project's number; None takes it back."""
        with self._cloud.store.lock:
            feature = self._cloud.store.find(f"projects/{self._cloud.project}/locations/global/features/{name}")
            if feature is None:
                return
            states = feature.setdefault(STATES, {})
            membership = f"projects/{PROJECT_NUMBER}/locations/{location}/memberships/{member}"
            if state is None:
                states.pop(membership, None)
            else:
                states[membership] = state

    def forget(self, location: str, member: str) -> None:
        """Forget what the features have of a membership, which has gone with its cluster."""
        path = f"projects/{PROJECT_NUMBER}/locations/{location}/memberships/{member}"
        with self._cloud.store.lock:
            for _, feature in self._cloud.store.under(f"projects/{self._cloud.project}/locations/global/features"):
                for field in (SPECS, STATES):
                    feature.get(field, {}).pop(path, None)

    def find_membership(self, link: str) -> Body | None:
        """Return a membership by its name, in which the project may be a number."""
        path = path_of(link).replace(f"projects/{PROJECT_NUMBER}/", f"projects/{self._cloud.project}/")
        return self._cloud.store.find(path)

    def _check(self, feature: Body) -> None:
        membership = feature.get("spec", {}).get("multiclusteringress", {}).get("configMembership")
        if membership is not None and self.find_membership(membership) is None:
            raise not_found(membership)

    def _by_number(self, membership: str) -> str:
        """Return a membership's name as answers have it.

        Raises:
            CloudError: there is none.
        """
        if self.find_membership(membership) is None:
            raise not_found(membership)
        return f"projects/{PROJECT_NUMBER}/{membership.split('/', 2)[2]}"

    def _start(
        self,
        verb: str,
        path: str,
        work: Callable[[], Body],
        failed: Callable[[], None] | None = None,
        slow: bool = False,
    ) -> Body:
        folder = "/".join(path.split("/")[:4])
        seconds = self._cloud.latencies.of("feature")
        return self._cloud.operations.start(
            "longrunning", folder, kind=verb, target=path, seconds=seconds, work=work, failed=failed, slow=slow
        )

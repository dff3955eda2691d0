"""Resource Manager: the project and who may do what in it."""

from itertools import count

from werkzeug.routing import Rule

from tests.fake_cloud.cloud import PROJECT_NUMBER, Body, Cloud, Query, rule
from tests.fake_cloud.errors import CloudError, not_found

PREFIX = "/cloudresourcemanager/v1/"
BILLING = "/cloudbilling/v1/"


class ResourceManager:
    """One project, and its IAM policy, which is changed only by who has read its last version.

    Attributes:
        state: of the project's life.
        billing: whether the project has a billing account.
        withheld: permissions that the caller, an owner, is said not to have; nothing is refused because of them.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.state = "ACTIVE"
        self.billing = True
        self.withheld: set[str] = set()
        self._versions = count(1)
        owner = {"role": "roles/owner", "members": [f"serviceAccount:{cloud.identity.email}"]}
        self._policy: Body = {"version": 1, "bindings": [owner], "etag": self._etag()}

    def rules(self) -> list[Rule]:
        return [
            rule("GET", f"{PREFIX}projects/<project>", self.get),
            rule("POST", f"{PREFIX}projects/<project>:getIamPolicy", self.get_policy),
            rule("POST", f"{PREFIX}projects/<project>:setIamPolicy", self.set_policy),
            rule("POST", f"{PREFIX}projects/<project>:testIamPermissions", self.test_permissions),
            rule("GET", f"{BILLING}projects/<project>/billingInfo", self.get_billing),
        ]

    def grants(self) -> list[tuple[str, str]]:
        """Return who has which role: pairs of role and member."""
        with self._cloud.store.lock:
            return [(one["role"], member) for one in self._policy["bindings"] for member in one["members"]]

    def get(self, body: Body, query: Query, *, project: str) -> Body:
        self._check(project)
        return {"projectId": project, "projectNumber": PROJECT_NUMBER, "name": project, "lifecycleState": self.state}

    def get_billing(self, body: Body, query: Query, *, project: str) -> Body:
        """Reached only where the Billing API is on; the project doesn't need it."""
        return {"name": f"projects/{project}/billingInfo", "projectId": project, "billingEnabled": self.billing}

    def test_permissions(self, body: Body, query: Query, *, project: str) -> Body:
        self._check(project)
        granted = [one for one in body.get("permissions", []) if one not in self.withheld]
        return {"permissions": granted} if granted else {}

    def get_policy(self, body: Body, query: Query, *, project: str) -> Body:
        self._check(project)
        return self._policy

    def set_policy(self, body: Body, query: Query, *, project: str) -> Body:
        """Raises:
        CloudError: 409, another version was read; 400, a member does not exist.
        """
        self._check(project)
        with self._cloud.store.lock:
            policy = body["policy"]
            if policy.get("etag") != self._policy["etag"]:
                message = "There were concurrent policy changes. Please retry the whole read-modify-write."
                raise CloudError(409, "aborted", message, status="ABORTED")
            known = {member for _, member in self.grants()}
            for binding in policy.get("bindings", []):
                for member in set(binding["members"]) - known:
                    self._check_member(member)
            bindings = [one for one in policy.get("bindings", []) if one["members"]]
            self._policy = {**policy, "bindings": bindings, "etag": self._etag()}
            return self._policy

    def _check(self, project: str) -> None:
        if project != self._cloud.project:
            raise not_found(f"projects/{project}")

    def _check_member(self, member: str) -> None:
        email = member.removeprefix("serviceAccount:")
        agents = {
            f"service-{PROJECT_NUMBER}@gcp-sa-multiclusteringress.iam.gserviceaccount.com": "multiclusteringress",
        }
        project = self._cloud.project
        paths = [f"projects/{project}/serviceAccounts/{email}"]
        if email in agents:  # Google's own, which are there as soon as their feature is
            paths = [f"projects/{project}/locations/global/features/{agents[email]}"]
        if all(self._cloud.store.find(path) is None for path in paths):
            raise CloudError(400, "badRequest", f"Service account {email} does not exist.")

    def _etag(self) -> str:
        return f"etag{next(self._versions):04d}"

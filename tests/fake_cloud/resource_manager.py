"""Resource Manager: the project and its IAM policy."""

import re
from datetime import UTC, datetime
from itertools import count

from werkzeug.routing import Rule

from tests.fake_cloud.cloud import PROJECT_NUMBER, ApiRequest, Body, Cloud, rule
from tests.fake_cloud.errors import CloudError, not_found
from tests.fake_cloud.references import workload_pool_exists

PREFIX = "/cloudresourcemanager/v1/"
BILLING = "/cloudbilling/v1/"

_WORKLOAD = re.compile(
    rf"principal://iam\.googleapis\.com/projects/{PROJECT_NUMBER}/locations/global/workloadIdentityPools/"
    r"([a-z][-a-z0-9]*\.svc\.id\.goog)/subject/ns/[a-z0-9-]+/sa/[a-z0-9.-]+"
)
_SERVICE_AGENT = re.compile(rf"service-{PROJECT_NUMBER}@gcp-sa-([a-z]+)\.iam\.gserviceaccount\.com")


class ResourceManager:
    """One project, and its IAM policy, which can only be changed after its last version was read.

    Attributes:
        state: the project's lifecycle state.
        billing: whether the project has a billing account.
        withheld: permissions that the API denies to the caller, an owner; calls succeed without them, too.
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
        project = f"{PREFIX}projects/<project>"
        return [
            rule("GET", project, self.get),
            rule("POST", project, self.get_policy, suffix=":getIamPolicy"),
            rule("POST", project, self.set_policy, suffix=":setIamPolicy"),
            rule("POST", project, self.test_permissions, suffix=":testIamPermissions"),
            rule("GET", f"{BILLING}projects/<project>", self.get_billing, suffix="/billingInfo"),
        ]

    def grants(self) -> list[tuple[str, str]]:
        """Return the granted roles: pairs of role and member."""
        with self._cloud.store.lock:
            return [(one["role"], member) for one in self._policy["bindings"] for member in one["members"]]

    def get(self, request: ApiRequest) -> Body:
        project = self._check(request)
        return {"projectId": project, "projectNumber": PROJECT_NUMBER, "name": project, "lifecycleState": self.state}

    def get_billing(self, request: ApiRequest) -> Body:
        """Return the billing account; only the Billing API has to be enabled for that."""
        project = request.name
        return {"name": f"projects/{project}/billingInfo", "projectId": project, "billingEnabled": self.billing}

    def test_permissions(self, request: ApiRequest) -> Body:
        self._check(request)
        granted = [one for one in request.body.get("permissions", []) if one not in self.withheld]
        return {"permissions": granted} if granted else {}

    def get_policy(self, request: ApiRequest) -> Body:
        self._check(request)
        return self._policy

    def set_policy(self, request: ApiRequest) -> Body:
        """Replace the policy.

        Raises:
            CloudError: 409, another version was read; 400, a member does not exist.
        """
        self._check(request)
        with self._cloud.store.lock:
            policy = request.body["policy"]
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

    def _check(self, request: ApiRequest) -> str:
        if request.name != self._cloud.project:
            raise not_found(request.path)
        return request.name

    def _check_member(self, member: str) -> None:
        if member.startswith("principal://"):
            self._check_workload(member)
            return
        email = member.removeprefix("serviceAccount:")
        path = f"projects/{self._cloud.project}/serviceAccounts/{email}"
        if not self._is_service_agent(email) and self._cloud.store.find(path) is None:
            raise CloudError(400, "badRequest", f"Service account {email} does not exist.")

    def _check_workload(self, member: str) -> None:
        """Check that the workload identity pool of a principal exists: the first cluster that uses it creates it.

        Source: https://cloud.google.com/iam/docs/principal-identifiers
        """
        workload = _WORKLOAD.fullmatch(member)
        if workload is None:
            raise CloudError(400, "badRequest", f"Invalid member {member}.")
        if not workload_pool_exists(self._cloud.store, workload[1]):
            raise CloudError(400, "badRequest", f"Identity Pool does not exist ({workload[1]}).")

    def _is_service_agent(self, email: str) -> bool:
        """Return whether an address is that of a feature's service agent, which comes some time after the feature.

        Source: https://cloud.google.com/iam/docs/service-agents
        """
        agent = _SERVICE_AGENT.fullmatch(email)
        if agent is None:
            return False
        feature = self._cloud.store.find(f"projects/{self._cloud.project}/locations/global/features/{agent[1]}")
        if feature is None:
            return False
        age = datetime.now(UTC) - datetime.fromisoformat(feature["createTime"])
        return age.total_seconds() >= self._cloud.latencies.of("service-agent")

    def _etag(self) -> str:
        return f"etag{next(self._versions):04d}"

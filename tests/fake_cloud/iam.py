"""IAM: service accounts, and who may act as them."""

import re
from itertools import count

from werkzeug.routing import Rule

from tests.fake_cloud.cloud import ApiRequest, Body, Cloud, rule
from tests.fake_cloud.errors import CloudError
from tests.fake_cloud.references import workload_pool_exists

PREFIX = "/iam/v1/"

_POOL_MEMBER = re.compile(r"serviceAccount:([a-z][-a-z0-9]*\.svc\.id\.goog)\[[a-z0-9-]+/[a-z0-9.-]+\]")


class Iam:
    """Creates, shows, lists and deletes service accounts, and keeps their IAM policies.

    Attributes:
        withheld: permissions on service accounts that the API denies to the caller; calls succeed without them, too.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.withheld: set[str] = set()
        self._versions = count(1)
        self._policies: dict[str, Body] = {}
        self._of_others: dict[str, Body] = {}

    def rules(self) -> list[Rule]:
        accounts = f"{PREFIX}projects/<project>/serviceAccounts"
        account = f"{accounts}/<email>"
        return [
            rule("POST", accounts, self.create),
            rule("GET", accounts, self.index),
            rule("GET", account, self.get),
            rule("DELETE", account, self.delete),
            rule("POST", account, self.get_policy, suffix=":getIamPolicy"),
            rule("POST", account, self.set_policy, suffix=":setIamPolicy"),
            rule("POST", account, self.test_permissions, suffix=":testIamPermissions"),
        ]

    def create(self, request: ApiRequest) -> Body:
        project = request.path.split("/")[1]
        email = f"{request.body['accountId']}@{project}.iam.gserviceaccount.com"
        path = f"{request.path}/{email}"
        return self._cloud.store.add(path, {**request.body.get("serviceAccount", {}), **_account(path)})

    def add_of_others(self, path: str) -> None:
        """Add an account that is no part of the environment, if it does not exist; its project may be another one."""
        self._of_others.setdefault(path, _account(path))

    def index(self, request: ApiRequest) -> Body:
        of_others = [one for path, one in self._of_others.items() if path.startswith(f"{request.path}/")]
        return {"accounts": [*of_others, *(one for _, one in self._cloud.store.under(request.path))]}

    def get(self, request: ApiRequest) -> Body:
        """Show an account; the project may be ``-`` in a request, as the address contains it."""
        path = request.path.replace("projects/-/", f"projects/{self._cloud.project}/", 1)
        return self._of_others.get(path) or self._cloud.store.get(path)

    def delete(self, request: ApiRequest) -> Body:
        name = self.get(request)["name"]
        self._cloud.store.remove(name)
        self._policies.pop(name, None)
        return {}

    def grants(self) -> list[tuple[str, str, str]]:
        """Return the roles that are granted on service accounts: account, role and member."""
        with self._cloud.store.lock:
            return [
                (path.rpartition("/")[2], one["role"], member)
                for path, policy in self._policies.items()
                for one in policy.get("bindings", [])
                for member in one["members"]
            ]

    def get_policy(self, request: ApiRequest) -> Body:
        """Return an account's policy; without a binding, it has only an etag."""
        return self._policies.get(self.get(request)["name"], {"etag": "ACAB"})

    def set_policy(self, request: ApiRequest) -> Body:
        """Replace an account's policy.

        Raises:
            CloudError: 409, another version was read; 400, a workload identity pool does not exist.
        """
        with self._cloud.store.lock:
            before, policy = self.get_policy(request), request.body["policy"]
            if policy.get("etag") != before["etag"]:
                message = "There were concurrent policy changes. Please retry the whole read-modify-write."
                raise CloudError(409, "aborted", message, status="ABORTED")
            bindings = [one for one in policy.get("bindings", []) if one["members"]]
            known = {member for one in before.get("bindings", []) for member in one["members"]}
            for member in {member for one in bindings for member in one["members"]} - known:
                self._check_member(member)
            after = {**policy, "bindings": bindings, "etag": f"etag{next(self._versions):04d}"}
            self._policies[self.get(request)["name"]] = after
            return after

    def test_permissions(self, request: ApiRequest) -> Body:
        self.get(request)
        granted = [one for one in request.body.get("permissions", []) if one not in self.withheld]
        return {"permissions": granted} if granted else {}

    def _check_member(self, member: str) -> None:
        """Check that a member's workload identity pool exists: the first cluster that uses it creates it.

        Source: https://github.com/googleforgames/global-multiplayer-demo/issues/39
        """
        pool = _POOL_MEMBER.fullmatch(member)
        if pool is None:
            raise CloudError(400, "badRequest", f"Invalid member {member}.")
        if not workload_pool_exists(self._cloud.store, pool[1]):
            message = (
                f"Identity Pool does not exist ({pool[1]}). Please check that you specified a valid resource name as "
                "returned in the `name` attribute in the configuration API."
            )
            raise CloudError(400, "badRequest", message)


def _account(path: str) -> Body:
    _, project, _, email = path.split("/")
    return {
        "name": path,
        "email": email,
        "projectId": project,
        "uniqueId": str(10**20 + int.from_bytes(email.encode()[:8], "big")),
    }

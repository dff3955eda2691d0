"""IAM: service accounts."""

from werkzeug.routing import Rule

from tests.fake_cloud.cloud import Body, Cloud, Query, rule

PREFIX = "/iam/v1/"


class Iam:
    """Makes, shows, lists and deletes service accounts."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def rules(self) -> list[Rule]:
        accounts = f"{PREFIX}projects/<project>/serviceAccounts"
        return [
            rule("POST", accounts, self.create),
            rule("GET", accounts, self.index),
            rule("GET", f"{accounts}/<email>", self.get),
            rule("DELETE", f"{accounts}/<email>", self.delete),
        ]

    def create(self, body: Body, query: Query, *, project: str) -> Body:
        email = f"{body['accountId']}@{project}.iam.gserviceaccount.com"
        path = f"projects/{project}/serviceAccounts/{email}"
        account = {
            **body.get("serviceAccount", {}),
            "name": path,
            "email": email,
            "projectId": project,
            "uniqueId": str(10**20 + int.from_bytes(email.encode()[:8], "big")),
        }
        return self._cloud.store.add(path, account)

    def index(self, body: Body, query: Query, *, project: str) -> Body:
        return {"accounts": [one for _, one in self._cloud.store.under(f"projects/{project}/serviceAccounts")]}

    def get(self, body: Body, query: Query, *, project: str, email: str) -> Body:
        return self._cloud.store.get(self._path(email))

    def delete(self, body: Body, query: Query, *, project: str, email: str) -> Body:
        self._cloud.store.get(self._path(email))
        self._cloud.store.remove(self._path(email))
        return {}

    def _path(self, email: str) -> str:
        """The project may be ``-`` in a request: the address says which it is."""
        return f"projects/{self._cloud.project}/serviceAccounts/{email}"

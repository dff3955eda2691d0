"""IAM: service accounts."""

from werkzeug.routing import Rule

from tests.fake_cloud.cloud import ApiRequest, Body, Cloud, rule

PREFIX = "/iam/v1/"


class Iam:
    """Creates, shows, lists and deletes service accounts."""

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

    def create(self, request: ApiRequest) -> Body:
        project = request.path.split("/")[1]
        email = f"{request.body['accountId']}@{project}.iam.gserviceaccount.com"
        path = f"{request.path}/{email}"
        account = {
            **request.body.get("serviceAccount", {}),
            "name": path,
            "email": email,
            "projectId": project,
            "uniqueId": str(10**20 + int.from_bytes(email.encode()[:8], "big")),
        }
        return self._cloud.store.add(path, account)

    def index(self, request: ApiRequest) -> Body:
        return {"accounts": [one for _, one in self._cloud.store.under(request.path)]}

    def get(self, request: ApiRequest) -> Body:
        """Show an account; the project may be ``-`` in a request, as the address contains it."""
        return self._cloud.store.get(f"projects/{self._cloud.project}/serviceAccounts/{request.name}")

    def delete(self, request: ApiRequest) -> Body:
        self._cloud.store.remove(self.get(request)["name"])
        return {}

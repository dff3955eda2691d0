"""IAM Credentials: tokens of a service account for somebody who may act as it."""

import time

from werkzeug.routing import Rule

from tests.fake_cloud.cloud import Body, Cloud, Query, rule
from tests.fake_cloud.errors import CloudError

PREFIX = "/iamcredentials/v1/"


class IamCredentials:
    """Gives out tokens of the one account that may do everything; nobody may act as another one."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def rules(self) -> list[Rule]:
        return [rule("POST", f"{PREFIX}projects/-/serviceAccounts/<email>:generateAccessToken", self.generate)]

    def generate(self, body: Body, query: Query, *, email: str) -> Body:
        if email != self._cloud.identity.email:
            message = "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist)."
            raise CloudError(403, "forbidden", message)
        given = self._cloud.identity.new_token()
        ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + given["expires_in"]))
        return {"accessToken": given["access_token"], "expireTime": ends}

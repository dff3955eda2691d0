"""IAM Credentials: tokens of a service account for a caller that may impersonate it."""

import time

from werkzeug.routing import Rule

from tests.fake_cloud.cloud import ApiRequest, Body, Cloud, rule
from tests.fake_cloud.errors import CloudError

PREFIX = "/iamcredentials/v1/"


class IamCredentials:
    """Creates tokens of the privileged account; no other account can be impersonated."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def rules(self) -> list[Rule]:
        return [
            rule("POST", f"{PREFIX}projects/-/serviceAccounts/<email>", self.generate, suffix=":generateAccessToken")
        ]

    def generate(self, request: ApiRequest) -> Body:
        if request.name != self._cloud.identity.email:
            message = "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist)."
            raise CloudError(403, "forbidden", message)
        given = self._cloud.identity.new_token()
        ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + given["expires_in"]))
        return {"accessToken": given["access_token"], "expireTime": ends}

"""Service Usage: the enabled APIs."""

from collections.abc import Callable

from werkzeug.routing import Rule

from tests.fake_cloud.cloud import PROJECT_NUMBER, ApiRequest, Body, Cloud, rule
from tests.fake_cloud.errors import CloudError
from tests.fake_cloud.store import Resource

PREFIX = "/serviceusage/v1/"

_TYPES = "type.googleapis.com/google.api.serviceusage.v1"

ALWAYS_ON = ("cloudresourcemanager", "serviceusage")
"""APIs that a user enables by hand, so that the others can be enabled."""

IMPERSONATION = "iamcredentials"
"""Enabled by hand, too, where the caller impersonates another account from the first call on."""


class ServiceUsage:
    """Enables APIs."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        impersonates = cloud.identity.caller != cloud.identity.email
        for name in (*ALWAYS_ON, *([IMPERSONATION] if impersonates else [])):
            self.enable(cloud.project, [f"{name}.googleapis.com"])

    def rules(self) -> list[Rule]:
        services = f"{PREFIX}projects/<project>/services"
        return [
            rule("GET", services, self.index),
            rule("POST", services, self.batch_enable, suffix=":batchEnable"),
            rule("POST", f"{services}/<name>", self.enable_one, suffix=":enable"),
            rule("GET", f"{PREFIX}operations/<name>", self._cloud.show),
        ]

    def check(self, service: str) -> None:
        """Raise a CloudError if an API, such as ``compute``, is not enabled."""
        if self._cloud.store.find(f"projects/{self._cloud.project}/services/{service}.googleapis.com") is None:
            message = (
                f"{service}.googleapis.com has not been used in project {PROJECT_NUMBER} before or it is disabled. "
                "Enable it, then retry."
            )
            raise CloudError(403, "accessNotConfigured", message)

    def index(self, request: ApiRequest) -> Body:
        return {"services": [one for _, one in self._cloud.store.under(request.path)]}

    def batch_enable(self, request: ApiRequest) -> Body:
        return self._start(
            request, "BatchEnableServices", request.body["serviceIds"], lambda found: {"services": found}
        )

    def enable_one(self, request: ApiRequest) -> Body:
        return self._start(request, "EnableService", [request.name], lambda found: {"service": found[0]})

    def _start(
        self, request: ApiRequest, verb: str, names: list[str], result: Callable[[list[Resource]], Body]
    ) -> Body:
        """Start to enable APIs.

        Args:
            request: the request.
            verb: of the method.
            names: of the APIs.
            result: returns the operation's response, of the enabled APIs.
        """
        project = request.path.split("/")[1]
        resources = [f"projects/{PROJECT_NUMBER}/services/{name}" for name in names]

        def work() -> Body:
            return {"@type": f"{_TYPES}.{verb}Response", **result(self.enable(project, names))}

        return self._cloud.operations.start(
            "longrunning",
            "enable",
            ",".join(names),
            "services",
            work=work,
            folder="",
            metadata={"@type": f"{_TYPES}.OperationMetadata", "resourceNames": resources},
        )

    def enable(self, project: str, names: list[str]) -> list[Resource]:
        """Enable APIs at once, and return them.

        Args:
            project: its id.
            names: such as ``compute.googleapis.com``.
        """
        for name in names:
            path = f"projects/{project}/services/{name}"
            if self._cloud.store.find(path) is None:
                self._cloud.store.add(path, {"name": path, "state": "ENABLED", "config": {"name": name}})
        return [self._cloud.store.get(f"projects/{project}/services/{name}") for name in names]

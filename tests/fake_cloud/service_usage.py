"""Service Usage: which APIs are on."""

from werkzeug.routing import Rule

from tests.fake_cloud.cloud import PROJECT_NUMBER, Body, Cloud, Query, rule
from tests.fake_cloud.errors import CloudError

PREFIX = "/serviceusage/v1/"

ALWAYS_ON = ("cloudresourcemanager", "serviceusage")
"""What has to be switched on by hand, so that the others can be."""

TO_ACT_AS_ANOTHER = "iamcredentials"
"""This one, too, where the caller acts as another account from the first call on."""


class ServiceUsage:
    """Switches APIs on; nobody here switches one off."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        acts = cloud.identity.caller != cloud.identity.email
        for name in (*ALWAYS_ON, *([TO_ACT_AS_ANOTHER] if acts else [])):
            self._enable(cloud.project, [f"{name}.googleapis.com"])

    def rules(self) -> list[Rule]:
        return [
            rule("GET", f"{PREFIX}projects/<project>/services", self.index),
            rule("POST", f"{PREFIX}projects/<project>/services:batchEnable", self.batch_enable),
            rule("POST", f"{PREFIX}projects/<project>/services/<name>:enable", self.enable),
            rule("GET", f"{PREFIX}operations/<name>", self.get_operation),
        ]

    def check(self, service: str) -> None:
        """Raise an CloudError if an API, such as ``compute``, is not on."""
        if self._cloud.store.find(self._path(self._cloud.project, f"{service}.googleapis.com")) is None:
            message = (
                f"{service}.googleapis.com has not been used in project {PROJECT_NUMBER} before or it is disabled. "
                "Enable it, then retry."
            )
            raise CloudError(403, "accessNotConfigured", message)

    def index(self, body: Body, query: Query, *, project: str) -> Body:
        services = [one for _, one in self._cloud.store.under(f"projects/{project}/services")]
        return {"services": services}

    def batch_enable(self, body: Body, query: Query, *, project: str) -> Body:
        return self._start(project, body["serviceIds"])

    def enable(self, body: Body, query: Query, *, project: str, name: str) -> Body:
        return self._start(project, [name])

    def get_operation(self, body: Body, query: Query, *, name: str) -> Body:
        return self._cloud.store.get(f"operations/{name}")

    def _start(self, project: str, names: list[str]) -> Body:
        target = ",".join(names)
        seconds = self._cloud.latencies.of("services")
        work = lambda: self._enable(project, names)  # noqa: E731
        return self._cloud.operations.start("longrunning", "", kind="enable", target=target, seconds=seconds, work=work)

    def _enable(self, project: str, names: list[str]) -> None:
        for name in names:
            path = self._path(project, name)
            if self._cloud.store.find(path) is None:
                self._cloud.store.add(path, {"name": path, "state": "ENABLED", "config": {"name": name}})

    @staticmethod
    def _path(project: str, name: str) -> str:
        return f"projects/{project}/services/{name}"

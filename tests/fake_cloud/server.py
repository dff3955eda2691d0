"""The fake cloud's HTTP server."""

import json
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from tests.fake_cloud import compute, container, gkehub, iam, iam_credentials, resource_manager, service_usage
from tests.fake_cloud.cloud import Cloud
from tests.fake_cloud.compute import Compute
from tests.fake_cloud.container import Container
from tests.fake_cloud.errors import CloudError
from tests.fake_cloud.gkehub import Changed, GkeHub, HasResources
from tests.fake_cloud.iam import Iam
from tests.fake_cloud.iam_credentials import IamCredentials
from tests.fake_cloud.journal import Journal, RecordedCall
from tests.fake_cloud.listener import HOST, Listener
from tests.fake_cloud.quotas import Quotas
from tests.fake_cloud.resource_manager import ResourceManager
from tests.fake_cloud.service_usage import ServiceUsage

log = logging.getLogger(__name__)

API_OF = {
    compute.PREFIX: "compute",
    container.PREFIX: "container",
    gkehub.PREFIX: "gkehub",
    iam.PREFIX: "iam",
    iam_credentials.PREFIX: "iamcredentials",
    resource_manager.PREFIX: "cloudresourcemanager",
    resource_manager.BILLING: "cloudbilling",
    service_usage.PREFIX: "serviceusage",
}
"""Which API has to be on for what is under a prefix."""

VARIABLES = {
    "GOOGLE_CLOUD_BILLING_CUSTOM_ENDPOINT": resource_manager.BILLING,
    "GOOGLE_COMPUTE_CUSTOM_ENDPOINT": compute.PREFIX,
    "GOOGLE_CONTAINER_CUSTOM_ENDPOINT": container.PREFIX,
    "GOOGLE_GKE_HUB2_CUSTOM_ENDPOINT": gkehub.PREFIX,
    "GOOGLE_GKE_HUB_CUSTOM_ENDPOINT": gkehub.PREFIX,
    "GOOGLE_IAM_CREDENTIALS_CUSTOM_ENDPOINT": iam_credentials.PREFIX,
    "GOOGLE_IAM_CUSTOM_ENDPOINT": iam.PREFIX,
    "GOOGLE_RESOURCE_MANAGER_CUSTOM_ENDPOINT": resource_manager.PREFIX,
    "GOOGLE_SERVICE_USAGE_CUSTOM_ENDPOINT": service_usage.PREFIX,
    "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": compute.PREFIX,
    "CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER": container.PREFIX.removesuffix("v1/"),
}
"""Environment variables by which the google provider and gcloud find the fake cloud, with paths."""

TWICE = ("/v1/v1/", "/v1/")
"""Some of the provider's clients add the version to an endpoint that has it: they cut it off only after https."""


class Api(Protocol):
    def rules(self) -> list[Rule]: ...


class FakeCloudServer(Listener):
    """Serves a cloud until it is stopped.

    Attributes:
        journal: every call that came.
    """

    def __init__(self, cloud: Cloud, *, changed: Changed, has_resources: HasResources, host: str = HOST) -> None:
        """
        Args:
            changed, has_resources: what stands behind the fleet's features, see `GkeHub`.
            host: address on which it listens, at the port of the cloud's own URL.
        """
        self.cloud = cloud
        self.journal = Journal()
        self.services = ServiceUsage(cloud)
        self.compute = Compute(cloud)
        self.container = Container(cloud, self.services, self.compute)
        self.gkehub = GkeHub(cloud, changed, has_resources)
        self.resource_manager = ResourceManager(cloud)
        self.quotas = Quotas(cloud)
        parts: Sequence[Api] = (
            self.services,
            self.compute,
            self.container,
            self.gkehub,
            self.resource_manager,
            self.quotas,
            Iam(cloud),
            IamCredentials(cloud),
        )
        self._map = Map([one for part in parts for one in part.rules()], strict_slashes=False)
        port = int(cloud.base.rpartition(":")[2])
        super().__init__(self.answer, host=host, port=port)

    def variables(self) -> dict[str, str]:
        """Return the environment in which the google provider and gcloud call the fake cloud."""
        return {name: f"{self.cloud.base}{path}" for name, path in VARIABLES.items()}

    def answer(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Answer a request, as WSGI has it."""
        environ["PATH_INFO"] = environ["PATH_INFO"].replace(*TWICE)
        request = Request(environ)
        if request.path == "/token":
            response = self._reply(lambda: self.cloud.identity.exchange(request.form["assertion"]))
        elif request.path == "/tokenreview":
            response = self._reply(lambda: self.cloud.identity.review(request.get_json()))
        else:
            status = self.cloud.faults.take_request(f"{request.method} {request.path}")
            if status == 0:
                raise ConnectionAbortedError("no answer, on purpose")
            folder, _, name = request.path.rpartition("/")
            if request.method == "GET" and folder.endswith("/operations"):
                self.cloud.operations.wait(name, self.cloud.latencies.patience)
            response = self._reply(lambda: self._call(request, status), self.cloud.store.lock)
            self.journal.add(RecordedCall(request.method, request.path, response.status_code))
        return response(environ, start_response)

    def _call(self, request: Request, fault: int | None) -> dict[str, Any]:
        who = self.cloud.identity.whose(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if who is None:
            raise CloudError(401, "authError", "Request had invalid authentication credentials.")
        identity = self.cloud.identity
        # An account may not make tokens of itself, unless it was given that right, too.
        entitled = identity.caller if request.path.startswith(iam_credentials.PREFIX) else identity.email
        if who != entitled:
            raise CloudError(403, "forbidden", f"{who} may not {request.method} {request.path}; {entitled} may")
        if fault is not None:
            raise CloudError(fault, "faultInjected", f"injected: {fault}", status="ABORTED" if fault == 409 else None)
        try:
            handler, arguments = self._map.bind_to_environ(request.environ).match()
        except (NotFound, MethodNotAllowed) as error:
            unknown = f"{request.method} {request.path}"
            raise CloudError(501, "notImplemented", f"the fake cloud does not know {unknown}") from error
        prefix = next(prefix for prefix in API_OF if request.path.startswith(prefix))
        self.services.check(API_OF[prefix])
        body = request.get_json() if request.content_length else {}
        called: Callable[..., dict[str, Any]] = handler
        return called(body, request.args, **arguments)

    def _reply(self, work: Callable[[], dict[str, Any]], lock: AbstractContextManager[Any] | None = None) -> Response:
        """
        Args:
            lock: held until the answer is written, as operations go on in threads of their own. Nothing
                about tokens waits for it: what others do meanwhile may need one.
        """
        try:
            with lock or nullcontext():
                text, status = json.dumps(work()), 200
        except CloudError as error:
            text, status = json.dumps(error.body()), error.code
        except HTTPException as error:
            text, status = json.dumps(CloudError(400, "badRequest", str(error)).body()), 400
        except Exception as error:
            log.exception("a request")
            text, status = json.dumps(CloudError(500, "internalError", repr(error)).body()), 500
        return Response(text, status=status, mimetype="application/json")

"""The fake cloud's HTTP server."""

import json
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from tests.fake_cloud import (
    certificate_manager,
    compute,
    container,
    gkehub,
    iam,
    iam_credentials,
    resource_manager,
    service_usage,
)
from tests.fake_cloud.certificate_manager import CertificateManager
from tests.fake_cloud.cloud import ApiRequest, Body, Cloud
from tests.fake_cloud.compute import Compute
from tests.fake_cloud.conformance.conformance import Conformance
from tests.fake_cloud.conformance.schemas import camel_case
from tests.fake_cloud.container import Container
from tests.fake_cloud.errors import CloudError, unknown
from tests.fake_cloud.gkehub import Changed, GkeHub, HasResources
from tests.fake_cloud.iam import Iam
from tests.fake_cloud.iam_credentials import IamCredentials
from tests.fake_cloud.listener import HOST, Listener
from tests.fake_cloud.quotas import Quotas
from tests.fake_cloud.resource_manager import ResourceManager
from tests.fake_cloud.service_usage import ServiceUsage
from tests.fake_cloud.set_order import in_set_order

log = logging.getLogger(__name__)

VARIABLES = {
    "GOOGLE_CLOUD_BILLING_CUSTOM_ENDPOINT": resource_manager.BILLING,
    "GOOGLE_CERTIFICATE_MANAGER_CUSTOM_ENDPOINT": certificate_manager.PREFIX,
    "GOOGLE_COMPUTE_CUSTOM_ENDPOINT": compute.PREFIX,
    "GOOGLE_CONTAINER_CUSTOM_ENDPOINT": container.PREFIX,
    "GOOGLE_GKE_HUB2_CUSTOM_ENDPOINT": gkehub.PREFIX,
    "GOOGLE_GKE_HUB_CUSTOM_ENDPOINT": gkehub.PREFIX,
    "GOOGLE_IAM_CREDENTIALS_CUSTOM_ENDPOINT": iam_credentials.PREFIX,
    "GOOGLE_IAM_CUSTOM_ENDPOINT": iam.PREFIX,
    "GOOGLE_RESOURCE_MANAGER_CUSTOM_ENDPOINT": resource_manager.PREFIX,
    "GOOGLE_SERVICE_USAGE_CUSTOM_ENDPOINT": service_usage.PREFIX,
    "MESH_USERINFO_ENDPOINT": "/",
    "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": compute.PREFIX,
    "CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER": container.PREFIX.removesuffix("v1/"),
}
"""Environment variables with which the google provider and gcloud call the fake cloud, and their paths."""

DOUBLED_VERSION = ("/v1/v1/", "/v1/")
"""Some of the provider's clients add the version to an endpoint that has it: they remove it only after https."""

TOKEN_PATHS = ("/token", "/tokenreview", "/userinfo")


class Api(Protocol):
    """A part of the fake cloud."""

    def rules(self) -> list[Rule]: ...


class FakeCloudServer(Listener):
    """Serves a cloud until it is stopped.

    Attributes:
        cloud: its state.
        conformance: the calls, held against Google's discovery documents.
        services: Service Usage.
        compute: Compute Engine.
        container: GKE.
        gkehub: the fleet.
        resource_manager: the project.
        iam: service accounts.
        certificates: Certificate Manager.
        quotas: of Compute Engine.
        recorded: returns a recorded answer to a GET, or None: see `tests.fake_cloud.recorded`.
    """

    def __init__(self, cloud: Cloud, *, changed: Changed, has_resources: HasResources, host: str = HOST) -> None:
        """Bind the port of the cloud's own URL.

        Args:
            cloud: its state.
            changed: called when a feature of the fleet changes, see `GkeHub`.
            has_resources: whether a feature of the fleet has resources, see `GkeHub`.
            host: address.
        """
        self.cloud = cloud
        self.conformance = Conformance()
        self.services = ServiceUsage(cloud)
        self.compute = Compute(cloud)
        self.container = Container(cloud, self.services, self.compute)
        self.gkehub = GkeHub(cloud, changed, has_resources)
        self.resource_manager = ResourceManager(cloud)
        self.iam = Iam(cloud)
        self.certificates = CertificateManager(cloud)
        self.quotas = Quotas(cloud)
        self.recorded: Callable[[str], Body | None] = lambda path: None
        apis: tuple[Api, ...] = (
            self.services,
            self.compute,
            self.container,
            self.gkehub,
            self.resource_manager,
            self.quotas,
            self.iam,
            self.certificates,
            IamCredentials(cloud),
        )
        self._map = Map([one for api in apis for one in api.rules()], strict_slashes=False)
        super().__init__(host=host, port=int(cloud.base.rpartition(":")[2]))

    def variables(self) -> dict[str, str]:
        """Return the environment in which the google provider and gcloud call the fake cloud."""
        return {name: f"{self.cloud.base}{path}" for name, path in VARIABLES.items()}

    def wsgi_app(self, environ: dict[str, Any], start_response: Any) -> Any:
        return super().wsgi_app(environ | {"PATH_INFO": environ["PATH_INFO"].replace(*DOUBLED_VERSION)}, start_response)

    def is_call(self, request: Request) -> bool:
        return request.path not in TOKEN_PATHS

    def respond(self, request: Request) -> Response:
        if request.path == "/token":
            return self._reply(lambda: self.cloud.identity.exchange(request.form["assertion"]))
        if request.path == "/userinfo":
            return self._reply(lambda: self.cloud.identity.userinfo(request.headers.get("Authorization", "")))
        if request.path == "/tokenreview":
            return self._reply(lambda: self.cloud.identity.review(request.get_json()))
        fault = self.cloud.faults.take_request(f"{request.method} {request.path}")
        if fault == 0:
            raise ConnectionAbortedError("an injected fault")
        folder, _, name = request.path.rpartition("/")
        if request.method == "GET" and folder.endswith("/operations"):
            self.cloud.operations.wait(name, self.cloud.latencies.patience)
        return self._reply(lambda: self._call(request, fault), self.cloud.store.lock)

    def _call(self, request: Request, fault: int | None) -> Body:
        identity = self.cloud.identity
        caller = identity.find_account(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if caller is None:
            raise CloudError(401, "authError", "Request had invalid authentication credentials.")
        # An account can't create tokens of itself, unless it was given that right, too.
        entitled = identity.caller if request.path.startswith(iam_credentials.PREFIX) else identity.email
        if caller != entitled:
            raise CloudError(403, "forbidden", f"{caller} may not {request.method} {request.path}; {entitled} may")
        if fault is not None:
            raise CloudError(fault, "faultInjected", f"injected: {fault}", status="ABORTED" if fault == 409 else None)
        call = self.conformance.find(request.method, request.path)
        recorded = self.recorded(request.path.partition("/v1/")[2]) if request.method == "GET" else None
        if recorded is not None:
            return recorded
        try:
            (handler, suffix), _ = self._map.bind_to_environ(request.environ).match()
        except (NotFound, MethodNotAllowed) as error:
            raise unknown(f"{request.method} {request.path}") from error
        api, _, path = request.path.strip("/").partition("/v1/")
        self.services.check(api)
        body = request.get_json() if request.content_length else {}
        query = MultiDict((camel_case(name), text) for name, text in request.args.items(multi=True))
        self.conformance.check_request(call, query.items(multi=True), body)
        called: Callable[[ApiRequest], Body] = handler
        content = in_set_order(called(ApiRequest(path.removesuffix(suffix), call.clean(body), query)))
        self.conformance.check_response(call, content)
        return content

    def _reply(self, work: Callable[[], Body], lock: AbstractContextManager[Any] | None = None) -> Response:
        """Return the response with the result of a function, or with its error.

        Args:
            work: returns the content.
            lock: held until the content is encoded, as operations run in threads of their own. Requests for
                tokens do not wait for it: other calls may need a token to go on.
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

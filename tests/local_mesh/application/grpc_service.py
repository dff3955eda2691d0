"""The application's gRPC: one method, and the health service that gRPC probes call."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from grpc_health.v1 import health_pb2

from tests.local_mesh.application.facts import Application, Request, join_headers

SERVICE, METHOD = "lab.Application", "Describe"
"""It takes any message, and returns a line of JSON about the application and the request."""

THREADS = 8


def serve(application: Application, port: int) -> None:
    """Serve a port in the background."""

    def describe(_: bytes, context: grpc.ServicerContext) -> bytes:
        if not application.healthy:
            context.abort(grpc.StatusCode.UNAVAILABLE, "unhealthy")
        metadata = join_headers((name, str(value)) for name, value in context.invocation_metadata())
        return application.describe(Request(port, "gRPC", "POST", f"/{SERVICE}/{METHOD}", metadata)).encode()

    def check(_: bytes, __: grpc.ServicerContext) -> bytes:
        response = health_pb2.HealthCheckResponse
        status = response.SERVING if application.ready else response.NOT_SERVING
        serialized: bytes = response(status=status).SerializeToString()
        return serialized

    server = grpc.server(ThreadPoolExecutor(THREADS))
    # Handlers without serializers take and return bytes.
    handlers: dict[str, dict[str, Any]] = {SERVICE: {METHOD: describe}, "grpc.health.v1.Health": {"Check": check}}
    server.add_generic_rpc_handlers(
        [
            grpc.method_handlers_generic_handler(
                service, {name: grpc.unary_unary_rpc_method_handler(handler) for name, handler in methods.items()}
            )
            for service, methods in handlers.items()
        ]
    )
    server.add_insecure_port(f"0.0.0.0:{port}")
    server.start()
    threading.Thread(target=server.wait_for_termination, daemon=True).start()  # without a reference it would stop

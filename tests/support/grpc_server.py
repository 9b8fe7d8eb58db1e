"""A real gRPC server (grpcio) on a free loopback port, with the standard health service or without it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import trustme
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

Status = health_pb2.HealthCheckResponse


class Calls(grpc.ServerInterceptor):  # type: ignore[misc]
    """Remembers the metadata of each call and how long it may take, in seconds."""

    def __init__(self) -> None:
        self.metadata: list[dict[str, str]] = []
        self.seconds: list[float] = []

    def intercept_service(self, continuation: Any, details: Any) -> Any:
        self.metadata.append(dict(details.invocation_metadata))
        handler = continuation(details)
        if handler is None:
            return None

        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            self.seconds.append(context.time_remaining())
            return handler.unary_unary(request, context)

        return grpc.unary_unary_rpc_method_handler(
            answer, request_deserializer=handler.request_deserializer, response_serializer=handler.response_serializer
        )


class GrpcServer:
    """`statuses` are of services by name, "" for the server itself; None: it has no health service."""

    def __init__(self, statuses: dict[str, int] | None, *, certificate: trustme.LeafCert | None = None) -> None:
        self.calls = Calls()
        self._server = grpc.server(ThreadPoolExecutor(2), interceptors=[self.calls])
        if statuses is not None:
            self.health = health.HealthServicer()
            health_pb2_grpc.add_HealthServicer_to_server(self.health, self._server)
            for service, status in statuses.items():
                self.health.set(service, status)
        if certificate is None:
            self.port = self._server.add_insecure_port("127.0.0.1:0")
        else:
            chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
            credentials = grpc.ssl_server_credentials([(certificate.private_key_pem.bytes(), chain)])
            self.port = self._server.add_secure_port("127.0.0.1:0", credentials)

    def __enter__(self) -> GrpcServer:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(0).wait()

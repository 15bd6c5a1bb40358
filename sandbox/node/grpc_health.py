"""The gRPC health check (grpc.health.v1.Health/Check), as a kubelet does it."""

import grpc.aio
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

# Each check connects anew: in a pool that is shared, one that was refused would make the next ones wait.
_OPTIONS = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0))


async def check_grpc_health(host: str, port: int, service: str) -> bool:
    """Return whether `service` (empty: the whole server) answers SERVING; raises ConnectionError if none answers."""
    async with grpc.aio.insecure_channel(f"{host}:{port}", options=_OPTIONS) as channel:
        try:
            answer: HealthCheckResponse = await HealthStub(channel).Check(HealthCheckRequest(service=service))
        except grpc.aio.AioRpcError as error:
            raise ConnectionError(f"{error.code().name}: {error.details()}") from error
        return bool(answer.status == HealthCheckResponse.SERVING)

"""The xDS server: Envoy's aggregated discovery service over gRPC, as Gloo serves it."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
from envoy.config.cluster.v3.cluster_pb2 import Cluster as ClusterMessage
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.config.route.v3.route_pb2 import RouteConfiguration

# The messages inside typed fields (`@type`) are only known once their modules are imported.
from envoy.extensions.filters.http.cors.v3 import cors_pb2 as _cors  # noqa: F401  see above
from envoy.extensions.transport_sockets.tls.v3 import tls_pb2 as _tls  # noqa: F401  see above
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2 as _http  # noqa: F401  see above
from envoy.service.discovery.v3.ads_pb2_grpc import (
    AggregatedDiscoveryServiceServicer,
    add_AggregatedDiscoveryServiceServicer_to_server,
)
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryResponse
from google.protobuf import json_format
from google.protobuf.any_pb2 import Any as AnyMessage

from sandbox.gloo.clusters import Cluster
from sandbox.gloo.snapshot import Json
from sandbox.gloo.subscriptions import ASSIGNMENTS, CLUSTERS, ROUTES, TYPES, Subscriptions, Versions
from sandbox.gloo.translate import Translation

_log = logging.getLogger(__name__)

_MESSAGES = {CLUSTERS: ClusterMessage, ASSIGNMENTS: ClusterLoadAssignment, ROUTES: RouteConfiguration}
# A cluster that no route needs any more goes a little after Envoy has heard of the routes.
_HEARD_WITHIN_S = 10.0
_LINGER_S = 0.2
_STOP_GRACE_S = 1.0


@dataclass(frozen=True)
class _Resource:
    config: Json
    version: str
    message: AnyMessage


@dataclass(eq=False)
class _Stream:
    subscriptions: Subscriptions = field(default_factory=Subscriptions)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    unheard: dict[str, str] = field(default_factory=dict)  # type -> nonce of the last response, until Envoy names it
    is_closed: bool = False


class AdsServer(AggregatedDiscoveryServiceServicer):  # type: ignore[misc]  # generated code has no types
    """Holds what Envoy shall have and sends each stream what it lacks; nothing is answered before the first publish."""

    def __init__(self) -> None:
        self._resources: dict[str, dict[str, _Resource]] | None = None
        self._versions: Versions = {type_url: {} for type_url in TYPES}
        self._streams: set[_Stream] = set()
        self._response_count = 0
        self._heard = asyncio.Event()

    @asynccontextmanager
    async def serving(self, address: str) -> AsyncIterator[int]:
        """Serve at `address` (host:port, port 0 for any) while inside; yields the port."""
        server = grpc.aio.server()
        add_AggregatedDiscoveryServiceServicer_to_server(self, server)
        port = server.add_insecure_port(address)
        await server.start()
        try:
            yield port
        finally:
            await server.stop(_STOP_GRACE_S)

    async def publish(self, translation: Translation) -> None:
        """Send `translation` to Envoy: clusters that are new before the routes, those that are gone a little after."""
        resources = self._parsed(translation)
        old = self._resources or {type_url: {} for type_url in TYPES}
        both = resources | {kind: old[kind] | resources[kind] for kind in (CLUSTERS, ASSIGNMENTS)}
        self._replace(both)
        if any(both[kind].keys() != resources[kind].keys() for kind in (CLUSTERS, ASSIGNMENTS)):
            await self._routes_heard()
            await asyncio.sleep(_LINGER_S)
            self._replace(resources)

    async def _routes_heard(self) -> None:
        try:
            async with asyncio.timeout(_HEARD_WITHIN_S):
                while not all(self._has_heard_routes(stream) for stream in self._streams):
                    self._heard.clear()
                    await self._heard.wait()
        except TimeoutError:
            _log.warning(
                "Envoy has not answered its routes for %g s; clusters that they may need go now", _HEARD_WITHIN_S
            )

    def _has_heard_routes(self, stream: _Stream) -> bool:
        return ROUTES not in stream.unheard and stream.subscriptions.has_routes(self._versions)

    def _replace(self, resources: dict[str, dict[str, _Resource]]) -> None:
        self._resources = resources
        self._versions = {
            kind: {name: resource.version for name, resource in named.items()} for kind, named in resources.items()
        }
        for stream in self._streams:
            stream.wake.set()

    def _parsed(self, translation: Translation) -> dict[str, dict[str, _Resource]]:
        clusters: Mapping[str, Cluster] = translation.clusters
        configs: dict[str, dict[str, Json]] = {
            CLUSTERS: {name: cluster.config for name, cluster in clusters.items()},
            ASSIGNMENTS: {
                cluster.assignment["cluster_name"]: cluster.assignment
                for cluster in clusters.values()
                if cluster.assignment is not None
            },
            ROUTES: {translation.route_config["name"]: translation.route_config},
        }
        known = self._resources or {type_url: {} for type_url in TYPES}
        return {
            type_url: {
                name: old
                if (old := known[type_url].get(name)) is not None and old.config is config
                else self._resource(type_url, config, old)
                for name, config in named.items()
            }
            for type_url, named in configs.items()
        }

    def _resource(self, type_url: str, config: Json, known: _Resource | None) -> _Resource:
        if known is not None and known.config == config:
            return known
        message = AnyMessage()
        message.Pack(json_format.ParseDict(_untyped(config), _MESSAGES[type_url]()), deterministic=True)
        return _Resource(config, hashlib.blake2s(message.value, digest_size=8).hexdigest(), message)

    async def StreamAggregatedResources(self, requests: AsyncIterator[Any], context: Any) -> None:  # noqa: N802  gRPC's name
        """Serve one Envoy, from its first request until it goes away."""
        stream = _Stream()
        self._streams.add(stream)
        reader = asyncio.create_task(self._read(requests, stream), name="ads-requests")
        try:
            while not stream.is_closed:
                stream.wake.clear()
                while (response := self._next_response(stream)) is not None:
                    await context.write(response)
                await stream.wake.wait()
        finally:
            self._streams.discard(stream)
            self._heard.set()
            reader.cancel()
            await asyncio.wait([reader])

    def _next_response(self, stream: _Stream) -> DiscoveryResponse | None:
        if self._resources is None:
            return None
        following = stream.subscriptions.next_response(self._versions)
        if following is None:
            return None
        type_url, names = following
        self._response_count += 1
        number = str(self._response_count)
        messages = [self._resources[type_url][name].message for name in names]
        stream.unheard[type_url] = number
        return DiscoveryResponse(version_info=number, nonce=number, type_url=type_url, resources=messages)

    async def _read(self, requests: AsyncIterator[Any], stream: _Stream) -> None:
        try:
            async for request in requests:
                refusal = request.error_detail.message
                if refusal:
                    _log.warning("Envoy refused %s: %s", request.type_url.rpartition(".")[2], refusal)
                if stream.unheard.get(request.type_url) == request.response_nonce:
                    del stream.unheard[request.type_url]
                names = frozenset(request.resource_names)
                stream.subscriptions.note_request(request.type_url, names, is_refusal=bool(refusal))
                stream.wake.set()
                self._heard.set()
        finally:
            stream.is_closed = True
            stream.wake.set()


def _untyped(config: Json) -> Json:
    return {name: value for name, value in config.items() if name != "@type"}

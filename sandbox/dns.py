"""The cluster's DNS: answers SERVICE.NAMESPACE.svc.cluster.local from the API server's Services and EndpointSlices."""

import argparse
import asyncio
import logging
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from dnslib import QTYPE, RCODE, RR, A, DNSError, DNSRecord

from sandbox.api import Api, Mirror
from sandbox.network import DOMAIN, NODE_IP

_log = logging.getLogger(__name__)

_PORT = 53
_TTL_S = 5
_LARGEST_UDP_BYTES = 512
_SUFFIX = f".svc.{DOMAIN}"

Objects = Mapping[tuple[str, str], dict[str, Any]]


def addresses(name: str, services: Objects, slices: Objects) -> Sequence[str] | None:
    """Return a name's IPv4 addresses: the ClusterIP, or a headless Service's ready endpoints; None: no such name."""
    plain = name.rstrip(".").lower()
    service, _, namespace = plain.removesuffix(_SUFFIX).partition(".")
    if not plain.endswith(_SUFFIX) or (namespace, service) not in services:
        return None
    spec = services[namespace, service]["spec"]
    if spec.get("clusterIP", "None") != "None":
        return [spec["clusterIP"]]
    return [
        address
        for item in slices.values()
        if item["metadata"]["namespace"] == namespace
        and item["metadata"].get("labels", {}).get("kubernetes.io/service-name") == service
        for endpoint in item["endpoints"] or []
        if endpoint.get("conditions", {}).get("ready", True)
        for address in endpoint["addresses"]
    ]


def answer(request: DNSRecord, services: Objects, slices: Objects) -> DNSRecord:
    """Return the reply to a query: A records; nothing for another type of a known name; NXDOMAIN for the rest."""
    reply = request.reply(ra=1, aa=1)
    found = addresses(str(request.q.qname), services, slices)
    if found is None:
        reply.header.rcode = RCODE.NXDOMAIN
    elif request.q.qtype == QTYPE.A:
        for address in found:
            reply.add_answer(RR(request.q.qname, QTYPE.A, rdata=A(address), ttl=_TTL_S))
    return reply


class DnsServer(asyncio.DatagramProtocol):
    """Answers over UDP (as a protocol) and over TCP (`serve_tcp`) from two caches."""

    def __init__(self, services: Mirror, slices: Mirror) -> None:
        self._services = services
        self._slices = slices
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)  # not a subclass of it before Python 3.12

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        assert self._transport is not None
        reply = self._reply(data)
        if reply is None:
            return
        packed = reply.pack()
        self._transport.sendto(packed if len(packed) <= _LARGEST_UDP_BYTES else reply.truncate().pack(), addr)

    async def serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer over TCP, where each message is preceded by its length in two bytes."""
        try:
            while True:
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                reply = self._reply(await reader.readexactly(length))
                if reply is None:
                    return
                packed = reply.pack()
                writer.write(struct.pack("!H", len(packed)) + packed)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    def _reply(self, data: bytes) -> DNSRecord | None:
        try:
            return answer(DNSRecord.parse(data), self._services.objects, self._slices.objects)
        except DNSError as error:
            _log.warning("not a DNS query: %s", error)
            return None


async def serve(kubeconfig: Path) -> None:
    """Serve until cancelled."""
    async with Api.from_kubeconfig(kubeconfig) as api, asyncio.TaskGroup() as group:
        services = Mirror(api, "/api/v1/services")
        slices = Mirror(api, "/apis/discovery.k8s.io/v1/endpointslices")
        for mirror in (services, slices):
            group.create_task(mirror.run(), name="mirror")
            await mirror.wait_synced()
        server = DnsServer(services, slices)
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: server, local_addr=(NODE_IP, _PORT))
        await asyncio.start_server(server.serve_tcp, NODE_IP, _PORT)


def main() -> None:
    parser = argparse.ArgumentParser(prog="sandbox.dns")
    parser.add_argument("--kubeconfig", type=Path, required=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    asyncio.run(serve(parser.parse_args().kubeconfig))


if __name__ == "__main__":
    main()

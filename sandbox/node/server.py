"""The part of the kubelet's HTTPS API that `kubectl logs` needs, with a certificate made at the start."""

import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sandbox.node.container import Container
from sandbox.node.logs import LogQuery, read_log
from sandbox.node.pod import Pod

_PODS: web.AppKey[Mapping[str, Pod]] = web.AppKey("pods", Mapping)
_VALID_DAYS = 365


@asynccontextmanager
async def serving(pods: Mapping[str, Pod], *, address: str, port: int, state: Path) -> AsyncIterator[None]:
    """Serve for the block; `pods` is by uid and may change. The certificate is written to `state`."""
    app = web.Application()
    app[_PODS] = pods
    app.router.add_get("/healthz", _answer_health)
    app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", _answer_logs)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, address, port, ssl_context=_make_tls(state, address), reuse_address=True).start()
        yield
    finally:
        await runner.cleanup()


async def _answer_health(_: web.Request) -> web.Response:
    return web.Response(text="ok")


async def _answer_logs(request: web.Request) -> web.StreamResponse:
    container = _find(request.app[_PODS], request.match_info)
    try:
        query = LogQuery.parse(dict(request.query), dt.datetime.now(dt.UTC))
    except ValueError as error:
        raise web.HTTPBadRequest(text=str(error)) from error
    number = container.record.restart_count
    if request.query.get("previous") == "true":
        number -= 1
    path = container.log_path(number)
    if not path.exists():
        name, pod = container.spec["name"], request.match_info["pod"]
        what = "previous terminated " if request.query.get("previous") == "true" else ""
        raise web.HTTPBadRequest(text=f'{what}container "{name}" in pod "{pod}" has no log (yet)')
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)

    def is_over() -> bool:
        return not container.record.is_running or container.record.restart_count != number

    async for piece in read_log(path, query, is_over=is_over):
        await response.write(piece)
    return response


def _find(pods: Mapping[str, Pod], wanted: Mapping[str, str]) -> Container:
    for pod in pods.values():
        metadata = pod.pod["metadata"]
        if (metadata["namespace"], metadata["name"]) == (wanted["namespace"], wanted["pod"]):
            for container in pod.containers:
                if container.spec["name"] == wanted["container"]:
                    return container
    raise web.HTTPNotFound(text=f"no container {wanted['container']} of pod {wanted['pod']} has started on this node")


def _make_tls(state: Path, address: str) -> ssl.SSLContext:
    """Make a self-signed certificate: the API server verifies none unless it is told a kubelet authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sandbox-node")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=_VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = state / "kubelet.pem"
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(path)
    return tls

"""One probe, once: HTTP, TCP and gRPC go to the pod's address, exec runs in the container.

HTTP redirects are not followed: a 3xx is a success, as it is for a kubelet in the end.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from sandbox.node.errors import StartError
from sandbox.node.grpc_health import check_grpc_health

_SHOWN_BYTES = 300
_GOOD_STATUS = range(200, 400)


@dataclass(frozen=True)
class Outcome:
    """`message` tells what went wrong; empty when all is well. Of what could not be tried, `is_known` is false."""

    is_good: bool
    message: str = ""
    is_known: bool = True


Execute = Callable[[list[str]], Awaitable[tuple[int, str]]]
"""Runs a command in the container and returns its exit code and output."""


@dataclass(frozen=True)
class ProbeTarget:
    """Where the probes of one container go; `ports` are its named ports."""

    address: str
    ports: dict[str, int]
    execute: Execute

    async def check(self, action: dict[str, Any], timeout_s: float) -> Outcome:
        """Do the probe or hook that `action` describes, and give up after `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._do(action)
        except TimeoutError:
            return Outcome(is_good=False, message=f"no answer within {timeout_s:g}s")
        except (OSError, ValueError, asyncio.IncompleteReadError) as error:
            return Outcome(is_good=False, message=str(error) or type(error).__name__)
        except StartError as error:
            return Outcome(is_good=False, message=str(error), is_known=False)

    async def _do(self, action: dict[str, Any]) -> Outcome:
        match action:
            case {"httpGet": get}:
                return await self._get(get)
            case {"tcpSocket": socket}:
                _, writer = await asyncio.open_connection(socket.get("host") or self.address, self._port(socket))
                writer.close()
                return Outcome(is_good=True)
            case {"grpc": grpc}:
                is_serving = await check_grpc_health(self.address, grpc["port"], grpc.get("service") or "")
                return Outcome(is_serving, "" if is_serving else "service unhealthy (responded with NOT_SERVING)")
            case {"exec": command}:
                code, output = await self.execute(command["command"])
                return Outcome(code == 0, "" if code == 0 else output or f"exit code {code}")
            case {"sleep": {"seconds": seconds}}:
                await asyncio.sleep(seconds)
                return Outcome(is_good=True)
            case _:
                raise ValueError(
                    f"{', '.join(action)}: a probe or hook has one of httpGet, tcpSocket, grpc, exec, sleep"
                )

    async def _get(self, get: dict[str, Any]) -> Outcome:
        host, port = get.get("host") or self.address, self._port(get)
        tls = _accept_any() if get.get("scheme") == "HTTPS" else None
        reader, writer = await asyncio.open_connection(host, port, ssl=tls)
        try:
            writer.write(_render_request(get, host, port))
            status_line = await reader.readline()
        finally:
            writer.close()
        words = status_line.split(None, 2)
        if len(words) < 2 or not words[1].isdigit():  # noqa: PLR2004  version and code
            return Outcome(is_good=False, message=f"malformed HTTP response {status_line[:_SHOWN_BYTES]!r}")
        status = int(words[1])
        good = status in _GOOD_STATUS
        return Outcome(good, "" if good else f"HTTP probe failed with statuscode: {status}")

    def _port(self, action: dict[str, Any]) -> int:
        port = action["port"]
        if isinstance(port, int):
            return port
        if port in self.ports:
            return self.ports[port]
        if port.isdigit():
            return int(port)
        raise ValueError(f"the container has no port named {port!r}; it has: {', '.join(self.ports) or 'none'}")


def _render_request(get: dict[str, Any], host: str, port: int) -> bytes:
    headers = {"Host": f"{host}:{port}", "User-Agent": "kube-probe/1.36", "Accept": "*/*", "Connection": "close"}
    headers |= {header["name"]: header["value"] for header in get.get("httpHeaders", ())}
    path = get.get("path") or "/"
    lines = [f"GET {path if path.startswith('/') else '/' + path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _accept_any() -> ssl.SSLContext:
    """Return a context that verifies nothing: a kubelet does not verify the certificates of the pods it probes."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context

"""A real Envoy beside the test, told what to do by the sandbox's ADS server."""

import asyncio
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import yaml

from sandbox.gloo.ads import AdsServer
from sandbox.gloo.translate import Translation

Json = dict[str, Any]
T = TypeVar("T")

_BOOTSTRAP = Path(__file__).parents[2] / "sandbox" / "gloo" / "manifests" / "envoy.yaml"
_ENVOY = Path(sys.executable).parent / "envoy"
_PORTS = (8080, 8081, 8082, 19000)
_ADS_PORT = 9977
_PATIENCE_S = 90.0  # Envoy has to start in it, too
_LOOK_AGAIN_S = 0.02
_STARTS = 3


@dataclass(frozen=True)
class Envoy:
    """`gateway`, `metrics` and `config` are base URLs of the three listeners that the manifests give Envoy."""

    ads: AdsServer
    gateway: str
    metrics: str
    config: str
    session: aiohttp.ClientSession
    pid: int

    @asynccontextmanager
    async def stopped(self) -> AsyncIterator[None]:
        """Let it get no CPU while inside."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    async def virtual_hosts(self) -> list[Json]:
        """What Envoy routes by, as it says itself."""
        dump = await self._json(f"{self.config}/config_dump?resource=dynamic_route_configs")
        return list(dump["configs"][0]["route_config"].get("virtual_hosts", [])) if dump.get("configs") else []

    async def clusters(self) -> dict[str, Json]:
        dump = await self._json(f"{self.config}/config_dump?resource=dynamic_active_clusters")
        return {entry["cluster"]["name"]: entry["cluster"] for entry in dump.get("configs", [])}

    async def counter(self, name: str) -> int:
        stats = await self._json(f"{self.config}/stats?format=json&filter=^{name}$")
        return int(stats["stats"][0]["value"])

    async def is_ready(self) -> bool:
        try:
            async with self.session.get(f"{self.metrics}/ready") as response:
                return response.status == 200
        except aiohttp.ClientConnectionError:
            return False

    async def _json(self, url: str) -> Json:
        async with self.session.get(url) as response:
            assert response.status == 200
            return dict(json.loads(await response.text()))


async def until(read: Callable[[], Awaitable[T]], holds: Callable[[T], bool]) -> T:
    """Ask `read` again and again until `holds`; fails with what was seen last."""
    deadline_s = asyncio.get_running_loop().time() + _PATIENCE_S
    while True:
        seen = await read()
        if holds(seen):
            return seen
        assert asyncio.get_running_loop().time() < deadline_s, f"still {seen!r} after {_PATIENCE_S} s"
        await asyncio.sleep(_LOOK_AGAIN_S)


@asynccontextmanager
async def running_envoy(folder: Path, first: Translation) -> AsyncIterator[Envoy]:
    """Envoy with the manifests' bootstrap on free ports of loopback, serving `first`; `folder` takes its files."""
    ads = AdsServer()
    async with ads.serving("127.0.0.1:0") as ads_port, aiohttp.ClientSession() as session:
        await ads.publish(first)
        process, envoy = await _started(folder, ads, ads_port, session)
        try:
            yield envoy
        finally:
            process.terminate()
            await process.wait()


async def _started(
    folder: Path, ads: AdsServer, ads_port: int, session: aiohttp.ClientSession
) -> tuple[Process, Envoy]:
    """Envoy ends at once where somebody took a port that was free a moment ago: then others are tried."""
    for _ in range(_STARTS):
        process, envoy = await _start(folder, ads, ads_port, session)
        try:
            await until(partial(_is_up_or_over, process, envoy), bool)
        except BaseException:
            process.kill()
            await process.wait()
            raise
        if process.returncode is None:
            return process, envoy
    raise AssertionError(f"Envoy ended {_STARTS} times:\n{(folder / 'envoy.log').read_text()}")


async def _start(folder: Path, ads: AdsServer, ads_port: int, session: aiohttp.ClientSession) -> tuple[Process, Envoy]:
    ports = dict(zip(_PORTS, _free_ports(len(_PORTS)), strict=True))
    bootstrap = folder / "envoy.json"
    bootstrap.write_text(json.dumps(_moved(yaml.safe_load(_BOOTSTRAP.read_text()), ports | {_ADS_PORT: ads_port})))
    with (folder / "envoy.log").open("wb") as log:
        command = (str(_ENVOY), "-c", str(bootstrap), "--concurrency", "1", "--use-dynamic-base-id")
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
    gateway, metrics, config = (f"http://127.0.0.1:{ports[port]}" for port in (8080, 8081, 8082))
    return process, Envoy(ads, gateway, metrics, config, session, process.pid)


async def _is_up_or_over(process: Process, envoy: Envoy) -> bool:
    return process.returncode is not None or await envoy.is_ready()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(server.getsockname()[1]) for server in sockets]
    for server in sockets:
        server.close()
    return ports


def _moved(part: Any, ports: dict[int, int]) -> Any:
    """The bootstrap on other ports, and on loopback only."""
    if isinstance(part, list):
        return [_moved(item, ports) for item in part]
    if not isinstance(part, dict):
        return part
    moved = {name: _moved(value, ports) for name, value in part.items()}
    if "port_value" in moved:
        moved = {"address": "127.0.0.1", "port_value": ports[moved["port_value"]]}
    return moved

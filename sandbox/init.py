"""The first process inside the namespaces: it sets up the network, runs the parts, and everything ends with it."""

import argparse
import asyncio
import logging
import os
import signal
import socket
import ssl
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import aiohttp

from sandbox import forward, lifeline, network, pki
from sandbox.network import API_SERVICE_IP, NODE_IP
from sandbox.parts import API_URL, all_parts
from sandbox.paths import State
from sandbox.report import Phase, Report
from sandbox.supervisor import PartError, Supervisor

_log = logging.getLogger(__name__)

_PROBE_TIMEOUT_S = 2.0

# The Go programs take a tenth less CPU; the API server grows from 400 to 700 MB.
_FEWER_COLLECTIONS = {"GOGC": "300"}


def main() -> None:
    """Run one cluster until SIGTERM or SIGINT; exits with 1 when a part fails."""
    arguments = _parse()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    state = State(Path(arguments.state))
    report = Report()
    try:
        asyncio.run(_run(state, report, arguments))
    except asyncio.CancelledError:
        report.phase = Phase.STOPPING
    except (PartError, network.NetworkError) as error:
        report.phase, report.error = Phase.FAILED, str(error)
    report.write(state.status)
    _log.info("ended: %s %s", report.phase, report.error)
    raise SystemExit(1 if report.phase is Phase.FAILED else 0)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sandbox.init")
    parser.add_argument("state")
    parser.add_argument("--door", action="append", default=[], help="NAME=FD of a socket that listens on the host")
    parser.add_argument("--with-serin", action="store_true")
    parser.add_argument("--held", action="store_true", help="end when nobody holds the state's lifeline any more")
    return parser.parse_args()


async def _run(state: State, report: Report, arguments: argparse.Namespace) -> None:
    running = asyncio.current_task()
    assert running is not None
    loop = asyncio.get_running_loop()
    stop = partial(_stop_once, running, report, state)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    with lifeline.watched(state.lifeline, stop) if arguments.held else nullcontext():
        await _supervise(state, report, arguments)


async def _supervise(state: State, report: Report, arguments: argparse.Namespace) -> None:
    network.set_up()
    network.mount_resolver(state.run)
    network.mount_tmpfs(state.run / "etcd")
    keys = pki.create(state.pki, addresses=(NODE_IP, API_SERVICE_IP, "127.0.0.1"))
    doors = {name: socket.socket(fileno=int(number)) for name, number in _pairs(arguments.door)}
    for path, server in ((state.inside_kubeconfig, API_URL), (state.kubeconfig, forward.urls(doors)["apiserver"])):
        pki.write_kubeconfig(path, server=server, ca_cert=keys.ca_cert, token=keys.admin_token)
    parts = all_parts(state, keys, with_serin=arguments.with_serin)
    supervisor = Supervisor(parts, state=state, environment=_FEWER_COLLECTIONS | os.environ, report=report)
    async with forward.serve(doors), _probe_session(keys) as session:
        await supervisor.run(session)


def _stop_once(running: asyncio.Task[None], report: Report, state: State) -> None:
    """Begin the orderly end with the first signal, and let no second one cut it short."""
    if report.phase is not Phase.STOPPING:
        report.phase = Phase.STOPPING
        report.write(state.status)
        running.cancel()


def _probe_session(keys: pki.Pki) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(keys.ca_cert))),
        headers={"Authorization": f"Bearer {keys.admin_token}"},
        timeout=aiohttp.ClientTimeout(total=_PROBE_TIMEOUT_S),
    )


def _pairs(texts: list[str]) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in (text.partition("=") for text in texts)]


if __name__ == "__main__":
    main()

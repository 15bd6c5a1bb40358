"""The two servers that are measured, each a process of its own on one core."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.error import URLError
from urllib.request import urlopen

from benchmarks.paths import REPOSITORY
from benchmarks.proc import memory_mib

_READY_WITHIN_S: Final = 60.0
_LOOK_EVERY_S: Final = 0.1
_PATH: Final = "/mutate/workloads"
_KNOWN: Final = re.compile(r"^serin_webhook_canaries(?:\{\})? (\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Webhook:
    """A webhook that runs; `url` is the entry that marks workloads."""

    url: str
    process_id: int
    metrics_port: int

    def until_known(self, canaries: int) -> None:
        """Return once it is ready and knows so many canaries."""

        def is_so() -> bool:
            found = _KNOWN.search(self._read("metrics"))
            return self._read("readyz") == "OK" and found is not None and int(found.group(1)) >= canaries

        _until(f"the webhook to know {canaries} canaries", is_so)

    def rss_mib(self) -> float:
        """Return its resident memory."""
        return memory_mib(self.process_id)["VmRSS"]

    def _read(self, path: str) -> str:
        with suppress(URLError), urlopen(f"http://127.0.0.1:{self.metrics_port}/{path}") as answer:
            text: str = answer.read().decode()
            return text
        return ""


@contextmanager
def webhook(kubeconfig: Path, folder: Path) -> Iterator[Webhook]:
    """Run a webhook as it is shipped, one more replica of the cluster's own, until it knows a canary of the cluster.

    `folder` is for the moment in which it loads its key.
    """
    port, metrics_port = _free_port(), _free_port()
    flags = [f"--port={port}", f"--metrics-port={metrics_port}", "--certificates=self", f"--scratch-dir={folder}"]
    flags += [f"--kubeconfig={kubeconfig}", "--log-level=warning", "--drain-seconds=0"]
    with _running("-m", "webhook", *flags) as process:
        started = Webhook(f"https://127.0.0.1:{port}{_PATH}", process.pid, metrics_port)
        started.until_known(1)
        yield started


@contextmanager
def echo(certificate: Path, key: Path) -> Iterator[str]:
    """Run the bare handler; gives its URL."""
    port = _free_port()
    with _running("-m", "benchmarks.webhook.echo", str(port), str(certificate), str(key)):
        _until("the bare handler to listen", lambda: _is_open(port))
        yield f"https://127.0.0.1:{port}{_PATH}"


@contextmanager
def _running(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run Python on the first core that we may use; the load is left the others."""
    with subprocess.Popen([sys.executable, *arguments], cwd=REPOSITORY) as process:
        os.sched_setaffinity(process.pid, {min(os.sched_getaffinity(0))})
        try:
            yield process
        finally:
            process.terminate()


def _until(what: str, is_so: Callable[[], bool]) -> None:
    give_up_at_s = time.monotonic() + _READY_WITHIN_S
    while not is_so():
        assert time.monotonic() < give_up_at_s, f"not within {_READY_WITHIN_S:g} s: {what}"
        time.sleep(_LOOK_EVERY_S)


def _is_open(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port

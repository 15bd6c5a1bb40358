"""An OCI registry of a test's own, on loopback."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.paths import bin_dir
from tests.support.patience import PATIENCE_S

_LOOK_AGAIN_S = 0.05


@contextmanager
def registry(folder: Path) -> Iterator[str]:
    """Serve a registry that keeps what it is given in a folder; gives its host and port."""
    program = bin_dir() / "crane"
    assert program.exists(), f"{program} is missing: python -m sandbox build registry"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    folder.mkdir()
    command = [str(program), "registry", "serve", f"--address={address}", f"--disk={folder}"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(address, process)
            yield address
        finally:
            process.terminate()


def _wait_for(address: str, process: "subprocess.Popen[bytes]") -> None:
    host, _, port = address.partition(":")
    give_up_at_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            with socket.create_connection((host, int(port)), timeout=PATIENCE_S):
                return
        except OSError:
            assert process.poll() is None, "the registry has ended"
            assert time.monotonic() < give_up_at_s, f"nobody listens on {address}"
            time.sleep(_LOOK_AGAIN_S)

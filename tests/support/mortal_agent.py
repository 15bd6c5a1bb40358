"""An agent of the test's own, limited to one namespace, that is killed around its effects and started again."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.cluster import REPOSITORY, Cluster

_STOP_WITHIN_S = 15.0


@dataclass(frozen=True)
class MortalAgent:
    """Runs `python -m agent` inside the cluster's network with the code of this checkout."""

    cluster: Cluster
    namespace: str

    @contextmanager
    def running(self, fault: str = "") -> Iterator[subprocess.Popen[str]]:
        """Run it for as long as the block lasts; with a fault (`before:2`) it ends by itself before that."""
        command = [
            *("python", "-m", "agent", f"--namespace={self.namespace}", "--no-enable-leader-election", "--port=0"),
            f"--kubeconfig={self.cluster.state / 'run' / 'kubeconfig'}",
            "--metrics-server=http://flagger-prometheus.gloo-system:9090",
        ]
        with background(self.cluster, *command, SERIN_FAULT=fault) as process:
            yield process

    def live_through(self, fault: str, is_over: Callable[[], bool], *, lives: int = 60) -> int:
        """Start it again and again, each time with the fault, until it is over; gives how often it was killed."""
        for killed in range(lives):
            with self.running(fault) as process:
                while process.poll() is None:
                    if is_over():
                        return killed
                    try:
                        process.wait(timeout=0.5)
                    except subprocess.TimeoutExpired:
                        continue
        raise AssertionError(f"not over after {lives} lives with {fault}")


@contextmanager
def background(cluster: Cluster, *command: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command inside the cluster's network beside the test; it is ended with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "--state", str(cluster.state), "run", *command],
        cwd=REPOSITORY,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.communicate(timeout=_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


@contextmanager
def watching_weights(cluster: Cluster, namespace: str, name: str) -> Iterator[list[int]]:
    """Collect every canary weight of a RouteTable, in order, without repeats; complete when the block has ended."""
    weights: list[int] = []
    command = [sys.executable, "-m", "sandbox", "--state", str(cluster.state), "kubectl", "-n", namespace]
    seen = cluster.state / f"weights-{namespace}.json"  # a pipe that nobody reads meanwhile would hold kubectl up
    with seen.open("w") as output:
        process = subprocess.Popen(
            [*command, "get", "routetable", name, "--watch", "-o", "json"], cwd=REPOSITORY, stdout=output
        )
    try:
        _wait_for_output(process, seen)
        yield weights
    finally:
        process.terminate()
        process.wait(_STOP_WITHIN_S)
        for table in _documents(seen.read_text()):
            destinations = table["spec"]["routes"][0]["routeAction"]["multi"]["destinations"]
            weight = destinations[1].get("weight", 0)
            if not weights or weights[-1] != weight:
                weights.append(weight)
        seen.unlink()


def _wait_for_output(process: subprocess.Popen[bytes], path: Path) -> None:
    """Wait until the watch shows the table as it is now: what is done after that is seen."""
    while path.stat().st_size == 0:
        try:
            code = process.wait(timeout=0.05)
        except subprocess.TimeoutExpired:
            continue
        raise AssertionError(f"the watch ended by itself, exit code {code}")


def _documents(text: str) -> Iterator[dict[str, Any]]:
    decoder, position = json.JSONDecoder(), 0
    while text[position:].strip():
        position += len(text[position:]) - len(text[position:].lstrip())
        try:
            document, position = decoder.raw_decode(text, position)
        except json.JSONDecodeError:
            return  # the last one was cut off when the watch was ended
        yield document

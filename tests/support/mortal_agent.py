"""An agent of the test's own, limited to one namespace, that is killed around its effects and started again."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sandbox import namespace
from sandbox.paths import State, bin_dir
from tests.support.cluster import REPOSITORY, Cluster

_STOP_WITHIN_S = 15.0
_ENTERED_WITHIN_S = 60.0
_LOOK_EVERY_S = 0.005


@dataclass(frozen=True)
class MortalAgent:
    """Runs `python -m agent` inside the cluster's network with the code of this checkout."""

    cluster: Cluster
    namespace: str

    @contextmanager
    def running(
        self, fault: str = "", *, skew_s: float = 0.0, log: IO[str] | None = None
    ) -> Iterator[subprocess.Popen[str]]:
        """Run it for as long as the block lasts; with a fault (`before:2`) it ends by itself before that.

        `skew_s`: how far its clock is ahead of everybody else's.
        """
        program = ["agent"] if skew_s == 0 else ["tests.support.skewed_agent", f"{skew_s}"]
        command = [
            *(
                "python",
                "-m",
                *program,
                f"--namespace={self.namespace}",
                "--no-enable-leader-election",
                "--port=0",
                "--page-port=0",
            ),
            f"--kubeconfig={self.cluster.state / 'run' / 'kubeconfig'}",
            "--metrics-server=http://flagger-prometheus.gloo-system:9090",
            "--config-reads-s=1",
        ]
        with background(self.cluster, *command, output=log, SERIN_FAULT=fault) as process:
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
def background(
    cluster: Cluster, *command: str, output: IO[str] | None = None, **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """Run a command inside the cluster's network beside the test; it is ended with the block.

    What it writes goes to `output`, else to the process's own `stdout`, for `communicate`.
    """
    state = State(cluster.state.absolute())
    process = subprocess.Popen(
        # As `python -m sandbox run` does, less the start of that Python.
        namespace.enter(state, ["env", f"--chdir={REPOSITORY}", *command]),
        env=namespace.inside_environment(state) | environment,
        stdout=subprocess.PIPE if output is None else output,
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


def pid_inside(process: subprocess.Popen[str]) -> int:
    """Return the host's pid of the command itself: the process that `background` gives only waits for it outside.

    Raises:
        AssertionError: it ended before, or was not started in time.
    """
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    give_up_at_s = time.monotonic() + _ENTERED_WITHIN_S
    while process.poll() is None and time.monotonic() < give_up_at_s:
        if found := children.read_text().split():
            return int(found[0])
        time.sleep(_LOOK_EVERY_S)
    raise AssertionError(f"{process.args!r} did not enter the cluster: exit code {process.returncode}")


@contextmanager
def without_installed_agent(cluster: Cluster) -> Iterator[None]:
    """Take the installed agent away for as long as the block lasts: the test has one of its own."""
    scale = ("-n", "gloo-system", "scale", "deployment/serin-agent")
    cluster.kubectl(*scale, "--replicas=0")
    cluster.kubectl("-n", "gloo-system", "wait", "--for=delete", "pod", "-l", "app.kubernetes.io/name=serin-agent")
    try:
        yield
    finally:
        cluster.kubectl(*scale, "--replicas=1")
        cluster.kubectl("-n", "gloo-system", "rollout", "status", "deployment/serin-agent", "--timeout=60s")


@contextmanager
def watching_weights(cluster: Cluster, namespace: str, name: str) -> Iterator[list[int]]:
    """Collect every canary weight of a RouteTable, in order, without repeats; complete when the block has ended."""
    weights: list[int] = []
    command = [str(bin_dir() / "kubectl"), f"--kubeconfig={cluster.kubeconfig}", "-n", namespace]
    seen = cluster.state / f"weights-{namespace}.json"  # a pipe that nobody reads meanwhile would hold kubectl up
    with seen.open("w") as output:
        process = subprocess.Popen([*command, "get", "routetable", name, "--watch", "-o", "json"], stdout=output)
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

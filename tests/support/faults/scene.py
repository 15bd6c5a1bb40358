"""A run under a steady load on a sandbox, agents of the test's own to be disturbed, and proxies before all they ask."""

import json
import os
import secrets
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.support.cluster import Cluster
from tests.support.load import (
    answer,
    assert_no_request_lost,
    lost_requests,
    sent_requests,
    steady_load,
    virtual_service,
)
from tests.support.mortal_agent import background, pid_inside
from tests.support.rollout import Rollouts, canary, podinfo

AGENTS: Final = ("a", "b")

PROMETHEUS: Final = "http://flagger-prometheus.gloo-system:9090"

# A check that no load has to pass, and that is asked of the Prometheus behind the proxy.
CHECKS: Final[Mapping[str, Any]] = {
    "interval": "2s",
    "threshold": 2,
    "stepWeight": 5,
    "maxWeight": 50,
    "metrics": [{"name": "own", "query": "vector(100)", "thresholdRange": {"min": 99}, "interval": "10s"}],
}


@dataclass
class Proxies:
    """The fault proxies of a sandbox, by name."""

    control: Path
    ports: dict[str, int]

    def switch(self, name: str, **changes: Any) -> dict[str, Any]:
        """Set switches of one; return what it has seen and made by then. `cut=True` cuts what is open."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.control))
            connection.sendall(json.dumps([name, changes]).encode() + b"\n")
            with connection.makefile() as file:
                found: dict[str, Any] = json.loads(file.read())
        return found

    def written(self, name: str) -> list[str]:
        """Return methods and paths of what was written through one, but for Leases, and events of the time before."""
        return [write for write in self.switch(name)["writes"] if not write.endswith("/events")]

    def switch_all(self, *names: str, **changes: Any) -> None:
        """Set switches of several."""
        for name in names:
            self.switch(name, **changes)


@dataclass
class DisturbedAgent:
    """A process that may be killed, stopped and started again."""

    name: str
    folder: Path
    start: Callable[[], subprocess.Popen[str]]
    process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return pid_inside(self.process)

    @property
    def rss_mib(self) -> float:
        text = Path(f"/proc/{self.pid}/status").read_text()
        return float(text.partition("VmRSS:")[2].split()[0]) / 1024

    def open_files(self) -> tuple[int, int]:
        """Return how many file descriptors it has, and how many of them are sockets."""
        found = []
        for path in Path(f"/proc/{self.pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                found.append(str(path.readlink()))
        return len(found), sum(one.startswith("socket:") for one in found)

    def tasks(self) -> int:
        """Return how many asyncio tasks it has."""
        return int((self.folder / "tasks").read_text() or 0)

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait(10)

    def set_clock(self, ahead_s: float) -> None:
        """Set its clock, and no other."""
        (self.folder / "skew").write_text(str(ahead_s))
        self.signal(signal.SIGUSR1)

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


@dataclass
class Scene:
    """What a test of a fault looks at. `lost` may be what a fault itself costs; see `promoted`."""

    cluster: Cluster
    rollouts: Rollouts
    proxies: Proxies
    agents: dict[str, DisturbedAgent]
    lease_s: float
    reports: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def rss_mib(self) -> dict[str, float]:
        """Return how much memory each agent has."""
        return {name: agent.rss_mib for name, agent in self.agents.items()}

    @property
    def lease(self) -> str:
        return f"serin-agent-{self.rollouts.namespace}"

    def holder(self) -> str:
        """Return the name of the agent that leads, empty for none."""
        text = self.cluster.kubectl(
            "-n", "gloo-system", "get", "lease", self.lease, "-o", "jsonpath={.spec.holderIdentity}"
        )
        return text.rpartition("_")[2]

    def standby(self) -> str:
        """Return the name of the agent that does not lead."""
        return next(name for name in AGENTS if name != self.holder())

    def weight(self) -> int:
        return int(self.rollouts.status("app").get("canaryWeight") or 0)

    def moves_on(self, what: str, deadline_s: float = 60.0) -> None:
        """Wait until the run takes another step, or is over."""
        before = self.weight()
        phases = ("Promoting", "Finalising", "Succeeded")
        self.rollouts.wait_for(
            f"{what}: it goes on from {before}",
            lambda: self.weight() > before or self.rollouts.status("app")["phase"] in phases,
            deadline_s,
        )

    def begin(self, analysis: Mapping[str, Any] | None = None) -> None:
        """Apply the application and its canary, and wait until the gateway serves it."""
        checks = dict(CHECKS) | dict(analysis or {})
        self.rollouts.apply(podinfo("app", replicas=2), virtual_service(self.rollouts.namespace), canary("app", checks))
        self.rollouts.wait_for_phase("app", "Initialized", 90)
        self.rollouts.wait_for("the gateway serves it", lambda: bool(answer(self.cluster, self.rollouts.namespace)))

    @contextmanager
    def loaded(self, minutes: int = 10) -> Iterator[None]:
        """Keep users asking while the block lasts."""
        with steady_load(self.cluster, self.rollouts.namespace, minutes=minutes) as reports:
            yield
        self.reports = reports

    def run(self, tag: str = "3.1.1") -> None:
        """Begin a run, and wait for its first traffic."""
        self.rollouts.set_image("app", tag)
        self.rollouts.wait_for("it has traffic", lambda: self.rollouts.weights("app")[1] > 0)

    def request(self, verb: str) -> None:
        """Ask for something of the run, as people do."""
        text = f"serin.dev/request={verb}@{self.rollouts.status('app')['lastAppliedSpec']}"
        self.cluster.kubectl("-n", self.rollouts.namespace, "annotate", "canary", "app", text)

    def promoted(self, deadline_s: float = 240.0) -> None:
        """Wait until the run ended well: by its checks alone, told once, and no check failed."""
        self.rollouts.wait_for_phase("app", "Succeeded", deadline_s)
        status = self.rollouts.status("app")
        assert status["failedChecks"] == 0
        self.rollouts.wait_for(
            "it is scaled down", lambda: self.rollouts.get("deployment", "app")["spec"]["replicas"] == 0
        )
        name = f"app.{self.rollouts.namespace}"
        self.rollouts.wait_until_told("app", "Promotion completed!")
        told = [text for _, text in self.rollouts.events("app")]
        assert sum(text.startswith("Promotion completed!") for text in told) == 1
        steps = [text for text in told if text.startswith(f"Advance {name} canary weight")]
        assert len(steps) == len(set(steps)), "a step was told twice"
        assert not [text for text in told if "Rolling back" in text or "Canary failed" in text]

    def check_users(self, injected: int = 0) -> dict[str, int]:
        """Hold what users saw against how many losses the fault itself was; return the figures."""
        report = self.reports[0]
        if not injected:
            assert_no_request_lost(report)
        assert lost_requests(report) <= injected, report
        return self.count_users()

    def count_users(self) -> dict[str, int]:
        """Return how many requests were sent, and how many were lost."""
        report = self.reports[0]
        return {"requests": sent_requests(report), "lost": lost_requests(report)}


@contextmanager
def scene(
    cluster: Cluster,
    namespace: str,
    folder: Path,
    *,
    lease_s: float = 0.0,
    agents: tuple[str, ...] = AGENTS,
    metrics: str = PROMETHEUS,
    logs: Mapping[str, Path] | None = None,
    log_level: str = "info",
) -> Iterator[Scene]:
    """Start proxies and agents for the block. `logs`: where an agent's lines go, else to a file in `folder`.

    No other agent may be at work in the cluster.
    """
    rollouts = Rollouts(cluster, namespace)
    control = Path("/tmp") / f"serin-faults-{secrets.token_hex(4)}"  # a socket's path must be short
    upstreams = {
        **dict.fromkeys(agents, "api"),
        "metrics": metrics,
        # Its pods are there while there is a run, whatever becomes of the primary's.
        "hooks": f"http://app-canary.{namespace}:9898",
    }
    command = ("python", "-m", "tests.support.faults.serve", str(control))
    with ExitStack() as stack:
        pairs = [f"{name}={upstream}" for name, upstream in upstreams.items()]
        serving = stack.enter_context(background(cluster, *command, *pairs))
        stack.callback(control.unlink, missing_ok=True)
        assert serving.stdout is not None
        proxies = Proxies(control, json.loads(serving.stdout.readline()))
        made: dict[str, DisturbedAgent] = {}
        for name in agents:
            own = folder / name
            own.mkdir()
            log = (logs or {}).get(name, own / "log")
            flags = (f"--log-level={log_level}", f"--namespace={namespace}", f"--pod-uid={name}")
            made[name] = _agent(stack, cluster, own, proxies, lease_s, log, flags)
            made[name].process = made[name].start()
        yield Scene(cluster, rollouts, proxies, made, lease_s)


def _agent(
    stack: ExitStack,
    cluster: Cluster,
    folder: Path,
    proxies: Proxies,
    lease_s: float,
    log: Path,
    flags: tuple[str, ...],
) -> DisturbedAgent:
    name = folder.name
    config = json.loads((cluster.state / "run" / "kubeconfig").read_text())
    config["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{proxies.ports[name]}"}
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(json.dumps(config))
    command = (
        *("python", "-m", "tests.support.faults.agent", str(folder), str(lease_s)),
        *flags,
        f"--kubeconfig={kubeconfig}",
        f"--metrics-server=http://127.0.0.1:{proxies.ports['metrics']}",
        "--allowed-address-ranges=127.0.0.0/8",
        "--port=0",
        "--page-port=0",
    )

    def start() -> subprocess.Popen[str]:
        output = stack.enter_context(log.open("a"))
        return stack.enter_context(background(cluster, *command, output=output))

    return DisturbedAgent(name, folder, start)

"""`python -m tests.soak`: for SERIN_SOAK_S seconds runs start, fail and are promoted, and faults come at random.

What must hold: memory, tasks, connections and file descriptors of two agents come to rest, no user of the one canary
that has some loses a request, and each run ends as its checks say. The figures are in build/soak.json. SERIN_SOAK_SEED
draws the same faults again.
"""

import json
import os
import random
import secrets
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Any, Final

from sandbox.node.hollow import ANNOTATION
from tests.soak.flat import growth
from tests.support.api import new_namespace
from tests.support.cluster import REPOSITORY, Cluster
from tests.support.faults.scene import AGENTS, CHECKS, Scene, scene
from tests.support.mortal_agent import without_installed_agent
from tests.support.rollout import canary, podinfo

_DEFAULT_S: Final = 3_600.0
_LOOK_EVERY_S: Final = 30.0
_LEAST_LOOKS: Final = 24
_NAMESPACE: Final = "soak"
_OTHERS: Final = tuple(f"app-{number}" for number in range(6))
_IDLE: Final = ("Initialized", "Succeeded", "Failed")
_QUIET_AT_END_S: Final = 30.0

# What may be more at the end than 5 % of what it was.
_FEW: Final = {"rss_mib": 4.0, "tasks": 12.0, "files": 12.0, "sockets": 12.0}


@dataclass
class Soak:
    """One soak: `seen` are the looks at each agent, by figure."""

    at: Scene
    draw: random.Random
    looks_s: float
    seen: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    ends: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    _turn: dict[str, int] = field(default_factory=dict)
    _before: dict[str, str] = field(default_factory=dict)
    """The revision of each canary when its image was changed last."""

    def begin(self) -> None:
        """Apply the application with users, and others of hollow pods, half of which fail each of their runs."""
        for name in _OTHERS:
            target = podinfo(name)
            target["spec"]["template"]["metadata"]["annotations"] = {ANNOTATION: "true"}
            metric = dict(CHECKS["metrics"][0]) | {"query": f"vector({0 if self._is_failing(name) else 100})"}
            checks = dict(CHECKS) | {"stepWeight": 10, "metrics": [metric]}
            self.at.rollouts.apply(target, canary(name, checks))
        self.at.begin({"stepWeight": 10})

    def run(self, for_s: float) -> None:
        """Start runs and make faults until the time is up, and let all runs end."""
        began_at_s = time.monotonic()
        over_at_s, look_at_s, fault_at_s = began_at_s + for_s, began_at_s, began_at_s + 10
        while (now_s := time.monotonic()) < over_at_s:
            self._start_runs()
            if now_s >= look_at_s:
                look_at_s += self.looks_s
                self._look()
            if now_s >= fault_at_s and now_s < over_at_s - _QUIET_AT_END_S:
                self._fault()
                fault_at_s = time.monotonic() + self.draw.uniform(5, 20)
            time.sleep(0.5)
        self._look()

    def figures(self) -> dict[str, Any]:
        """Return what was seen, each figure with its medians and whether it is flat."""
        found: dict[str, Any] = {"looks": len(next(iter(self.seen.values()))), "runs": self.ends, "faults": self.faults}
        for name, values in sorted(self.seen.items()):
            grown = growth(values)
            is_flat = grown.is_flat(_FEW[name.partition(" ")[2]])
            found[name] = {"second_quarter": grown.second, "last_quarter": grown.last, "most": max(values)}
            found[name]["is_flat"] = is_flat
        return found | {"ended_wrong": self.wrong}

    @staticmethod
    def _is_failing(name: str) -> bool:
        return name in _OTHERS[::2]

    def _start_runs(self) -> None:
        for name in ("app", *_OTHERS):
            status = self.at.rollouts.status(name)
            ours = status.get("serin") or {}
            revision = status.get("lastAppliedSpec", "")
            is_over = ours.get("finishedRevision") == revision != self._before.get(name)
            if status.get("phase") not in _IDLE or not is_over:
                continue
            turn = self._turn.get(name, 0)
            if turn:
                self.ends[status["phase"]] += 1
                if status["phase"] != ("Failed" if self._is_failing(name) else "Succeeded"):
                    self.wrong.append(f"{name}: {status['phase']}, {(ours.get('history') or [{}])[0]}")
            self._turn[name], self._before[name] = turn + 1, revision
            # Each tag is a new one: what was promoted before would be no run.
            self.at.rollouts.set_image(name, f"3.1.{turn + 1}")

    def _look(self) -> None:
        # Who leads has more of these than who looks on, and both may do both: so they are added up.
        together: Counter[str] = Counter()
        for name, agent in self.at.agents.items():
            assert agent.is_alive(), f"agent {name} ended"
            files, sockets = agent.open_files()
            together.update({"tasks": agent.tasks(), "files": files, "sockets": sockets})
            self.seen[f"{name} rss_mib"].append(round(agent.rss_mib, 1))
        for key, value in together.items():
            self.seen[f"both {key}"].append(value)

    def _fault(self) -> None:
        name, fault = self.draw.choice(sorted(_FAULTS.items()))
        self.faults[name] += 1
        fault(self, self.draw.uniform(5, 25))

    def switched(self, proxies: tuple[str, ...], lasts_s: float, **changes: Any) -> None:
        """Switch a fault on for a time; runs start and end meanwhile."""
        self.at.proxies.switch_all(*proxies, **changes)
        self._wait(lasts_s)
        calm = {"retry_after_s": None, "value": ""}
        self.at.proxies.switch_all(*proxies, **{key: calm.get(key, 0) for key in changes})

    def stop_leader(self, lasts_s: float) -> None:
        """Let whoever leads stand still for a time."""
        holder = self.at.holder()
        if not holder:
            return
        self.at.agents[holder].signal(SIGSTOP)
        self._wait(lasts_s)
        self.at.agents[holder].signal(SIGCONT)

    def jump(self, lasts_s: float) -> None:
        """Set one agent's clock for a time."""
        agent = self.at.agents[self.draw.choice(AGENTS)]
        agent.set_clock(self.draw.choice((-3600.0, 3600.0)))
        self._wait(lasts_s)
        agent.set_clock(0.0)

    def _wait(self, lasts_s: float) -> None:
        until_s = time.monotonic() + lasts_s
        while time.monotonic() < until_s:
            with suppress(KeyError):  # a status that is only being made
                self._start_runs()
            time.sleep(0.5)


def _api(**changes: Any) -> Callable[[Soak, float], None]:
    return lambda soak, lasts_s: soak.switched(AGENTS, lasts_s, **changes)


def _metrics(**changes: Any) -> Callable[[Soak, float], None]:
    return lambda soak, lasts_s: soak.switched(("metrics",), lasts_s, **changes)


_FAULTS: Final[dict[str, Callable[[Soak, float], None]]] = {
    "API server down": _api(is_down=True),
    "connections cut": _api(cut=True),
    "429": _api(retry_after_s=1.0),
    "410": _api(cut=True, is_compacted=True),
    "slow": _api(delay_s=1.0),
    "bodies cut": _api(cuts_bodies=True),
    "watches silent": _api(is_silent=True),
    "fifth write 409": _api(nth_write=5, write_code=409),
    "fifth write 500 after": _api(nth_write=5, write_code=500, is_after=True),
    "fifth write unanswered": _api(nth_write=5, write_code=0, is_after=True),
    "Prometheus down": _metrics(is_down=True),
    "Prometheus slow": _metrics(delay_s=12.0),
    "Prometheus NaN": _metrics(value="NaN"),
    "leader stopped": lambda soak, lasts_s: soak.stop_leader(lasts_s),
    "clock": lambda soak, lasts_s: soak.jump(lasts_s),
}


def main() -> None:
    """Print the figures; end with 1 where one is not as it must be."""
    for_s = float(os.environ.get("SERIN_SOAK_S", _DEFAULT_S))
    seed = os.environ.get("SERIN_SOAK_SEED") or secrets.token_hex(4)
    sys.stdout.write(f"a soak of {for_s:g} s; again by SERIN_SOAK_SEED={seed}\n")
    sys.stdout.flush()
    cluster = Cluster(REPOSITORY / "build" / "soak-sandbox")
    with (
        tempfile.TemporaryDirectory() as folder,
        cluster.held(),
        without_installed_agent(cluster),
        new_namespace(cluster.kubeconfig, _NAMESPACE),
        scene(cluster, _NAMESPACE, Path(folder)) as at,
    ):
        soak = Soak(at, random.Random(seed), min(_LOOK_EVERY_S, for_s / _LEAST_LOOKS))  # noqa: S311  draws no secret
        soak.begin()
        with at.loaded(minutes=round(for_s / 60) + 10):
            soak.run(for_s)
        figures = {"seed": seed, "seconds": for_s} | at.count_users() | soak.figures()
    text = json.dumps(figures, indent=1)
    (REPOSITORY / "build" / "soak.json").write_text(text)
    sys.stdout.write(f"{text}\n")
    grown = [name for name, one in figures.items() if isinstance(one, dict) and one.get("is_flat") is False]
    faults = {"grows": grown, "ended wrong": soak.wrong, "requests lost": figures["lost"]}
    sys.exit("; ".join(f"{what}: {found}" for what, found in faults.items() if found) or 0)


if __name__ == "__main__":
    main()

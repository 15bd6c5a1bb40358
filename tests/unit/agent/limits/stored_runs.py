"""Canaries as they are stored, and the queue of runs that is told of them."""

from dataclasses import dataclass, field
from typing import Any

from agent.limits.runs import RunLimits, RunQueue
from canary.run.moments import write_time
from canary.run.phase import Phase
from canary.run.queue import Place
from canary.run.state import State
from kube.errors import Conflict
from kube.store import Change, Key

IDLE, BEGUN = State(phase=Phase.SUCCEEDED), State(phase=Phase.PROGRESSING)


@dataclass
class Stored:
    """Canaries as they are stored, and a queue that is told of each. `now_s` is the queue's clock."""

    whole: int = 0
    of_namespace: int = 0
    shards: int = 1
    now_s: float = 0.0
    objects: dict[Key, dict[str, Any]] = field(default_factory=dict)
    runs: RunQueue = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Start the agent anew: it lists what is stored."""
        self.runs = RunQueue(
            RunLimits(self.whole, self.of_namespace, self.shards), clock=lambda: self.now_s, now_s=lambda: self.now_s
        )
        for key, obj in self.objects.items():
            self.runs.follow(Change(key, None, obj))

    def put(self, name: str, phase: str, *, ours: dict[str, Any] | None = None, **spec: Any) -> Key:
        namespace, _, short = name.rpartition("/")
        key = Key(namespace or "shop", short)
        obj = {
            "metadata": {"namespace": key.namespace, "name": short},
            "spec": spec,
            "status": {"phase": phase, "serin": ours or {}},
        }
        change = Change(key, self.objects.get(key), obj)
        self.objects[key] = obj
        self.runs.follow(change)
        return key

    def run(self, name: str, **ours: Any) -> Key:
        return self.put(name, "Progressing", ours=ours)

    def wait(self, name: str, since_s: float, position: int = 1, of: int = 1, **spec: Any) -> Key:
        queue = {"position": position, "of": of, "since": write_time(since_s)}
        return self.put(name, "Succeeded", ours={"queue": queue}, **spec)

    def place(self, name: str) -> Place | None:
        namespace, _, short = name.rpartition("/")
        return self.runs.place_of(Key(namespace or "shop", short))


def begins(runs: RunQueue, key: Key, after: State = BEGUN) -> bool:
    try:
        with runs.beginning(key, IDLE, after):
            return True
    except Conflict:
        return False


def begins_and_runs(stored: Stored, name: str) -> bool:
    """Begin a run as a tick does, which has the answer of its own write in its cache at once."""
    has_begun = begins(stored.runs, stored.put(name, "Succeeded"))
    if has_begun:
        stored.run(name)
    return has_begun

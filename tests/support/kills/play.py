"""Play a case: bring it up, change it, kill agents until the run has ended, and see what came of it."""

import json
import secrets
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from tests.support.api import new_namespace
from tests.support.cluster import Cluster
from tests.support.history import History, watching
from tests.support.kills.cases import Act, Case
from tests.support.kills.lives import Kill, kill_until
from tests.support.kills.scene import Call, Scene
from tests.support.kills.users import User, Visit, visiting
from tests.support.mortal_agent import MortalAgent
from tests.support.rollout import Rollouts

Object = dict[str, Any]

_PER_SECOND = 12.0
_ACT_WITHIN_S = 600.0
_TOLD_WITHIN_S = 60.0
_LOOK_EVERY_S = 0.5


@dataclass(frozen=True)
class Outcome:
    """What was seen of a case. `sequence_before`: the number of the last move before the run.

    `events` are those about the canary; `said`: what the application says of itself in the end.
    """

    case: Case
    namespace: str
    took_s: float
    boot_s: float
    kills: Sequence[Kill]
    history: History
    sequence_before: int
    visits: dict[str, Visit]
    calls: Sequence[Call]
    events: Sequence[Object]
    said: Object

    @property
    def requests(self) -> int:
        return sum(visit.requests for visit in self.visits.values())

    @property
    def moves(self) -> list[str]:
        """The news of the run's moves, in order."""
        return [text for number, news in self.history.moves() if number > self.sequence_before for text in news]

    def summary(self) -> Object:
        """Return the seed's work and what was seen, for those who look for what went wrong."""
        return {
            "case": self.case.name,
            "namespace": self.namespace,
            "boot_s": self.boot_s,
            "took_s": self.took_s,
            "kills": [asdict(kill) for kill in self.kills],
            "exposures": [shown for _, shown in self.history.exposures()],
            "moves": self.moves,
            "events": [[event["message"], event["count"]] for event in self.events],
            "calls": [asdict(call) for call in self.calls],
            "visits": {name: asdict(visit) for name, visit in self.visits.items()},
            "writes": self.history.writes_in_short(),
        }

    @property
    def lost(self) -> list[tuple[float, str]]:
        return [loss for visit in self.visits.values() for loss in visit.lost]


def play(cluster: Cluster, case: Case, seed: str, log: Path) -> Outcome:
    """Play a case in a namespace of its own; the agents' output goes to `log`, and a summary to a JSON file beside it.

    Raises:
        AssertionError: it did not come to an end, or an agent ended by itself.
    """
    began_s = time.monotonic()
    with _namespace(cluster) as namespace, watching(cluster, namespace) as history:
        scene = Scene(Rollouts(cluster, namespace), history, case.hooks)
        agent = MortalAgent(cluster, namespace)
        boot_s = scene.set_up(agent, case.analysis, case.query)
        before = history.status["serin"]["sequence"]
        users = [User("one"), User("another"), *(user for user, _ in case.users)]
        host = f"{namespace}.example.com"
        with log.open("w") as output, visiting(cluster, host, _PER_SECOND, users) as visits:
            case.change(scene)
            kills = _run(scene, case, agent, seed, before, output)
            with agent.running(skew_s=kills[-1].skew_s, log=output):
                history.wait_for("the end is told", lambda: "endUntold" not in history.status["serin"])
                events = _events(scene)
            said = scene.ask()
        took_s = time.monotonic() - began_s
        outcome = Outcome(case, namespace, took_s, boot_s, kills, history, before, visits, scene.calls(), events, said)
        log.with_suffix(".json").write_text(json.dumps(outcome.summary(), indent=1))
        return outcome


@contextmanager
def _namespace(cluster: Cluster) -> Iterator[str]:
    name = f"kills-{secrets.token_hex(4)}"
    with new_namespace(cluster.kubeconfig, name):
        yield name


def _run(scene: Scene, case: Case, agent: MortalAgent, seed: str, before: int, output: IO[str]) -> list[Kill]:
    """Kill until the run, whose moves come after number `before`, has ended; people act meanwhile."""
    history = scene.history

    def is_over() -> bool:
        status, target = history.status, history.latest("deployment", "app")
        ours = status.get("serin") or {}
        is_finished = status["phase"] == case.ends and ours.get("finishedRevision") == status["lastAppliedSpec"]
        return bool(is_finished and ours["sequence"] > before and target["spec"]["replicas"] == 0)

    kills: list[Kill] = []
    with ThreadPoolExecutor(1, thread_name_prefix="people") as people:
        acting = people.submit(_act, scene, case.acts, kills)
        kill_until(is_over, agent, history, seed, kills, log=output)
        acting.result()
    return kills


def _act(scene: Scene, acts: Sequence[Act], kills: Sequence[Kill]) -> None:
    history = scene.history

    def is_seen(at: str) -> bool:
        return at in {history.phase, history.exposure}

    def are_dead(count: int) -> bool:
        return len(kills) >= count

    for act in acts:
        history.wait_for(f"{act.at} is seen", partial(is_seen, act.at), _ACT_WITHIN_S)
        enough = len(kills) + act.kills
        history.wait_for(f"{enough} kills", partial(are_dead, enough), _ACT_WITHIN_S)
        act.does(scene)


def _events(scene: Scene) -> list[Object]:
    """Return the events about the canary, once there is one for each of the news, or after a while."""
    untold = {text for _, news in scene.history.moves() for text in news}
    give_up_at_s = time.monotonic() + _TOLD_WITHIN_S
    while True:
        text = scene.rollouts.cluster.kubectl("-n", scene.rollouts.namespace, "get", "events", "-o", "json")
        about = [event for event in json.loads(text)["items"] if event["involvedObject"]["kind"] == "Canary"]
        if time.monotonic() > give_up_at_s or untold <= {event["message"] for event in about}:
            return about
        time.sleep(_LOOK_EVERY_S)

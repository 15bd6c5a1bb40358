"""Every strategy, every short tape of verdicts, a crash before and after every effect: the same end as without it."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from typing import Any

import pytest

from canary.api.hooks import HOOK_TYPES
from canary.run.judge import Verdict
from canary.run.phase import IDLE, Phase
from canary.run.state import State
from tests.support.canaries import canary
from tests.support.serving_rules import check_at_rest, check_before_promote
from tests.support.simulated_cluster import SimulatedCluster

PASS, FAIL, NO_DATA = Verdict.PASS, Verdict.FAIL, Verdict.NO_DATA

SHORT: dict[str, Any] = {"threshold": 2, "unobservedDeadlineSeconds": 25, "webhooks": [], "stepWeight": None}
ITERATIONS = SHORT | {"maxWeight": None, "iterations": 2}
WEIGHTS = SHORT | {"stepWeight": 30, "maxWeight": 50}
GATES = [
    {"name": kind, "type": kind, "url": "http://hooks.test/"} for kind in HOOK_TYPES if kind not in {"event", "rollout"}
]
STRATEGIES = {
    "weights": WEIGHTS,
    "weights back in steps": WEIGHTS | {"stepWeightPromotion": 30},
    "weights, mirror and cookie": WEIGHTS | {"mirror": True, "sessionAffinity": {"cookieName": "side"}},
    "listed steps and bake": SHORT
    | {
        "maxWeight": None,
        "steps": [{"weight": 30, "duration": "15s"}, {"weight": 30}, {"weight": 60}],
        "bake": "15s",
    },
    "weights and gates": WEIGHTS | {"webhooks": GATES},
    "A/B": ITERATIONS | {"match": [{"headers": {"x-canary": {"exact": "insider"}}}]},
    "weights by match": WEIGHTS | {"match": [{"headers": {"x-canary": {"exact": "insider"}}}]},
    "A/B and gates": ITERATIONS | {"match": [{"headers": {"x-canary": {"exact": "insider"}}}], "webhooks": GATES},
    "blue/green": ITERATIONS,
    "blue/green and mirror": ITERATIONS | {"mirror": True, "mirrorWeight": 20},
    "blue/green and gates": ITERATIONS | {"webhooks": GATES},
}
_LONG_ENOUGH_S = 400.0
_FEWEST_MOMENTS = 15


def _has_ended(state: State) -> bool:
    return state.revisions.finished == "rev-2" and not state.hooks.post_rollout_pending


def _move_of(state: State) -> Hashable:
    """Return where a run stands, without its times, and without how often that was written."""
    analysis, step = state.analysis, state.analysis.step
    counted = (analysis.failed_checks, analysis.iterations, analysis.checks_passed, state.hooks.answered)
    return state.phase, state.traffic, counted, step.number, step.bake_started_at_s is None


@dataclass
class Play:
    """A revision's run on a tape. With `survivors`, a crash at any moment is tried: each gets the cluster it leaves.

    Each effect has a moment before it and one after it; moments that leave the same cluster count once.
    """

    cluster: SimulatedCluster
    tape: tuple[Verdict, ...]
    end_s: float
    moves: dict[Hashable, int] = field(default_factory=dict)
    pulled: set[str] = field(default_factory=set)
    survivors: list["Play"] | None = None

    def to_the_end(self) -> tuple[Any, ...]:
        """Run it; gives all that users can see of the end."""
        cluster = self.cluster
        cluster.verdicts = self._by_move()
        cluster.before_effect, cluster.after_effect = self._before, lambda _: self._survive()
        cluster.at_rest = partial(check_at_rest, cluster)
        while cluster.now_s < self.end_s and not _has_ended(cluster.state):
            cluster.run(min(15.0, self.end_s - cluster.now_s))
            cluster.gates = {}
        state = cluster.state
        return (
            (
                state.phase,
                state.revisions.promoted,
                state.revisions.finished,
                state.analysis.failed_checks,
                state.hooks.post_rollout_pending,
            ),
            (cluster.shares, cluster.mirror_percent, cluster.cookie, bool(state.previous_cookie)),
            (cluster.primary_revision, cluster.target_replicas),
            [(entry.revision, entry.outcome, entry.reason) for entry in state.history],
        )

    def _by_move(self) -> Iterator[Verdict]:
        """Answer by where the run stands: a question asked again after a crash gets the same answer."""
        while True:
            number = self.moves.setdefault(_move_of(self.cluster.state), len(self.moves))
            # Whether a check is due before a promotion ends is a matter of a second, and a crash costs one.
            is_promotion = self.cluster.state.phase is Phase.PROMOTING
            yield PASS if is_promotion else self.tape[number % len(self.tape)]

    def _before(self, effect: str) -> None:
        state = self.cluster.state
        if state.phase is Phase.FAILED:
            self.pulled.add(state.revisions.analysed)
        if effect.startswith("SetTraffic") and state.revisions.analysed in self.pulled:
            assert "canary_percent=0," in effect, "traffic returns to a canary that was pulled"
            assert "mirror_percent=0" in effect
        if effect.startswith("Promote"):
            check_before_promote(self.cluster, effect)
        self._survive()

    def _survive(self) -> None:
        if self.survivors is None:
            return
        cluster = self.cluster.fork()
        if not self.survivors or cluster != self.survivors[-1].cluster:
            pulled, moves = self.pulled.copy(), self.moves.copy()
            self.survivors.append(replace(self, cluster=cluster, pulled=pulled, moves=moves, survivors=None))


def begin(strategy: str, tape: tuple[Verdict, ...], *, opens_late: bool, rolls_without_gap: bool) -> Play:
    """Bootstrap a canary and change its image; with `opens_late` its gates are shut for 15 s."""
    cluster = SimulatedCluster(canary(STRATEGIES[strategy]), rolls_without_gap=rolls_without_gap)
    cluster.run(30)
    assert cluster.state.phase is Phase.INITIALIZED
    cluster.set_image("rev-2")
    cluster.gates = dict.fromkeys(HOOK_TYPES, Verdict.FAIL) if opens_late else {}
    return Play(cluster, tape, cluster.now_s + _LONG_ENOUGH_S)


@pytest.mark.parametrize(
    ("strategy", "opens_late"),
    [(name, False) for name in STRATEGIES] + [(name, True) for name in STRATEGIES if "gates" in name],
)
def test_a_crash_at_any_moment_changes_nothing_of_the_end(strategy: str, *, opens_late: bool) -> None:
    for tape in ((PASS, PASS), (PASS, FAIL), (FAIL, PASS), (FAIL, FAIL), (NO_DATA, PASS)):
        die_at_every_moment(strategy, tape, opens_late=opens_late)


@pytest.mark.long
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_crash_at_any_moment_changes_nothing_of_the_end_whatever_the_checks_say(strategy: str) -> None:
    for tape in product((PASS, FAIL, NO_DATA), repeat=3):
        die_at_every_moment(strategy, tape)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_crash_at_any_moment_leaves_nobody_on_a_primary_that_has_no_pod_while_it_rolls(strategy: str) -> None:
    for tape in ((PASS, PASS), (PASS, FAIL)):
        die_at_every_moment(strategy, tape, rolls_without_gap=False)


def die_at_every_moment(
    strategy: str, tape: tuple[Verdict, ...], *, opens_late: bool = False, rolls_without_gap: bool = True
) -> None:
    undisturbed = begin(strategy, tape, opens_late=opens_late, rolls_without_gap=rolls_without_gap)
    undisturbed.survivors = []
    expected = undisturbed.to_the_end()
    assert expected[0][0] in IDLE
    assert len(undisturbed.survivors) > _FEWEST_MOMENTS
    for survivor in undisturbed.survivors:
        died_in, died_s = survivor.cluster.state, survivor.cluster.now_s
        assert survivor.to_the_end() == expected, (tape, died_in, died_s)

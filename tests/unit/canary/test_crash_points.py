"""Every strategy, every short tape of verdicts, a crash before and after every effect: the same end as without it."""

from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import Any

import pytest

from canary.judge import Verdict
from canary.model.hooks import HOOK_TYPES
from canary.phase import IDLE, Phase
from tests.support.canaries import canary
from tests.support.serving_rules import check_at_rest, check_before_promote
from tests.support.simulated_cluster import Crash, SimulatedCluster

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
    "weights and gates": WEIGHTS | {"webhooks": GATES},
    "A/B": ITERATIONS | {"match": [{"headers": {"x-canary": {"exact": "insider"}}}]},
    "A/B and gates": ITERATIONS | {"match": [{"headers": {"x-canary": {"exact": "insider"}}}], "webhooks": GATES},
    "blue/green": ITERATIONS,
    "blue/green and mirror": ITERATIONS | {"mirror": True, "mirrorWeight": 20},
    "blue/green and gates": ITERATIONS | {"webhooks": GATES},
}
_LONG_ENOUGH_S = 400.0


class Killer:
    """Kills the agent once, at the numbered moment: each effect has one before it and one after it."""

    def __init__(self, cluster: SimulatedCluster, moment: int | None) -> None:
        self._cluster = cluster
        self._moment = moment
        self.moments = 0
        self.pulled: set[str] = set()

    def __call__(self, effect: str) -> None:
        state = self._cluster.state
        if state.phase is Phase.FAILED:
            self.pulled.add(state.analysed)
        if effect.startswith("SetWeights") and state.analysed in self.pulled:
            assert "canary_weight=0" in effect, "traffic returns to a canary that was pulled"
            assert "mirror_percent=0" in effect
        if effect.startswith("Promote"):
            check_before_promote(self._cluster, effect)
        self.count(effect)

    def count(self, _: str) -> None:
        self.moments += 1
        if self.moments - 1 == self._moment:
            raise Crash


def by_move(cluster: SimulatedCluster, tape: tuple[Verdict, ...]) -> Iterator[Verdict]:
    """Answer by the number of the stored move: a question asked again after a crash gets the same answer."""
    first = cluster.state.sequence
    while True:
        yield tape[(cluster.state.sequence - first) % len(tape)]


def bootstrapped(analysis: dict[str, Any], *, rolls_without_gap: bool) -> SimulatedCluster:
    cluster = SimulatedCluster(canary(analysis), rolls_without_gap=rolls_without_gap)
    cluster.run(30)
    assert cluster.state.phase is Phase.INITIALIZED
    return cluster


def play(
    strategy: str, tape: tuple[Verdict, ...], moment: int | None, *, opens_late: bool, rolls_without_gap: bool
) -> tuple[Killer, Any]:
    """Run a revision to its end with one crash; gives the killer and all that users can see of the end."""
    cluster = bootstrapped(STRATEGIES[strategy], rolls_without_gap=rolls_without_gap)
    cluster.verdicts = by_move(cluster, tape)
    killer = Killer(cluster, moment)
    cluster.before_effect, cluster.after_effect = killer, killer.count
    cluster.at_rest = partial(check_at_rest, cluster)
    cluster.set_image("rev-2")
    cluster.gates = dict.fromkeys(HOOK_TYPES, Verdict.FAIL) if opens_late else {}
    end_s = cluster.now_s + _LONG_ENOUGH_S
    while cluster.now_s < end_s and (cluster.state.finished != "rev-2" or cluster.state.has_untold_end):
        try:
            cluster.run(min(15.0, end_s - cluster.now_s))
            cluster.gates = {}
        except Crash:
            cluster.told_sequence = -1
    state = cluster.state
    return killer, (
        (state.phase, state.promoted, state.finished, state.failed_checks, state.has_untold_end),
        (cluster.shares, cluster.mirror_percent, cluster.cookie, bool(state.previous_cookie)),
        (cluster.primary_revision, cluster.target_replicas),
    )


@pytest.mark.parametrize(
    ("strategy", "opens_late"),
    [(name, False) for name in STRATEGIES] + [(name, True) for name in STRATEGIES if "gates" in name],
)
def test_a_crash_at_any_moment_changes_nothing_of_the_end(strategy: str, *, opens_late: bool) -> None:
    for tape in product((PASS, FAIL, NO_DATA), repeat=2):
        die_at_every_moment(strategy, tape, opens_late=opens_late)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_crash_at_any_moment_leaves_nobody_on_a_primary_that_has_no_pod_while_it_rolls(strategy: str) -> None:
    for tape in ((PASS, PASS), (PASS, FAIL)):
        die_at_every_moment(strategy, tape, rolls_without_gap=False)


def die_at_every_moment(
    strategy: str, tape: tuple[Verdict, ...], *, opens_late: bool = False, rolls_without_gap: bool = True
) -> None:
    how = {"opens_late": opens_late, "rolls_without_gap": rolls_without_gap}
    killer, expected = play(strategy, tape, None, **how)
    assert expected[0][0] in IDLE
    for moment in range(killer.moments):
        _, found = play(strategy, tape, moment, **how)
        assert found == expected, (tape, moment)

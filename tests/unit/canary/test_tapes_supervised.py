"""Random tapes of what may stand in a run's way, clocks among them: traffic is checked in time, or it is gone in time.

Time is counted twice: `now_s` of the cluster is what the agent's clock says, and jumps; the tape counts what passes.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from canary.run.judge import Verdict
from canary.run.observation import Question, RouteState
from canary.run.phase import IDLE, Phase
from canary.run.state import Blocker, State
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_parts import READY, ROLLING, UNREADY, always
from tests.support.simulated_runs import bootstrapped, phase

ALWAYS_THE_SAME = "SERIN_NEW_TAPES" not in os.environ
TAPES = 50 if ALWAYS_THE_SAME else 1_000

INTERVAL_S, DEADLINE_S, THRESHOLD = 10.0, 60.0, 3
ANALYSIS: dict[str, Any] = {
    "interval": "10s",
    "threshold": THRESHOLD,
    "unobservedDeadlineSeconds": int(DEADLINE_S),
    "webhooks": [],
}
STRATEGIES: list[dict[str, Any]] = [
    {},
    {"stepWeightPromotion": 20},
    {"stepWeight": None, "maxWeight": None, "iterations": 3},
    {"stepWeight": None, "maxWeight": None, "iterations": 3, "match": [{"headers": {"x": {"exact": "1"}}}]},
]
LOST = Blocker("InvalidSpec", "spec.analysis.interval: found 'x'")
NO_SCALER = Blocker("ScalerNotFound", "no such autoscaler")

# Half of them are looks of the agent at the next second; the other half of it is what a look costs.
SLACK_S = 6.0

jumps = st.tuples(st.just("clock"), st.one_of(st.floats(-7200, 7200), st.floats(-30, 30)))
times = st.tuples(st.just("time"), st.integers(1, 40))
happenings = st.one_of(
    times,
    times,
    jumps,
    st.tuples(st.just("suspend"), st.booleans()),
    st.tuples(st.just("blockers"), st.sampled_from([(), (NO_SCALER,)])),
    st.tuples(st.just("flagger"), st.sampled_from(["", "", "Pod flagger-system/flagger-1: runs Flagger"])),
    st.tuples(st.just("is_spec_lost"), st.booleans()),
    st.tuples(st.just("primary_readiness"), st.sampled_from([READY, READY, ROLLING, UNREADY])),
    st.tuples(st.just("target_readiness"), st.sampled_from([READY, READY, ROLLING, UNREADY])),
    st.tuples(st.just("is_target_paused"), st.booleans()),
    st.tuples(st.just("route_state"), st.sampled_from([RouteState.SETTLED, RouteState.WARNED])),
    st.tuples(st.just("ask"), st.sampled_from(["pause", "resume", "abort", "retry"])),
    st.tuples(st.just("image"), st.sampled_from(["rev-2", "rev-3"])),
    st.tuples(st.just("restart"), st.none()),
    st.tuples(st.just("wipe"), st.none()),
)


@dataclass
class Watch:
    """Lets time pass second by second, and holds the traffic against it. `world_s` is the time that passed."""

    cluster: SimulatedCluster
    world_s: float = 0.0
    supervised_s: float = 0.0
    asked: int = 0

    def pass_by(self, seconds: int) -> None:
        for _ in range(seconds):
            self.cluster.run(1.0)
            self.world_s += 1.0
            self._look()

    def _look(self) -> None:
        cluster, state = self.cluster, self.cluster.state
        checks = cluster.questions.count(Question.CHECKS)
        is_harmless = cluster.shares[1] == 0 or not cluster.can_primary_serve or state.control.skips_analysis
        # A canary that nobody knows anything of is a new one to that Flagger, which makes a route of its own for it.
        is_flaggers = bool(cluster.flagger) and state.phase in {None, Phase.INITIALIZING}
        if is_harmless or is_flaggers or checks > self.asked:
            self.asked, self.supervised_s = checks, self.world_s
        within_s = DEADLINE_S if cluster.is_spec_lost else 0.0 if cluster.flagger else INTERVAL_S
        alone_s = self.world_s - self.supervised_s
        assert alone_s <= within_s + SLACK_S, f"for {alone_s} s nobody looked at {cluster.weights} in {state}"

    def play(self, tape: list[tuple[str, Any]]) -> None:
        for kind, value in tape:
            if kind == "time":
                self.pass_by(value)
            else:
                happen(self.cluster, kind, value)
                # What was fine a moment ago has the time that what happened leaves it.
                self.supervised_s = self.world_s


def happen(cluster: SimulatedCluster, kind: str, value: Any) -> None:
    match kind:
        case "clock":
            cluster.now_s += value
        case "restart":
            cluster.restart()
        case "suspend":
            spec = cluster.canary.spec.model_copy(update={"suspend": value})
            cluster.canary = cluster.canary.model_copy(update={"spec": spec})
        case "is_spec_lost":
            cluster.is_spec_lost, cluster.blockers = value, (LOST,) if value else ()
        case "blockers" if cluster.is_spec_lost:
            pass
        case "ask":
            cluster.request = f"{value}@{cluster.revision}"
        case "image":
            cluster.set_image(value)
        case "wipe":
            cluster.state, cluster.status = State(), {}
            cluster.told_sequence = -1
        case _:
            assert hasattr(cluster, kind)
            setattr(cluster, kind, value)


def begun(strategy: dict[str, Any], verdicts: Iterator[Verdict]) -> SimulatedCluster:
    """Return a run whose canary side has traffic, or is about to."""
    cluster = bootstrapped(ANALYSIS | strategy)
    cluster.verdicts = verdicts
    cluster.set_image("rev-2")
    cluster.run(30)
    cluster.questions.clear()
    return cluster


def from_tape(verdicts: list[Verdict]) -> Iterator[Verdict]:
    yield from verdicts
    yield from always(Verdict.PASS)


tapes = st.lists(happenings, max_size=30)
tried = settings(
    max_examples=TAPES, deadline=None, derandomize=ALWAYS_THE_SAME, suppress_health_check=[HealthCheck.too_slow]
)


@tried
@given(st.sampled_from(STRATEGIES), st.lists(st.sampled_from(list(Verdict)), max_size=30), tapes)
def test_traffic_is_checked_each_interval_or_gone_by_its_deadline(
    strategy: dict[str, Any], verdicts: list[Verdict], tape: list[tuple[str, Any]]
) -> None:
    watch = Watch(begun(strategy, from_tape(verdicts)))
    watch.play(tape)
    watch.pass_by(120)


@tried
@given(
    st.sampled_from(STRATEGIES),
    tapes,
    st.sampled_from([Verdict.FAIL, Verdict.NO_DATA, Verdict.ERROR]),
    st.lists(st.tuples(jumps, times), max_size=4),
    st.booleans(),
)
def test_a_bad_canary_loses_its_traffic_in_time_whatever_is_in_the_way_and_whatever_the_clock_says(
    strategy: dict[str, Any],
    tape: list[tuple[str, Any]],
    verdict: Verdict,
    tail: list[tuple[tuple[str, float], tuple[str, int]]],
    is_suspended: bool,  # noqa: FBT001  hypothesis gives it
) -> None:
    cluster = begun(strategy, always(Verdict.PASS))
    watch = Watch(cluster)
    watch.play(tape)
    cluster.primary_readiness = READY
    happen(cluster, "suspend", is_suspended)
    if phase(cluster) in {None, Phase.INITIALIZING}:
        cluster.flagger = ""
    revision, sequence = cluster.revision, cluster.state.transition.sequence
    if cluster.state.control.skips_analysis or phase(cluster) is Phase.PROMOTING:
        # A primary that is up ends it: what nothing is known of any more leaves the canary that way.
        cluster.primary_readiness = ROLLING
    cluster.verdicts = always(verdict)
    started_s = watch.world_s
    for jump, time in tail:
        watch.play([jump, time])
    is_counted = verdict is Verdict.FAIL and not cluster.is_spec_lost
    within_s = (THRESHOLD * INTERVAL_S if is_counted else DEADLINE_S) + (2 + len(tail)) * INTERVAL_S + 10
    watch.pass_by(max(int(within_s - (watch.world_s - started_s)), 0))
    assert cluster.shares[1] == 0, (revision, sequence)


@tried
@given(st.sampled_from(STRATEGIES), st.lists(st.one_of(times, jumps), max_size=30), st.integers(0, 500))
def test_no_clock_that_jumps_fails_a_run_that_is_well(
    strategy: dict[str, Any], tape: list[tuple[str, Any]], up_after_s: int
) -> None:
    cluster = bootstrapped(ANALYSIS | strategy)
    cluster.target_readiness = UNREADY
    cluster.set_image("rev-2")
    watch = Watch(cluster)
    left_s = up_after_s
    for kind, value in tape:
        if kind == "time" and left_s > 0:
            watch.pass_by(min(value, left_s))
            left_s -= value
            continue
        cluster.target_readiness = UNREADY if left_s > 0 else READY
        watch.play([(kind, value)])
    watch.pass_by(max(left_s, 0))
    cluster.target_readiness = READY
    watch.pass_by(400)
    assert (phase(cluster), cluster.primary_revision) == (Phase.SUCCEEDED, "rev-2")
    assert cluster.state.analysis.failed_checks == 0
    assert phase(cluster) in IDLE

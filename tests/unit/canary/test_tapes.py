"""Random tapes of verdicts, revisions, failures and crashes: what must hold at every effect, and at the end."""

import contextlib
import operator
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from canary.api.canary import Canary
from canary.api.hooks import HOOK_TYPES
from canary.run.action import ClaimRequest, DropRequest, Promote, SetFinalizer, SetTraffic
from canary.run.judge import Verdict
from canary.run.managed import ManagedObject
from canary.run.observation import Observation, RouteState
from canary.run.phase import ANALYSING, IDLE, Phase
from canary.run.request import Verb, split_claim
from canary.run.state import Blocker, State
from tests.support.canaries import canary, with_spec
from tests.support.history_rules import HistoryRule
from tests.support.serving_rules import (
    ReadyRule,
    check_at_rest,
    check_before_promote,
    check_before_traffic,
    check_stored,
)
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_parts import READY, ROLLING, UNREADY, Crash, Refused, always
from tests.support.simulated_runs import resume_text
from tests.support.simulated_sizes import SimulatedSizes

# A change is judged by the same tapes each time; `make tapes` looks for new ones, and for many more.
ALWAYS_THE_SAME = "SERIN_NEW_TAPES" not in os.environ
TAPES, DELETIONS = (500, 150) if ALWAYS_THE_SAME else (10_000, 2_000)

WEIGHTS: dict[str, Any] = {"threshold": 2, "stepWeight": 20, "maxWeight": 60}
STEPS = {"threshold": 1, "stepWeight": None, "maxWeight": None, "stepWeights": [10, 100]}
BACK = {"threshold": 3, "stepWeight": 50, "maxWeight": 100, "stepWeightPromotion": 30, "drainSeconds": 0}
ITERATIONS: dict[str, Any] = {"threshold": 2, "stepWeight": None, "maxWeight": None, "iterations": 3}
AFFINE = WEIGHTS | {"mirror": True, "mirrorWeight": 40, "sessionAffinity": {"cookieName": "side"}}
AB = ITERATIONS | {"match": [{"headers": {"x-canary": {"exact": "insider"}}}]}
LISTED: dict[str, Any] = WEIGHTS | {
    "stepWeight": None,
    "maxWeight": None,
    "steps": [{"weight": 20, "duration": "45s"}, {"weight": 20, "pause": {}}, {"weight": 60}],
    "bake": "25s",
}
STRATEGIES: dict[str, dict[str, Any]] = {
    "weights": WEIGHTS,
    "steps": STEPS,
    "back in steps": BACK,
    "listed steps and bake": LISTED,
    "weights, mirror and cookie": AFFINE,
    "A/B": AB,
    "weights by match": WEIGHTS | {"match": AB["match"]},
    "blue/green": ITERATIONS,
    "blue/green and mirror": ITERATIONS | {"mirror": True},
    "blue/green and bake": ITERATIONS | {"bake": "15s"},
}

GONE = Blocker("TargetNotFound", "no such target")


@cache
def canary_with(strategy: str, hooks: frozenset[str], is_skipped: bool) -> Canary:  # noqa: FBT001  hypothesis gives it
    """Return a canary of a strategy with a hook of each type, of the type's own name."""
    webhooks = [{"name": kind, "type": kind, "url": "http://hooks.test/"} for kind in sorted(hooks)]
    return canary(STRATEGIES[strategy] | {"webhooks": webhooks}, skipAnalysis=is_skipped)


HOOKS = [kind for kind in HOOK_TYPES if kind != "event"]
hooks = st.one_of(st.just({"pre-rollout"}), st.just(HOOKS), st.sets(st.sampled_from(HOOKS))).map(frozenset)
skipped = st.sampled_from([False, False, False, True])
canaries = st.builds(canary_with, st.sampled_from(list(STRATEGIES)), hooks, skipped)
revisions = st.sampled_from([f"rev-00{number}" for number in range(1, 5)])
readiness = st.sampled_from([READY, READY, READY, ROLLING, UNREADY])
REFUSABLE = [ClaimRequest, DropRequest, SetFinalizer, SetTraffic, Promote]
happenings = st.one_of(
    st.tuples(st.just("time"), st.floats(0.1, 40)),
    st.tuples(st.just("time"), st.floats(0.1, 40)),
    st.tuples(st.just("image"), revisions),
    st.tuples(st.just("crash"), st.integers(1, 4)),
    st.tuples(st.just("target_readiness"), readiness),
    st.tuples(st.just("primary_readiness"), readiness),
    st.tuples(st.just("route_state"), st.sampled_from(list(RouteState))),
    st.tuples(st.just("may_be_known"), st.booleans()),
    st.tuples(st.just("is_drained"), st.sampled_from([True, False, None])),
    st.tuples(st.just("blockers"), st.sampled_from([(), (Blocker("ScalerNotFound", "no such autoscaler"),)])),
    st.tuples(st.just("refused_objects"), st.sets(st.sampled_from(list(ManagedObject)), max_size=2)),
    st.tuples(st.just("refused_actions"), st.sets(st.sampled_from(REFUSABLE), max_size=2)),
    st.tuples(st.just("stale"), st.sets(st.sampled_from(["target", "route"]))),
    st.tuples(st.just("primary_revision"), st.none()),
    # Not the route: the fence against deposed agents is written on it.
    st.tuples(
        st.just("lost"), st.sets(st.sampled_from([part for part in ManagedObject if part is not ManagedObject.ROUTE]))
    ),
    st.tuples(st.just("pause"), st.none()),
    st.tuples(st.just("wake"), st.booleans()),
    st.tuples(st.just("gates"), st.dictionaries(st.sampled_from(HOOKS), st.sampled_from(list(Verdict)))),
    st.tuples(st.just("canary"), canaries),
    st.tuples(st.just("ask"), st.sampled_from(list(Verb))),
    st.tuples(st.just("suspend"), st.booleans()),
    st.tuples(st.just("gone"), st.booleans()),
    st.tuples(st.just("conflicts"), st.integers(1, 3)),
    st.tuples(st.just("rolls_without_gap"), st.booleans()),
    st.tuples(st.just("pruned"), st.booleans()),
    st.tuples(st.just("sizes"), st.builds(SimulatedSizes, st.integers(1, 20), *[st.sampled_from([None, 8, 30])] * 2)),
)

# Most of what happens before a run is under way comes to nothing: half of the tapes begin with one.
under_way = st.tuples(
    st.just(("time", 30.0)), st.just(("image", "rev-002")), st.tuples(st.just("time"), st.floats(1, 60))
).map(list)
tapes = st.one_of(
    st.lists(happenings, max_size=40),
    st.builds(operator.add, under_way, st.lists(happenings, min_size=4, max_size=40)),
)


@dataclass
class Watcher:
    """Stands before every effect and holds it against the rules; it also plays the crashes of the tape."""

    cluster: SimulatedCluster
    crash_in: int = 0
    conflicts: int = 0
    is_size_new: bool = False
    failed: set[str] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)
    retried: set[str] = field(default_factory=set)
    phases: list[Phase | None] = field(default_factory=list)
    runs: HistoryRule = field(default_factory=HistoryRule)
    seen: tuple[Canary, State] | None = None

    def __call__(self, effect: str) -> None:
        cluster, state = self.cluster, self.cluster.state
        self._check_pause()
        self.crash(effect)
        if effect == "answers" and self.conflicts:
            self.conflicts -= 1
            cluster.writes_by_others += 1
        self._note_end(state)
        if effect.startswith("SetTraffic"):
            self._check_weights(effect)
            if not self.is_size_new:
                check_before_traffic(cluster)
        if effect == "ScaleTarget(replicas=0)":
            assert cluster.weights == (100, 0), "the canary side still has traffic"
            assert cluster.served == (100, 0), "the gateway may still send to the canary side"
            assert cluster.primary_revision is not None
            assert cluster.primary_readiness.has_available, "the last copy that serves is scaled down"
        if effect.startswith("Promote"):
            self._check_promote(effect)

    def _check_promote(self, effect: str) -> None:
        cluster, state = self.cluster, self.cluster.state
        is_promotion = state.phase in {Phase.INITIALIZING, Phase.PROMOTING, Phase.FINALISING}
        is_newer = state.phase is Phase.PROMOTING and cluster.revision != state.revisions.analysed
        is_given_up = state.phase is Phase.PROMOTING and state.analysis.is_given_up
        revision = state.revisions.analysed if is_promotion else state.revisions.promoted
        if is_given_up or (is_newer and f"'{state.revisions.promoted}'" in effect):
            revision = state.revisions.promoted
        assert f"'{revision}'" in effect
        assert revision not in self.failed - {state.revisions.promoted}, "a rolled-back revision is promoted"
        if revision == state.revisions.analysed and state.phase is Phase.PROMOTING:
            assert revision in cluster.passed | self.skipped, "what never passed is promoted"
        check_before_promote(cluster, effect)

    def _check_pause(self) -> None:
        """See that no run goes on behind a step's pause that nobody resumed, unless the spec was edited meanwhile."""
        before, self.seen = self.seen, (self.cluster.canary, self.cluster.state)
        state, analysis = self.cluster.state, self.cluster.canary.analysis
        if before is None or before[0] is not self.cluster.canary or analysis is None:
            return
        was = before[1]
        is_same = was.revisions.analysed == state.revisions.analysed
        if is_same and was.analysis.step.number > 0 and state.analysis.step.number > was.analysis.step.number:
            is_pause = analysis.steps[was.analysis.step.number - 1].is_pause
            assert not is_pause or was.analysis.step.is_resumed, "a pause ends, and nobody resumed it"

    def crash(self, _: str) -> None:
        """Die where the tape says so."""
        if self.crash_in:
            self.crash_in -= 1
            if self.crash_in == 0:
                raise Crash

    def _note_end(self, state: State) -> None:
        """Note what was rolled back, what somebody asked to be analysed again since, and what needs no analysis."""
        self.runs.see(state)
        # A status that is lost, even in the write of this, forgets why it is being promoted.
        if state.control.skips_analysis or self.cluster.canary.is_analysis_skipped:
            self.skipped.add(state.revisions.analysed)
        asked, _ = split_claim(self.cluster.request)
        if asked.startswith(Verb.PROMOTE):
            self.skipped.add(asked.partition("@")[2])
        if state.phase is Phase.FAILED:
            self.failed.add(state.revisions.analysed)
        elif state.control.request is not None and state.control.request.claim not in self.retried:
            self.retried.add(state.control.request.claim)
            if state.control.request.text.startswith(Verb.RETRY) and not state.control.request.why_refused:
                self.failed.discard(state.revisions.analysed)

    def _check_weights(self, effect: str) -> None:
        state = self.cluster.state
        found = re.fullmatch(
            r"SetTraffic\(traffic=Traffic\(canary_percent=(\d+), mirror_percent=(\d+), "
            r"cookie='(.*)', includes_unmatched=(\w+)\), sequence=\d+\)",
            effect,
        )
        assert found is not None
        share, mirrored = int(found[1]), int(found[2])
        assert share <= state.traffic.canary_percent, "more traffic than the stored intent allows"
        assert mirrored <= state.traffic.mirror_percent, "more copies than the stored intent allows"
        assert found[3] in {"", state.traffic.cookie}
        assert found[4] == "False" or state.traffic.includes_unmatched, (
            "more users on the canary than the stored intent allows"
        )
        if not (state.phase in ANALYSING and state.analysis.started_at_s is not None):
            assert mirrored == 0, "mirrored without an analysis"
        if share == 0:
            assert found[3] == "", "a cookie leads to a side that gets nothing"
        is_step = state.phase in ANALYSING and share > self.cluster.shares[1]
        if is_step and state.traffic.canary_percent == share:
            assert self.cluster.served == self.cluster.shares, "a step is taken before the one before it is served"
        if state.revisions.analysed in self.failed:
            assert share == mirrored == 0, "traffic returns to a canary that was pulled"


def check_all_at_rest(cluster: SimulatedCluster, ready: ReadyRule) -> None:
    check_at_rest(cluster)
    check_stored(cluster)
    ready.check()


def play(cluster: SimulatedCluster, watcher: Watcher, tape: list[tuple[str, Any]]) -> None:
    """Let everything on the tape happen; after a crash the next tick starts from what is stored."""
    old_view = (cluster.state, cluster.observe())
    for kind, value in tape:
        match kind:
            case "time":
                run(cluster, value)
                watcher.is_size_new = False
            case "crash":
                watcher.crash_in = value
            case "conflicts":
                watcher.conflicts = value
            case "pause":
                old_view = (cluster.state, cluster.observe())
            case "wake":
                wake_deposed(cluster, *old_view, sees_world_afresh=value)
            case _:
                happen(cluster, watcher, kind, value)
        watcher.phases.append(cluster.state.phase)


def happen(cluster: SimulatedCluster, watcher: Watcher, kind: str, value: Any) -> None:
    """Let the cluster change, by somebody's hand or by itself."""
    watcher.is_size_new |= kind == "sizes"
    match kind:
        case "image":
            # What was failed for good may be analysed afresh when a user applies it again after another one.
            if cluster.revision != value:
                watcher.failed.discard(value)
            cluster.set_image(value)
        case "ask":
            cluster.request = f"{value}@{cluster.revision}"
        case "suspend":
            cluster.canary = with_spec(cluster.canary, suspend=value)
        case "stale":
            now = cluster.observe()
            # A target that is seen to be gone is an obstacle, too: the two come from one cache.
            cluster.stale = {name: getattr(now, name) for name in value if getattr(now, name) is not None}
        case "pruned":
            cluster.storage.prunes = value
        case "lost":
            cluster.parts -= value
        case "gone":
            cluster.is_target_gone = value
            cluster.stale.pop("target", None)
            cluster.blockers = (GONE,) if value else ()
        case "blockers" if cluster.is_target_gone:
            pass
        case _:
            assert hasattr(cluster, kind)
            setattr(cluster, kind, value)


def wake_deposed(cluster: SimulatedCluster, state: State, seen: Observation, *, sees_world_afresh: bool) -> None:
    """Let an agent tick that was stopped a while ago: its status is old, its other caches old or already fresh."""
    with contextlib.suppress(Refused, Crash):
        cluster.tick_of(state, cluster.observe() if sees_world_afresh else seen)


def run(cluster: SimulatedCluster, seconds: float) -> None:
    end_s = cluster.now_s + seconds
    while cluster.now_s < end_s:
        try:
            cluster.run(end_s - cluster.now_s)
        except Crash:
            cluster.restart()
            cluster.now_s += 0.01
        except Refused:
            cluster.now_s += 0.4


def from_tape(verdicts: list[Verdict]) -> Iterator[Verdict]:
    yield from verdicts
    yield from always(Verdict.PASS)


def by_move(cluster: SimulatedCluster, verdicts: list[Verdict]) -> Iterator[Verdict]:
    """Answer by the number of the stored move, so that a question asked again after a crash gets the same answer."""
    first = cluster.state.transition.sequence
    while True:
        position = cluster.state.transition.sequence - first
        yield verdicts[position] if position < len(verdicts) else Verdict.PASS


def all_well(cluster: SimulatedCluster, watcher: Watcher) -> None:
    """From now on nothing goes wrong any more, and nobody holds the run but who paused it."""
    watcher.crash_in = 0
    cluster.target_readiness = cluster.primary_readiness = READY
    cluster.route_state, cluster.is_drained = RouteState.SETTLED, None
    play(cluster, watcher, [("gone", False), ("suspend", False), ("pruned", False)])
    cluster.refused_objects, cluster.refused_actions, cluster.gates = set(), set(), {}
    cluster.stale.clear()


@settings(max_examples=TAPES, deadline=None, derandomize=ALWAYS_THE_SAME, suppress_health_check=[HealthCheck.too_slow])
@given(canaries, st.lists(st.sampled_from(list(Verdict)), max_size=40), st.booleans(), tapes)
@example(
    tried=canary_with("weights", frozenset({"pre-rollout"}), is_skipped=False),
    verdicts=[],
    rolls_without_gap=False,
    tape=[
        *[("time", 30.0), ("image", "rev-002"), ("time", 22.0)],
        *[("stale", {"target"}), ("image", "rev-001"), ("time", 20.0)],
    ],
)
@example(
    tried=canary_with("weights", frozenset(), is_skipped=False),
    verdicts=[],
    rolls_without_gap=False,
    tape=[("time", 30.0), ("image", "rev-002"), ("time", 42.0), ("ask", Verb.ABORT)],
)
def test_no_tape_breaks_a_rule_and_every_run_ends(
    tried: Canary,
    verdicts: list[Verdict],
    rolls_without_gap: bool,  # noqa: FBT001  hypothesis gives it
    tape: list[tuple[str, Any]],
) -> None:
    cluster = SimulatedCluster(tried, verdicts=from_tape(verdicts), rolls_without_gap=rolls_without_gap)
    watcher = Watcher(cluster)
    cluster.before_effect, cluster.at_rest = watcher, partial(check_all_at_rest, cluster, ReadyRule(cluster))
    play(cluster, watcher, tape)
    all_well(cluster, watcher)
    for _ in range(50):
        run(cluster, 60)
        # Whoever paused it by request, and the pause of a step, of which there may be two after an edit.
        if cluster.state.control.is_paused or any(key.startswith("pause/") for key in cluster.state.hooks.waiting_for):
            cluster.request = cluster.request or resume_text(cluster)
    state = cluster.state
    assert cluster.request == "", "a request is not answered"
    assert state.phase in IDLE, "the run does not end"
    assert cluster.weights == (100, 0)
    assert cluster.target_replicas == 0
    assert (
        state.revisions.finished in {cluster.revision, state.revisions.promoted}
        or state.revisions.promoted == cluster.revision
    )
    assert cluster.primary_revision == state.revisions.promoted


def check_farewell(cluster: SimulatedCluster, watcher: Watcher, effect: str) -> None:
    """See that a Canary, whose primary goes with it, is not let go while the gateway may send to that."""
    watcher.crash(effect)
    is_reverted = cluster.state.phase is Phase.TERMINATED and not cluster.is_target_gone
    if effect == "SetFinalizer(is_set=False)" and is_reverted and cluster.weights is not None:
        assert cluster.served == cluster.shares, "the gateway may still send to the primary"


@settings(
    max_examples=DELETIONS, deadline=None, derandomize=ALWAYS_THE_SAME, suppress_health_check=[HealthCheck.too_slow]
)
@given(
    canaries,
    st.lists(st.sampled_from(list(Verdict)), max_size=10),
    st.lists(happenings, max_size=20),
    st.lists(happenings.filter(lambda happening: happening[0] != "canary"), max_size=8),
)
def test_every_deletion_ends_with_the_target_in_charge(
    tried: Canary, verdicts: list[Verdict], tape: list[tuple[str, Any]], tail: list[tuple[str, Any]]
) -> None:
    cluster = SimulatedCluster(tried, verdicts=from_tape(verdicts))
    watcher = Watcher(cluster)
    cluster.before_effect = watcher
    play(cluster, watcher, tape)
    play(cluster, watcher, [("gone", False), ("suspend", False), ("pruned", False)])
    watcher.crash_in = 0
    cluster.canary = with_spec(cluster.canary, revert_on_deletion=True)
    cluster.refused_actions.clear()
    run(cluster, 61)
    assert cluster.has_finalizer or cluster.state.phase is None
    has_begun = cluster.state.phase is not None
    cluster.is_deleted, cluster.before_effect = True, partial(check_farewell, cluster, watcher)
    play(cluster, watcher, [happening for happening in tail if happening[0] != "gone"])
    all_well(cluster, watcher)
    run(cluster, 400)
    assert not cluster.has_finalizer, "the deletion hangs"
    if has_begun:
        assert cluster.state.phase is Phase.TERMINATED
        assert (cluster.weights, cluster.mirror_percent) in {((0, 100), 0), (None, 0)}
        assert cluster.target_replicas > 0


@settings(max_examples=100, deadline=None, derandomize=ALWAYS_THE_SAME)
@given(st.lists(st.sampled_from(list(Verdict)), max_size=30), st.integers(0, 60))
def test_a_crash_before_any_effect_does_not_change_the_end(verdicts: list[Verdict], crash_at: int) -> None:
    def end(crash_in: int) -> tuple[Any, ...]:
        cluster = SimulatedCluster(canary({"threshold": 2, "stepWeight": 20}))
        run(cluster, 30)
        cluster.verdicts = by_move(cluster, verdicts)
        watcher = Watcher(cluster, crash_in=crash_in)
        cluster.before_effect = watcher
        cluster.set_image("rev-2")
        run(cluster, 2000)
        state = cluster.state
        return (
            state.phase,
            state.revisions.promoted,
            state.analysis.failed_checks,
            cluster.weights,
            cluster.primary_revision,
        )

    assert end(crash_at) == end(0)

"""Random tapes of verdicts, revisions, failures and crashes: what must hold at every effect, and at the end."""

import contextlib
import operator
import os
from collections.abc import Iterator
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
from canary.run.phase import IDLE, Phase
from canary.run.request import Verb
from canary.run.state import Blocker, State
from tests.support.canaries import canary, with_spec
from tests.support.serving_rules import ReadyRule, check_at_rest, check_stored
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_parts import READY, ROLLING, UNREADY, Crash, Refused, always
from tests.support.simulated_runs import resume_text
from tests.support.simulated_sizes import SimulatedSizes
from tests.support.tape_watcher import Watcher

# A change is judged by the same tapes each time; `make tapes` looks for new ones, and for many more.
ALWAYS_THE_SAME = "SERIN_NEW_TAPES" not in os.environ
TAPES, DELETIONS = (500, 150) if ALWAYS_THE_SAME else (10_000, 2_000)

# One that must fail twice in a row, and one that decides nothing.
METRICS: list[dict[str, Any]] = [
    {"name": "check", "query": "1", "threshold": 1, "consecutiveFailures": 2},
    {"name": "dry", "query": "2", "threshold": 1, "dryRun": True},
]
WEIGHTS: dict[str, Any] = {"threshold": 2, "stepWeight": 20, "maxWeight": 60}
STEPS = {"threshold": 1, "stepWeight": None, "maxWeight": None, "stepWeights": [10, 100]}
BACK = {
    "threshold": 3,
    "stepWeight": 50,
    "maxWeight": 100,
    "stepWeightPromotion": 30,
    "drainSeconds": 0,
    "metrics": METRICS,
}
ITERATIONS: dict[str, Any] = {"threshold": 2, "stepWeight": None, "maxWeight": None, "iterations": 3}
AFFINE = WEIGHTS | {"mirror": True, "mirrorWeight": 40, "sessionAffinity": {"cookieName": "side"}}
AB = ITERATIONS | {"match": [{"headers": {"x-canary": {"exact": "insider"}}}]}
LISTED: dict[str, Any] = WEIGHTS | {
    "stepWeight": None,
    "maxWeight": None,
    "steps": [{"weight": 20, "duration": "45s"}, {"weight": 20, "pause": {}}, {"weight": 60}],
    "bake": "25s",
    "metrics": METRICS,
}
STRATEGIES: dict[str, dict[str, Any]] = {
    "weights": WEIGHTS,
    "steps": STEPS,
    "back in steps": BACK,
    "listed steps and bake": LISTED,
    "weights, mirror and cookie": AFFINE,
    "A/B": AB,
    "weights by match": WEIGHTS | {"match": AB["match"]},
    "blue/green": ITERATIONS | {"metrics": METRICS},
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
@given(st.lists(st.sampled_from(list(Verdict)), max_size=30), st.integers(0, 60), st.sampled_from([None, METRICS]))
def test_a_crash_before_any_effect_does_not_change_the_end(
    verdicts: list[Verdict], crash_at: int, metrics: list[dict[str, Any]] | None
) -> None:
    def end(crash_in: int) -> tuple[Any, ...]:
        cluster = SimulatedCluster(canary({"threshold": 2, "stepWeight": 20, "metrics": metrics}))
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
            state.analysis.failed_in_row,
            cluster.weights,
            cluster.primary_revision,
        )

    assert end(crash_at) == end(0)

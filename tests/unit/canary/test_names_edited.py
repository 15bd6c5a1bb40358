"""What a canary's objects are named after is edited: the traffic moves first, then the names."""

from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from canary.api.canary import Canary
from canary.api.names import Identity
from canary.run.judge import Verdict
from canary.run.phase import IDLE, Phase
from canary.run.state import Blocker
from tests.support.canaries import canary
from tests.support.serving_rules import check_at_rest
from tests.support.simulated_names import RenamedCluster
from tests.support.simulated_parts import READY, ROLLING, UNREADY
from tests.support.simulated_runs import hook, phase, resume_text
from tests.support.tape_watcher import Watcher
from tests.unit.canary.test_tapes import (
    ALWAYS_THE_SAME,
    all_well,
    canaries,
    from_tape,
    happenings,
    play,
    run,
)

MADE = Identity("podinfo", "Deployment", "podinfo")
SHOP = Identity("podinfo", "Deployment", "shop")
OTHER = Identity("other", "Deployment", "other")
OTHER_BEHIND_PODINFO = Identity("other", "Deployment", "podinfo")
AS_DAEMONSET = Identity("podinfo", "DaemonSet", "podinfo")
WEIGHTS: dict[str, Any] = {"stepWeight": 20, "maxWeight": 60, "threshold": 2}


def bootstrapped(analysis: dict[str, Any] | None = None) -> RenamedCluster:
    cluster = RenamedCluster(canary(WEIGHTS | (analysis or {})))
    cluster.run(30)
    assert (phase(cluster), cluster.state.identity) == (Phase.INITIALIZED, MADE)
    cluster.told.clear()
    cluster.promoted.clear()
    return cluster


def under_way(analysis: dict[str, Any] | None = None) -> RenamedCluster:
    cluster = bootstrapped(analysis)
    cluster.set_image("rev-2")
    cluster.run(100, until=lambda: cluster.weights == (60, 40))
    assert phase(cluster) is Phase.PROGRESSING
    return cluster


def ready(cluster: RenamedCluster) -> tuple[str, str]:
    """Return status and reason of the condition."""
    found = next(one for one in cluster.status["conditions"] if one["type"] == "Ready")
    return found["status"], found["reason"]


def test_the_names_are_stored_with_the_first_phase() -> None:
    cluster = RenamedCluster(canary(WEIGHTS), blockers=(Blocker("TargetNotFound", "no such target"),))
    cluster.run(10)
    assert cluster.state.identity is None, "nothing is made yet"
    cluster.blockers = ()
    cluster.settle()
    assert cluster.status["serin"]["names"] == {"target": "podinfo", "kind": "Deployment", "service": "podinfo"}


def test_an_older_versions_status_gets_the_names_and_nothing_else_moves() -> None:
    cluster = bootstrapped()
    del cluster.status["serin"]["names"]
    cluster.state = type(cluster.state)(**{**_fields(cluster.state), "identity": None})
    cluster.settle()
    assert (cluster.state.identity, phase(cluster), cluster.texts()) == (MADE, Phase.INITIALIZED, [])


def _fields(state: Any) -> dict[str, Any]:
    return {name: getattr(state, name) for name in state.__dataclass_fields__}


def test_another_service_in_mid_run_pulls_the_old_table_before_anything_is_named_anew() -> None:
    cluster = under_way()
    cluster.spec_names = SHOP
    cluster.run(60)
    assert cluster.left == [(MADE, (100, 0), "rev-1")]
    assert (phase(cluster), cluster.state.identity, cluster.weights) == (Phase.FAILED, SHOP, (100, 0))
    assert (cluster.primary_revision, cluster.promoted, cluster.target_replicas) == ("rev-1", [], 0)
    told = cluster.texts()
    pulled = (
        "Rolling back podinfo.test its names were edited from Deployment podinfo with Service podinfo to Deployment "
        "podinfo with Service shop"
    )
    assert pulled in told
    followed = (
        "Names of podinfo.test changed from Deployment podinfo with Service podinfo to Deployment podinfo with Service "
        "shop. What was made under the old names is kept as it is, with all traffic on the primary: delete it when "
        "nothing leads there any more"
    )
    assert told.index(pulled) < told.index(followed)


def test_another_service_between_runs_is_followed_at_once_and_the_next_run_goes_on_there() -> None:
    cluster = bootstrapped()
    cluster.spec_names = SHOP
    cluster.settle()
    assert (cluster.state.identity, cluster.left) == (SHOP, [(MADE, (100, 0), "rev-1")])
    cluster.set_image("rev-2")
    cluster.run(300)
    assert (phase(cluster), cluster.promoted, cluster.weights) == (Phase.SUCCEEDED, ["rev-2"], (100, 0))
    assert len(cluster.left) == 1


def test_a_promotion_ends_before_names_are_followed() -> None:
    cluster = under_way()
    cluster.run(900, until=lambda: cluster.state.phase is Phase.PROMOTING)
    cluster.primary_readiness, cluster.spec_names = ROLLING, SHOP
    cluster.run(20)
    assert (phase(cluster), cluster.state.identity) == (Phase.PROMOTING, MADE)
    cluster.primary_readiness = READY
    cluster.run(60)
    assert (phase(cluster), cluster.state.identity) == (Phase.SUCCEEDED, SHOP)
    assert cluster.left == [(MADE, (100, 0), "rev-2")]


def test_the_old_canary_side_is_drained_and_its_hooks_are_called_before_the_names_are_left() -> None:
    cluster = under_way({"webhooks": [hook("post-rollout")]})
    cluster.spec_names, cluster.is_drained = SHOP, False
    cluster.run(20)
    assert (cluster.weights, cluster.state.identity) == ((100, 0), MADE)
    assert "post-rollout/post-rollout" in cluster.asked
    cluster.set_image("rev-3")
    cluster.run(20)
    rolled_back = [text for text in cluster.texts() if text.startswith("Rolling back")]
    assert (phase(cluster), len(rolled_back)) == (Phase.FAILED, 1), "no run begins under names that are to be left"
    cluster.is_drained = True
    cluster.run(300)
    assert (cluster.state.identity, cluster.target_replicas, cluster.promoted) == (SHOP, 0, ["rev-3"])


@pytest.mark.parametrize("wanted", [OTHER_BEHIND_PODINFO, AS_DAEMONSET])
@pytest.mark.parametrize("is_under_way", [False, True])
def test_another_target_behind_the_same_services_is_held_with_the_users_where_they_are(
    wanted: Identity, *, is_under_way: bool
) -> None:
    cluster = under_way() if is_under_way else bootstrapped()
    cluster.spec_names = wanted
    cluster.run(120)
    assert (cluster.weights, cluster.primary_revision, cluster.state.identity) == ((100, 0), "rev-1", MADE)
    assert ready(cluster) == ("False", "TargetChanged")
    field = "name" if wanted.target == "other" else "kind"
    assert (
        f"Canary test/podinfo spec.targetRef.{field}: found '{wanted.kind} {wanted.target}'; allowed: Deployment "
        "podinfo as long as the Services are named podinfo, for they lead the users to podinfo-primary"
    ) in " ".join(cluster.texts())
    cluster.set_image("rev-3")
    cluster.run(60)
    assert phase(cluster) in IDLE, "nothing is rolled out meanwhile"
    cluster.spec_names = None
    cluster.run(300)
    assert (ready(cluster)[0], phase(cluster), cluster.promoted) == ("True", Phase.SUCCEEDED, ["rev-3"])


def test_a_primary_that_goes_while_another_target_is_held_is_made_again() -> None:
    cluster = bootstrapped()
    cluster.spec_names = OTHER_BEHIND_PODINFO
    cluster.settle()
    cluster.primary_revision = None
    cluster.settle()
    assert cluster.promoted == ["rev-1"]


def test_another_target_with_services_of_its_own_begins_beside_the_old_ones_when_it_is_there() -> None:
    cluster = under_way()
    cluster.spec_names, cluster.has_new_target = OTHER, False
    cluster.run(60)
    assert (cluster.weights, cluster.state.identity) == ((100, 0), MADE)
    assert ready(cluster) == ("False", "TargetNotFound")
    cluster.has_new_target, cluster.primary_readiness = True, UNREADY
    cluster.run(10)
    assert (phase(cluster), cluster.state.identity, cluster.weights) == (Phase.INITIALIZING, OTHER, None)
    cluster.primary_readiness = READY
    cluster.run(60)
    assert cluster.left == [(MADE, (100, 0), "rev-1")]
    assert (phase(cluster), cluster.weights, cluster.primary_revision) == (Phase.INITIALIZED, (100, 0), "other-1")
    assert ready(cluster)[0] == "True"
    cluster.set_image("other-2")
    cluster.run(300)
    assert (phase(cluster), cluster.primary_revision) == (Phase.SUCCEEDED, "other-2")
    assert [(entry.revision, entry.reason) for entry in cluster.state.history] == [
        ("other-2", ""),
        ("other-1", "bootstrap"),
        (
            "rev-2",
            "its names were edited from Deployment podinfo with Service podinfo to Deployment other with Service other",
        ),
        ("rev-1", "bootstrap"),
    ]


def test_a_target_that_was_renamed_and_is_gone_does_not_keep_the_canary_from_following() -> None:
    cluster = under_way()
    cluster.is_target_gone, cluster.blockers = True, (Blocker("TargetNotFound", "no such target"),)
    cluster.spec_names = OTHER
    cluster.run(5, until=lambda: cluster.state.identity == OTHER)
    assert cluster.left == [(MADE, (100, 0), "rev-1")]


def test_a_typo_in_the_target_is_corrected_freely_before_there_is_a_route() -> None:
    cluster = RenamedCluster(canary(WEIGHTS), primary_readiness=UNREADY)
    cluster.run(10)
    assert (phase(cluster), cluster.weights) == (Phase.INITIALIZING, None)
    cluster.spec_names = OTHER_BEHIND_PODINFO
    cluster.primary_readiness = READY
    cluster.run(60)
    assert (phase(cluster), cluster.primary_revision, cluster.weights) == (Phase.INITIALIZED, "other-1", (100, 0))


def test_a_suspended_canary_keeps_its_names() -> None:
    cluster = bootstrapped()
    cluster.canary, cluster.spec_names = canary(WEIGHTS, suspend=True), SHOP
    cluster.run(30)
    assert cluster.state.identity == MADE
    cluster.canary = canary(WEIGHTS)
    cluster.run(30)
    assert cluster.state.identity == SHOP


renames = st.tuples(st.just("spec_names"), st.sampled_from([MADE, SHOP, OTHER_BEHIND_PODINFO]))


@settings(max_examples=100, deadline=None, derandomize=ALWAYS_THE_SAME, suppress_health_check=[HealthCheck.too_slow])
@given(canaries, st.lists(st.sampled_from(list(Verdict)), max_size=20), st.lists(happenings | renames, max_size=40))
def test_no_tape_moves_the_names_before_the_traffic(
    tried: Canary, verdicts: list[Verdict], tape: list[tuple[str, Any]]
) -> None:
    cluster = RenamedCluster(tried, verdicts=from_tape(verdicts))
    watcher = Watcher(cluster)
    cluster.before_effect, cluster.at_rest = watcher, partial(check_at_rest, cluster)
    play(cluster, watcher, tape)
    all_well(cluster, watcher)
    cluster.spec_names = SHOP
    run(cluster, 10)
    cluster.request = cluster.request or resume_text(cluster)
    run(cluster, 6000)
    assert (cluster.state.identity, cluster.weights) == (SHOP, (100, 0))
    assert cluster.state.phase in IDLE
    assert all(weights in {None, (100, 0)} for _, weights, _ in cluster.left)

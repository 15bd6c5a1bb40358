"""Gloo's control plane is away: Envoy serves what it was told last, and nothing goes that it may still send to."""

from tests.support.cluster import Cluster
from tests.support.gloo_stopped import gloo_stopped
from tests.support.load import assert_no_request_lost, initialize, steady_load
from tests.support.own_metric import OWN_METRIC, own_metric
from tests.support.rollout import Rollouts

# There was a limit of 5 s to how long an acknowledgement may take, and a step took a second.
STOPPED_S = 8.0

# Long enough for Gloo to be stopped within it.
ANALYSIS = {"metrics": [OWN_METRIC], "threshold": 2, "interval": "5s", "stepWeight": 25, "maxWeight": 50}


def missing(rollouts: Rollouts) -> list[str]:
    """Find the events that tell of a missing acknowledgement, by their type."""
    return [kind for kind, text in rollouts.events("app") if "is not acknowledged by Gloo after 5 s" in text]


def sizes(rollouts: Rollouts) -> tuple[int, set[str]]:
    """Return how many replicas the canary side is to have, and the tags that the primary has run with."""
    return rollouts.get("deployment", "app")["spec"]["replicas"], rollouts.tags_of_primary("app")


def test_nothing_goes_on_while_gloo_is_away_and_no_request_is_lost(cluster: Cluster, namespace: str) -> None:
    rollouts = Rollouts(cluster, namespace)
    rollouts.apply(own_metric(is_passing=True))
    initialize(rollouts, ANALYSIS)
    assert missing(rollouts) == []
    with steady_load(cluster, namespace) as reports:
        rollouts.set_image("app", "3.1.1")
        rollouts.wait_for("it has traffic", lambda: rollouts.weights("app") == (75, 25))
        with gloo_stopped(cluster):
            rollouts.wait_for("it is told", lambda: missing(rollouts) == ["Warning"])
            held = rollouts.weights("app")
            rollouts.see_stay(
                lambda: (rollouts.status("app")["phase"], rollouts.weights("app"), sizes(rollouts)),
                ("Progressing", held, (1, {"3.1.0"})),
                STOPPED_S,
            )
        rollouts.wait_for_phase("app", "Succeeded", deadline_s=90)
        rollouts.set_image("app", "3.1.2")
        rollouts.wait_for("it has traffic", lambda: rollouts.weights("app") != (100, 0))
        with gloo_stopped(cluster):
            rollouts.apply(own_metric(is_passing=False))
            rollouts.wait_for_phase("app", "Failed")
            rollouts.wait_for("the rollback is written at once", lambda: rollouts.weights("app") == (100, 0))
            rollouts.see_stay(lambda: sizes(rollouts), (1, {"3.1.0", "3.1.1"}), STOPPED_S)
        rollouts.wait_for("it is scaled down", lambda: sizes(rollouts) == (0, {"3.1.0", "3.1.1"}))
    assert_no_request_lost(reports[0])

"""Primaries that have no pod while they roll, under load: everybody is on the canary side meanwhile."""

import json
from typing import Any

import pytest

from tests.support.cluster import Cluster
from tests.support.history import History, watching
from tests.support.load import answer, assert_no_request_lost, steady_load, virtual_service
from tests.support.rollout import Rollouts, canary, podinfo

RECREATE = {"type": "Recreate"}
ONE_MAY_GO = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}

QUICK = {"interval": "2s"}
WEIGHTS = QUICK | {"stepWeight": 25, "maxWeight": 25}
BACK_IN_STEPS = WEIGHTS | {"stepWeightPromotion": 50}
ITERATIONS = QUICK | {"stepWeight": None, "maxWeight": None, "iterations": 2}
AB = ITERATIONS | {"match": [{"headers": {"x-canary": {"exact": "insider"}}}]}
AFFINE = WEIGHTS | {"mirror": True, "sessionAffinity": {"cookieName": "side"}}


@pytest.fixture
def rollouts(cluster: Cluster, namespace: str) -> Rollouts:
    return Rollouts(cluster, namespace)


def deployment(strategy: dict[str, Any], *, replicas: int = 1, tag: str = "3.1.0") -> dict[str, Any]:
    """Return one whose pods take a second to be ready: so long at least is a primary of one pod without any."""
    made = podinfo("app", replicas=replicas, tag=tag)
    made["spec"]["strategy"] = strategy
    made["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]["initialDelaySeconds"] = 1
    return made


def see_promotion(rollouts: Rollouts, history: History) -> None:
    """Wait until 3.1.1 is promoted; the primary must have been without a pod on the way."""
    rollouts.wait_for_phase("app", "Succeeded", deadline_s=120)
    history.see_without_pod("deployment", "app-primary")


def image(workload: dict[str, Any]) -> str:
    """Return the tag that tells the revision."""
    return str(workload["spec"]["template"]["spec"]["containers"][0]["image"]).rpartition(":")[2]


@pytest.mark.parametrize(
    ("strategy", "analysis"),
    [
        (RECREATE, WEIGHTS),
        pytest.param(RECREATE, AB, marks=pytest.mark.long),
        pytest.param(RECREATE, ITERATIONS, marks=pytest.mark.long),
        pytest.param(RECREATE, AFFINE, marks=pytest.mark.long),
        (ONE_MAY_GO, BACK_IN_STEPS),
    ],
    ids=["weights", "A/B", "blue/green", "mirror and affinity", "rolling, back in steps"],
)
def test_no_request_is_lost_while_the_primary_has_no_pod(
    rollouts: Rollouts, strategy: dict[str, Any], analysis: dict[str, Any]
) -> None:
    rollouts.apply(deployment(strategy), virtual_service(rollouts.namespace), canary("app", analysis))
    rollouts.wait_for_phase("app", "Initialized")
    rollouts.wait_for("the gateway serves it", lambda: bool(answer(rollouts.cluster, rollouts.namespace)))
    with (
        watching(rollouts.cluster, rollouts.namespace) as history,
        steady_load(rollouts.cluster, rollouts.namespace) as reports,
    ):
        rollouts.set_image("app", "3.1.1")
        see_promotion(rollouts, history)
    assert image(rollouts.get("deployment", "app-primary")) == "3.1.1"
    # A warning that something waits, for requests that still come, is right whenever it comes.
    news = [text for kind, text in rollouts.events("app") if kind == "Normal"]
    told = [text for text in news if text.startswith(("Routing", "Stop", "Copying", "Promotion c"))]
    assert told == [
        "Routing all traffic to canary",
        f"Copying app.{rollouts.namespace} template spec to app-primary.{rollouts.namespace}",
        "Routing all traffic to primary",
        f"Promotion completed! Scaling down app.{rollouts.namespace}",
    ]
    assert_no_request_lost(reports[0])


def test_a_smaller_canary_side_is_scaled_to_the_primarys_size_before(rollouts: Rollouts) -> None:
    rollouts.apply(deployment(RECREATE, replicas=3), canary("app", WEIGHTS))
    rollouts.wait_for_phase("app", "Initialized")
    with watching(rollouts.cluster, rollouts.namespace) as history:
        rollouts.apply(deployment(RECREATE, replicas=1, tag="3.1.1"))
        rollouts.wait_for_phase("app", "Succeeded", deadline_s=120)
        history.wait_for("the route is back", lambda: history.routed()[-2:] == ["100", "0"])
    shift = next(version for version, shown in history.exposures() if shown == "100")
    before = [one.obj for one in history.versions("deployment", "app") if one.order < shift.order]
    assert before[-1]["status"]["availableReplicas"] == 3, "everybody was on a canary side smaller than the primary"


def test_a_run_without_analysis_loses_no_request_either(rollouts: Rollouts) -> None:
    rollouts.apply(deployment(RECREATE), virtual_service(rollouts.namespace), canary("app", skipAnalysis=True))
    rollouts.wait_for_phase("app", "Initialized")
    rollouts.wait_for("the gateway serves it", lambda: bool(answer(rollouts.cluster, rollouts.namespace)))
    with (
        watching(rollouts.cluster, rollouts.namespace) as history,
        steady_load(rollouts.cluster, rollouts.namespace) as reports,
    ):
        rollouts.set_image("app", "3.1.1")
        see_promotion(rollouts, history)
    assert_no_request_lost(reports[0])


def test_a_newer_revision_found_before_the_copying_starts_again_and_the_primary_is_left_alone(
    rollouts: Rollouts,
) -> None:
    """Without load: it is the user's edit that takes the pods of a recreated target away, with whoever is on them."""
    rollouts.apply(deployment(RECREATE), canary("app", ITERATIONS | {"iterations": 1, "drainSeconds": 15}))
    rollouts.wait_for_phase("app", "Initialized")
    rollouts.set_image("app", "3.1.1")
    rollouts.wait_for_phase("app", "Promoting")
    rollouts.set_image("app", "3.1.2")
    rollouts.wait_for_phase("app", "Succeeded", deadline_s=120)
    text = rollouts.cluster.kubectl("-n", rollouts.namespace, "get", "rs", "-l", "app=app-primary", "-o", "json")
    rolled = {image(item) for item in json.loads(text)["items"]}
    assert rolled == {"3.1.0", "3.1.2"}, "the primary was rolled for a revision that was over"

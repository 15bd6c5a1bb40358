"""Readiness of either side: Flagger's own words for what is waited for, and when it is enough."""

from typing import Any

import pytest

from canary.run.messages import not_ready
from canary.run.readiness import daemonset_readiness, deployment_readiness

WAITING = "waiting for rollout to finish: "


def deployment(wanted: int = 4, *, seen: int = 2, **status: int) -> dict[str, Any]:
    whole = {"observedGeneration": seen, "replicas": 4, "updatedReplicas": 4, "availableReplicas": 4} | status
    return {"metadata": {"generation": 2}, "spec": {"replicas": wanted}, "status": whole}


def daemonset(*, seen: int = 2, **status: int) -> dict[str, Any]:
    whole = {"observedGeneration": seen, "desiredNumberScheduled": 4, "updatedNumberScheduled": 4, "numberAvailable": 4}
    return {"metadata": {"generation": 2}, "status": whole | status}


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (deployment(seen=1), "observed deployment generation less than desired generation"),
        (deployment(updatedReplicas=1), "1 out of 4 new replicas have been updated"),
        (deployment(), ""),
        (deployment(replicas=5), "1 old replicas are pending termination"),
        (deployment(availableReplicas=1), "1 of 2 (readyThreshold 50%) updated replicas are available"),
        (deployment(0, updatedReplicas=0), "it is scaled to zero"),
    ],
)
def test_what_a_deployment_waits_for_is_told_as_flagger_does(found: dict[str, Any], reason: str) -> None:
    readiness = deployment_readiness(found, 50)
    assert readiness.is_ready is not bool(reason)
    assert readiness.explanation == (WAITING + reason if reason else "")


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (daemonset(), ""),
        (daemonset(seen=1), "observed daemonset generation less than desired generation"),
        (daemonset(updatedNumberScheduled=1), "1 out of 4 new pods have been updated"),
        (daemonset(numberAvailable=1), "1 of 2 (readyThreshold 50%) updated pods are available"),
        (daemonset(desiredNumberScheduled=0), "no node is to run it"),
    ],
)
def test_what_a_daemonset_waits_for_is_told_as_flagger_does(found: dict[str, Any], reason: str) -> None:
    readiness = daemonset_readiness(found, 50)
    assert readiness.is_ready is not bool(reason)
    assert readiness.explanation == (WAITING + reason if reason else "")


def test_either_side_that_is_not_up_is_told_as_flagger_does() -> None:
    canary, primary = (not_ready("podinfo.test", "why", is_canary_side=is_canary) for is_canary in (True, False))
    assert (canary.text, primary.text) == (
        "canary deployment podinfo.test not ready: why",
        "podinfo.test not ready: why",
    )
    assert canary.is_warning
    assert primary.is_warning

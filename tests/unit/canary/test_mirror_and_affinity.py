"""Weights with a step of mirroring before the first one, and with a cookie that keeps users on the canary."""

import re
from typing import Any

import pytest

from canary.run.judge import Verdict
from canary.run.observation import Question
from canary.run.phase import Phase
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_parts import always
from tests.support.simulated_runs import bootstrapped, hook, phase

MIRRORED: dict[str, Any] = {"stepWeight": 20, "maxWeight": 40, "threshold": 2, "mirror": True}
AFFINE: dict[str, Any] = {
    "stepWeight": 20,
    "maxWeight": 40,
    "threshold": 2,
    "sessionAffinity": {"cookieName": "side"},
    "stepWeightPromotion": 30,
}


def test_one_interval_of_mirroring_comes_before_the_first_weight() -> None:
    cluster = bootstrapped(MIRRORED | {"mirrorWeight": 30})
    cluster.set_image("rev-2")
    cluster.run(60, until=lambda: cluster.mirror_percent == 30)
    started_s = cluster.now_s
    assert cluster.weights == (100, 0)
    cluster.run(60, until=lambda: cluster.weights == (80, 20))
    assert cluster.now_s - started_s == pytest.approx(10)
    assert cluster.mirror_percent == 0
    assert cluster.questions.count(Question.CHECKS) == 1
    cluster.run(300)
    weights = [text for text in cluster.texts() if text.startswith("Advance")]
    assert weights == [f"Advance podinfo.test canary weight {weight}" for weight in (0, 20, 40)]
    assert phase(cluster) is Phase.SUCCEEDED


def test_a_failure_under_mirroring_rolls_back_before_any_user_sees_it() -> None:
    cluster = bootstrapped(MIRRORED)
    cluster.verdicts = iter([Verdict.PASS, *[Verdict.FAIL] * 9])
    cluster.set_image("rev-2")
    cluster.run(60)
    assert phase(cluster) is Phase.FAILED
    assert all(canary_weight == 0 for _, canary_weight in cluster.history)
    assert (cluster.mirror_percent, cluster.target_replicas) == (0, 0)


def test_the_gate_to_traffic_is_asked_before_mirroring_and_not_again_for_the_first_weight() -> None:
    cluster = bootstrapped(MIRRORED | {"webhooks": [hook("confirm-traffic-increase")]})
    cluster.set_image("rev-2")
    cluster.run(60, until=lambda: cluster.weights == (80, 20))
    assert cluster.asked == ["confirm-traffic-increase/confirm-traffic-increase@0"]


def test_a_run_has_one_cookie_from_its_first_weight_to_its_end() -> None:
    cluster = bootstrapped(AFFINE)
    cookies: list[str] = []
    cluster.after_effect = lambda effect: cookies.append(cluster.cookie) if effect.startswith("SetTraffic") else None
    cluster.set_image("rev-2")
    cluster.run(300)
    assert phase(cluster) is Phase.SUCCEEDED
    assert cluster.history == [(80, 20), (60, 40), (90, 10), (100, 0)]
    cookie = cookies[0]
    assert re.fullmatch(r"side=[A-Za-z]{10}", cookie)
    assert cookies == [cookie, cookie, cookie, ""]
    assert cluster.status["sessionAffinityCookie"] == ""
    assert cluster.status["previousSessionAffinityCookie"] == cookie


def test_a_rollback_ends_the_cookie_and_the_next_run_has_another() -> None:
    cluster = bootstrapped(AFFINE)
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.traffic.canary_percent == 40)
    first = cluster.state.traffic.cookie
    cluster.verdicts = always(Verdict.FAIL)
    cluster.run(60)
    assert phase(cluster) is Phase.FAILED
    assert (cluster.cookie, cluster.state.previous_cookie) == ("", first)
    cluster.verdicts = always(Verdict.PASS)
    cluster.set_image("rev-3")
    cluster.run(300, until=lambda: cluster.state.traffic.canary_percent == 20)
    assert cluster.state.traffic.cookie not in {"", first}
    assert cluster.state.previous_cookie == first


def test_mirroring_needs_no_cookie_and_the_first_weight_has_one() -> None:
    cluster = bootstrapped(AFFINE | {"mirror": True})
    cluster.set_image("rev-2")
    cluster.run(60, until=lambda: cluster.mirror_percent == 100)
    assert cluster.cookie == ""
    cluster.run(60, until=lambda: cluster.weights == (80, 20))
    assert cluster.cookie.startswith("side=")


def edited(cluster: SimulatedCluster, affinity: dict[str, Any] | None) -> str:
    """Edit the affinity at the first weight; gives the cookie of the second one."""
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.traffic.canary_percent == 20)
    cluster.canary = bootstrapped(AFFINE | {"sessionAffinity": affinity}).canary
    cluster.run(300, until=lambda: cluster.state.traffic.canary_percent == 40)
    return cluster.state.traffic.cookie


def test_an_edited_affinity_counts_from_the_next_step() -> None:
    assert edited(bootstrapped(AFFINE), {"cookieName": "other"}).startswith("other=")
    assert edited(bootstrapped(AFFINE), None) == ""
    assert edited(bootstrapped(AFFINE | {"sessionAffinity": None}), {"cookieName": "late"}).startswith("late=")

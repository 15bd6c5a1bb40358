"""`serin plan`: the times of a run, told by the state machine."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from canary.rules.shape import parse_canary
from canary.run.judge import Verdict
from canary.run.phase import Phase
from cli.plan.timetable import timetable
from tests.support.rule_cases import GOOD_CANARY, good_canary_with
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_parts import always
from tests.unit.cli.conftest import Serin

BY_WEIGHTS: Mapping[str, object] = {"analysis/stepWeight": 20, "analysis/maxWeight": 40}
NO_STEPS: Mapping[str, object] = {"analysis/stepWeight": ..., "analysis/maxWeight": ...}


def plan_of(serin: Serin, changes: Mapping[str, object], *beside: Mapping[str, Any]) -> list[str]:
    """Return what is printed below the heading."""
    text = "\n---\n".join(json.dumps(obj) for obj in (good_canary_with(changes), *beside))
    code, stdout, stderr = serin("plan", "-", stdin=text)
    assert (code, stderr) == (0, "")
    return stdout.splitlines()


def test_weights(serin: Serin) -> None:
    assert plan_of(serin, BY_WEIGHTS) == [
        "Canary test/podinfo: weights, 2 steps, checks each 10s",
        "",
        "  AFTER    CANARY   WHAT",
        "  0s       0%       New revision detected! Scaling up podinfo.test",
        "  1s       20%      Starting canary analysis for podinfo.test",
        "                    Pre-rollout check acceptance passed",
        "                    Advance podinfo.test canary weight 20",
        "  11s      40%      Advance podinfo.test canary weight 40",
        "  21s      40%      Copying podinfo.test template spec to podinfo-primary.test",
        "  22s      0%       Routing all traffic to primary",
        "  22s      0%       Promotion completed! Scaling down podinfo.test",
        "",
        "Shortest time to promotion: 22s",
        "Longest time to rollback: 10m",
        "  50s      if its checks fail (spec.analysis.threshold), 1m1s after the start at the latest",
        (
            "  10m      if its checks get no answer (spec.analysis.unobservedDeadlineSeconds), 10m11s after the "
            "start at the "
            "latest"
        ),
        "  10m      if its pods don't get ready (spec.progressDeadlineSeconds)",
    ]


def test_an_ab_test(serin: Serin) -> None:
    match = {"analysis/match": [{"headers": {"x-canary": {"exact": "yes"}}}], "analysis/iterations": 2}
    lines = plan_of(serin, {**NO_STEPS, **match})
    assert lines[0] == "Canary test/podinfo: A/B test, 2 steps, checks each 10s"
    assert lines[6:9] == [
        "                    Advance podinfo.test canary iteration 1/2",
        "  11s      100%     Advance podinfo.test canary iteration 2/2",
        "  21s      100%     Copying podinfo.test template spec to podinfo-primary.test",
    ]
    assert "Shortest time to promotion: 22s" in lines


def test_blue_green_with_a_mirror(serin: Serin) -> None:
    mirror = {"analysis/iterations": 2, "analysis/mirror": True, "analysis/mirrorWeight": 30}
    lines = plan_of(serin, {**NO_STEPS, **mirror})
    assert lines[0] == "Canary test/podinfo: blue/green, 3 steps, checks each 10s"
    assert lines[4:9] == [
        "  1s       30% copy Starting canary analysis for podinfo.test",
        "                    Pre-rollout check acceptance passed",
        "                    Advance podinfo.test canary iteration 1/2",
        "  11s      30% copy Advance podinfo.test canary iteration 2/2",
        "  21s      100%     Stop traffic mirroring and route all traffic to canary",
    ]


def test_gates_are_named_for_they_may_take_any_time(serin: Serin) -> None:
    gates = [
        {"name": "begin", "type": "confirm-rollout", "url": "http://gate/"},
        {"name": "end", "type": "confirm-promotion", "url": "http://gate/"},
        {"name": "back", "type": "rollback", "url": "http://gate/"},
    ]
    lines = plan_of(serin, {**BY_WEIGHTS, "analysis/webhooks": gates})
    assert "  and for as long as a gate is shut: confirm-rollout begin, confirm-promotion end" in lines
    assert "  0s       0%       Confirm-rollout check begin passed" in lines


LISTED: Mapping[str, object] = {
    **NO_STEPS,
    "analysis/steps": [
        {"weight": 10, "duration": "5m"},
        {"weight": 20},
        {"weight": 20, "pause": {}},
        {"weight": 50, "duration": "1h"},
    ],
    "analysis/bake": "30m",
}


def test_a_check_that_must_fail_in_a_row_takes_longer_and_a_dry_run_rolls_nothing_back(serin: Serin) -> None:
    rate: dict[str, object] = {"name": "request-success-rate", "thresholdRange": {"min": 99}}
    lines = plan_of(serin, {**BY_WEIGHTS, "analysis/metrics": [rate | {"consecutiveFailures": 3}]})
    assert "  1m10s    if its checks fail (spec.analysis.threshold), 1m21s after the start at the latest" in lines
    changes = {**BY_WEIGHTS, "analysis/metrics": [rate | {"dryRun": True}], "analysis/webhooks": []}
    played = timetable(parse_canary(good_canary_with(changes)))
    assert [rollback.trouble for rollback in played.rollbacks] == ["its pods don't get ready"]


def test_steps_are_shown_with_their_times_and_pauses_are_resumed_at_once(serin: Serin) -> None:
    lines = plan_of(serin, LISTED)
    assert lines[0] == "Canary test/podinfo: weights, 4 steps, checks each 10s"
    assert lines[6:14] == [
        "                    Advance podinfo.test canary weight 10, for 5m",
        "  5m1s     20%      Advance podinfo.test canary weight 20",
        "  5m11s    20%      Advance podinfo.test canary weight 20, until somebody resumes it",
        "  5m21s    50%      Advance podinfo.test canary weight 50, for 1h",
        "  1h5m21s  50%      Baking podinfo.test for 30m before its promotion, its checks go on",
        "  1h35m21s 50%      Copying podinfo.test template spec to podinfo-primary.test",
        "  1h35m22s 0%       Routing all traffic to primary",
        "  1h35m22s 0%       Promotion completed! Scaling down podinfo.test",
    ]
    assert "Shortest time to promotion: 1h35m22s" in lines
    assert "  and for as long as nobody resumes it: step 3" in lines
    assert "  50s      if its checks fail (spec.analysis.threshold), 1h36m1s after the start at the latest" in lines


def test_json_has_the_numbers_of_steps_and_pauses(serin: Serin) -> None:
    stdout = serin("plan", "-o", "json", "-", stdin=json.dumps(good_canary_with(LISTED))).stdout
    (canary,) = json.loads(stdout)["canaries"]
    assert (canary["pauses"], canary["shortestPromotionSeconds"]) == ([3], 5722.0)
    assert [moment.get("step") for moment in canary["moments"]] == [None, 1, 2, 3, 4, 4, None, None, None]


def test_a_bake_of_days_has_a_plan_too(serin: Serin) -> None:
    lines = plan_of(serin, {**LISTED, "analysis/bake": "720h"})
    assert "Shortest time to promotion: 721h5m22s" in lines


def test_a_canary_without_an_analysis_is_promoted_and_never_checked(serin: Serin) -> None:
    lines = plan_of(serin, {"skipAnalysis": True})
    assert lines[0] == "Canary test/podinfo: no analysis; a new revision is promoted as soon as its pods are ready"
    assert lines[-3:] == [
        "Longest time to rollback: 10m",
        "  10m      if its pods don't get ready (spec.progressDeadlineSeconds)",
        "  Nothing is checked, so no check rolls it back.",
    ]


def test_a_suspended_canary_is_played_and_said_to_be_suspended(serin: Serin) -> None:
    lines = plan_of(serin, {**BY_WEIGHTS, "suspend": True})
    assert lines[-1] == "It is suspended: nothing of this begins before spec.suspend is false."
    assert "Shortest time to promotion: 22s" in lines


def test_a_target_that_rolls_with_a_gap_has_one_more_step(serin: Serin) -> None:
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "podinfo", "namespace": "test"},
        "spec": {"replicas": 1, "strategy": {"type": "Recreate"}, "template": {"spec": {"containers": []}}},
    }
    lines = plan_of(serin, BY_WEIGHTS, deployment)
    assert lines[0] == "Canary test/podinfo: weights, 3 steps, checks each 10s"
    assert "  21s      100%     Routing all traffic to canary" in lines


def test_many_steps_are_shortened_for_people_but_not_for_programs(serin: Serin) -> None:
    text = json.dumps(good_canary_with({"analysis/stepWeight": 1, "analysis/maxWeight": 100}))
    lines = serin("plan", "-", stdin=text).stdout.splitlines()
    assert "  ...      66 more" in lines
    (canary,) = json.loads(serin("plan", "-o", "json", "-", stdin=text).stdout)["canaries"]
    assert [moment["canaryPercent"] for moment in canary["moments"]] == [0, *range(1, 101), 100, 0, 0]


def test_json_has_seconds(serin: Serin) -> None:
    stdout = serin("plan", "-o", "json", "-", stdin=json.dumps(good_canary_with(BY_WEIGHTS))).stdout
    (canary,) = json.loads(stdout)["canaries"]
    assert {key: canary[key] for key in canary if key not in {"moments", "rollbacks"}} == {
        "namespace": "test",
        "name": "podinfo",
        "strategy": "canary",
        "steps": 2,
        "shortestPromotionSeconds": 22.0,
        "gates": [],
        "pauses": [],
    }
    assert canary["moments"][2] == {
        "afterSeconds": 11.0,
        "phase": "Progressing",
        "canaryPercent": 40,
        "mirrorPercent": 0,
        "messages": ["Advance podinfo.test canary weight 40"],
    }
    assert canary["rollbacks"][0] == {
        "if": "its checks fail",
        "limit": "spec.analysis.threshold",
        "afterSeconds": 50.0,
        "latestSeconds": 61.0,
    }


def test_every_canary_of_an_input_has_its_plan(serin: Serin) -> None:
    other = GOOD_CANARY | {"metadata": {"name": "other", "namespace": "test"}}
    other["spec"] = other["spec"] | {"targetRef": other["spec"]["targetRef"] | {"name": "other"}, "autoscalerRef": None}
    text = f"{json.dumps(GOOD_CANARY)}\n---\n{json.dumps(other)}"
    lines = serin("plan", "-", stdin=text).stdout.splitlines()
    assert [line for line in lines if line.startswith("Canary ")] == [
        "Canary test/podinfo: weights, 10 steps, checks each 10s",
        "Canary test/other: weights, 10 steps, checks each 10s",
    ]


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        (
            "a: 1\n",
            2,
            "serin: <stdin>: found no Canary; allowed: at least one object of flagger.app/v1beta1, kind Canary\n",
        ),
        (
            "a: [\n",
            2,
            "serin: <stdin>:2:1: this is no YAML: while parsing a flow node did not find expected node content\n",
        ),
        (
            json.dumps(good_canary_with({"provider": "istio"})),
            2,
            (
                "<stdin>:1:789: warning: Canary test/podinfo: spec.provider: found 'istio'; allowed: gloo, or nothing, "
                "for Serin; that of another controller is left to it, and not checked\n"
                "serin: <stdin>: found Canaries of other providers only; allowed: provider gloo\n"
            ),
        ),
        (
            json.dumps(good_canary_with({"service/port": 0}), indent=1),
            1,
            (
                "<stdin>:22:4: error: Canary test/podinfo: spec.service.port: found 0; allowed: a port from 1 to "
                "65535\n"
                "serin: <stdin>: 1 error; see `serin lint`\n"
            ),
        ),
    ],
    ids=["no canary", "no YAML", "provider", "error"],
)
def test_what_has_no_plan_is_told_in_a_line(serin: Serin, text: str, code: int, told: str) -> None:
    assert serin("plan", "-", stdin=text) == (code, "", told)


@pytest.mark.parametrize(
    "changes",
    [
        BY_WEIGHTS,
        {**NO_STEPS, "analysis/iterations": 3},
        {**NO_STEPS, "analysis/stepWeights": [1, 10, 80], "analysis/stepWeightPromotion": 40},
        {"analysis/interval": "7s", "analysis/threshold": 2},
        {**LISTED, "analysis/steps": [{"weight": 10, "duration": "25m"}, {"weight": 40}]},
        {**NO_STEPS, "analysis/iterations": 2, "analysis/bake": "15m"},
    ],
)
def test_the_times_are_those_of_a_simulated_cluster(changes: Mapping[str, object]) -> None:
    """Compare with the cluster of the state machine's own tests, whose world is another one than the plan's."""
    canary = parse_canary(good_canary_with(changes))
    found = timetable(canary)
    good = initialized(canary)
    begun_s = good.now_s
    good.set_image("rev-2")
    good.run(10_000, until=lambda: good.state.phase is Phase.SUCCEEDED)
    assert found.promoted_s == pytest.approx(good.now_s - begun_s, abs=1.0)
    bad = initialized(canary)
    bad.set_image("rev-2")
    bad.run(10_000, until=lambda: bad.state.analysis.started_at_s is not None)
    begun_s, bad.verdicts = bad.now_s, always(Verdict.FAIL)
    bad.run(10_000, until=lambda: bad.state.phase is Phase.FAILED)
    assert found.rollbacks[0].after_s == pytest.approx(bad.now_s - begun_s, abs=1.0)


def initialized(canary: Any) -> SimulatedCluster:
    cluster = SimulatedCluster(canary)
    cluster.run(60, until=lambda: cluster.state.phase is Phase.INITIALIZED)
    cluster.settle()
    return cluster

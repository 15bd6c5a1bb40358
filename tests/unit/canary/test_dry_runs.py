"""A metric with `dryRun: true` is measured and shown, and decides nothing: not even that the weight stays."""

from collections.abc import Iterator
from itertools import cycle
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from canary.run.judge import CheckResult, Sample, Verdict
from canary.run.phase import Phase
from tests.support.canaries import canary
from tests.support.measured_cluster import DURATION, RATE, Measured, checks, under_way
from tests.support.simulated_cluster import SimulatedCluster

TRIED = {"name": "orders", "templateRef": {"name": "orders"}, "thresholdRange": {"min": 10}, "dryRun": True}
METRICS = [{"name": RATE, "thresholdRange": {"min": 99}}, TRIED]
BAD = {
    "fail": Sample(3.0),
    "no data": Sample(),
    "error": Sample(error="MetricTemplate test/orders does not exist"),
}


@pytest.mark.parametrize("sample", BAD.values(), ids=BAD)
def test_whatever_comes_of_it_the_run_goes_as_without_it(sample: Sample) -> None:
    without, cluster = under_way({"metrics": METRICS[:1]}), under_way({"metrics": METRICS})
    cluster.values = {"orders": sample}
    for one in (without, cluster):
        one.run(600)
    assert cluster.state.phase is Phase.SUCCEEDED
    assert cluster.history == without.history
    assert (cluster.now_s, cluster.state.transition.at_s) == (without.now_s, without.state.transition.at_s)
    assert [text for text in cluster.texts() if not text.startswith("Dry run")] == without.texts()
    assert (cluster.state.analysis.failed_checks, cluster.state.analysis.unobserved_s) == (0, 0.0)
    assert cluster.state.not_ready is cluster.state.blocker is None


@pytest.mark.parametrize(
    ("sample", "text"),
    [
        (BAD["fail"], "orders 3.00 < 10"),
        (BAD["error"], "metric query failed for orders: MetricTemplate test/orders does not exist"),
    ],
)
def test_an_event_says_so_each_time_and_that_it_decides_nothing(sample: Sample, text: str) -> None:
    cluster = under_way({"metrics": METRICS})
    cluster.values = {"orders": sample}
    said: list[str] = []
    while cluster.state.traffic.canary_percent < 15:
        decision = cluster.tick()
        assert not any(remark.is_warning for remark in decision.remarks)
        said += [remark.text for remark in decision.remarks]
        cluster.now_s += decision.wake_after_s or 0
    assert said == [f"Dry run for podinfo.test, which decides nothing: {text}"] * 2


def test_its_samples_are_kept_and_marked() -> None:
    cluster = under_way({"metrics": METRICS})
    cluster.values = {"orders": Sample(3.0)}
    cluster.run(12)
    assert checks(cluster)[1] == {
        "name": "orders",
        "min": 10.0,
        "reason": "orders 3.00 < 10",
        "dryRun": True,
        "samples": [{"at": "2026-11-30T15:00:41Z", "value": 3.0, "verdict": "fail"}],
    }


@pytest.mark.parametrize(
    ("sample", "phase", "failed", "why"),
    [
        (Sample(98.0), Phase.FAILED, 5, "success rate 98.00% < 99%"),
        (Sample(), Phase.FAILED, 0, "no decisive sample for 600 s: no values found for gloo metric"),
    ],
)
def test_a_dry_run_that_passes_saves_no_revision(sample: Sample, phase: Phase, failed: int, why: str) -> None:
    cluster = under_way({"metrics": METRICS})
    cluster.values = {RATE: sample, "orders": Sample(12.0)}
    cluster.run(1000)
    assert (cluster.state.phase, cluster.state.analysis.failed_checks) == (phase, failed)
    assert cluster.state.history[0].reason.startswith(why)


def test_in_a_promotion_it_decides_nothing_either() -> None:
    cluster = under_way({"metrics": METRICS, "stepWeight": 50, "stepWeightPromotion": 10, "threshold": 1})
    cluster.run(200, until=lambda: cluster.state.phase is Phase.PROMOTING)
    cluster.values = {"orders": Sample(3.0)}
    cluster.run(600)
    assert (cluster.state.phase, cluster.state.analysis.failed_checks) == (Phase.SUCCEEDED, 0)


def test_a_pause_is_ended_by_a_request_alone_whatever_a_dry_run_says() -> None:
    steps = [{"weight": 20, "pause": {}}, {"weight": 50}]
    cluster = under_way({"metrics": METRICS, "stepWeight": None, "maxWeight": None, "steps": steps}, "rev-002")
    cluster.values = {"orders": Sample(error="503")}
    cluster.run(3600)
    assert (cluster.state.traffic.canary_percent, cluster.state.phase) == (20, Phase.PROGRESSING)
    cluster.request = "resume@rev-002"
    cluster.run(200)
    assert cluster.state.phase is Phase.SUCCEEDED


class Twin(SimulatedCluster):
    """Answers as it does, and beside that for a dry run whatever `dry` says."""

    dry: Iterator[Verdict]

    def _answers(self, *asked: Any) -> tuple[CheckResult, ...]:
        answers = super()._answers(*asked)
        is_check = any(answer.name == "check" for answer in answers)
        dry = CheckResult("orders", next(self.dry), "of a dry run", is_dry_run=True) if is_check else None
        return answers if dry is None else (*answers, dry)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.sampled_from(list(Verdict)), max_size=25),
    st.lists(st.sampled_from(list(Verdict)), min_size=1, max_size=5),
    st.sampled_from([{}, {"stepWeightPromotion": 20}, {"stepWeight": None, "maxWeight": None, "iterations": 3}]),
)
def test_no_run_is_another_with_a_dry_run_in_it(
    verdicts: list[Verdict], dry: list[Verdict], analysis: dict[str, Any]
) -> None:
    ends = []
    for made in (SimulatedCluster, Twin):
        cluster = made(canary({"threshold": 2, "webhooks": []} | analysis))
        cluster.run(30)
        cluster.verdicts = iter([*verdicts, *[Verdict.PASS] * 1000])
        if isinstance(cluster, Twin):
            cluster.dry = cycle(dry)
        cluster.set_image("rev-2")
        cluster.run(1500)
        ends.append((cluster.state, cluster.history, cluster.texts()))
    assert ends[0] == ends[1]


def test_metrics_of_builtin_names_may_be_dry_runs_too() -> None:
    dry = {"name": DURATION, "thresholdRange": {"max": 500}, "dryRun": True}
    cluster: Measured = under_way({"metrics": [METRICS[0], dry]})
    cluster.values = {DURATION: Sample(9000.0)}
    cluster.run(600)
    assert cluster.state.phase is Phase.SUCCEEDED

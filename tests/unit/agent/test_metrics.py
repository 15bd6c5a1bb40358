"""What `/metrics` shows of a canary, and that nothing of it stays when the canary has gone."""

import asyncio
import time

import pytest

from agent.loop_lag import watch_loop_lag
from agent.metrics import AgentMetrics
from canary.run.judge import CheckResult, Verdict
from canary.run.phase import Phase
from canary.run.state import Analysis, State
from canary.run.traffic import Traffic
from service.lifetime import running
from tests.support.canaries import canary
from tests.support.exposition import exposed

PODINFO = 'name="podinfo",namespace="test"'
RUNNING = State(phase=Phase.PROGRESSING, traffic=Traffic(20), analysis=Analysis(failed_checks=2))


def result(name: str, value: float | None) -> CheckResult:
    return CheckResult(name, Verdict.PASS, "", value)


def test_a_running_canary_shows_its_weights_and_what_it_may_still_fail() -> None:
    metrics = AgentMetrics("1.2.3")
    metrics.observe_state(canary(), RUNNING)
    series = exposed(metrics)
    assert series[f"flagger_canary_status{{{PODINFO}}}"] == 0
    assert series['flagger_canary_weight{namespace="test",workload="podinfo"}'] == 20
    assert series['flagger_canary_weight{namespace="test",workload="podinfo-primary"}'] == 80
    assert series[f"serin_canary_failed_checks{{{PODINFO}}}"] == 2
    assert series[f"serin_canary_failed_checks_threshold{{{PODINFO}}}"] == 5


@pytest.mark.parametrize(
    ("phase", "shown"),
    [
        (Phase.INITIALIZED, 1),
        (Phase.PROGRESSING, 0),
        (Phase.SUCCEEDED, 1),
        (Phase.FAILED, 2),
    ],
)
def test_an_end_is_shown_as_1_for_a_success_and_2_for_a_failure(phase: Phase, shown: int) -> None:
    metrics = AgentMetrics("1.2.3")
    metrics.observe_state(canary(), State(phase=phase))
    assert exposed(metrics)[f"flagger_canary_status{{{PODINFO}}}"] == shown


def test_the_apex_is_shown_for_it_names_the_upstreams() -> None:
    metrics = AgentMetrics("1.2.3")
    metrics.observe_state(canary(service={"name": "shop", "port": 80}), RUNNING)
    assert exposed(metrics)[f'serin_canary_info{{apex="shop",{PODINFO}}}'] == 1


def test_who_is_not_ready_is_shown_with_one_reason_at_a_time() -> None:
    metrics = AgentMetrics("1.2.3")
    shown = []
    for reason in ("", "FlaggerRunning", "TargetNotFound"):
        metrics.observe_ready("test", "podinfo", reason)
        shown.append({series: value for series, value in exposed(metrics).items() if "_ready" in series})
    assert shown == [
        {f'serin_canary_ready{{{PODINFO},reason=""}}': 1},
        {f'serin_canary_ready{{{PODINFO},reason="FlaggerRunning"}}': 0},
        {f'serin_canary_ready{{{PODINFO},reason="TargetNotFound"}}': 0},
    ]
    metrics.forget("test", "podinfo")
    assert not [series for series in exposed(metrics) if "_ready" in series]


def test_an_agent_shows_whether_it_leads_at_the_time_of_the_scrape() -> None:
    leads = [False]
    metrics = AgentMetrics("1.2.3", lambda: leads[0])
    assert exposed(metrics)["serin_agent_leading"] == 0
    leads[0] = True
    assert exposed(metrics)["serin_agent_leading"] == 1


def test_counters_of_ends_are_there_before_the_first_end() -> None:
    metrics = AgentMetrics("1.2.3")
    labels = f'{{analysis_status="completed",deployment_strategy="canary",{PODINFO}}}'
    metrics.observe_state(canary(), RUNNING)
    before = exposed(metrics)
    assert before[f"flagger_canary_successes_total{labels}"] == 0
    assert before[f"flagger_canary_failures_total{labels}"] == 0
    for phase in (Phase.FAILED, Phase.SUCCEEDED, Phase.SUCCEEDED):
        metrics.count_end(canary(), State(phase=phase))
        metrics.observe_state(canary(), State(phase=phase))
    after = exposed(metrics)
    assert after[f"flagger_canary_successes_total{labels}"] == 2
    assert after[f"flagger_canary_failures_total{labels}"] == 1


def test_checks_and_their_bounds_have_one_unit() -> None:
    metrics = AgentMetrics("1.2.3")
    metrics.observe_checks(canary(), (result("request-success-rate", 99.5), result("request-duration", 120)), 0.1)
    series = exposed(metrics)
    assert series[f'flagger_canary_metric_analysis{{metric="request-success-rate",{PODINFO}}}'] == 99.5
    assert series[f'serin_canary_metric_threshold{{bound="min",metric="request-success-rate",{PODINFO}}}'] == 99
    assert series[f'flagger_canary_metric_analysis{{metric="request-duration",{PODINFO}}}'] == 0.12
    assert series[f'serin_canary_metric_threshold{{bound="max",metric="request-duration",{PODINFO}}}'] == 0.5


def test_a_query_that_took_the_name_of_a_builtin_keeps_its_own_unit() -> None:
    metric = {"name": "request-duration", "query": "scalar(1)", "thresholdRange": {"max": 500}}
    metrics = AgentMetrics("1.2.3")
    metrics.observe_checks(canary({"metrics": [metric]}), (result("request-duration", 120),), 0.1)
    series = exposed(metrics)
    assert series[f'flagger_canary_metric_analysis{{metric="request-duration",{PODINFO}}}'] == 120
    assert series[f'serin_canary_metric_threshold{{bound="max",metric="request-duration",{PODINFO}}}'] == 500


def test_the_bounds_of_a_check_are_shown_without_a_value_and_go_with_the_spec() -> None:
    metrics = AgentMetrics("1.2.3")

    def bounds() -> dict[str, float]:
        return {name: value for name, value in exposed(metrics).items() if "threshold" in name}

    def observe(limits: dict[str, float]) -> None:
        metric = {"name": "request-success-rate", "thresholdRange": limits}
        metrics.observe_checks(canary({"metrics": [metric]}), (result("request-success-rate", None),), 0.1)

    observe({"min": 90, "max": 100})
    assert sorted(bounds().values()) == [90, 100]
    observe({"min": 95})
    assert bounds() == {f'serin_canary_metric_threshold{{bound="min",metric="request-success-rate",{PODINFO}}}': 95}


def test_nothing_of_a_forgotten_canary_is_left_and_all_of_another_is() -> None:
    def show(metrics: AgentMetrics, target: str) -> None:
        one = canary(targetRef={"apiVersion": "apps/v1", "kind": "Deployment", "name": target})
        metrics.observe_state(one, RUNNING)
        metrics.observe_checks(one, (result("request-success-rate", 99.5),), 0.1)
        metrics.count_end(one, State(phase=Phase.SUCCEEDED))

    both, alone = AgentMetrics("1.2.3"), AgentMetrics("1.2.3")
    show(both, "podinfo")
    show(both, "shop")
    show(alone, "shop")
    both.forget("test", "podinfo")
    assert exposed(both) == exposed(alone)
    assert any("shop" in series for series in exposed(both))


def test_a_canary_of_the_same_target_in_another_namespace_is_not_forgotten() -> None:
    metrics = AgentMetrics("1.2.3")
    metrics.observe_state(canary(), RUNNING)
    metrics.forget("elsewhere", "podinfo")
    assert f"flagger_canary_status{{{PODINFO}}}" in exposed(metrics)


def test_the_agent_and_the_work_of_its_checks_are_shown() -> None:
    metrics = AgentMetrics("1.2.3")
    metrics.set_totals({"test": 2, "prod": 1})
    metrics.set_totals({"test": 2})
    metrics.observe_checks(canary(), (), 0.25)
    series = exposed(metrics)
    assert series['flagger_info{mesh_provider="gloo",version="1.2.3"}'] == 1
    assert series['flagger_canary_total{namespace="test"}'] == 2
    assert series['flagger_canary_total{namespace="prod"}'] == 0
    assert series[f"flagger_canary_duration_seconds_sum{{{PODINFO}}}"] == 0.25
    assert series[f"flagger_canary_duration_seconds_count{{{PODINFO}}}"] == 1


def test_no_name_of_a_tenant_writes_another_series() -> None:
    metrics = AgentMetrics("1.2.3")
    forged = 'p99 "checkout" \\ latency\n} 1\nflagger_canary_status{name="victim",namespace="shop"'
    metrics.observe_checks(canary({"metrics": [{"name": forged, "query": "x"}]}), (result(forged, 7),), 0.1)
    body = metrics.render([])[0].decode()
    written = 'p99 \\"checkout\\" \\\\ latency\\n} 1\\nflagger_canary_status{name=\\"victim\\",namespace=\\"shop\\"'
    assert f'flagger_canary_metric_analysis{{metric="{written}",{PODINFO}}} 7' in body.splitlines()
    assert not any(line.startswith("flagger_canary_status{") for line in body.splitlines())


def test_a_renamed_metric_leaves_no_series_behind() -> None:
    metrics = AgentMetrics("1.2.3")
    for number in range(300):
        one = {"name": f"metric-{number}", "query": "x", "thresholdRange": {"max": 1}}
        metrics.observe_checks(canary({"metrics": [one]}), (result(f"metric-{number}", 0.5),), 0.1)
    assert {series for series in exposed(metrics) if "metric=" in series} == {
        f'flagger_canary_metric_analysis{{metric="metric-299",{PODINFO}}}',
        f'serin_canary_metric_threshold{{bound="max",metric="metric-299",{PODINFO}}}',
    }


async def test_an_event_loop_that_was_held_up_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.loop_lag._LOOK_EVERY_S", 0.0)
    metrics = AgentMetrics("1.2.3")
    async with running(watch_loop_lag(metrics.observe_loop_lag), "lag"):
        await asyncio.sleep(0)
        time.sleep(0.06)  # noqa: ASYNC251  it is the fault that is to be seen
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    shown = exposed(metrics)
    late = shown["serin_event_loop_lag_seconds_count"] - shown['serin_event_loop_lag_seconds_bucket{le="0.05"}']
    assert late >= 1

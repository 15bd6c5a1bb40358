"""What `/metrics` shows of canaries: all that is stored of them, without a tick, and nothing of what has gone."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from agent.leadership import Fence
from agent.series.agent_metrics import AgentMetrics
from agent.series.snapshot import Snapshot, read_snapshot
from canary.api.names import Identity
from canary.rules.shape import parse_canary
from canary.run.evidence import CheckEvidence, Shown
from canary.run.history import HistoryEntry, Outcome
from canary.run.judge import CheckResult, Verdict
from canary.run.kept import KeptCheck, KeptSample
from canary.run.phase import Phase
from canary.run.state import Analysis, Blocker, Control, State
from canary.run.traffic import Traffic
from kube.store import Key
from tests.support.canaries import canary
from tests.support.exposition import exposed, stored

PODINFO = 'name="podinfo",namespace="test"'
RUNNING = State(phase=Phase.PROGRESSING, traffic=Traffic(20), analysis=Analysis(failed_checks=2))
RATE = 'metric="request-success-rate"'


def of(*objects: dict[str, Any]) -> AgentMetrics:
    """The series of an agent that has just started: nothing but what is stored has it seen."""
    return AgentMetrics("1.2.3", canaries=lambda: objects)


def lines(metrics: AgentMetrics, *prefixes: str) -> list[str]:
    """The page's lines of series whose names begin so."""
    body = metrics.render([])[0].decode()
    return [line for line in body.splitlines() if line.startswith(prefixes or ("serin_canary", "flagger_canary"))]


def kept(name: str, *values: float | None) -> KeptCheck:
    return KeptCheck(name=name, samples=tuple(KeptSample(1.0, value, Verdict.PASS) for value in values))


def result(name: str, verdict: Verdict = Verdict.PASS, value: float | None = None) -> CheckResult:
    return CheckResult(name, verdict, "", value)


def test_all_of_a_canary_is_there_after_a_restart_before_anything_happens() -> None:
    entry = HistoryEntry(revision="rev-1", outcome=Outcome.ROLLED_BACK, started_at_s=100.0, ended_at_s=190.0)
    checks = (kept("request-success-rate", 98.5, 99.25), kept("request-duration", 120.0, None))
    analysis = Analysis(failed_checks=2, kept=checks)
    state = replace(RUNNING, analysis=analysis, history=(entry,), not_ready=Blocker("ChecksUndecided", "nobody knows"))
    metrics = [
        {"name": "request-success-rate", "thresholdRange": {"min": 99}},
        {"name": "request-duration", "threshold": 500},
    ]
    shown = lines(of(stored(state, analysis={"metrics": metrics})), "flagger_canary", "serin_canary", "serin_check")
    ends = [
        f'flagger_canary_{end}_total{{analysis_status="{status}",deployment_strategy="canary",{PODINFO}}} 0'
        for end in ("successes", "failures")
        for status in ("completed", "skipped")
    ]
    verdicts = [
        f'serin_check_verdicts_total{{metric="{metric}",{PODINFO},verdict="{verdict}"}} 0'
        for metric in ("request-success-rate", "request-duration")
        for verdict in ("pass", "fail", "noData", "error")
    ]
    assert shown == [
        'flagger_canary_total{namespace="test"} 1',
        f'serin_canary_ready{{{PODINFO},reason="ChecksUndecided"}} 0',
        f"flagger_canary_status{{{PODINFO}}} 0",
        'flagger_canary_weight{namespace="test",workload="podinfo"} 20',
        'flagger_canary_weight{namespace="test",workload="podinfo-primary"} 80',
        f"flagger_canary_metric_analysis{{{RATE},{PODINFO}}} 99.25",
        f'flagger_canary_metric_analysis{{metric="request-duration",{PODINFO}}} 0.12',
        *ends,
        f'serin_canary_phase{{{PODINFO},phase="Progressing"}} 1',
        f'serin_canary_metric_threshold{{bound="min",{RATE},{PODINFO}}} 99',
        f'serin_canary_metric_threshold{{bound="max",metric="request-duration",{PODINFO}}} 0.5',
        f"serin_canary_failed_checks{{{PODINFO}}} 2",
        f"serin_canary_failed_checks_threshold{{{PODINFO}}} 5",
        f'serin_canary_info{{apex="podinfo",{PODINFO}}} 1',
        f'serin_canary_last_run_seconds{{{PODINFO},outcome="rolledBack"}} 90',
        *verdicts,
    ]


def test_the_page_says_of_flaggers_series_what_flagger_says() -> None:
    text = of(stored(RUNNING)).render([])[0].decode()
    told = [line for line in text.splitlines() if line.startswith(("# HELP flagger_", "# TYPE flagger_"))]
    assert told == [
        "# HELP flagger_info Flagger version and mesh provider information",
        "# TYPE flagger_info gauge",
        "# HELP flagger_canary_total Total number of canary object",
        "# TYPE flagger_canary_total gauge",
        "# HELP flagger_canary_status Last canary analysis result",
        "# TYPE flagger_canary_status gauge",
        "# HELP flagger_canary_weight The virtual service destination weight current value",
        "# TYPE flagger_canary_weight gauge",
        "# HELP flagger_canary_metric_analysis Last canary analysis result per metric",
        "# TYPE flagger_canary_metric_analysis gauge",
        "# HELP flagger_canary_duration_seconds Seconds spent performing canary analysis.",
        "# TYPE flagger_canary_duration_seconds histogram",
        "# HELP flagger_canary_successes_total Total number of canary successes",
        "# TYPE flagger_canary_successes_total counter",
        "# HELP flagger_canary_failures_total Total number of canary failures",
        "# TYPE flagger_canary_failures_total counter",
    ]


@pytest.mark.parametrize(
    ("phase", "status"),
    [
        (Phase.INITIALIZING, 1),
        (Phase.INITIALIZED, 1),
        (Phase.WAITING, 1),
        (Phase.PROGRESSING, 0),
        (Phase.WAITING_PROMOTION, 1),
        (Phase.PROMOTING, 1),
        (Phase.FINALISING, 1),
        (Phase.SUCCEEDED, 1),
        (Phase.FAILED, 2),
        (Phase.TERMINATING, 1),
        (Phase.TERMINATED, 1),
    ],
)
def test_a_phase_has_flaggers_number_and_its_own_name(phase: Phase, status: int) -> None:
    assert lines(of(stored(State(phase=phase))), "flagger_canary_status", "serin_canary_phase") == [
        f"flagger_canary_status{{{PODINFO}}} {status}",
        f'serin_canary_phase{{{PODINFO},phase="{phase}"}} 1',
    ]


def test_a_canary_that_nobody_has_looked_at_has_no_phase_and_is_not_called_unready() -> None:
    shown = lines(of(stored()), "flagger_canary_status", "serin_canary_phase", "serin_canary_ready")
    assert shown == [f'serin_canary_ready{{{PODINFO},reason=""}} 1']


def test_the_apex_is_shown_for_it_names_the_upstreams() -> None:
    shown = exposed(of(stored(RUNNING, service={"name": "shop", "port": 80})))
    assert shown[f'serin_canary_info{{apex="shop",{PODINFO}}}'] == 1


def test_a_standby_shows_no_canary_for_two_of_each_would_count_twice() -> None:
    leads = [False]
    metrics = AgentMetrics("1.2.3", Fence(leading={0: lambda: leads[0]}), lambda: [stored(RUNNING)])
    metrics.canaries.count_end(canary(), State(phase=Phase.FAILED))
    assert lines(metrics) == []
    assert exposed(metrics)["serin_agent_leading"] == 0
    leads[0] = True
    assert f"flagger_canary_status{{{PODINFO}}} 0" in lines(metrics)
    assert exposed(metrics)["serin_agent_leading"] == 1


def test_each_canary_is_shown_by_the_leader_of_its_shard_alone() -> None:
    objects = [stored(RUNNING) for _ in range(4)]
    for obj, namespace in zip(objects, ("default", "shop", "payments", "search"), strict=True):
        obj["metadata"]["namespace"] = namespace
    shown: list[set[str]] = []
    for shard in range(3):
        found = exposed(AgentMetrics("1.2.3", Fence(3, {shard: lambda: True}), lambda: objects))
        shown.append({name.split('"')[1] for name in found if name.startswith("flagger_canary_total")})
        leaders = [found[f'serin_shard_leader{{shard="{other}"}}'] for other in range(3)]
        assert leaders == [float(other == shard) for other in range(3)]
        assert found["serin_agent_leading"] == 1
    assert shown == [{"payments"}, {"search"}, {"default", "shop"}]


def test_runs_that_ended_are_counted_by_how_from_zero_on() -> None:
    metrics = of(stored(RUNNING))
    for phase in (Phase.FAILED, Phase.SUCCEEDED, Phase.SUCCEEDED):
        metrics.canaries.count_end(canary(), State(phase=phase))
    metrics.canaries.count_end(canary(), State(phase=Phase.SUCCEEDED, control=Control(skips_analysis=True)))
    completed, skipped = (
        f'{{analysis_status="{status}",deployment_strategy="canary",{PODINFO}}}' for status in ("completed", "skipped")
    )
    assert lines(metrics, "flagger_canary_successes", "flagger_canary_failures") == [
        f"flagger_canary_successes_total{completed} 2",
        f"flagger_canary_successes_total{skipped} 1",
        f"flagger_canary_failures_total{completed} 1",
        f"flagger_canary_failures_total{skipped} 0",
    ]


def test_checks_are_counted_by_what_they_say_and_those_of_hooks_are_none() -> None:
    metrics = of(stored(RUNNING))
    hook, rate = result("request-success-rate", Verdict.FAIL), "request-success-rate"
    for verdict in (Verdict.PASS, Verdict.PASS, Verdict.NO_DATA, Verdict.FAIL):
        metrics.canaries.count_checks(canary(), (hook, result(rate, verdict), result("request-duration")), 0.1)
    assert lines(metrics, f"serin_check_verdicts_total{{{RATE}") == [
        f'serin_check_verdicts_total{{{RATE},{PODINFO},verdict="pass"}} 2',
        f'serin_check_verdicts_total{{{RATE},{PODINFO},verdict="fail"}} 1',
        f'serin_check_verdicts_total{{{RATE},{PODINFO},verdict="noData"}} 1',
        f'serin_check_verdicts_total{{{RATE},{PODINFO},verdict="error"}} 0',
    ]


def test_the_work_of_the_checks_is_shown_in_flaggers_buckets() -> None:
    metrics = of(stored(RUNNING))
    for seconds in (0.25, 0.3, 20.0):
        metrics.canaries.count_checks(canary(), (), seconds)
    bounds = [("0.005", 0), ("0.01", 0), ("0.025", 0), ("0.05", 0), ("0.1", 0), ("0.25", 1), ("0.5", 2), ("1", 2)]
    bounds += [("2.5", 2), ("5", 2), ("10", 2), ("+Inf", 3)]
    assert lines(metrics, "flagger_canary_duration_seconds") == [
        *(f'flagger_canary_duration_seconds_bucket{{{PODINFO},le="{bound}"}} {count}' for bound, count in bounds),
        f"flagger_canary_duration_seconds_sum{{{PODINFO}}} 20.55",
        f"flagger_canary_duration_seconds_count{{{PODINFO}}} 3",
    ]


def test_a_query_that_took_the_name_of_a_builtin_keeps_its_own_unit() -> None:
    metric = {"name": "request-duration", "query": "scalar(1)", "thresholdRange": {"max": 500}}
    state = replace(RUNNING, analysis=Analysis(kept=(kept("request-duration", 120.0),)))
    shown = exposed(of(stored(state, analysis={"metrics": [metric]})))
    assert shown[f'flagger_canary_metric_analysis{{metric="request-duration",{PODINFO}}}'] == 120
    assert shown[f'serin_canary_metric_threshold{{bound="max",metric="request-duration",{PODINFO}}}'] == 500


class Cluster:
    """What is stored, which a test changes."""

    def __init__(self, *objects: dict[str, Any]) -> None:
        self.objects: tuple[dict[str, Any], ...] = objects
        self.metrics = AgentMetrics("1.2.3", canaries=self.stored)

    def stored(self) -> Iterable[dict[str, Any]]:
        return self.objects

    def change(self, state: State | None, generation: int, **fields: Any) -> None:
        changed = stored(state, **fields)
        changed["metadata"]["generation"] = generation
        self.objects = (changed,)


def test_a_gone_bound_and_a_renamed_metric_leave_no_series_behind() -> None:
    cluster = Cluster()
    for number in range(30):
        one = {"name": f"metric-{number}", "query": "x", "thresholdRange": {"min": 1} if number % 2 else {"max": 2}}
        state = replace(RUNNING, analysis=Analysis(kept=(kept(f"metric-{number}", 0.5),)))
        cluster.change(state, number, analysis={"metrics": [one]})
        seen = canary({"metrics": [one]})
        cluster.metrics.canaries.count_checks(seen, (result(f"metric-{number}", value=0.5),), 0.1)
        assert lines(cluster.metrics)
    assert {series for series in exposed(cluster.metrics) if "metric=" in series} == {
        f'flagger_canary_metric_analysis{{metric="metric-29",{PODINFO}}}',
        f'serin_canary_metric_threshold{{bound="min",metric="metric-29",{PODINFO}}}',
        *(
            f'serin_check_verdicts_total{{metric="metric-29",{PODINFO},verdict="{verdict}"}}'
            for verdict in ("pass", "fail", "noData", "error")
        ),
    }
    assert len(cluster.metrics.canaries._counts[Key("test", "podinfo")].verdicts) == 1


def test_a_metric_of_which_two_have_the_name_is_shown_once() -> None:
    twice = [{"name": "p99", "query": "x", "thresholdRange": {"max": most}} for most in (1, 2)]
    shown = exposed(of(stored(RUNNING, analysis={"metrics": twice})))
    assert shown[f'serin_canary_metric_threshold{{bound="max",metric="p99",{PODINFO}}}'] == 2


def test_who_is_not_ready_is_shown_with_one_reason_at_a_time() -> None:
    cluster, shown = Cluster(), []
    for reason in ("", "FlaggerRunning", "TargetNotFound"):
        cluster.change(replace(RUNNING, blocker=Blocker(reason, "why") if reason else None), 1)
        shown.append(lines(cluster.metrics, "serin_canary_ready"))
    assert shown == [
        [f'serin_canary_ready{{{PODINFO},reason=""}} 1'],
        [f'serin_canary_ready{{{PODINFO},reason="FlaggerRunning"}} 0'],
        [f'serin_canary_ready{{{PODINFO},reason="TargetNotFound"}} 0'],
    ]


def test_nothing_of_a_deleted_canary_is_left_and_all_of_another_is() -> None:
    both, alone = Cluster(stored(RUNNING), stored(RUNNING, "shop")), of(stored(RUNNING, "shop"))
    shop = parse_canary(stored(None, "shop"))
    for metrics, counted in ((both.metrics, (canary(), shop)), (alone, (shop,))):
        for one in counted:
            metrics.canaries.count_checks(one, (result("request-success-rate"),), 0.1)
            metrics.canaries.count_end(one, State(phase=Phase.SUCCEEDED))
    assert len(lines(both.metrics)) > len(lines(alone))
    both.objects = both.objects[1:]
    assert exposed(both.metrics) == exposed(alone)
    assert both.metrics.canaries._counts.keys() == {Key("test", "shop")}


def test_a_canary_made_anew_and_one_with_another_target_count_from_zero() -> None:
    cluster = Cluster(stored(RUNNING))
    cluster.metrics.canaries.count_end(canary(), State(phase=Phase.FAILED))
    completed = f'flagger_canary_failures_total{{analysis_status="completed",deployment_strategy="canary",{PODINFO}}}'
    assert exposed(cluster.metrics)[completed] == 1
    anew = stored(RUNNING)
    anew["metadata"]["uid"] = "c-2"
    cluster.objects = (anew,)
    assert exposed(cluster.metrics)[completed] == 0
    renamed = stored(RUNNING)
    renamed["spec"]["targetRef"]["name"] = "shop"
    cluster.objects = (renamed,)
    assert exposed(cluster.metrics)[completed.replace("podinfo", "shop")] == 0
    assert not [line for line in lines(cluster.metrics) if "podinfo" in line]


def test_a_canary_has_the_names_of_its_objects_until_they_are_made_anew() -> None:
    cluster, made = Cluster(), Identity("podinfo", "Deployment", "podinfo")
    shop = {"kind": "Deployment", "name": "shop"}
    cluster.change(replace(RUNNING, identity=made), 2, targetRef=shop)
    assert f'serin_canary_info{{apex="podinfo",{PODINFO}}} 1' in lines(cluster.metrics)
    cluster.change(replace(RUNNING, identity=Identity("shop", "Deployment", "shop")), 2, targetRef=shop)
    assert 'serin_canary_info{apex="shop",name="shop",namespace="test"} 1' in lines(cluster.metrics)
    assert not [line for line in lines(cluster.metrics) if "podinfo" in line]


def test_a_spec_that_can_not_be_read_any_more_is_shown_as_it_last_could_be_with_the_reason() -> None:
    cluster = Cluster(stored(RUNNING))
    assert lines(cluster.metrics, "serin_canary_ready") == [f'serin_canary_ready{{{PODINFO},reason=""}} 1']
    cluster.change(RUNNING, 2, analysis={"threshold": "many"})
    shown = lines(cluster.metrics)
    assert f'serin_canary_ready{{{PODINFO},reason="InvalidSpec"}} 0' in shown
    assert f"serin_canary_failed_checks_threshold{{{PODINFO}}} 5" in shown


def test_of_a_canary_of_another_mesh_nothing_is_shown_but_that_it_is_left_alone() -> None:
    assert lines(of(stored(provider="istio"))) == [
        'flagger_canary_total{namespace="test"} 1',
        f'serin_canary_ready{{{PODINFO},reason="ProviderNotSupported"}} 0',
    ]


def test_of_two_canaries_with_one_target_the_older_has_the_series_and_the_other_its_reason() -> None:
    older, younger = stored(RUNNING), stored(State(blocker=Blocker("OwnedByOther", "Canary podinfo has it")))
    older["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    younger["metadata"] |= {"name": "another", "uid": "c-2", "creationTimestamp": "2026-01-02T00:00:00Z"}
    shown = exposed(of(younger, older))
    assert {series for series in shown if "_ready" in series or "canary_status" in series} == {
        f'serin_canary_ready{{{PODINFO},reason=""}}',
        f'serin_canary_ready{{{PODINFO},reason="OwnedByOther"}}',
        f"flagger_canary_status{{{PODINFO}}}",
    }
    assert shown['flagger_canary_total{namespace="test"}'] == 2


@pytest.mark.parametrize(
    "odd", [{"phase": "Dancing"}, {"phase": "Failed", "serin": {"checks": 7, "history": {"x": 1}}}]
)
def test_a_status_that_somebody_wrote_by_hand_keeps_no_other_canary_from_the_page(
    odd: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    by_hand = stored(None, "odd") | {"status": odd}
    assert f"flagger_canary_status{{{PODINFO}}} 0" in lines(of(by_hand, stored(RUNNING)))
    assert not [record for record in caplog.records if record.exc_info], "it is no fault of ours"


def test_a_canary_that_can_not_be_shown_for_a_fault_of_ours_is_the_only_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(obj: dict[str, Any], before: Snapshot | None) -> Snapshot:
        if obj["metadata"]["name"] == "odd":
            raise RecursionError("deep inside")
        return read_snapshot(obj, before)

    monkeypatch.setattr("agent.series.canaries.read_snapshot", fail)
    assert f"flagger_canary_status{{{PODINFO}}} 0" in lines(of(stored(RUNNING, "odd"), stored(RUNNING)))
    assert [record.message for record in caplog.records] == ["series of canary test/odd: not shown"]


def test_no_name_of_a_tenant_writes_another_series() -> None:
    forged = 'p99 "checkout" \\ latency\n} 1\nflagger_canary_status{name="victim",namespace="shop"'
    metric = {"name": forged, "query": "x", "thresholdRange": {"max": 7}}
    metrics = of(stored(None, analysis={"metrics": [metric]}))
    written = 'p99 \\"checkout\\" \\\\ latency\\n} 1\\nflagger_canary_status{name=\\"victim\\",namespace=\\"shop\\"'
    assert f'serin_canary_metric_threshold{{bound="max",metric="{written}",{PODINFO}}} 7' in lines(metrics)
    assert not lines(metrics, "flagger_canary_status{")


async def test_a_page_in_pieces_is_the_same_page() -> None:
    metrics = of(*(stored(RUNNING, f"podinfo-{number}") for number in range(250)))
    assert await metrics.render_in_pieces([]) == metrics.render([])
    assert exposed(metrics)['flagger_canary_total{namespace="test"}'] == 250


def test_a_test_of_a_metric_shows_where_its_evidence_stands() -> None:
    metrics = [{"name": "request-success-rate", "thresholdRange": {"min": 99}, "evidence": {}}]
    evidence = (CheckEvidence(name="request-success-rate", shown=Shown(answer="undecided", bar=0.25)),)
    state = replace(RUNNING, analysis=Analysis(evidence=evidence))
    shown = lines(of(stored(state, analysis={"metrics": metrics})), "serin_check")
    assert f"serin_check_evidence{{{RATE},{PODINFO}}} 0.25" in shown
    assert f'serin_check_verdicts_total{{{RATE},{PODINFO},verdict="undecided"}} 0' in shown


def test_what_is_counted_between_two_scrapes_is_on_the_second_page() -> None:
    metrics = of(stored(RUNNING, analysis={"metrics": [{"name": "request-success-rate"}]}))
    counted = canary({"metrics": [{"name": "request-success-rate"}]})
    passed = f'serin_check_verdicts_total{{{RATE},{PODINFO},verdict="pass"}}'
    took = f"flagger_canary_duration_seconds_count{{{PODINFO}}}"
    completed = f'flagger_canary_successes_total{{analysis_status="completed",deployment_strategy="canary",{PODINFO}}}'
    assert lines(metrics, passed, took, completed) == [f"{completed} 0", f"{passed} 0"]
    metrics.canaries.count_checks(counted, [result("request-success-rate")], 1.0)
    assert lines(metrics, passed, took, completed) == [f"{took} 1", f"{completed} 0", f"{passed} 1"]
    metrics.canaries.count_end(counted, replace(RUNNING, phase=Phase.SUCCEEDED))
    assert lines(metrics, passed, took, completed) == [f"{took} 1", f"{completed} 1", f"{passed} 1"]

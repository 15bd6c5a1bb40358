"""Asking with metrics whose failures do not count: nobody is cut short by one of them."""

import asyncio
from typing import Any

import pytest

from agent.providers.metrics.checks import MetricChecks
from canary.run.judge import CheckResult, Verdict
from canary.run.observation import Question
from canary.run.state import Analysis, State
from tests.support.eventually import eventually
from tests.support.patience import PATIENCE_S
from tests.unit.agent.test_ask import LONGER_THAN_GRACE_S, ONE_METRIC, Providers, unanswered

ONCE = State(analysis=Analysis(failed_in_row=(("zero", 1),)))


@pytest.mark.parametrize(
    ("fields", "state", "is_cut_short"),
    [
        ({"consecutiveFailures": 2}, State(), False),
        ({"consecutiveFailures": 2}, ONCE, True),
        ({"dryRun": True}, State(), False),
        ({"dryRun": True, "consecutiveFailures": 2}, ONCE, False),
    ],
)
async def test_a_failure_that_does_not_count_cuts_nobody_short(
    fields: dict[str, Any], state: State, *, is_cut_short: bool
) -> None:
    providers = Providers(hanging={"load-test"}, value="0")
    metrics = [ONE_METRIC[0] | fields]
    async with providers.asking({"load-test": ""}, metrics=metrics) as ask:
        asking = asyncio.ensure_future(ask(state, Question.CHECKS))
        await eventually(lambda: len(providers.queries), lambda count: count == 1)
        await asyncio.wait({asking}, timeout=PATIENCE_S if is_cut_short else LONGER_THAN_GRACE_S)
        assert asking.done() == is_cut_short
        providers.release.set()
        answers = await asking
    assert bool(unanswered(answers[Question.CHECKS])) == is_cut_short
    assert answers[Question.CHECKS][1].is_dry_run == fields.get("dryRun", False)


async def test_a_dry_run_that_never_answers_is_one_all_the_same() -> None:
    providers = Providers(codes={"smoke": 500}, value=None)
    metrics = [ONE_METRIC[0] | {"dryRun": True}]
    async with asyncio.timeout(PATIENCE_S):
        answers = await providers.answers(Question.CHECKS, hooks={"smoke": ""}, state=State(), metrics=metrics)
    assert [(one.verdict, one.is_dry_run) for one in answers[Question.CHECKS]] == [
        (Verdict.FAIL, False),
        (Verdict.ERROR, True),
    ]


@pytest.mark.parametrize("is_dry_run", [False, True])
async def test_harm_cuts_others_short_whatever_row_of_failures_the_metric_wants(
    monkeypatch: pytest.MonkeyPatch, *, is_dry_run: bool
) -> None:
    async def harm(*_: object) -> CheckResult:
        return CheckResult("zero", Verdict.FAIL, "", None, "", failures_needed=3, is_final=True, is_dry_run=is_dry_run)

    monkeypatch.setattr(MetricChecks, "check", harm)
    providers = Providers(hanging={"load-test"})
    metrics = [ONE_METRIC[0] | {"consecutiveFailures": 3, "dryRun": is_dry_run}]
    async with providers.asking({"load-test": ""}, metrics=metrics) as ask:
        asking = asyncio.ensure_future(ask(State(), Question.CHECKS))
        await asyncio.wait({asking}, timeout=LONGER_THAN_GRACE_S if is_dry_run else PATIENCE_S)
        assert asking.done() != is_dry_run
        providers.release.set()
        await asking

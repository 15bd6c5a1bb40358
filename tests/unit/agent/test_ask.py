"""Asking: which hooks a question calls and what they are sent, and who waits for whom."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from agent.ask import Asker
from agent.caches import Caches
from agent.hook_calls import HookCalls
from agent.providers.hooks import Hooks
from agent.providers.metrics.checks import MetricChecks
from agent.providers.metrics.sources import Sources
from canary.api.hooks import HOOK_TYPES
from canary.run.judge import CheckResult, Verdict
from canary.run.observation import Observation, Question
from canary.run.phase import Phase
from canary.run.state import HookAnswers, Revisions, State, Timing
from tests.support.canaries import canary
from tests.support.eventually import eventually
from tests.support.patience import AGES_S, PATIENCE_S
from tests.support.web import serving

ONE_METRIC = [{"name": "zero", "query": "vector(0)", "interval": "1m", "thresholdRange": {"min": 1}}]

NOW_S = 1000.0
REV_2 = Revisions(analysed="rev-2")
SOON = State(phase=Phase.PROGRESSING, revisions=REV_2, timing=Timing(next_check_at_s=NOW_S + 0.05))
"""The next checks are due in 50 ms."""

GRACE_S = 0.05
LONGER_THAN_GRACE_S = 0.2
"""Longer than the 50 ms of SOON, too."""

Answers = Mapping[Question, tuple[CheckResult, ...]]
Ask = Callable[..., Awaitable[Answers]]


@dataclass
class Providers:
    """Hook services and a metrics server in one: `/hooks/{name}` and the metrics API.

    `codes` are the hooks' answers by name, 200 where nothing is said; those in `hanging` answer when
    released. `value` is the metrics' one, None never comes. `calls` are (hook, phase) in the order of their arrival,
    `answered` the hooks in the order of their answers, `queries` those to the metrics server.
    """

    codes: dict[str, int] = field(default_factory=dict)
    hanging: set[str] = field(default_factory=set)
    value: str | None = "5"
    calls: list[tuple[str, str]] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    release: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.Response:
        _, kind, *rest = request.path.split("/")
        if kind != "hooks":
            self.queries.append(str((await request.post())["query"]))
            if self.value is None:
                await self.release.wait()
            result = {"resultType": "vector", "result": [{"metric": {}, "value": [1, self.value]}]}
            return web.json_response({"status": "success", "data": result})
        (name,) = rest
        self.calls.append((name, (await request.json())["phase"]))
        if name in self.hanging:
            await self.release.wait()
        self.answered.append(name)
        return web.Response(status=self.codes.get(name, 200), headers={"Serin-Hint": "so it is"})

    async def answers(self, *questions: Question, hooks: dict[str, str], state: State, **more: Any) -> Answers:
        """Ask once about a canary with these hooks (name to type) in a state."""
        async with self.asking(hooks, **more) as ask:
            return await ask(state, *questions)

    @asynccontextmanager
    async def asking(
        self, hooks: dict[str, str], *, metrics: list[dict[str, Any]] | None = None, calls: HookCalls | None = None
    ) -> AsyncIterator[Ask]:
        """Ask again and again, as the loop of one canary does."""
        client: Any = None  # no template, no secret: nobody asks the API server
        calls = calls or HookCalls()
        async with serving(self.handle) as url, aiohttp.ClientSession() as session:
            checks = MetricChecks(Sources(session, client, Caches(client, ""), metrics_server=url, timeout_s=AGES_S))
            asker = Asker(checks, Hooks(session=session), grace_s=GRACE_S)
            webhooks = [
                {"name": name, "type": kind, "url": f"{url}/hooks/{name}", "timeout": "10m"}
                for name, kind in hooks.items()
            ]
            asked = canary({"interval": "1h", "webhooks": webhooks, "metrics": metrics or []})

            async def ask(state: State, *questions: Question, is_stored: bool = True) -> Answers:
                calls.keep_for(state)
                observation = Observation(now_s=NOW_S, target=None, primary=None, route=None)
                answered = await asker.answer(asked, state, observation, questions, calls)
                if is_stored:
                    calls.forget(answered.calls)
                assert answered.observation.answers is not None
                return answered.observation.answers

            try:
                yield ask
            finally:
                await calls.close()
                # A server's handler goes on without its client: let those that hang end before the server does.
                self.release.set()


def unanswered(results: tuple[CheckResult, ...]) -> list[str]:
    """Those that were not waited for: an error of another kind is not one of them."""
    later = " has not answered yet"
    return [one.text.removesuffix(later) for one in results if one.text.endswith(later)]


ONE_OF_EACH = {f"my-{kind}": kind for kind in HOOK_TYPES}

CALLED = {
    Question.CONFIRM_ROLLOUT: ("my-confirm-rollout", "Waiting"),
    Question.PRE_ROLLOUT: ("my-pre-rollout", "Progressing"),
    Question.CHECKS: ("my-rollout", "Progressing"),
    Question.CONFIRM_TRAFFIC_INCREASE: ("my-confirm-traffic-increase", "Progressing"),
    Question.CONFIRM_PROMOTION: ("my-confirm-promotion", "Progressing"),
    Question.POST_ROLLOUT: ("my-post-rollout", "Succeeded"),
    Question.ROLLBACK: ("my-rollback", "Waiting"),
}


def test_every_question_but_the_drain_is_about_hooks() -> None:
    assert set(Question) - CALLED.keys() == {Question.DRAINED}


@pytest.mark.parametrize("question", CALLED)
async def test_a_question_calls_the_hooks_of_its_type_with_flaggers_phase(question: Question) -> None:
    providers = Providers()
    answers = await providers.answers(question, hooks=ONE_OF_EACH, state=State(phase=Phase.WAITING, revisions=REV_2))
    assert providers.calls == [CALLED[question]]
    assert [(one.name, one.verdict) for one in answers[question]] == [(CALLED[question][0], Verdict.PASS)]


async def test_a_hook_without_a_type_is_called_with_the_checks() -> None:
    providers = Providers()
    await providers.answers(Question.CHECKS, hooks={"load-test": ""}, state=State(phase=Phase.PROGRESSING))
    assert providers.calls == [("load-test", "Progressing")]


async def test_the_end_of_a_rollback_is_sent_as_one() -> None:
    providers = Providers()
    await providers.answers(Question.POST_ROLLOUT, hooks={"report": "post-rollout"}, state=State(phase=Phase.FAILED))
    assert providers.calls == [("report", "Failed")]


@pytest.mark.parametrize(
    ("question", "text"),
    [
        (Question.PRE_ROLLOUT, "pre-rollout check my-pre-rollout failed HTTP 403: so it is"),
        (Question.CHECKS, "external check my-rollout failed HTTP 403: so it is"),
        (Question.POST_ROLLOUT, "Post-rollout hook my-post-rollout failed HTTP 403: so it is"),
    ],
)
async def test_refusals_read_as_flaggers(question: Question, text: str) -> None:
    providers = Providers(codes=dict.fromkeys(ONE_OF_EACH, 403))
    (result,) = (await providers.answers(question, hooks=ONE_OF_EACH, state=State(phase=Phase.PROGRESSING)))[question]
    assert (result.verdict, result.text) == (Verdict.FAIL, text)


async def test_a_hook_that_said_yes_is_not_asked_again() -> None:
    providers = Providers()
    state = State(phase=Phase.PROGRESSING, hooks=HookAnswers(answered=("pre-rollout/first",)))
    hooks = {"first": "pre-rollout", "second": "pre-rollout"}
    answers = await providers.answers(Question.PRE_ROLLOUT, hooks=hooks, state=state)
    assert providers.calls == [("second", "Progressing")]
    assert [one.name for one in answers[Question.PRE_ROLLOUT]] == ["second"]


async def test_hooks_come_before_metrics_in_the_order_of_the_spec() -> None:
    hooks = {"b": "rollout", "a": ""}
    answers = await Providers().answers(Question.CHECKS, hooks=hooks, state=State(), metrics=ONE_METRIC)
    assert [one.name for one in answers[Question.CHECKS]] == ["b", "a", "zero"]


async def test_a_failed_metric_does_not_wait_for_a_hook_that_hangs() -> None:
    providers = Providers(hanging={"load-test"}, value="0")
    async with asyncio.timeout(PATIENCE_S):
        answers = await providers.answers(Question.CHECKS, hooks={"load-test": ""}, state=State(), metrics=ONE_METRIC)
    assert [(one.name, one.verdict) for one in answers[Question.CHECKS]] == [
        ("load-test", Verdict.ERROR),
        ("zero", Verdict.FAIL),
    ]
    assert answers[Question.CHECKS][0].text == "external check load-test has not answered yet"


async def test_a_failed_hook_does_not_wait_for_a_metrics_server_that_hangs() -> None:
    providers = Providers(codes={"smoke": 500}, value=None)
    async with asyncio.timeout(PATIENCE_S):
        answers = await providers.answers(Question.CHECKS, hooks={"smoke": ""}, state=State(), metrics=ONE_METRIC)
    assert [one.verdict for one in answers[Question.CHECKS]] == [Verdict.FAIL, Verdict.ERROR]
    assert answers[Question.CHECKS][1].text == "metric zero has not answered yet"


async def test_a_yes_to_the_rollback_waits_for_no_other_hook() -> None:
    providers, hooks = Providers(hanging={"load-test"}), {"load-test": "", "stop": "rollback"}
    async with asyncio.timeout(PATIENCE_S):
        answers = await providers.answers(Question.CHECKS, Question.ROLLBACK, hooks=hooks, state=State())
    assert unanswered(answers[Question.CHECKS]) == ["external check load-test"]
    assert [one.verdict for one in answers[Question.ROLLBACK]] == [Verdict.PASS]


async def test_a_no_to_the_rollback_cuts_nobody_short() -> None:
    providers, hooks = Providers(codes={"stop": 403}, hanging={"load-test"}), {"load-test": "", "stop": "rollback"}
    async with providers.asking(hooks) as ask:
        asking = asyncio.ensure_future(ask(State(), Question.CHECKS, Question.ROLLBACK))
        await eventually(lambda: len(providers.answered), lambda count: count == 1)
        await asyncio.wait({asking}, timeout=LONGER_THAN_GRACE_S)
        assert not asking.done()
        providers.release.set()
        answers = await asking
    assert [one.verdict for one in answers[Question.CHECKS]] == [Verdict.PASS]


async def test_a_hook_that_takes_longer_than_an_interval_is_called_once_and_its_answer_taken_later() -> None:
    providers = Providers(hanging={"load-test"})
    async with providers.asking({"load-test": ""}, metrics=ONE_METRIC) as ask:
        for _ in range(3):
            answers = await ask(SOON, Question.CHECKS)
            assert unanswered(answers[Question.CHECKS]) == ["external check load-test"]
            assert [one.verdict for one in answers[Question.CHECKS]] == [Verdict.ERROR, Verdict.PASS]
        providers.release.set()
        answers = await ask(State(phase=Phase.PROGRESSING, revisions=REV_2), Question.CHECKS)
        assert [one.verdict for one in answers[Question.CHECKS]] == [Verdict.PASS, Verdict.PASS]
        assert len(providers.calls) == 1
        await ask(SOON, Question.CHECKS)
        await eventually(lambda: len(providers.calls), lambda count: count == 2)


async def test_a_hook_is_not_called_again_while_its_answer_is_not_stored() -> None:
    providers = Providers()
    async with providers.asking({"notify": "post-rollout"}) as ask:
        for is_stored in (False, False, True):
            answers = await ask(SOON, Question.POST_ROLLOUT, is_stored=is_stored)
            assert [one.verdict for one in answers[Question.POST_ROLLOUT]] == [Verdict.PASS]
            assert len(providers.calls) == 1
        await ask(SOON, Question.POST_ROLLOUT)
        assert len(providers.calls) == 2


async def test_a_metric_that_fails_is_known_while_a_hook_still_runs() -> None:
    providers = Providers(hanging={"load-test"})
    async with providers.asking({"load-test": ""}, metrics=ONE_METRIC) as ask:
        await ask(SOON, Question.CHECKS)
        providers.value = "0"
        answers = await ask(SOON, Question.CHECKS)
    assert unanswered(answers[Question.CHECKS]) == ["external check load-test"]
    assert [one.verdict for one in answers[Question.CHECKS]] == [Verdict.ERROR, Verdict.FAIL]


@pytest.mark.parametrize(
    ("question", "text"),
    [
        (Question.CONFIRM_TRAFFIC_INCREASE, "Confirm-traffic-increase check"),
        (Question.CONFIRM_PROMOTION, "Confirm-promotion check"),
    ],
)
async def test_a_gate_that_hangs_leaves_the_next_checks_their_time(question: Question, text: str) -> None:
    (name, _) = CALLED[question]
    providers = Providers(hanging={name})
    async with asyncio.timeout(PATIENCE_S):
        answers = await providers.answers(question, hooks=ONE_OF_EACH, state=SOON)
    assert unanswered(answers[question]) == [f"{text} {name}"]


async def test_what_goes_wrong_in_a_call_that_nobody_thought_of_is_an_answer_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(*_: object, **__: object) -> CheckResult:
        raise RecursionError("deep inside")

    monkeypatch.setattr(Hooks, "ask", fail)
    hooks, providers = {"load-test": "rollout", "gate": "rollback"}, Providers(value="0")
    async with providers.asking(hooks, metrics=ONE_METRIC) as ask:
        for _ in range(2):
            answers = await ask(State(phase=Phase.PROGRESSING), Question.CHECKS, Question.ROLLBACK)
            assert [(one.verdict, one.text) for one in answers[Question.ROLLBACK]] == [
                (Verdict.ERROR, "Rollback hook gate failed RecursionError: deep inside")
            ]
            assert [one.verdict for one in answers[Question.CHECKS]] == [Verdict.ERROR, Verdict.FAIL]


async def test_a_drain_that_can_not_be_asked_about_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object, **__: object) -> bool:
        raise RecursionError("deep inside")

    monkeypatch.setattr(MetricChecks, "is_drained", fail)
    async with Providers().asking({}) as ask:
        assert await ask(State(phase=Phase.FINALISING), Question.DRAINED) == {Question.DRAINED: ()}


async def test_a_pre_rollout_hook_may_take_its_time() -> None:
    providers = Providers(hanging={"smoke"})
    async with providers.asking({"smoke": "pre-rollout"}) as ask:
        asking = asyncio.ensure_future(ask(SOON, Question.PRE_ROLLOUT))
        await eventually(lambda: len(providers.calls), lambda count: count == 1)
        await asyncio.wait({asking}, timeout=LONGER_THAN_GRACE_S)
        assert not asking.done()
        providers.release.set()
        answers = await asking
    assert [one.verdict for one in answers[Question.PRE_ROLLOUT]] == [Verdict.PASS]


@pytest.mark.parametrize(
    "later",
    [replace(SOON, revisions=Revisions(analysed="rev-3")), replace(SOON, phase=Phase.FAILED)],
    ids=["revision", "end"],
)
async def test_a_call_of_another_run_is_ended(later: State) -> None:
    providers = Providers(hanging={"load-test"})
    async with providers.asking({"load-test": ""}) as ask:
        for number, state in enumerate((SOON, later, SOON), 1):
            await ask(state, Question.CHECKS)
            await eventually(lambda: len(providers.calls), number.__eq__)


async def test_no_call_outlives_its_canary() -> None:
    providers, calls = Providers(hanging={"load-test"}), HookCalls()
    async with providers.asking({"load-test": ""}, calls=calls) as ask:
        await ask(SOON, Question.CHECKS)
        assert _hook_tasks()
        await calls.close()
        assert not _hook_tasks()


def _hook_tasks() -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("hook ")]


async def test_all_hooks_of_all_questions_are_called_at_once() -> None:
    """Each of them waits until the others are called too."""
    meeting = asyncio.Barrier(3)
    hooks = {"load-test": "", "smoke": "rollout", "stop": "rollback"}
    names: list[str] = []

    @dataclass
    class Meeting(Providers):
        async def handle(self, request: web.Request) -> web.Response:
            await meeting.wait()
            names.append(request.path)
            return web.Response()

    async with asyncio.timeout(PATIENCE_S):
        await Meeting().answers(Question.CHECKS, Question.ROLLBACK, hooks=hooks, state=State())
    assert len(names) == 3


async def test_a_question_nobody_is_there_for_has_an_empty_answer() -> None:
    assert await Providers().answers(Question.CONFIRM_PROMOTION, hooks={}, state=State()) == {
        Question.CONFIRM_PROMOTION: ()
    }


@pytest.mark.parametrize(
    ("phase", "side"), [(Phase.PROMOTING, "primary"), (Phase.FINALISING, "canary"), (Phase.FAILED, "canary")]
)
async def test_the_side_that_is_to_go_is_asked_whether_requests_reach_it(phase: Phase, side: str) -> None:
    providers = Providers()
    await providers.answers(
        Question.DRAINED, hooks={}, state=State(phase=phase, timing=Timing(shifted_at_s=NOW_S - 10))
    )
    (query,) = providers.queries
    assert f"test-podinfo-{side}upstream-9898_test" in query

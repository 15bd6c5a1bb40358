"""Asking: the questions of a tick go out together, and every one of them comes back with an answer."""

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from agent.hook_calls import HookCalls
from agent.providers.hooks import Hooks
from agent.providers.metrics.checks import MetricChecks
from canary.api.canary import Canary
from canary.api.metrics import CanaryMetric
from canary.api.names import Side
from canary.decide.gates import answer_key, unanswered_hooks
from canary.run.judge import CheckResult, Verdict, result_of
from canary.run.observation import Observation, Question
from canary.run.phase import Phase
from canary.run.state import State
from canary.run.streaks import would_count

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Kind:
    """How hooks of a type are called: `text` begins the result's sentence, `phase` is the one in their payload."""

    hook_type: str
    text: str
    phase: Callable[[State], Phase | None] = lambda _: Phase.PROGRESSING


def _stored_phase(state: State) -> Phase | None:
    return state.phase


def _end_phase(state: State) -> Phase:
    return Phase.FAILED if state.phase is Phase.FAILED else Phase.SUCCEEDED


# Source of phases and texts: Flagger 1.44, `pkg/controller/scheduler_hooks.go` and `scheduler.go`.
_KINDS: Final[Mapping[Question, _Kind]] = {
    Question.CONFIRM_ROLLOUT: _Kind("confirm-rollout", "Confirm-rollout check", _stored_phase),
    Question.PRE_ROLLOUT: _Kind("pre-rollout", "pre-rollout check"),
    Question.CHECKS: _Kind("rollout", "external check"),
    Question.CONFIRM_TRAFFIC_INCREASE: _Kind("confirm-traffic-increase", "Confirm-traffic-increase check"),
    Question.CONFIRM_PROMOTION: _Kind("confirm-promotion", "Confirm-promotion check"),
    Question.POST_ROLLOUT: _Kind("post-rollout", "Post-rollout hook", _end_phase),
    Question.ROLLBACK: _Kind("rollback", "Rollback hook", _stored_phase),
}

# What pulls the traffic from the canary as soon as it is known.
_PULLS: Final = {(Question.CHECKS, Verdict.FAIL), (Question.ROLLBACK, Verdict.PASS)}


# These are asked while nothing is at stake that has to be looked at meanwhile: they may take all their time.
_PATIENT: Final = {Question.PRE_ROLLOUT, Question.POST_ROLLOUT}


# Then it is the primary that is drained.
_PRIMARY_GOES: Final = {Phase.PROMOTING, Phase.TERMINATING}


@dataclass(frozen=True, slots=True)
class _PendingAnswer:
    """One hook or metric under way. `text` begins its result, `key` names a hook's call, empty for a metric.

    `metric` is None for a hook. `is_decisive`: a failure of it counts at once.
    """

    question: Question
    name: str
    text: str
    task: asyncio.Task[CheckResult]
    key: str = ""
    metric: CanaryMetric | None = None
    is_decisive: bool = True

    def is_pull(self) -> bool:
        """Return whether it has come back with an answer that pulls the traffic."""
        is_over = self.task.done() and not self.task.cancelled()
        if not is_over or self.task.exception() is not None:
            return False
        result = self.task.result()
        if result.is_final:
            # Harm is known: no row of failures is waited for.
            return not result.is_dry_run
        return self.is_decisive and (self.question, result.verdict) in _PULLS

    def result(self) -> CheckResult:
        """Return what it came back with; whatever went wrong is a result as well, and what still runs says so."""
        return self._result() if self.metric is None else result_of(self.metric, self._result())

    def _result(self) -> CheckResult:
        if not self.task.done() or self.task.cancelled():
            text = f"{self.text} {self.name} has not answered yet"
            return CheckResult(self.name, Verdict.ERROR, text, is_pending=bool(self.key))
        error = self.task.exception()
        if error is None:
            return self.task.result()
        _log.error("%s %s failed", self.text, self.name, exc_info=error)
        return CheckResult(self.name, Verdict.ERROR, f"{self.text} {self.name} failed {type(error).__name__}: {error}")


@dataclass(frozen=True, slots=True)
class Answered:
    """The observation with the answers in it; `calls` are the keys of the hook calls that they came from."""

    observation: Observation
    calls: frozenset[str]


class Asker:
    """Turns questions into answers. A failure to get one is an answer as well, so asking raises nothing.

    `grace_s`: an answer that pulls the traffic waits so long for the others of its tick, then goes on without them.
    """

    def __init__(self, checks: MetricChecks, hooks: Hooks, *, grace_s: float = 1.0) -> None:
        self._checks = checks
        self._hooks = hooks
        self._grace_s = grace_s

    async def answer(
        self, canary: Canary, state: State, observation: Observation, questions: Iterable[Question], calls: HookCalls
    ) -> Answered:
        """Return the answers, hooks first, as Flagger calls them before the metrics.

        A hook that takes longer than it is until the next checks has not answered yet; its call goes on in `calls`. One
        that has answered stays there until whoever asked forgets it: its answer is returned again until then.
        """
        questions = frozenset(questions)
        is_drained = None
        async with asyncio.TaskGroup() as group:
            asked = [*self._ask_hooks(canary, state, questions, calls)]
            if Question.CHECKS in questions:
                asked += self._ask_metrics(canary, state, observation.now_s, group)
            if Question.DRAINED in questions:
                since_s = observation.now_s if state.timing.shifted_at_s is None else state.timing.shifted_at_s
                side = Side.PRIMARY if state.phase in _PRIMARY_GOES else Side.CANARY
                is_drained = await self._is_drained(canary, side, since_s, observation.now_s)
            await self._wait(asked, _limit_s(canary, state, observation.now_s, questions))
            for one in asked:
                if not one.key:
                    one.task.cancel()
        answers = {question: tuple(one.result() for one in asked if one.question is question) for question in questions}
        done = frozenset(one.key for one in asked if one.key and one.task.done())
        return Answered(replace(observation, answers=answers, is_drained=is_drained), done)

    async def _is_drained(self, canary: Canary, side: Side, since_s: float, now_s: float) -> bool | None:
        """Ask whether a side gets no request any more; None, as of any other, where the answer can't be had."""
        try:
            return await self._checks.is_drained(canary, side, since_s, now_s)
        except Exception:  # noqa: BLE001  a drain that can't be asked about takes its time, and ends
            _log.exception("drain of %s/%s: not asked", canary.namespace, canary.name)
            return None

    def _ask_hooks(
        self, canary: Canary, state: State, questions: frozenset[Question], calls: HookCalls
    ) -> Iterator[_PendingAnswer]:
        for question in questions & _KINDS.keys():
            kind = _KINDS[question]
            for hook in unanswered_hooks(canary, state, kind.hook_type):
                key = f"{answer_key(state, hook)} {hook.model_dump_json()}"
                call = partial(
                    self._hooks.ask,
                    canary,
                    hook,
                    phase=kind.phase(state),
                    revision=state.revisions.analysed,
                    text=f"{kind.text} {hook.name}",
                )
                yield _PendingAnswer(question, hook.name, kind.text, calls.find_or_make(key, call), key)

    def _ask_metrics(
        self, canary: Canary, state: State, now_s: float, group: asyncio.TaskGroup
    ) -> Iterator[_PendingAnswer]:
        for metric in canary.analysis.metrics if canary.analysis else ():
            check = self._checks.check(canary, state, metric, now_s)
            task = group.create_task(check, name=f"metric {metric.name}")
            would = would_count(state.analysis.failed_in_row, metric.name, metric.failures_needed)
            yield _PendingAnswer(
                Question.CHECKS,
                metric.name,
                "metric",
                task,
                metric=metric,
                is_decisive=would and not metric.dry_run,
            )

    async def _wait(self, asked: Collection[_PendingAnswer], limit_s: float | None) -> None:
        """Wait for all metrics, which have a timeout of their own, and for the hooks until the limit.

        An answer that pulls the traffic waits for the others no longer than the grace.
        """
        clock = asyncio.get_running_loop().time
        give_up_at_s = None if limit_s is None else clock() + limit_s
        missing = {one.task for one in asked}
        while missing and not any(one.is_pull() for one in asked):
            is_metric_missing = any(not one.key and one.task in missing for one in asked)
            left_s = None if is_metric_missing or give_up_at_s is None else max(give_up_at_s - clock(), 0)
            done, missing = await asyncio.wait(missing, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                return
        if missing:
            await asyncio.wait(missing, timeout=self._grace_s)


def _limit_s(canary: Canary, state: State, now_s: float, questions: Collection[Question]) -> float | None:
    """Return how long hooks may take: until the next checks are due, else an interval. None: as long as they like."""
    if not _PATIENT.isdisjoint(questions):
        return None
    remaining_s = state.timing.next_check_at_s - now_s
    return remaining_s if remaining_s > 0 else canary.interval_s


@dataclass(frozen=True, slots=True)
class AskOutcome:
    """What became of a tick's questions, and what is observed by then.

    `answered` is None where something more urgent came up. `is_spec_edited`: the questions come from a spec that has
    been edited since.
    """

    observation: Observation
    answered: Answered | None = None
    is_spec_edited: bool = False

    @property
    def has_failed(self) -> bool:
        """Return whether a check failed: the traffic may have to be pulled."""
        groups = (self.answered.observation.answers or {}).values() if self.answered is not None else ()
        results = (result for group in groups for result in group if not result.is_dry_run)
        return any(result.verdict is Verdict.FAIL or result.is_final for result in results)


async def ask_while_current(
    answering: Coroutine[Any, Any, Answered],
    woken: asyncio.Event,
    *,
    asked_about: Observation,
    generation: Callable[[], int | None],
    observe: Callable[[], Observation],
) -> AskOutcome:
    """Wait for the answers, which may take minutes, unless something more urgent comes up.

    A newer revision does not wait for them: they would be about the older one. `asked_about` is the observation that
    the questions come from, `generation` returns the spec's generation, and `observe`, called whenever `woken` is set,
    returns a new observation.
    """
    asked_generation = generation()
    task = asyncio.create_task(answering, name="answers to questions")
    try:
        while not task.done():
            await _until_done_or_woken(task, woken)
            if task.done():
                break
            woken.clear()
            now = observe()
            if generation() != asked_generation:
                return AskOutcome(now, is_spec_edited=True)
            if _is_more_urgent(asked_about, now):
                return AskOutcome(now)
    finally:
        await _end(task)
    return AskOutcome(observe(), task.result())


async def _until_done_or_woken(task: asyncio.Task[Answered], woken: asyncio.Event) -> None:
    waking = asyncio.create_task(woken.wait(), name="wake-up while asking")
    try:
        await asyncio.wait({task, waking}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _end(waking)


async def _end(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _is_more_urgent(before: Observation, now: Observation) -> bool:
    """Return whether something came up that can't wait for answers.

    That is another revision or none, a request, the Canary's deletion, or a Flagger that comes or goes.
    """
    if (before.request, before.is_deleted, before.flagger) != (now.request, now.is_deleted, now.flagger):
        return True
    if before.target is None or now.target is None:
        return True
    return before.target.identity.revision != now.target.identity.revision

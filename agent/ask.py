"""Asking: the questions of a tick go out together, and every one of them comes back with an answer."""

import asyncio
from collections.abc import Awaitable, Iterable
from dataclasses import replace

from agent.providers.hooks import Hooks
from agent.providers.metrics.checks import MetricChecks
from canary.decide.context import unanswered_hooks
from canary.judge import CheckResult
from canary.model.canary import Canary
from canary.observation import Observation, Question
from canary.phase import Phase
from canary.state import State


class Asker:
    """Turns questions into answers. A failure to get one is an answer as well, so asking raises nothing."""

    def __init__(self, checks: MetricChecks, hooks: Hooks) -> None:
        self._checks = checks
        self._hooks = hooks

    async def answer(
        self, canary: Canary, state: State, seen: Observation, questions: Iterable[Question]
    ) -> Observation:
        """Give the observation with the answers in it."""
        answers: dict[Question, tuple[CheckResult, ...]] = {}
        is_drained = None
        for question in questions:
            match question:
                case Question.CHECKS:
                    answers[question] = await self._run_checks(canary, state, seen.now_s)
                case Question.PRE_ROLLOUT:
                    answers[question] = await self._call_pre_rollout(canary, state)
                case Question.DRAINED:
                    answers[question] = ()
                    since_s = seen.now_s if state.shifted_s is None else state.shifted_s
                    is_drained = await self._checks.is_drained(canary, since_s, seen.now_s)
        return replace(seen, answers=answers, is_drained=is_drained)

    async def _run_checks(self, canary: Canary, state: State, now_s: float) -> tuple[CheckResult, ...]:
        """Run hooks and metrics at once; hooks are named first, as Flagger calls them first."""
        assert canary.analysis is not None
        hooks = [
            self._hooks.call(canary, state, hook, Phase.PROGRESSING, text=f"external check {hook.name}")
            for hook in canary.analysis.webhooks
            if hook.type_effective == "rollout"
        ]
        metrics = [self._checks.check(canary, state, metric, now_s) for metric in canary.analysis.metrics]
        return await _together([*hooks, *metrics])

    async def _call_pre_rollout(self, canary: Canary, state: State) -> tuple[CheckResult, ...]:
        return await _together(
            self._hooks.call(canary, state, hook, Phase.PROGRESSING, text=f"pre-rollout check {hook.name}")
            for hook in unanswered_hooks(canary, state, "pre-rollout")
        )


async def _together(calls: Iterable[Awaitable[CheckResult]]) -> tuple[CheckResult, ...]:
    return tuple(await asyncio.gather(*calls))

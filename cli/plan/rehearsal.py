"""A run without a cluster: the state machine decides as in one, and a world of a few values does what it says.

Everything in that world happens at once: pods are ready when they are asked for, the gateway serves what is written,
gates are open, pauses are resumed. So a rehearsal takes the time that the canary itself asks for, and no second of
anybody else's.
"""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Final, Self

from canary.api.canary import Canary
from canary.api.names import Identity
from canary.decide import decide
from canary.decide.gates import PRE_ROLLOUT, QUESTIONS, ROLLBACK, hooks_of, unanswered_hooks
from canary.run.action import Action, Promote, ScaleTarget, SetTraffic
from canary.run.decision import Decision
from canary.run.judge import CheckResult, Verdict
from canary.run.observation import Observation, Primary, Question, Route, RouteState, Target
from canary.run.phase import Phase
from canary.run.readiness import Readiness
from canary.run.state import Revisions, State, TargetIdentity, TransitionRecord
from canary.run.steps import listed_step, pause_key
from canary.run.traffic import Traffic

# A moment so far from the epoch that no duration leads behind it.
_BEGINS_AT_S: Final = 10_000_000.0
_MOST_TICKS: Final = 50_000
"""Of one rehearsal, some seconds of work. A run that needs more takes days."""

_OLD, _NEW = "old", "new"
_READY: Final = Readiness(is_ready=True, has_available=True)
_UNREADY: Final = Readiness(is_ready=False, has_available=False, explanation="waiting for rollout to finish")
_KINDS: Final = {question: kind for kind, question in QUESTIONS.items()} | {Question.PRE_ROLLOUT: PRE_ROLLOUT}
_ENDED: Final = frozenset({Phase.SUCCEEDED, Phase.FAILED})


@dataclass(frozen=True, slots=True)
class Moment:
    """One transition of the run, `at_s` seconds after its beginning: the split from then on, and what is reported.

    `number` is that of `analysis.steps`, 0 for none of them.
    """

    at_s: float
    phase: Phase
    traffic: Traffic
    texts: tuple[str, ...]
    is_step: bool
    number: int = 0


@dataclass
class Rehearsal:
    """A run of one new revision. `verdict` is what all checks say; `is_ready`: whether pods of the canary side are.

    `rolls_without_gap`: as in `Primary`. `moments` collects what happens.
    """

    canary: Canary
    rolls_without_gap: bool = True
    replicas_when_up: int = 1
    verdict: Verdict = Verdict.PASS
    is_ready: bool = True
    now_s: float = _BEGINS_AT_S
    replicas: int = 0
    primary_revision: str = _OLD
    traffic: Traffic = field(default_factory=Traffic)
    route_sequence: int = 1
    state: State = field(init=False)
    moments: list[Moment] = field(default_factory=list)
    ticks: int = 0
    is_checked: bool = False

    def __post_init__(self) -> None:
        self.state = State(
            phase=Phase.INITIALIZED,
            served_at_s=_BEGINS_AT_S,
            strategy=self.canary.strategy,
            identity=Identity.of(self.canary),
            target=TargetIdentity("", 1, _OLD),
            revisions=Revisions(analysed=_OLD, promoted=_OLD, finished=_OLD),
            transition=TransitionRecord(sequence=1, at_s=_BEGINS_AT_S, stored_at_s=_BEGINS_AT_S),
        )

    @property
    def at_s(self) -> float:
        """Return the seconds since the beginning."""
        return self.now_s - _BEGINS_AT_S

    @property
    def has_ended(self) -> bool:
        """Return whether the run was promoted, or rolled back."""
        return self.state.phase in _ENDED

    @property
    def is_promoted(self) -> bool:
        """Return whether the run ended well."""
        return self.state.phase is Phase.SUCCEEDED

    def fork(self, *, verdict: Verdict) -> Self:
        """Return a run that stands where this one does, and whose checks answer so from here on."""
        forked = copy(self)
        forked.moments, forked.ticks, forked.verdict = [], 0, verdict
        return forked

    def play(self, at_step: Callable[[], None] = lambda: None) -> None:
        """Play the run to its end, or until it needs too many ticks.

        `at_step` is called after each step, and after each check that passes in one that lasts.
        """
        while not self.has_ended and self.ticks < _MOST_TICKS:
            steps = len(self.moments)
            decision = self._tick()
            is_lasting = self._is_lasting
            if any(moment.is_step for moment in self.moments[steps:]) or is_lasting:
                at_step()
            if is_lasting:
                self._pass_over_checks()
            if decision.intent is None and not decision.actions:
                if decision.wake_after_s is None:
                    return
                self.now_s += decision.wake_after_s

    @property
    def _is_lasting(self) -> bool:
        """Return whether a check has just passed, and the run stays where it is for a time of its own."""
        step, is_passed = self.state.analysis.step, self.is_checked and self.verdict is Verdict.PASS
        has_time = step.served_at_s is not None or step.bake_started_at_s is not None
        return is_passed and has_time and self.state.phase is Phase.PROGRESSING

    def _pass_over_checks(self) -> None:
        """Let pass what is left of a step's time, or of the bake's, but for the last checks: the others change nothing.

        A bake of a day has many thousands.
        """
        state, analysis, interval_s = self.state, self.canary.analysis, self.canary.interval_s
        record = state.analysis.step
        listed = listed_step(self.canary, state.present_step)
        ends_s = [0.0]
        if record.served_at_s is not None and listed is not None:
            ends_s.append(record.served_at_s + listed.duration_s)
        if record.bake_started_at_s is not None and analysis is not None:
            ends_s.append(record.bake_started_at_s + analysis.bake_s)
        passed_s = ((max(ends_s) - self.now_s) // interval_s - 2) * interval_s
        if passed_s <= 0:
            return
        self.now_s += passed_s
        self.state = replace(
            state,
            timing=replace(state.timing, next_check_at_s=state.timing.next_check_at_s + passed_s),
            transition=replace(state.transition, stored_at_s=state.transition.stored_at_s + passed_s),
        )

    def _tick(self) -> Decision:
        self.ticks += 1
        seen = self._observe()
        decision = decide(self.canary, self.state, seen)
        self.is_checked = Question.CHECKS in decision.questions
        if decision.questions:
            answers = {question: self._answers(question) for question in decision.questions}
            decision = decide(self.canary, self.state, replace(seen, answers=answers, is_drained=True))
        for action in decision.actions:
            self._perform(action)
        if decision.intent is not None:
            self._store(decision.intent)
        return decision

    def _observe(self) -> Observation:
        readiness = _READY if self.is_ready and self.replicas else _UNREADY
        return Observation(
            now_s=self.now_s,
            target=Target(TargetIdentity("", 2, _NEW), self.replicas, readiness),
            primary=Primary(
                self.primary_revision,
                _READY,
                rolls_without_gap=self.rolls_without_gap,
                replicas=self.replicas_when_up,
            ),
            route=Route(self.traffic, self.route_sequence, RouteState.SETTLED),
            scale_to=self.replicas_when_up,
            full_size=self.replicas_when_up,
            has_finalizer=self.canary.spec.revert_on_deletion,
        )

    def _answers(self, question: Question) -> tuple[CheckResult, ...]:
        if question is Question.CHECKS:
            metrics = self.canary.analysis.metrics if self.canary.analysis else ()
            deciding = [metric.failures_needed for metric in metrics if not metric.dry_run]
            return (CheckResult("checks", self.verdict, f"{self.verdict}", failures_needed=min(deciding, default=1)),)
        if question is Question.ROLLBACK:
            return tuple(CheckResult(hook.name, Verdict.FAIL, "shut") for hook in hooks_of(self.canary, ROLLBACK))
        if question in _KINDS:
            hooks = unanswered_hooks(self.canary, self.state, _KINDS[question])
            return tuple(CheckResult(hook.name, Verdict.PASS, "yes") for hook in hooks)
        return ()

    def _perform(self, action: Action) -> None:
        match action:
            case SetTraffic(traffic, sequence):
                self.traffic, self.route_sequence = traffic, sequence
            case ScaleTarget(replicas):
                self.replicas = replicas
            case Promote(revision):
                self.primary_revision = revision
            case _:
                pass  # of the other objects nothing is due here

    def _store(self, intent: State) -> None:
        before, self.state = self.state, intent
        is_step = intent.analysis.started_at_s is not None and before.present_step != intent.present_step
        texts = tuple(message.text for message in intent.transition.messages)
        if pause_key(intent.analysis.step.number) in intent.hooks.waiting_for:
            texts = self._resume(texts)
        if texts or is_step or intent.phase is not before.phase:
            assert intent.phase is not None, "a run has one"
            is_analysing = intent.phase is Phase.PROGRESSING
            self.moments.append(
                Moment(
                    self.at_s,
                    intent.phase,
                    intent.traffic,
                    texts,
                    is_step=is_step and is_analysing,
                    number=intent.analysis.step.number,
                )
            )

    def _resume(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        """Resume a step's pause at once, and return what is reported without how to do that."""
        state = self.state
        self.state = replace(
            state,
            analysis=replace(state.analysis, step=replace(state.analysis.step, is_resumed=True)),
            hooks=replace(state.hooks, waiting_for=()),
        )
        return texts[:-1]

"""`serin status`: prints one run, and with `--wait` follows it to its end."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from canary.api.duration import format_duration
from canary.run.history import HistoryEntry
from canary.run.kept import VERDICT_WORDS
from cli.cluster.access import Access
from cli.cluster.failures import Failed, failed
from cli.cluster.options import is_live_terminal
from cli.cluster.resources import CANARIES, TARGETS
from cli.cluster.watching import Query, watching
from cli.control.asking import AGENTS_LOG
from cli.exit_codes import ExitCode
from cli.frames import draw, print_new
from cli.get.sides import read_workload
from cli.outputs import ValueOutput, as_text
from cli.rollout.canary import CanaryView
from cli.rollout.outcome import ENDS, Outcome, Target, Wanted, outcome
from cli.rollout.sides import Side, selector_of
from cli.status.report import Commands, Told, end_reason, lines
from cli.terminal import Line, complain, show
from kube.errors import Forbidden
from kube.resource import PODS, Object, Objects

_REDRAWN_S: Final = 1.0
_LOOKED_S: Final = 5.0
"""How often it is looked whether nothing happened, where nothing is drawn anew."""

_NOTICED_WITHIN_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Question:
    """Which run is asked about, and how long for. `revision` and `image` are empty for what the target has now."""

    revision: str = ""
    image: str = ""
    timeout_s: float = 0.0
    waits_through_gates: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """The canary as it is, the revision in question, and what became of that; `is_late`: not in the time given."""

    view: CanaryView
    revision: str
    outcome: Outcome
    hint: str = ""
    trouble: str = ""
    is_late: bool = False

    @property
    def exit_code(self) -> ExitCode:
        """Return what the shell is told."""
        return ExitCode.TIMED_OUT if self.is_late else self.outcome.exit_code


class Follower:
    """Knows which revision is meant from one look at the objects to the next."""

    def __init__(self, question: Question, clock: Callable[[], float] = time.monotonic) -> None:
        self._question = question
        self._clock = clock
        self._unnoticed_at_s: float | None = None
        self._wanted = Wanted(question.revision) if question.revision else None
        self._was_seen = False
        self._former: frozenset[HistoryEntry] | None = None

    def look(self, canary: Object, target: Object | None, pods: Sequence[Object] = ()) -> Answer:
        """Return what became of the revision in question."""
        view = CanaryView.read(canary)
        present = Target.read(target) if target is not None else None
        trouble = Side.read(target, pods, is_primary=False).trouble if target is not None else ""
        if self._former is None:
            # Who does not wait asks what became of the last run; who waits asks about one that is still to end.
            self._former = frozenset(view.history if self._question.timeout_s else ())
        if self._wanted is None:
            self._wanted = self._meant(view, present)
        if self._wanted is None:
            return Answer(view, "", Outcome.NOT_BEGUN)
        is_present = present is not None and self._wanted.is_of(present.template)
        self._was_seen |= is_present or self._wanted.matches(view.analysed)
        known = [one for one in (view.analysed, view.promoted, view.seen) if self._wanted.matches(one)]
        found = outcome(view, self._wanted, present, was_seen=self._was_seen, former=self._former)
        hint = self._hint(view, is_unnoticed=is_present and found is Outcome.NOT_BEGUN)
        if found is Outcome.NOT_BEGUN and not is_present:
            hint = self._of_former(view, self._wanted)
        return Answer(view, next(iter(known), self._wanted.revision), found, hint, trouble)

    def _hint(self, view: CanaryView, *, is_unnoticed: bool) -> str:
        """Return what to look at where the target has the revision, and nothing of it is seen for long."""
        if not is_unnoticed or view.is_ready is False or view.queue:
            self._unnoticed_at_s = None
            return ""
        if self._unnoticed_at_s is None:
            self._unnoticed_at_s = self._clock()
        waited_s = self._clock() - self._unnoticed_at_s
        return f"the agent has not noticed it. Does it run? `{AGENTS_LOG}`" if waited_s >= _NOTICED_WITHIN_S else ""

    def _of_former(self, view: CanaryView, wanted: Wanted) -> str:
        """Return what became of an earlier run, where another one is waited for."""
        runs = (run for run in view.history if wanted.matches(run.revision))
        ends = (ENDS[run.outcome].value for run in runs)
        return next((f"a run of it was {end} before; another one is waited for" for end in ends), "")

    def _meant(self, view: CanaryView, present: Target | None) -> Wanted | None:
        """Return the revision that the target has now; None where the image is still to come."""
        if self._question.image:
            is_there = present is not None and present.has_image(self._question.image)
            return Wanted(present.template, is_template=True) if present is not None and is_there else None
        if present is None:
            return Wanted(view.analysed) if view.analysed else None
        return Wanted(present.template, is_template=True)


async def status(access: Access, name: str, question: Question, output: ValueOutput) -> ExitCode:
    """Print a canary's run, and return what became of it; with a timeout wait for that."""
    obj = await access.canary(name)
    follower, view = Follower(question), CanaryView.read(obj)
    try:
        target = await read_workload(access, view, view.target)
        may_read = True
    except Forbidden as error:
        if question.timeout_s and not question.revision:
            # The run that the agent has noticed may be the one before: its end would be told as that of this one.
            raise Failed(f"{failed(error)}; or say which run is meant: --revision") from error
        complain(f"serin: {failed(error)}; without it only what the agent has noticed is told")
        target, may_read = None, False
    pods = await _pods(access, view, target)
    answer = follower.look(obj, target, pods or [])
    if question.timeout_s and not _is_over(answer, question):
        queries = [Query(CANARIES, view.namespace, name=view.name)]
        if may_read and (resource := TARGETS.get(view.target_kind)) is not None:
            queries.append(Query(resource, view.namespace, name=view.target))
        if target is not None and pods is not None:
            queries.append(Query(PODS, view.namespace, label_selector=selector_of(target)))
        wait = _Wait(access, answer, follower, question, queries)
        await wait.run(output)
        answer = wait.last
    elif output in {ValueOutput.TEXT, ValueOutput.WIDE}:
        show(_lines(access, answer, question, is_wide=output is ValueOutput.WIDE))
    if output in {ValueOutput.JSON, ValueOutput.YAML}:
        sys.stdout.write(as_text(as_value(answer), output))
    return answer.exit_code


async def _pods(access: Access, view: CanaryView, target: Object | None) -> Objects | None:
    """Return the target's pods, None where they may not be read."""
    if target is None:
        return None
    try:
        return await access.client.list(PODS, view.namespace, label_selector=selector_of(target))
    except Forbidden:
        return None


class _Wait:
    """Follows a run until it ends, waits for somebody, or the time is up. `last` is how it was seen last."""

    def __init__(
        self, access: Access, first: Answer, follower: Follower, question: Question, queries: Sequence[Query]
    ) -> None:
        self.last = first
        self._access = access
        self._follower = follower
        self._question = question
        self._queries = queries

    async def run(self, output: ValueOutput) -> None:
        """Follow it, and show it where that is wanted."""
        is_shown = output in {ValueOutput.TEXT, ValueOutput.WIDE}
        is_live, is_wide = is_shown and is_live_terminal(), output is ValueOutput.WIDE
        answers = self._answers(every_s=_REDRAWN_S if is_live else _LOOKED_S)
        try:
            async with asyncio.timeout(self._question.timeout_s):
                if is_live:
                    await draw(
                        _frames(answers, lambda answer: _lines(self._access, answer, self._question, is_wide=is_wide))
                    )
                elif is_shown:
                    await print_new(_frames(answers, _progress))
                else:
                    async for _ in answers:
                        pass
        except TimeoutError:
            sys.stderr.write(f"serin: not ended within {format_duration(self._question.timeout_s)}\n")
            self.last = replace(self.last, is_late=not _is_over(self.last, self._question))
        if is_shown and not is_live:
            show(["", *_lines(self._access, self.last, self._question, is_wide=is_wide)])

    async def _answers(self, *, every_s: float) -> AsyncIterator[Answer]:
        places = range(len(self._queries))
        async with watching(self._access.client, *self._queries) as watched:
            async for _ in watched.changes(at_least_every_s=every_s):
                canaries, targets, pods = (watched.items(place) if place in places else [] for place in range(3))
                if not canaries:
                    raise Failed(f"canary {self.last.view.name} was deleted")
                self.last = self._follower.look(canaries[0], next(iter(targets), None), pods)
                yield self.last
                if _is_over(self.last, self._question):
                    return


async def _frames(
    answers: AsyncIterator[Answer], of: Callable[[Answer], Sequence[Line]]
) -> AsyncIterator[Sequence[Line]]:
    async for answer in answers:
        yield of(answer)


def _is_over(answer: Answer, question: Question) -> bool:
    if answer.outcome is Outcome.WAITS:
        return not question.waits_through_gates
    return answer.outcome.has_ended


def _lines(access: Access, answer: Answer, question: Question, *, is_wide: bool) -> list[Line]:
    view, name = answer.view, answer.view.name
    promote, abort, resume, retry, undo = (
        access.command(verb, name) for verb in ("promote", "abort", "resume", "retry", "undo")
    )
    target = f"{view.target_kind.lower()}/{view.target}"
    set_image = f"kubectl -n {view.namespace} set image {target} CONTAINER=IMAGE{access.options.as_arguments()}"
    commands = Commands(promote, abort, resume, retry, undo, set_image)
    told = Told(answer.revision, answer.outcome, question.image, answer.hint, answer.trouble, is_wide=is_wide)
    return list(lines(view, told, commands, time.time()))


def _progress(answer: Answer) -> list[Line]:
    """Return one line of a log, without anything that grows with time."""
    view = answer.view
    if answer.outcome is Outcome.NOT_BEGUN:
        place = f", {view.turn_text}" if view.queue else ""
        line = f"{view.phase_word}  waiting for the run of {answer.revision or 'the image'} to begin{place}"
        return [line, f"  {answer.hint}"] if answer.hint else [line]
    waiting = [view.waiting_text(one) for one in view.waiting_for] if view.is_analysing else []
    if view.is_analysing and view.unready_at_s is not None:
        waiting.append(f"pods of {view.target}: {answer.trouble or 'not ready yet'}")
    waits = f"  waits for {', '.join(waiting)}" if waiting else ""
    reason = end_reason(view, Told(answer.revision, answer.outcome))
    failing = [
        f"{one.name}: {one.reason}" for one in view.checks if one.reason and not one.is_passing and not one.is_dry_run
    ]
    return [
        f"{view.phase_word}  weight {view.weight}  failed {view.failed_checks}{waits}{f': {reason}' if reason else ''}",
        *(f"  {text}" for text in view.news),
        *(f"  {text}" for text in failing if text not in view.news),
    ]


def as_value(answer: Answer) -> dict[str, object]:
    """Return the answer for programs; keys without a value are left out."""
    view = answer.view
    change = {"what": view.change.changed, "by": view.change.by} if view.change else None
    return {
        key: value
        for key, value in {
            "namespace": view.namespace,
            "name": view.name,
            "phase": view.phase,
            "outcome": answer.outcome.name.lower(),
            "exitCode": int(answer.exit_code),
            "revision": answer.revision,
            "promoted": view.promoted,
            "weight": view.weight,
            "failedChecks": view.failed_checks,
            "threshold": view.threshold,
            "endReason": end_reason(view, Told(answer.revision, answer.outcome)) or None,
            "podsNotReady": answer.trouble or None if view.is_analysing and view.unready_at_s is not None else None,
            "step": view.step or None,
            "steps": [{"weight": one.weight, "duration": one.duration, "pause": one.is_pause} for one in view.steps],
            "ready": view.is_ready,
            "reason": view.ready_reason,
            "message": view.ready_message,
            "change": change,
            "paused": view.is_paused,
            "waitingFor": list(view.waiting_for),
            "queue": view.queue.write() if view.queue else None,
            "checks": [_check_value(view, place) for place in range(len(view.checks))],
        }.items()
        if value is not None
    }


def _check_value(view: CanaryView, place: int) -> dict[str, object]:
    check = view.checks[place]
    last = check.samples[-1] if check.samples else None
    found: dict[str, object] = {"name": check.name, "min": check.min, "max": check.max, "unit": check.unit or None}
    found |= {"value": last.value if last else None, "verdict": VERDICT_WORDS[last.verdict] if last else None}
    found |= {"reason": check.reason or None, "dryRun": check.is_dry_run or None}
    found["consecutiveFailures"] = check.failures_needed if check.failures_needed > 1 else None
    return {key: value for key, value in found.items() if value is not None}

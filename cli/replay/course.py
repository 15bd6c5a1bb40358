"""A run gone through again: each look and each value is judged in its order, and the run held, moved on or ended.

What is not kept can't be known: the replay never goes further than the run went, and from where it parts from the run
the traffic would have had another split. What is judged after that is marked.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from canary.api.canary import Canary
from canary.api.duration import format_duration
from canary.judgement.finding import Answer, Finding
from canary.judgement.observe import observe
from canary.judgement.state import EvidenceState
from canary.run.evidence import Look
from canary.run.judge import CheckResult, Sample, Verdict, judge
from canary.run.kept import KeptSample
from canary.run.streaks import Streaks, count_failures
from cli.replay.checks import Measured, Tested
from cli.replay.ticks import Tick, ticks_of, weights_of

_WORDS: Final = {
    Verdict.PASS: "",
    Verdict.FAIL: "failed",
    Verdict.NO_DATA: "no data",
    Verdict.ERROR: "no answer",
    Verdict.UNDECIDED: "undecided",
}
_ON_NO_DATA: Final = {"hold": Verdict.NO_DATA, "fail": Verdict.FAIL, "pass": Verdict.PASS}


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedAt:
    """A look judged again. `is_other_split`: by then the run would have had another split of its traffic."""

    at_s: float
    next_percent: float
    finding: Finding
    verdict: Verdict
    is_other_split: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredAt:
    """A value judged again: `before` is what it was judged as in the run. `is_counted`: it is a failed check."""

    at_s: float
    value: float | None
    before: Verdict
    verdict: Verdict
    is_counted: bool
    is_other_split: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """A step that would not have been taken when it was. `percent` is the canary's share then, None if unknown.

    `names` are the checks that stood against it, `why` what they were. `until_s`: it would have been taken then; None:
    not by what is kept.
    """

    at_s: float
    percent: int | None
    names: tuple[str, ...]
    why: str
    until_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sooner:
    """A step that might have been taken before it was. `taken_at_s` is when it was, None where it was not."""

    at_s: float
    percent: int | None
    taken_at_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """Where the run would have been rolled back, by which checks, and by what: `harm`, or a sentence."""

    at_s: float
    names: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What would have happened, as far as what is kept tells.

    `is_through`: all steps would have been taken; else `percent` is the canary's share at the end. `sooner` is the
    first step that might have been taken before. `open` is what holds at the last moment that was judged. Of
    `failed_checks` so many as `failed_before` were before what is kept, as they were; at `threshold` it is rolled back.
    `by_steps`: there are looks, so the steps of the run are known.
    """

    looks: Mapping[str, tuple[LookedAt, ...]]
    values: Mapping[str, tuple[MeasuredAt, ...]]
    rollback: Rollback | None
    stays: tuple[Stay, ...]
    sooner: Sooner | None
    is_through: bool
    percent: int | None
    open: Stay | None
    last_at_s: float
    failed_checks: int
    failed_before: int
    threshold: int
    by_steps: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a run is gone through by: the checks of the spec in question, and how many failed ones are too many.

    `stored` is the spec in the cluster: the run's steps are its. `baseline` are its own tests, to know what else held
    the run. `failed_checks` is how many failed in it.
    """

    stored: Canary
    tests: Sequence[Tested] = ()
    measured: Sequence[Measured] = ()
    baseline: Sequence[Tested] = ()
    threshold: int
    failed_checks: int = 0
    is_promoted: bool = False


def replay(given: Given) -> Course:
    """Go through a run again."""
    allowed_before = None
    if given.baseline:
        before = _Replay(replace(given, tests=given.baseline, measured=()), None)
        before.run()
        allowed_before = frozenset(before.allowed_at)
    return _Replay(given, allowed_before).run()


class _Replay:
    def __init__(self, given: Given, allowed_before: frozenset[float] | None) -> None:
        self._given, self._allowed_before = given, allowed_before
        self._ticks, self._percents = ticks_of(given.tests, given.measured)
        self._weights = weights_of(given.stored, self._percents)
        self._dry = {test.name for test in given.tests if test.metric.dry_run}
        self._dry |= {each.name for each in given.measured if each.metric.dry_run}
        self._states: dict[str, EvidenceState] = {test.name: test.begun for test in given.tests}
        self._since: dict[str, float] = {test.name: test.begun.began_at_s or 0.0 for test in given.tests}
        self._open: dict[str, str] = {}
        self._streaks: Streaks = ()
        self._looks: dict[str, list[LookedAt]] = {test.name: [] for test in given.tests}
        self._values: dict[str, list[MeasuredAt]] = {each.name: [] for each in given.measured}
        self._stage = 0
        self._is_ahead = self._is_through = False
        self._stays: list[Stay] = []
        self._sooner: Sooner | None = None
        self._moved_at_s: float | None = None
        self._failed_before = max(0, given.failed_checks - _failed_then(given.measured))
        self._failed = self._failed_before
        self.allowed_at: list[float] = []

    def run(self) -> Course:
        """Go through all that is kept, as far as a rollback."""
        rollback, before = None, None
        for tick in self._ticks:
            if before is not None and tick.stage > before.stage:
                self._move_on(before, tick)
            rollback = self._judge(tick)
            before = tick
            if rollback is not None:
                break
            self._go_on(tick)
        last_at_s = before.at_s if before is not None else 0.0
        is_late = self._given.is_promoted and self._percents and not self._is_through and rollback is None
        if is_late and self._open and not (self._stays and self._stays[-1].until_s is None):
            self._stays.append(self._stay(last_at_s))
        return Course(
            looks={name: tuple(rows) for name, rows in self._looks.items()},
            values={name: tuple(rows) for name, rows in self._values.items()},
            rollback=rollback,
            stays=tuple(self._stays),
            sooner=self._sooner,
            is_through=self._is_through,
            percent=self._percent,
            open=self._stay(last_at_s) if self._open else None,
            last_at_s=last_at_s,
            failed_checks=self._failed,
            failed_before=self._failed_before,
            threshold=self._given.threshold,
            by_steps=bool(self._percents),
        )

    @property
    def _has_weights(self) -> bool:
        return self._given.stored.strategy == "canary"

    @property
    def _is_parted(self) -> bool:
        return self._sooner is not None or bool(self._stays)

    @property
    def _percent(self) -> int | None:
        return self._weights[self._stage] if self._stage < len(self._weights) else None

    def _stay(self, at_s: float) -> Stay:
        why = ", ".join(dict.fromkeys(self._open.values()))
        return Stay(at_s=at_s, percent=self._percent, names=tuple(self._open), why=why)

    def _move_on(self, before: Tick, now: Tick) -> None:
        """Take the step that the run took between two moments, unless a check stands against it."""
        if self._stage < before.stage or self._moved_at_s == before.at_s:
            return  # it is behind already, or of its new step there was no look yet
        if self._open and not self._is_ahead:
            self._stays.append(self._stay(before.at_s))
        else:
            self._take(now.stage, before)

    def _go_on(self, tick: Tick) -> None:
        """Take one step where the run was further already; else note that it might have been taken sooner."""
        is_behind = self._stage < tick.stage
        is_held = bool(self._stays) and self._stays[-1].until_s is None
        if self._open:
            # Iterations can't be told from each other by the looks, but when the run's own tests held it no longer.
            is_held_first = not self._has_weights and tick.at_s in (self._allowed_before or ())
            if not is_held and (is_behind or is_held_first):
                self._stays.append(self._stay(tick.at_s))
            return
        self.allowed_at.append(tick.at_s)
        if not self._percents:
            return
        passes_needed = 1 if self._has_weights else len(self._allowed_before or (1,))
        is_last = self._stage == len(self._percents) - 1
        self._is_through = self._is_through or (is_last and len(self.allowed_at) >= passes_needed)
        if is_held:
            self._stays[-1] = replace(self._stays[-1], until_s=tick.at_s)
        if is_behind:
            self._take(self._stage + 1, tick)
            self._moved_at_s = tick.at_s
            return
        if self._allowed_before is not None and tick.at_s not in self._allowed_before:
            self._note_sooner(tick)

    def _note_sooner(self, tick: Tick) -> None:
        """Note that the step might have been taken here, where the run's own tests held it."""
        last = max(self._ticks.index(each) for each in self._ticks if each.stage == tick.stage)
        is_taken = self._given.is_promoted or last + 1 < len(self._ticks)
        last_at_s, percent = self._ticks[last].at_s, self._percent
        if not self._is_parted and last_at_s > tick.at_s:
            self._sooner = Sooner(at_s=tick.at_s, percent=percent, taken_at_s=last_at_s if is_taken else None)
        self._is_ahead = True

    def _take(self, stage: int, after: Tick) -> None:
        """Go to a step: its first look was an interval later, also where several are kept as one."""
        self._stage = stage
        self._is_ahead = False
        self._since = dict.fromkeys(self._since, after.at_s + self._given.stored.interval_s)

    def _judge(self, tick: Tick) -> Rollback | None:
        tests = self._given.tests
        ended = [found for test in tests if (found := self._look(test, tick)) is not None]
        failed = self._measure(tick)
        if ended:
            names = tuple(name for found in ended for name in found.names)
            return Rollback(at_s=tick.at_s, names=names, why="; ".join(dict.fromkeys(found.why for found in ended)))
        self._failed += bool(failed)
        if failed and self._failed >= self._given.threshold:
            before = f" ({self._failed_before} before what is kept, as they were)" if self._failed_before else ""
            why = f"failed checks threshold reached {self._failed}{before}"
            return Rollback(at_s=tick.at_s, names=failed, why=why)
        return None

    def _look(self, test: Tested, tick: Tick) -> Rollback | None:
        look = tick.looks.get(test.name)
        if look is None:
            return None
        percent = self._percents[self._stage]
        state, found = observe(test.plan, self._states[test.name], look.deltas, percent, look.at_s)
        self._states[test.name] = state
        waited_s = look.at_s - min(self._since[test.name], look.at_s)
        is_overdue = test.plan.deadline_s is not None and waited_s >= test.plan.deadline_s
        verdict, why = _verdict(test, look, found, is_overdue=is_overdue)
        if verdict is Verdict.PASS and not self._has_weights:
            # Each time an iteration may follow, the next one waits for evidence of its own.
            self._since[test.name] = look.at_s + self._given.stored.interval_s
        self._note(test.name, found.answer.value if verdict is Verdict.UNDECIDED else _WORDS[verdict])
        row = LookedAt(
            at_s=look.at_s, next_percent=percent, finding=found, verdict=verdict, is_other_split=self._is_parted
        )
        self._looks[test.name].append(row)
        is_end = why and test.name not in self._dry
        return Rollback(at_s=look.at_s, names=(test.name,), why=why) if is_end else None

    def _measure(self, tick: Tick) -> tuple[str, ...]:
        """Judge the values of a moment; return the checks that failed, as far as that counts."""
        measured = self._given.measured
        rows = [(each, sample) for each in measured if (sample := tick.samples.get(each.name)) is not None]
        self._streaks, counted = count_failures(self._streaks, [_judged(each, sample) for each, sample in rows])
        failed: list[str] = []
        for (each, sample), result in zip(rows, counted, strict=True):
            if result.verdict is not Verdict.PASS or each.name not in tick.looks:
                # Of a test with a threshold beside it both must pass.
                self._note(each.name, _WORDS[result.verdict])
            is_counted = result.verdict is Verdict.FAIL and not result.is_unconfirmed and each.name not in self._dry
            failed += [each.name] if is_counted else []
            self._values[each.name].append(
                MeasuredAt(
                    at_s=sample.at_s,
                    value=sample.value,
                    before=sample.verdict,
                    verdict=result.verdict,
                    is_counted=is_counted,
                    is_other_split=self._is_parted,
                )
            )
        return tuple(failed)

    def _note(self, name: str, word: str) -> None:
        """Remember what a check is, nothing where it is well."""
        self._open.pop(name, None)
        if word and name not in self._dry:
            self._open[name] = word


def _verdict(test: Tested, look: Look, found: Finding, *, is_overdue: bool) -> tuple[Verdict, str]:
    """Return what a look comes to, and why it ends the run, if it does."""
    if found.answer is Answer.HARM:
        return Verdict.FAIL, Answer.HARM.value
    if look.deltas.canary.requests <= 0:
        return _ON_NO_DATA[test.metric.on_no_data], ""
    if found.answer is Answer.WELL:
        return Verdict.PASS, ""
    if is_overdue:
        deadline = f"by its deadline of {format_duration(test.plan.deadline_s or 0)}"
        if found.answer is Answer.COMMON_CAUSE:
            return Verdict.FAIL, f"still a common cause {deadline}"
        if test.plan.undecided == "rollback":
            return Verdict.FAIL, f"no evidence {deadline}"
        if test.plan.undecided == "promote":
            return Verdict.PASS, ""
    return Verdict.UNDECIDED, ""


def _judged(each: Measured, sample: KeptSample) -> CheckResult:
    if sample.value is not None:
        judged = judge(each.metric, Sample(sample.value), each.name)
    elif sample.verdict is Verdict.ERROR:
        judged = judge(each.metric, Sample(error="no answer"), each.name)
    else:
        judged = judge(each.metric, Sample(), each.name)
    return replace(judged, name=each.name)


def _failed_then(measured: Iterable[Measured]) -> int:
    """Return how many of the moments that are kept had a check that failed then."""
    failed = {s.at_s for each in measured for s in each.samples if s.verdict is Verdict.FAIL}
    return len(failed)

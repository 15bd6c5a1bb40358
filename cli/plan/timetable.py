"""The timetable of a canary's runs: each step of one that goes well, and how long others take to be rolled back."""

from dataclasses import dataclass
from typing import Final

from canary.api.canary import Canary
from canary.decide.gates import CONFIRM_PROMOTION, CONFIRM_ROLLOUT, CONFIRM_TRAFFIC_INCREASE, hooks_of
from canary.run.judge import Verdict
from cli.plan.rehearsal import Moment, Rehearsal

_GATES: Final = (CONFIRM_ROLLOUT, CONFIRM_TRAFFIC_INCREASE, CONFIRM_PROMOTION)


@dataclass(frozen=True, slots=True)
class Rollback:
    """How long a kind of trouble lasts before the traffic is pulled: at most `after_s`; None where it never is.

    `latest_s`: the latest such rollback, from the beginning of the run; None where nothing tells when it begins.
    """

    trouble: str
    field: str
    after_s: float | None
    latest_s: float | None = None


@dataclass(frozen=True, slots=True)
class Timetable:
    """When things happen at the earliest, in seconds from the beginning of a run.

    `promoted_s` is None for a run whose end is too far away. `gates` are the hooks that may hold it for any time,
    `pauses` the numbers of the steps that do until somebody resumes it.
    """

    moments: tuple[Moment, ...]
    promoted_s: float | None
    rollbacks: tuple[Rollback, ...]
    gates: tuple[str, ...]
    steps: int
    pauses: tuple[int, ...] = ()


def timetable(canary: Canary, *, rolls_without_gap: bool = True, replicas: int = 1) -> Timetable:
    """Play a canary's runs. A suspended one is played as if it were not."""
    awake = canary.model_copy(update={"spec": canary.spec.model_copy(update={"suspend": False})})

    def run(*, is_ready: bool = True) -> Rehearsal:
        return Rehearsal(awake, rolls_without_gap=rolls_without_gap, replicas_when_up=replicas, is_ready=is_ready)

    good = run()
    at_steps: list[Rehearsal] = []

    def keep_ends() -> None:
        # Trouble takes as long at any step; the first and the last one tell the earliest and the latest.
        at_steps[1:] = [good.fork(verdict=Verdict.PASS)]

    good.play(keep_ends)
    unready = run(is_ready=False)
    unready.play()
    rollbacks = [
        *_of_checks(awake, at_steps),
        Rollback("its pods don't get ready", "spec.progressDeadlineSeconds", _failed_at_s(unready)),
    ]
    return Timetable(
        moments=tuple(good.moments),
        promoted_s=good.at_s if good.is_promoted else None,
        rollbacks=tuple(rollbacks),
        gates=tuple(f"{kind} {hook.name}" for kind in _GATES for hook in hooks_of(awake, kind)),
        steps=sum(moment.is_step for moment in good.moments),
        pauses=_pauses(awake),
    )


def _pauses(canary: Canary) -> tuple[int, ...]:
    steps = canary.analysis.steps if canary.analysis is not None and not canary.is_analysis_skipped else ()
    return tuple(number for number, step in enumerate(steps, 1) if step.is_pause)


def _of_checks(canary: Canary, at_steps: list[Rehearsal]) -> list[Rollback]:
    analysis = canary.analysis
    if analysis is None or not at_steps:
        return []
    if all(metric.dry_run for metric in analysis.metrics) and not hooks_of(canary, "rollout"):
        return []
    path = canary.analysis_path
    return [
        _of_verdict("its checks fail", f"{path}.threshold", Verdict.FAIL, at_steps),
        _of_verdict("its checks get no answer", f"{path}.unobservedDeadlineSeconds", Verdict.ERROR, at_steps[-1:]),
    ]


def _of_verdict(trouble: str, field: str, verdict: Verdict, at_steps: list[Rehearsal]) -> Rollback:
    longest: list[float] = []
    latest_s: float | None = None
    for good in at_steps:
        bad = good.fork(verdict=verdict)
        bad.play()
        failed_at_s = _failed_at_s(bad)
        if failed_at_s is None:
            return Rollback(trouble, field, None)
        longest.append(failed_at_s - good.at_s)
        latest_s = failed_at_s
    return Rollback(trouble, field, max(longest), latest_s)


def _failed_at_s(run: Rehearsal) -> float | None:
    return run.at_s if run.has_ended and not run.is_promoted else None

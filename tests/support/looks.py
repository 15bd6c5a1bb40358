"""Looks at a check by evidence: counts in, its state and its answer out."""

from canary.judgement.counts import Deltas, Failures, Tally
from canary.judgement.finding import Finding
from canary.judgement.observe import observe
from canary.judgement.plan import Plan, bound_of_success
from canary.judgement.state import EvidenceState

BOUND = bound_of_success(99)
PLAN = Plan(counted="5xx", bounds=(BOUND,), burst=1)


def tally(failures: float, requests: float) -> Tally:
    return Tally(requests, (Failures(failures, failures),))


def look(
    plan: Plan,
    canary: tuple[float, float],
    primary: tuple[float, float] = (0, 0),
    state: EvidenceState | None = None,
    *,
    next_percent: float = 100,
    now_s: float = 0,
) -> tuple[EvidenceState, Finding]:
    return observe(plan, state, Deltas(tally(*canary), tally(*primary)), next_percent, now_s)


def answer(plan: Plan, canary: tuple[float, float], primary: tuple[float, float] = (0, 0), **more: float) -> str:
    return look(plan, canary, primary, **more)[1].answer.value  # type: ignore[arg-type]

"""One look at a check: what was counted since the last one is added, and the evidence weighed.

Total and pure: whatever the counts, there is exactly one answer, and no number of it is NaN.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Final, NamedTuple

from canary.judgement import evalues
from canary.judgement.counts import NO_FAILURES, Deltas, Failures, Tally
from canary.judgement.dispersion import MOST_LEARNED_BURST
from canary.judgement.finding import Answer, Finding, Rate
from canary.judgement.plan import Bound, Plan
from canary.judgement.scrapes import Times
from canary.judgement.state import NOTHING_ASIDE, Aside, BoundState, EvidenceState, StepState

_TOTAL_PERCENT: Final = 100

_STEPS_STAKE: Final = 0.1
"""So much of alpha is for the tests of each step by itself: the j-th has 1 / (j (j + 1)) of it. Our choice."""

_OWN_PART: Final = 0.5
"""Of the evidence of being well, what the last step has to have by itself: with the root of beta as its error. With all
of it a service at 100 requests a second would wait for a second look there. Our choice."""

_LEAST_SEEN: Final = 80.0
"""Of so many failures it is known whether they come in bursts: four of twenty or more. Our choice."""

_LEAST_EXPECTED: Final = 1.0
"""So many failures an unacceptable release would have had in the present step, before it may go on. Our choice."""


def begin(plan: Plan) -> EvidenceState:
    """Return the state of a test of which nothing is counted."""
    return EvidenceState(counted=plan.counted, ratio=plan.ratio, bounds=(BoundState(),) * len(plan.bounds))


def times_of(
    plan: Plan, state: EvidenceState | None, started_at_s: float, others_until_s: float | None, now_s: float
) -> Times:
    """Return since when scrapes count: once it is over, what a scrape has of the warm-up is left out.

    The revision had its first traffic at `started_at_s`, and the canary others' until `others_until_s`.
    """
    if state is None or not _is_of(plan, state):
        return Times(started_at_s, others_until_s)
    since_s = started_at_s
    if plan.warm_up_s and state.began_at_s is not None and now_s >= state.began_at_s + plan.warm_up_s:
        since_s = max(started_at_s, state.began_at_s + plan.warm_up_s)
    return Times(since_s, others_until_s, state.learned_until_s)


def wants_longer_history(plan: Plan, state: EvidenceState | None, deltas: Deltas) -> bool:
    """Return whether more of the time before the release would tell of bursts: at its first look, with few requests."""
    known = (0.0,) * len(plan.bounds)
    if state is not None and _is_of(plan, state):
        known = tuple([bound.bursts.now.requests for bound in state.bounds])
    requests = sum([tally.requests for tally in deltas.history])
    if plan.burst is not None or not requests:
        return False
    return not all(_has_seen(bound, requests + before) for bound, before in zip(plan.bounds, known, strict=True))


def observe(
    plan: Plan, state: EvidenceState | None, deltas: Deltas, next_percent: float, now_s: float
) -> tuple[EvidenceState, Finding]:
    """Add what was counted since the last look, and weigh all of it.

    `next_percent` is the share of the traffic that the canary gets next if it is well: 100 before the promotion.
    A state of None begins the test, and so does one of something else than the plan counts.
    """
    state = _fitting(plan, state)
    began_at_s = now_s if state.began_at_s is None else state.began_at_s
    waited_s = max(0.0, now_s - began_at_s)
    is_warm = waited_s >= plan.warm_up_s
    counted = _add(plan, _in_step(state, next_percent), deltas, now_s, is_warm=is_warm)
    weighed = [_weigh(plan, bound, counted, known, next_percent) for bound, known in _pairs(plan, counted)]
    log_e_harm, log_e_well = evalues.log_mean([each.harm for each in weighed]), min([each.well for each in weighed])
    log_e_own = evalues.log_mean([each.own_harm for each in weighed])
    answer = _answer(plan, log_e_own, log_e_well, is_common=any(each.is_common for each in weighed))
    is_told_common = answer is Answer.COMMON_CAUSE
    told = max(range(len(weighed)), key=lambda at: (weighed[at].is_common == is_told_common, weighed[at].harm))
    bound, known, evidence = plan.bounds[told], counted.bounds[told], weighed[told]
    is_overdue = plan.deadline_s is not None and waited_s >= plan.deadline_s
    return counted, Finding(
        answer=answer,
        canary=Rate(failures=known.canary.surely, requests=counted.canary_requests, failing=bound.failing),
        primary=Rate(failures=known.primary.surely, requests=counted.primary_requests, failing=bound.failing),
        limit=bound.limit,
        well_below=evidence.well_below,
        log_e_harm=log_e_harm,
        log_e_well=log_e_well,
        harm_at=plan.harm_at,
        well_at=plan.well_at,
        bar=_bar(plan, answer, log_e_harm, log_e_well),
        phi=evidence.phi,
        is_overdue=is_overdue,
    )


class _Weighed(NamedTuple):
    """The evidence by one bound, as logarithms. `is_common`: both sides are over the limit, and not known to differ.

    What is common is no harm of the revision's own: it gives nothing to what another bound shows.
    """

    harm: float
    own_harm: float
    well: float
    well_below: float
    phi: float
    is_common: bool


def _fitting(plan: Plan, state: EvidenceState | None) -> EvidenceState:
    """Return the state for an edited plan: what was counted stays, but not how it compared with another ratio."""
    if state is None or not _is_of(plan, state):
        return begin(plan)
    if state.ratio == plan.ratio:
        return state
    bounds = tuple(replace(bound, not_worse=evalues.NO_GAINS) for bound in state.bounds)
    return replace(state, ratio=plan.ratio, bounds=bounds)


def _is_of(plan: Plan, state: EvidenceState) -> bool:
    return state.counted == plan.counted and len(state.bounds) == len(plan.bounds)


def _pairs(plan: Plan, state: EvidenceState) -> Iterator[tuple[Bound, BoundState]]:
    return zip(plan.bounds, state.bounds, strict=True)


def _in_step(state: EvidenceState, next_percent: float) -> EvidenceState:
    """Return the state in the step before this percent: another one begins with nothing counted."""
    if state.step_percent == next_percent:
        return state
    number = state.step_number + (state.step_percent is not None)
    bounds = tuple(replace(bound, step=StepState()) for bound in state.bounds)
    return replace(state, bounds=bounds, step_percent=next_percent, step_number=number, step_requests=0.0)


# Counting.


def _add(plan: Plan, state: EvidenceState, deltas: Deltas, now_s: float, *, is_warm: bool) -> EvidenceState:
    """Add the counts of a tick; of a time in which nothing is to be decided only how the primary's failures come."""
    number = len(state.bounds)
    canary, primary = _sound(deltas.canary, number), _sound(deltas.primary, number)
    ticks = [_sound(tally, number) for tally in deltas.history]
    ticks.append(primary)  # of a look in the warm-up, too
    if not is_warm:
        canary = primary = Tally(0.0, (NO_FAILURES,) * number)
    return replace(
        state,
        bounds=tuple(
            [_with_tick(plan, known, index, canary, primary, ticks) for index, known in enumerate(state.bounds)]
        ),
        began_at_s=now_s if state.began_at_s is None else state.began_at_s,
        canary_requests=state.canary_requests + canary.requests,
        primary_requests=state.primary_requests + primary.requests,
        step_requests=state.step_requests + canary.requests,
    )


def _with_tick(
    plan: Plan, known: BoundState, index: int, canary: Tally, primary: Tally, ticks: list[Tally]
) -> BoundState:
    failed, there = canary.failures[index], primary.failures[index]
    failed_in = [(tick.failures[index].surely, tick.requests) for tick in ticks]
    asked, asked_there = canary.requests, primary.requests
    sides, step = ((failed.surely, asked), (there.surely, asked_there)), known.step
    alone = (0.0, 0.0) if asked_there else sides[0]
    is_here, is_there = (_is_over(plan, index, known, *side) for side in sides)
    aside = Aside(asked, *failed) if is_there else NOTHING_ASIDE
    return BoundState(
        canary=_sum(known.canary, failed),
        primary=_sum(known.primary, there),
        alone=(known.alone[0] + alone[0], known.alone[1] + alone[1]),
        aside=_sum_aside(known.aside, aside),
        is_common=is_there and is_here if asked_there else known.is_common,
        worse=evalues.worse(known.worse, *sides),
        not_worse=evalues.not_worse(known.not_worse, (failed.perhaps, asked), (there.perhaps, asked_there), plan.ratio),
        bursts=known.bursts.learn(failed_in[:-1], failed_in[-1]),
        step=StepState(
            canary=_sum(step.canary, failed),
            alone=(step.alone[0] + alone[0], step.alone[1] + alone[1]),
            aside=_sum_aside(step.aside, aside),
            worse=evalues.worse(step.worse, *sides),
        ),
    )


def _is_over(plan: Plan, index: int, known: BoundState, failures: float, requests: float) -> bool:
    """Return whether a side is over the limit by one look alone, where the sides are compared."""
    if plan.against == "limit" or not failures:
        return False
    return evalues.above(failures, requests, plan.bounds[index].limit, _phi(plan, known)) >= math.log(plan.harm_at)


def _phi(plan: Plan, known: BoundState) -> float:
    return plan.burst if plan.burst is not None else min(known.bursts.now.phi, MOST_LEARNED_BURST)


def _knows_bursts(plan: Plan, bound: Bound, known: BoundState) -> bool:
    """Return whether bursts of a primary that fails as often as the limit allows would have been seen by now."""
    return plan.burst is not None or _has_seen(bound, known.bursts.now.requests)


def _has_seen(bound: Bound, requests: float) -> bool:
    return requests * bound.limit >= _LEAST_SEEN


def _sum_aside(one: Aside, other: Aside) -> Aside:
    return Aside(one.requests + other.requests, one.surely + other.surely, one.perhaps + other.perhaps)


def _sum(one: Failures, other: Failures) -> Failures:
    return Failures(one.surely + other.surely, one.perhaps + other.perhaps)


def _sound(tally: Tally, bounds: int) -> Tally:
    """Return counts that can be: finite, not negative, no more failures than requests, and some for each bound."""
    if len(tally.failures) == bounds and _is_sound(tally):
        return tally
    requests = _count(tally.requests)
    given = (*tally.failures, *((NO_FAILURES,) * bounds))[:bounds]
    failures = []
    for surely, perhaps in given:
        least = min(_count(surely), requests)
        failures.append(Failures(least, min(max(_count(perhaps), least), requests)))
    return Tally(requests, tuple(failures))


def _is_sound(tally: Tally) -> bool:
    return all(0 <= least <= most <= tally.requests < math.inf for least, most in tally.failures)


def _count(value: float) -> float:
    return value if 0 <= value < math.inf else 0.0


# Weighing.


def _weigh(plan: Plan, bound: Bound, state: EvidenceState, known: BoundState, next_percent: float) -> _Weighed:
    phi, aside, step = _phi(plan, known), known.aside, known.step
    requests = state.canary_requests - aside.requests
    over = evalues.above(known.canary.surely - aside.surely, requests, bound.limit, phi)
    worse = evalues.of_sums(known.worse, phi) if plan.against != "limit" else 0.0
    harm = over
    if plan.against == "primary":
        # Of different requests, so the e-values multiply.
        harm = worse + evalues.above(*known.alone, bound.limit, phi)
    elif plan.against == "both":
        harm = evalues.log_mean([over, worse])
    step_harm, number = _step_harm(plan, bound, state, step, phi), state.step_number
    # Where nothing is known of bursts, the few failures of one step are too often those of one cause.
    harm = _with_step(harm, step_harm if _knows_bursts(plan, bound, known) else 0.0, number)
    weight = min(max(next_percent, 1.0), _TOTAL_PERCENT) / _TOTAL_PERCENT
    below = evalues.advance_bound(bound.limit, bound.unacceptable, weight)
    well = _well(known.canary.perhaps, state.canary_requests, aside, below, phi)
    if plan.against == "primary":
        # Where hardly anything fails no comparison ever ends: to be shown below the bound is well, too.
        well = evalues.log_mean([well, evalues.of_sums(known.not_worse, phi)])
    if number > 1 and (step_harm > 0 or state.step_requests * below < _LEAST_EXPECTED):
        well = min(well, 0.0)
    elif number > 1 and weight >= 1 and plan.against != "primary":
        own = _well(step.canary.perhaps, state.step_requests, step.aside, below, phi)
        well = well if own >= _OWN_PART * math.log(plan.well_at) else min(well, own)
    is_common = plan.against != "limit" and _is_common(plan, bound, state, known, phi, over, worse)
    own_harm = min(harm, worse) if is_common else harm
    return _Weighed(harm, own_harm, well, below, phi, is_common)


def _well(failures: float, requests: float, aside: Aside, below: float, phi: float) -> float:
    """Return the evidence of fewer failures: by all requests, and by those that an incident had no part in.

    Of one that is over the first would tell for long; by the second nothing would be known of a release that ends one.
    """
    known = evalues.below(failures, requests, below, phi)
    if not aside.requests:
        return known
    return evalues.log_mean([known, evalues.below(failures - aside.perhaps, requests - aside.requests, below, phi)])


def _step_harm(plan: Plan, bound: Bound, state: EvidenceState, step: StepState, phi: float) -> float:
    """Return what the present step shows by itself.

    A release that fails under load was well before: what it did at small weights must not outvote what it does now.
    What may be common to both sides is left to the counts of all steps.
    """
    if plan.against == "limit":
        return evalues.above(step.canary.surely, state.step_requests, bound.limit, phi)
    worse = evalues.of_sums(step.worse, phi)
    return worse + evalues.above(*step.alone, bound.limit, phi) if plan.against == "primary" else worse


def _with_step(harm: float, step_harm: float, number: int) -> float:
    """Return the e-value of which all steps have a part and the present one has another: an e-value, too."""
    parts = (1 - _STEPS_STAKE, _STEPS_STAKE / (number * (number + 1)))
    return evalues.log_mean([math.log(2 * part) + each for part, each in zip(parts, (harm, step_harm), strict=True)])


def _is_common(
    plan: Plan, bound: Bound, state: EvidenceState, known: BoundState, phi: float, over: float, worse: float
) -> bool:
    """Return whether both sides are over the limit, and the canary is not shown to be worse."""
    enough = math.log(plan.harm_at)
    if worse >= enough:
        return False
    if known.is_common:
        return True
    if over < enough:
        return False
    return evalues.above(known.primary.surely, state.primary_requests, bound.limit, phi) >= enough


def _answer(plan: Plan, log_e_own: float, log_e_well: float, *, is_common: bool) -> Answer:
    """Return the one answer: harm before all else, and nothing is well while both sides are bad."""
    if log_e_own >= math.log(plan.harm_at):
        return Answer.HARM
    if is_common:
        return Answer.COMMON_CAUSE
    return Answer.WELL if log_e_well >= math.log(plan.well_at) else Answer.UNDECIDED


def _bar(plan: Plan, answer: Answer, log_e_harm: float, log_e_well: float) -> float:
    """Return -1 for well, 1 for harm, and in between how far the evidence for the one is ahead of the other's."""
    if answer is Answer.HARM:
        return 1.0
    if answer is Answer.WELL:
        return -1.0
    harm = min(max(log_e_harm / math.log(plan.harm_at), 0.0), 1.0)
    well = min(max(log_e_well / math.log(plan.well_at), 0.0), 1.0)
    return harm - well

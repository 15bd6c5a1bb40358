"""Is a canary ready: is its traffic served as meant, and could the next change be rolled out?

What is not as it should be for longer than it may be becomes the condition Ready, which is False with a reason. That
stops nothing: a blocker does, see `guards`. The ordinary waits of a run (pods that start, a gate, an interval) are none
of it.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from canary.decide.tick import Tick
from canary.run.action import Promote
from canary.run.decision import Decision
from canary.run.judge import Verdict
from canary.run.kept import KeptCheck
from canary.run.messages import Message, not_ready_any_more, ready_again
from canary.run.phase import IDLE, Phase
from canary.run.state import Blocker
from canary.run.trouble import RETRYING, TOLERATED_S, Trouble, is_other_reason

_MOST_REASONS: Final = 3
"""In one sentence: the rest of them are in `status.serin.checks`."""

# Chats are told of what a person on call can mend before users notice, and is not told in another alert.
_ALERTED: Final = frozenset(
    {"PrimaryNotReady", "PrimaryNotWritten", "RouteNotServed", "RouteNotWritten", "CheckRefused", "ChecksUndecided"}
)

# A rollback, or the next step, is told anyway.
_FOLLOWED_UP: Final = frozenset({"CheckRefused", "ChecksUndecided"})

_WITHOUT_TRAFFIC: Final = frozenset({None, Phase.INITIALIZING, Phase.TERMINATING, Phase.TERMINATED})


def why_not_ready(tick: Tick, decision: Decision) -> tuple[Trouble, ...]:
    """Return what is not as it should be where there is nothing to do but to wait, the gravest for users first."""
    if tick.state.blocker is not None or tick.state.phase in {None, Phase.TERMINATED}:
        return ()
    found = (*(rule(tick) for rule in _RULES), _waits_for_long(tick, decision))
    return tuple(trouble for trouble in found if trouble is not None)


def tell_readiness(tick: Tick, decision: Decision) -> Decision:
    """Store in place of waiting that the canary is not ready any more, or is again, with a message; once.

    A tick that fails each time never comes to wait: that is stored before it is tried again.
    """
    state, lasting = tick.state, tick.observation.lasting
    if state.blocker is not None or state.phase is None or not is_other_reason(state.not_ready, lasting):
        return decision
    is_resting = decision.intent is None and not decision.actions and not decision.questions
    is_failing = lasting is not None and lasting.reason == RETRYING and decision.intent is None
    if not is_resting and not is_failing:
        return decision
    if lasting is None:
        was = state.not_ready.reason if state.not_ready is not None else ""
        message = ready_again(tick.name, is_alerted=was in _ALERTED - _FOLLOWED_UP)
    else:
        message = not_ready_any_more(tick.name, lasting.message, is_alerted=lasting.reason in _ALERTED)
    return tick.update(replace(state, not_ready=lasting), message, remarks=decision.remarks)


def _deadline_s(tick: Tick) -> float:
    return max(TOLERATED_S, float(tick.canary.progress_deadline_s))


def _blocked_in_mid_run(tick: Tick) -> Trouble | None:
    """Report what would block the canary, and only keeps a run that is under way from going forward."""
    blockers = tick.observation.blockers
    return Trouble(blockers[0]) if blockers else None


def _primary_down(tick: Tick) -> Trouble | None:
    primary = tick.observation.primary
    if tick.state.phase is Phase.PROMOTING or tick.state.phase in {Phase.TERMINATING, Phase.TERMINATED}:
        return None
    if primary is not None and primary.readiness.is_ready:
        return None
    # While it serves, or nobody was sent to it yet, its pods have the time that a rollout has.
    has_time = tick.state.phase in _WITHOUT_TRAFFIC or (primary is not None and primary.readiness.has_available)
    explanation = "it does not exist" if primary is None else primary.readiness.explanation
    text = f"{tick.primary_name} not ready: {explanation}. Look at its pods and their events, or roll out a cure"
    return Trouble(Blocker("PrimaryNotReady", text), _deadline_s(tick) if has_time else TOLERATED_S)


def _promotion_late(tick: Tick) -> Trouble | None:
    if not tick.state.promotion.is_late:
        return None
    why = tick.why_primary_not_ready()
    text = why.text if why is not None else f"{tick.primary_name} is smaller than it should be"
    cure = "Look at its pods, quotas and autoscaler, or change the target: a newer revision gets its run"
    return Trouble(Blocker("PromotionLate", f"{text}. {cure}"), 0.0)


def _route_not_written(tick: Tick) -> Trouble | None:
    if not tick.is_traffic_refused:
        return None
    return Trouble(Blocker("RouteNotWritten", _failures(tick, f"{tick.name} its route can't be written")))


def _route_not_served(tick: Tick) -> Trouble | None:
    is_to_come = tick.state.phase in _WITHOUT_TRAFFIC and tick.observation.route is None
    why = None if is_to_come else tick.why_route_not_served()
    if why is None:
        return None
    text = f"{_plain(tick, why)}. Look at the statuses of its RouteTable, VirtualService and Upstreams, and at Gloo"
    return Trouble(Blocker("RouteNotServed", text))


def _plain(tick: Tick, message: Message) -> str:
    """Return what a message says beyond that the run is held."""
    return message.text.removeprefix(f"Halt {tick.name} advancement ")


def _not_applied(tick: Tick) -> Trouble | None:
    failed = sorted(tick.observation.failed_objects)
    if not failed:
        return None
    return Trouble(Blocker("ObjectsNotApplied", _failures(tick, f"{tick.name} not applied: {', '.join(failed)}")))


def _not_written(tick: Tick) -> Trouble | None:
    cooling = tick.observation.cooling_down
    if not cooling:
        return None
    if any(isinstance(action, Promote) for action in cooling):
        return Trouble(Blocker("PrimaryNotWritten", _failures(tick, f"{tick.primary_name} can't be written")))
    return Trouble(Blocker("CanaryNotWritten", _failures(tick, f"Canary {tick.name} can't be written")))


def _refused(tick: Tick) -> Trouble | None:
    """Report at once a check that gets no answer until somebody mends something; asked again, it finds out."""
    if not (tick.is_exposed or tick.analysis_started):
        return None
    reasons = [check.reason for check in _silent(tick) if check.is_refused]
    if not reasons:
        return None
    deadline_s = f"{tick.unobserved_deadline_s:.0f} s"
    text = f"{tick.name} {reasons[0]}. Until that is mended the weight stays, for {deadline_s}; then it is rolled back"
    return Trouble(Blocker("CheckRefused", text), 0.0)


def _undecided(tick: Tick) -> Trouble | None:
    if not tick.is_exposed or tick.state.analysis.unobserved_s <= TOLERATED_S:
        return None
    reasons = "".join(f"; {check.reason}" for check in _silent(tick)[:_MOST_REASONS])
    text = (
        f"{tick.name} no check has passed or failed for more than a minute{reasons}. The canary is rolled back after "
        f"{tick.unobserved_deadline_s:.0f} s of that. Look at the metrics server, the hooks and the events before"
    )
    return Trouble(Blocker("ChecksUndecided", text), 0.0)


def _silent(tick: Tick) -> list[KeptCheck]:
    """Return the checks whose last answer said nothing, without those that decide nothing."""
    silent = (Verdict.NO_DATA, Verdict.ERROR)
    kept = (check for check in tick.state.analysis.kept if check.samples and not check.is_dry_run)
    return [check for check in kept if check.samples[-1].verdict in silent]


_RULES: Final[tuple[Callable[[Tick], Trouble | None], ...]] = (
    _primary_down,
    _promotion_late,
    _route_not_written,
    _route_not_served,
    _not_written,
    _not_applied,
    _blocked_in_mid_run,
    _refused,
    _undecided,
)


def _waits_for_long(tick: Tick, decision: Decision) -> Trouble | None:
    """Report whatever else is waited for with a warning, for longer than a rollout may take."""
    revisions = tick.state.revisions
    if tick.state.phase in IDLE and revisions.finished == revisions.analysed:
        return None
    warnings = [remark for remark in decision.remarks if remark.is_warning]
    return Trouble(Blocker("Waiting", _plain(tick, warnings[0])), _deadline_s(tick)) if warnings else None


def _failures(tick: Tick, otherwise: str) -> str:
    return "; ".join((otherwise, *tick.observation.failures))

"""Requests: what people ask of a run by an annotation is carried out once, or refused with what is allowed."""

from dataclasses import replace
from typing import Final

from canary.decide.attempts import attempt
from canary.decide.holds import is_paused_by_step
from canary.decide.run_record import give_reason
from canary.decide.tick import Tick
from canary.decide.transitions import change_of, promote, promote_newer, roll_back, start_run, stop_waiting
from canary.run.action import ClaimRequest, DropRequest
from canary.run.decision import Decision
from canary.run.phase import ANALYSING, IDLE, Phase
from canary.run.request import MalformedRequest, Request, RequestResult, Verb, kept_text, split_claim
from canary.run.request_messages import (
    by_request,
    paused,
    promoted_by_request,
    request_refused,
    resumed,
    retried,
    skipped,
)
from canary.run.revision import UNKNOWN
from canary.run.state import Timing

_PHASES: Final = {
    Verb.PROMOTE: ANALYSING | {Phase.PROMOTING},
    Verb.ABORT: ANALYSING | {Phase.PROMOTING},
    Verb.PAUSE: ANALYSING,
    Verb.RESUME: ANALYSING,
    Verb.RETRY: IDLE,
    Verb.SKIP: ANALYSING | IDLE,
}


def answer_without_spec(tick: Tick) -> Decision | None:
    """Answer what can be carried out while the spec can't be read; None where there is no such request."""
    return answer_request(tick) if tick.observation.is_spec_lost else None


def answer_request(tick: Tick) -> Decision | None:
    """Answer the request on the Canary, one step a tick; None where there is none."""
    annotation, answered = tick.observation.request, tick.state.control.request
    if not annotation:
        return None
    # Whoever may write the annotation is not believed to have written what a terminal may be given.
    text, claim = map(kept_text, split_claim(annotation))
    if tick.observation.is_spec_lost and not text.startswith(Verb.ABORT):
        # What else may be asked for needs a spec; it is answered when there is one.
        return None
    if not claim:
        return attempt(tick, ClaimRequest(annotation))
    if answered is not None and answered.claim == claim:
        return attempt(tick, DropRequest(annotation))
    try:
        request = Request.parse(text)
    except MalformedRequest as error:
        return _refuse(tick, text, claim, str(error))
    why_refused = _why_refused(tick, request) or _why_not_again(tick, request, text)
    if why_refused:
        return _refuse(tick, text, claim, why_refused)
    if tick.state.phase in IDLE and tick.state.hooks.post_rollout_pending:
        # The hooks of the run that has just ended are called first: another run would leave them out.
        return None
    result = RequestResult(text, claim, tick.now_s, by=tick.observation.requested_by)
    asked = tick.having(replace(tick.state, control=replace(tick.state.control, request=result)))
    return _carry_out(asked, request.verb, result.by)


def _refuse(tick: Tick, text: str, claim: str, allowed: str) -> Decision:
    result = RequestResult(text, claim, tick.now_s, allowed, tick.observation.requested_by)
    refused = replace(tick.state, control=replace(tick.state.control, request=result))
    return tick.update(refused, request_refused(tick.canary.namespace, tick.canary.name, result))


def _why_refused(tick: Tick, request: Request) -> str:
    """Return what is allowed instead, nothing where the request is."""
    phase, revision = tick.state.phase, _revision_in_question(tick, request.verb)
    allowed = _PHASES[request.verb]
    if phase not in allowed:
        return f"{request.verb} in phase {', '.join(sorted(allowed))}; the phase is {phase or 'not set yet'}"
    if tick.observation.target is None and (phase in IDLE or request.verb is Verb.PROMOTE):
        return f"{request.verb} while {tick.target_name} exists, and it does not"
    if request.verb is Verb.PROMOTE and phase is Phase.PROMOTING and revision == tick.state.revisions.analysed:
        return f"{request.verb} of a newer revision than {revision}, which is being promoted"
    if not request.is_about(revision):
        return f"{request.verb}@{revision}"
    if request.verb is Verb.RESUME and not tick.state.control.is_paused and not is_paused_by_step(tick):
        return f"resume of a paused run; {revision} is not paused"
    if phase in IDLE and revision == tick.state.revisions.promoted:
        return f"{request.verb} of a revision that the primary does not run; it runs {revision}"
    return ""


def _why_not_again(tick: Tick, request: Request, text: str) -> str:
    """Return what is allowed instead of a retry or resume that was carried out already, and whose run is the last one.

    A text that is kept in Git is written again whenever it was removed: each failure would be followed by another run,
    and each pause by its end. Nor does the second of two people who resume one pause end the next one.
    """
    answered, revision = tick.state.control.request, tick.state.revisions.analysed
    if answered is None or answered.text != text or not request.is_about(revision):
        return ""
    if request.verb is Verb.RESUME and answered.at_s < int(tick.state.run.started_at_s or 0):
        # It was about a run of the same revision before this one.
        return ""
    after = {Verb.RETRY: "failure", Verb.RESUME: "pause"}.get(request.verb)
    if after is None:
        return ""
    chars = len(request.revision)
    other = revision[: chars + 1] if chars < len(revision) else revision[: chars - 1]
    why = (
        f"{request.verb}@{other}, or as many characters of {revision} as were not used last; this text was carried "
        f"out, and where it is kept in Git it would be after each {after}"
    )
    return why if answered.why_refused in {"", why} else ""


def _revision_in_question(tick: Tick, verb: Verb) -> str:
    target = tick.observation.target
    is_analysed = target is None or tick.state.phase in ANALYSING or verb is Verb.ABORT
    return tick.state.revisions.analysed if is_analysed else tick.target.identity.revision


def _carry_out(tick: Tick, verb: Verb, by: str) -> Decision:
    match verb:
        case Verb.PROMOTE:
            return _promote(tick, by)
        case Verb.ABORT:
            return roll_back(tick, f"aborted {by_request(by)}", why=f"aborted by {by or 'request'}")
        case Verb.PAUSE:
            return _pause(tick, by)
        case Verb.RESUME:
            return _resume(tick, by)
        case Verb.RETRY:
            is_first = tick.state.queue is not None
            return start_run(tick, retried(tick.target_name, tick.target.identity.revision, by, is_first=is_first))
        case Verb.SKIP:
            return _skip(tick, by)


def _pause(tick: Tick, by: str) -> Decision:
    analysis = replace(tick.state.analysis, checks_passed=False)
    control = replace(tick.state.control, is_paused=True)
    message = paused(tick.name, tick.state.traffic.canary_percent, by)
    return tick.update(replace(tick.state, analysis=analysis, control=control), message)


def _resume(tick: Tick, by: str) -> Decision:
    """End what somebody asked for, where they did; else the present step's own pause. One resume ends one of them."""
    state, is_step = tick.state, is_paused_by_step(tick)
    analysis = replace(state.analysis, growth_started_at_s=None)
    if state.control.is_paused:
        control = replace(state.control, is_paused=False)
        still_paused_by = state.analysis.step.number if is_step else 0
        message = resumed(tick.name, by, still_paused_by)
        return tick.update(replace(state, analysis=analysis, control=control), message)
    analysis = replace(analysis, step=replace(analysis.step, is_resumed=True))
    hooks = replace(state.hooks, waiting_for=())
    return tick.update(replace(state, analysis=analysis, hooks=hooks), resumed(tick.name, by))


def _promote(tick: Tick, by: str) -> Decision:
    """Promote at once; but where the canary side has to carry everything meanwhile, it is brought up to that first.

    Nor is anything rolled while the gateway is not known to serve what it is to.
    """
    message, why = promoted_by_request(tick.name, by), f"promoted by {by}'s request" if by else "promoted by request"
    if tick.state.phase is Phase.PROMOTING:
        return promote_newer(tick, message, why=why)
    tick = tick.having(give_reason(tick.state, why))
    if not tick.rollout_interrupts_primary and tick.is_route_served:
        return promote(tick, message, skips_analysis=True)
    state = stop_waiting(tick.state)
    if state.phase is Phase.WAITING:
        state = replace(state, timing=Timing(next_check_at_s=tick.now_s, unready_at_s=tick.now_s))
    control = replace(state.control, is_paused=False, skips_analysis=True)
    return tick.transition(replace(state, phase=Phase.PROGRESSING, control=control), message)


def _skip(tick: Tick, by: str) -> Decision:
    revision = _revision_in_question(tick, Verb.SKIP)
    if tick.state.phase in ANALYSING:
        return roll_back(tick, f"revision {revision} is skipped {by_request(by)}", why=f"skipped by {by or 'request'}")
    revisions = replace(
        tick.state.revisions,
        analysed=revision,
        # A side that is still up (of the run before, which is drained) is scaled down all the same, see `idle`.
        finished=revision if tick.target.replicas == 0 else UNKNOWN,
        change=change_of(tick.state, tick.target),
    )
    known = replace(tick.state, target=tick.target.identity, revisions=revisions)
    return tick.update(known, skipped(tick.target_name, revision, by))

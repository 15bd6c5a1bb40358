"""Control: what people ask of a run by an annotation is carried out once, or refused with what is allowed."""

from dataclasses import replace
from typing import Final

from canary.decide.attempt import attempt
from canary.decide.context import Tick
from canary.decide.run import change_of, promote, promote_newer, roll_back, start_run
from canary.decide.takeover import UNKNOWN
from canary.run.action import ClaimRequest, DropRequest
from canary.run.decision import Decision, move
from canary.run.messages import paused, promoted_by_request, request_refused, resumed, skipped
from canary.run.phase import ANALYSING, IDLE, Phase
from canary.run.request import MalformedRequest, Request, RequestResult, Verb, split_claim

_PHASES: Final = {
    Verb.PROMOTE: ANALYSING | {Phase.PROMOTING},
    Verb.ABORT: ANALYSING,
    Verb.PAUSE: ANALYSING,
    Verb.RESUME: ANALYSING,
    Verb.RETRY: IDLE,
    Verb.SKIP: ANALYSING | IDLE,
}


def decide(tick: Tick) -> Decision | None:
    """Answer the request on the Canary, one step a tick; None where there is none."""
    annotation, answered = tick.seen.request, tick.state.request
    if not annotation:
        return None
    text, claim = split_claim(annotation)
    if not claim:
        return attempt(tick, ClaimRequest(annotation))
    if answered is not None and answered.claim == claim:
        return attempt(tick, DropRequest(annotation))
    try:
        request = Request.parse(text)
    except MalformedRequest as error:
        return _refuse(tick, text, claim, str(error))
    objection = _objection(tick, request)
    if objection:
        return _refuse(tick, text, claim, objection)
    if tick.state.phase in IDLE and tick.state.has_untold_end:
        # The hooks of the run that has just ended are told of that first: another run would leave them out.
        return None
    decided = _carry_out(tick, request.verb)
    assert decided.intent is not None, "every request moves the intent"
    return replace(decided, intent=replace(decided.intent, request=RequestResult(text, claim, tick.now_s)))


def _refuse(tick: Tick, text: str, claim: str, allowed: str) -> Decision:
    result = RequestResult(text, claim, tick.now_s, allowed)
    said = request_refused(tick.canary.namespace, tick.canary.name, text, allowed)
    return move(tick.moved(said, request=result, last_transition_s=tick.state.last_transition_s))


def _objection(tick: Tick, request: Request) -> str:
    """Say what is allowed instead, nothing where the request is."""
    phase, revision = tick.state.phase, _revision_in_question(tick)
    allowed = _PHASES[request.verb]
    if phase not in allowed:
        return f"{request.verb} in phase {', '.join(sorted(allowed))}; the phase is {phase or 'not set yet'}"
    if tick.seen.target is None and (phase in IDLE or request.verb is Verb.PROMOTE):
        return f"{request.verb} while {tick.target_name} exists, and it does not"
    if phase is Phase.PROMOTING and revision == tick.state.analysed:
        return f"{request.verb} of a newer revision than {revision}, which is being promoted"
    if not request.is_about(revision):
        return f"{request.verb}@{revision}"
    if request.verb is Verb.RESUME and not tick.state.is_paused:
        return f"resume of a paused run; {revision} is not paused"
    if phase in IDLE and revision == tick.state.promoted:
        return f"{request.verb} of a revision that the primary does not run; it runs {revision}"
    return ""


def _revision_in_question(tick: Tick) -> str:
    target = tick.seen.target
    return tick.state.analysed if target is None or tick.state.phase in ANALYSING else target.seen.revision


def _carry_out(tick: Tick, verb: Verb) -> Decision:
    same_time = tick.state.last_transition_s
    match verb:
        case Verb.PROMOTE:
            return _promote(tick)
        case Verb.ABORT:
            return roll_back(tick, "aborted by request")
        case Verb.PAUSE:
            said = paused(tick.name, tick.state.canary_weight)
            return move(tick.moved(said, is_paused=True, is_cleared=False, last_transition_s=same_time))
        case Verb.RESUME:
            return move(tick.moved(resumed(tick.name), is_paused=False, grown_s=None, last_transition_s=same_time))
        case Verb.RETRY:
            return move(start_run(tick))
        case Verb.SKIP:
            return _skip(tick)


def _promote(tick: Tick) -> Decision:
    """Promote at once; but where the canary side has to carry everything meanwhile, it is brought up to that first."""
    said = promoted_by_request(tick.name)
    if tick.state.phase is Phase.PROMOTING:
        return promote_newer(tick, said)
    if not tick.is_primary_to_make_way:
        return promote(tick, said, is_analysis_skipped=True)
    way = {"phase": Phase.PROGRESSING, "is_analysis_skipped": True, "is_paused": False}
    if tick.state.phase is Phase.WAITING:
        way |= {"not_before_s": tick.now_s, "unready_since_s": tick.now_s, "shifted_s": None}
    return move(tick.moved(said, **way, waiting_for=(), is_cleared=False))


def _skip(tick: Tick) -> Decision:
    revision = _revision_in_question(tick)
    if tick.state.phase in ANALYSING:
        return roll_back(tick, f"revision {revision} is skipped by request")
    said, same_time = skipped(tick.target_name, revision), tick.state.last_transition_s
    # A side that is still up (of the run before, which is drained) is scaled down all the same, see `idle`.
    finished = revision if tick.target.replicas == 0 else UNKNOWN
    known = {"analysed": revision, "finished": finished, "change": change_of(tick)}
    return move(tick.moved(said, **known, seen=tick.target.seen, last_transition_s=same_time))

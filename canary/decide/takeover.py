"""Taking over a canary that Flagger ran: one move makes its status ours, and no traffic moves to what is in doubt.

Flagger's revisions can't be computed again. What is known is whether the primary runs the target's template.
"""

from typing import Any

from canary.decide.context import Tick
from canary.decide.run import fail, no_traffic
from canary.run.decision import Decision, move
from canary.run.messages import Message, rolling_back, taken_over
from canary.run.phase import ANALYSING, Phase
from canary.run.state import State

# A word that is no revision. A failed run is not finished with it, so the target is still drained and scaled to zero.
UNKNOWN = "unknown"


def is_foreign(state: State) -> bool:
    """Was the status written by another controller? Our own bootstrap begins with a finished revision."""
    return state.phase is not None and not state.finished


def decide(tick: Tick) -> Decision | None:
    """Make the canary ours; None while its target is missing, for then nothing is known.

    A run that Flagger had under way ends without its traffic: nobody knows what was seen of it. A promotion goes on:
    its revision was analysed, and the primary may have it already.
    """
    phase = tick.state.phase
    if phase in ANALYSING:
        return _fail(tick)
    if tick.seen.target is None:
        return None
    match phase:
        case Phase.PROMOTING:
            weight = 0 if tick.seen.route is None else tick.seen.route.canary_weight
            return _take(
                tick,
                "its promotion goes on",
                promoted=_promoted(tick),
                canary_weight=weight,
                not_before_s=tick.now_s,
            )
        case Phase.FINALISING if _has_same_template(tick):
            return _take(tick, "its promotion goes on", **no_traffic(tick.state))
        case Phase.FINALISING:
            return _take_as_baseline(tick, phase=Phase.SUCCEEDED, **no_traffic(tick.state))
        case Phase.FAILED:
            ended = {"promoted": _promoted(tick), "finished": UNKNOWN} | no_traffic(tick.state)
            return _take(tick, "its failed revision stays failed", **ended)
        case _:
            return _take_as_baseline(tick, **no_traffic(tick.state))


def _has_same_template(tick: Tick) -> bool:
    return tick.seen.primary is not None and tick.seen.primary.runs_target


def _promoted(tick: Tick) -> str:
    """Return the revision that the primary runs: the target's, or one of which no more than the word is known.

    An agent may have been here before Flagger; then the primary still has the revision that it was given by that.
    Flagger's own word for it stands for no template that could be found again.
    """
    primary = tick.seen.primary
    if primary is not None and primary.runs_target:
        return tick.target.seen.revision
    return (primary.revision if primary is not None else "") or UNKNOWN


def _fail(tick: Tick) -> Decision:
    target = tick.seen.target
    revision = tick.state.analysed if target is None else target.seen.revision
    seen = None if target is None else target.seen
    promoted = tick.state.promoted if target is None else _promoted(tick)
    said = rolling_back(tick.name, "taken over from Flagger in mid-run, and nobody knows what its checks said")
    ours = {"seen": seen, "analysed": revision, "promoted": promoted, "finished": UNKNOWN, "unready_since_s": None}
    return fail(tick, said, **ours)


def _take_as_baseline(tick: Tick, **changes: Any) -> Decision:
    if tick.seen.primary is None or _has_same_template(tick):
        return _take(tick, "the primary runs the target's template", promoted=tick.target.seen.revision, **changes)
    explanation = (
        "the primary runs another template than the target; nothing is rolled out until the target changes, "
        f"or is asked for by the annotation serin.dev/request: retry@{tick.target.seen.revision}"
    )
    return _take(tick, explanation, is_warning=True, promoted=_promoted(tick), **changes)


def _take(tick: Tick, explanation: str, *, is_warning: bool = False, **changes: Any) -> Decision:
    said: Message = taken_over(tick.name, explanation, is_warning=is_warning)
    revision = tick.target.seen.revision
    ours: dict[str, Any] = {"seen": tick.target.seen, "analysed": revision, "finished": revision, "shifted_s": None}
    ours |= {"unready_since_s": None, "last_transition_s": tick.state.last_transition_s}
    return move(tick.moved(said, **(ours | changes)))

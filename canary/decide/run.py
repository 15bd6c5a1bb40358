"""A run's beginning and its ends: the moves that several phases make."""

from dataclasses import replace
from typing import Any

from canary.decide.context import CONFIRM_ROLLOUT, POST_ROLLOUT, PRE_ROLLOUT, Tick
from canary.run.decision import Decision, move
from canary.run.mark import Mark
from canary.run.messages import (
    Message,
    copying_template,
    rolling_back,
    routing_to_canary,
    run_failed,
    run_restarted,
    run_started,
)
from canary.run.phase import Phase
from canary.run.revision import template_part
from canary.run.state import State
from canary.run.steps import TOTAL_WEIGHT


def start_run(tick: Tick) -> State:
    """Begin a run of the target's present revision: with the canary side, or with the gates that stand before it."""
    if tick.hooks(CONFIRM_ROLLOUT):
        return tick.moved(phase=Phase.WAITING, **fresh_run(tick))
    return tick.moved(run_started(tick.target_name, change_of(tick)), phase=Phase.PROGRESSING, **fresh_run(tick))


def fresh_run(tick: Tick) -> dict[str, Any]:
    """Return the fields for a run of the target's present revision, nothing carried over from the run before."""
    return fresh_analysis(tick) | {
        "seen": tick.target.seen,
        "analysed": tick.target.seen.revision,
        "change": change_of(tick),
        "answered": (),
        "is_analysis_skipped": False,
        "is_paused": False,
        "has_untold_end": False,
    }


def fresh_analysis(tick: Tick) -> dict[str, Any]:
    """Return the state's fields for the same revision's analysis from its beginning.

    What was said of the revision itself stays said; a yes to a step or to the promotion was about the analysis before.
    """
    lasting = (f"{CONFIRM_ROLLOUT}/", f"{PRE_ROLLOUT}/")
    return no_traffic(tick.state) | {
        "failed_checks": 0,
        "iterations": 0,
        "not_before_s": tick.now_s,
        "unready_since_s": tick.now_s,
        "first_weight_s": None,
        "decisive_s": None,
        "shifted_s": None,
        "grown_s": None,
        "is_promotion_late": False,
        "answered": tuple(key for key in tick.state.answered if key.startswith(lasting)),
        "waiting_for": (),
        "is_cleared": False,
    }


def no_traffic(state: State) -> dict[str, Any]:
    """Return the state's fields for a canary side that gets nothing: no share, no copies, nobody's cookie."""
    previous = state.cookie or state.previous_cookie
    nothing: dict[str, Any] = {"canary_weight": 0, "is_for_everyone": False, "mirror_percent": 0, "cookie": ""}
    return nothing | {"previous_cookie": previous}


def all_on_canary(tick: Tick) -> dict[str, Any]:
    """Return the state's fields for a canary side that gets everything. It is meant so under whatever strategy."""
    everything = {"canary_weight": TOTAL_WEIGHT, "is_for_everyone": True, "mirror_percent": 0}
    return everything | {"strategy": tick.canary.strategy, "shifted_s": None}


def untold_end(tick: Tick) -> dict[str, Any]:
    """Return the state's field that has the post-rollout hooks told of the end of a run, where there are any."""
    return {"has_untold_end": bool(tick.hooks(POST_ROLLOUT))}


def change_of(tick: Tick) -> Mark | None:
    """Return what the target's present revision changed and who applied it, None where nobody can tell.

    A mark speaks of the template. One that the run before was about already says nothing of a run that another
    configuration started.
    """
    mark, revision, before = tick.target.mark, tick.target.seen.revision, tick.state.analysed
    if mark is None or (before != revision and template_part(before) == mark.revision):
        return None
    return replace(mark, revision=revision)


def promote(tick: Tick, *news: Message, is_analysis_skipped: bool, **changes: Any) -> Decision:
    """End the analysis well: the primary is to get the analysed template. Traffic stays where it is until it has it.

    But none may be on a primary that has no pod while it rolls: where the analysis did not bring it to the canary side,
    because it was left out, this does.
    """
    promoting: dict[str, Any] = {
        "phase": Phase.PROMOTING,
        "mirror_percent": 0,
        "not_before_s": tick.now_s,
        "unready_since_s": tick.now_s,
        "decisive_s": tick.now_s,
        "waiting_for": (),
        "is_cleared": False,
        "is_analysis_skipped": is_analysis_skipped,
        "is_promotion_late": False,
        "is_paused": False,
        "shifted_s": None,
    }
    if tick.is_primary_to_make_way and not tick.is_all_on_canary:
        news = (*news, routing_to_canary(was_mirrored=tick.state.mirror_percent > 0))
        promoting |= all_on_canary(tick)
    return move(tick.moved(*news, copying_template(tick.target_name, tick.primary_name), **(promoting | changes)))


def promote_newer(tick: Tick, *news: Message) -> Decision:
    """Promote the target's present revision in place of the one whose promotion hangs, with the traffic where it is."""
    served = {"canary_weight": tick.state.canary_weight, "is_for_everyone": tick.state.is_for_everyone}
    changes = fresh_run(tick) | served | {"is_analysis_skipped": True}
    said = run_restarted(tick.target_name, change_of(tick))
    return promote(tick, said, *news, **changes)


def roll_back(tick: Tick, reason: str, *before: Message, because: str = "", **changes: Any) -> Decision:
    """Pull the traffic from the canary and end the run; `before` is said first, `because` is what the checks said."""
    return fail(tick, *before, rolling_back(tick.name, reason, because), **changes)


def fail(tick: Tick, *news: Message, **changes: Any) -> Decision:
    """End a run badly: all traffic to the primary, at once. `news` say why."""
    failed = no_traffic(tick.state) | untold_end(tick)
    failed |= {
        "phase": Phase.FAILED,
        "is_paused": False,
        "iterations": 0,
        "shifted_s": None,
        "grown_s": None,
        "waiting_for": (),
        "is_cleared": False,
    }
    return move(tick.moved(*news, run_failed(tick.name), **(failed | changes)))

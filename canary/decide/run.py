"""A run's beginning and its bad end: the two moves that several phases make."""

from typing import Any

from canary.decide.context import Tick
from canary.decide.decision import Decision, move
from canary.news import News, rolling_back, run_failed
from canary.phase import Phase


def fresh_run(tick: Tick) -> dict[str, Any]:
    """Give the state's fields for a run of the target's present revision, nothing carried over from the run before."""
    return {
        "seen": tick.target.seen,
        "analysed": tick.target.seen.revision,
        "canary_weight": 0,
        "failed_checks": 0,
        "iterations": 0,
        "not_before_s": tick.now_s,
        "unready_since_s": tick.now_s,
        "first_weight_s": None,
        "decisive_s": None,
        "shifted_s": None,
        "answered": (),
        "is_analysis_skipped": False,
    }


def roll_back(tick: Tick, reason: str, *before: News, because: str = "", **changes: Any) -> Decision:
    """Pull the traffic from the canary and end the run; `before` is said first, `because` is what the checks said."""
    return move(
        tick.moved(
            *before,
            rolling_back(tick.name, reason, because),
            run_failed(tick.name),
            **({"phase": Phase.FAILED, "canary_weight": 0, "iterations": 0, "shifted_s": None} | changes),
        )
    )

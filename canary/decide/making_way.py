"""Making way: a primary that has no pod while it rolls is rolled only when nothing is on it.

Such is a Deployment that is recreated, one whose rolling update may take all its pods away, or a DaemonSet without
surge on as many nodes as may be without it. See docs/decisions/0008.
"""

from canary.decide.context import PATIENCE_S, Tick
from canary.decide.ending import drain
from canary.decide.progressing import restart
from canary.decide.run import all_on_canary, fresh_analysis
from canary.run.decision import Decision, act, move, wait
from canary.run.messages import analysis_resumed, routing_to_canary, still_asked
from canary.run.observation import ManagedObject
from canary.run.phase import Phase


def make_way(tick: Tick) -> Decision | None:
    """See everything on the canary side, and nothing on the primary; None when that may be rolled.

    The promotion, a request or the last step of the analysis brought it there, unless the primary's strategy was edited
    since. As long as nothing of the revision has reached the primary, whatever goes wrong is undone by beginning again.
    """
    primary = tick.seen.primary
    if not tick.is_primary_to_make_way or primary is None or not primary.readiness.has_available:
        return None
    if tick.target.seen.revision != tick.state.analysed:
        return restart(tick)
    if not tick.can_canary_serve:
        said = analysis_resumed(tick.target_name, tick.target.readiness.explanation)
        return move(tick.moved(said, **(fresh_analysis(tick) | {"phase": Phase.PROGRESSING})))
    if not tick.is_all_on_canary:
        return move(tick.moved(routing_to_canary(was_mirrored=False), **all_on_canary(tick)))
    if tick.is_skipping and tick.is_primary_overdue:
        # Who skips the analysis wants the revision now, and the gateway had its time.
        return None
    due = tick.due(ManagedObject.ROUTE)
    if due:
        return act(*due)
    trouble = tick.route_trouble()
    if trouble is not None:
        return wait(trouble, seconds=PATIENCE_S)
    return drain(tick, still_asked(tick.primary_name))

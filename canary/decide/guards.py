"""What holds in every phase. A guard answers with a decision, or with None: then the next one is asked."""

from dataclasses import replace
from typing import Final

from canary.decide import takeover
from canary.decide.attempts import attempt
from canary.decide.clock import unchecked_s
from canary.decide.run_record import give_reason
from canary.decide.tick import Tick
from canary.decide.timing import PATIENCE_S
from canary.decide.transitions import (
    clear_traffic,
    end_badly,
    fail,
    give_everything_to_canary,
    restart_analysis,
    restart_run,
    restart_with_strategy,
    roll_back,
)
from canary.run.action import Promote, SetFinalizer
from canary.run.decision import Decision, act, wait
from canary.run.messages import (
    Message,
    info,
    routing_to_canary,
    routing_to_primary,
    status_restored,
    target_gone,
    warning,
)
from canary.run.observation import Observation, Target
from canary.run.phase import ANALYSING, IDLE, Phase
from canary.run.revision import UNKNOWN, config_part, template_part
from canary.run.state import Blocker, State

_SUSPENDED: Final = Blocker("Suspended", "spec.suspend is true: the run stands still until it is false.")

# Whose view is it?


def count_on(state: State, observation: Observation) -> State:
    """Return the state whose next transition follows those that the route knows of, where the status lost them.

    Somebody wiped the status, or another controller wrote it. From the first transition that is ours on, a route that
    is ahead of the status shows that the status is old.
    """
    is_ours = state.phase is not None and not takeover.is_foreign(state)
    if is_ours or observation.route is None or observation.route.sequence <= state.transition.sequence:
        return state
    return replace(state, transition=replace(state.transition, sequence=observation.route.sequence))


def refuse_old_view(tick: Tick) -> Decision | None:
    """Change nothing but the status where a transition that we don't know wrote the route.

    If our view is old, the API server refuses that write. If it accepts it, the status itself is: somebody restored it
    from a backup, say. What it intends is carried out then, for nobody else would ever check what the route shows.
    """
    route, state = tick.observation.route, tick.state
    if route is None or route.sequence <= state.transition.sequence:
        return None
    following = replace(state, transition=replace(state.transition, sequence=route.sequence))
    return Tick(tick.canary, following, tick.observation).update(following, status_restored(tick.name))


def stand_back_for_flagger(tick: Tick) -> Decision | None:
    """Do nothing while a Flagger is at work, but for one thing: what nobody checks from now on is pulled first.

    A Flagger that works on this canary pulls it too, for our revision is none that it knows. One that works on others
    only, in another namespace or for another mesh, never does.
    """
    flagger = tick.observation.flagger
    if not flagger:
        return None
    text = f"{flagger}: nothing is done until that Flagger has stopped."
    blocker = Blocker("FlaggerRunning", text)
    return _pull_from_unchecked(tick, blocker) or _store_blocker(tick, blocker) or wait()


def _pull_from_unchecked(tick: Tick, blocker: Blocker) -> Decision | None:
    """Pull the traffic in one write of the status, and one of the route; None where that is done, or can't be.

    It is written once: a route that shows another split after that was written by the Flagger.
    """
    state, route = tick.state, tick.observation.route
    if takeover.is_foreign(state) or tick.observation.is_deleted:
        return None
    if tick.is_exposed and tick.can_primary_serve and state.phase in {*ANALYSING, Phase.PROMOTING}:
        blocked = tick.having(replace(state, blocker=blocker))
        messages = (warning(blocker.message), routing_to_primary())
        return (
            restart_analysis(blocked, *messages) if state.phase in ANALYSING else _route_to_primary(blocked, *messages)
        )
    is_written = route is None or route.sequence >= state.transition.sequence
    due = () if is_written or tick.is_exposed or state.phase in {None, Phase.INITIALIZING} else tick.due_traffic()
    return act(*due) if due else None


def pull_what_is_not_stored(tick: Tick) -> Decision | None:
    """Pull the traffic and stand still where the API server does not store what is written of the intent.

    Flagger's part of it is stored even then, and the weight and the phase are in that: both are written before the
    route is, as always. What was asked, and since when, is known to nobody from one tick to the next.
    """
    unstored, state = tick.observation.unstored, tick.state
    if unstored is None:
        return None
    blocked = tick.having(replace(state, blocker=unstored))
    if state.phase in ANALYSING:
        return fail(blocked.having(give_reason(blocked.state, unstored.message)), warning(unstored.message))
    is_pulled = state.phase not in {None, Phase.INITIALIZING, Phase.TERMINATING, Phase.TERMINATED}
    if is_pulled and state.traffic.canary_percent > 0 and tick.can_primary_serve:
        return _route_to_primary(blocked)
    due = tick.due_traffic() if is_pulled else ()
    if due:
        return act(*due)
    reported = _store_blocker(tick, unstored)
    return reported if reported is not None and reported.intent is not None else wait(warning(unstored.message))


def take_over_from_flagger(tick: Tick) -> Decision | None:
    """Make a canary ours whose status another controller wrote; nothing else is done with one before that."""
    if not takeover.is_foreign(tick.state):
        return None
    if tick.state.phase is Phase.FAILED and tick.due_traffic():
        # What was pulled is pulled from the route first, whatever may be known of the target.
        return act(*tick.due_traffic())
    return takeover.take_over(tick) or stand_still(tick) or wait()


# Where the traffic is.


def keep_traffic_safe(tick: Tick) -> Decision | None:
    """Carry out what was decided of the traffic, and pull it from what nobody analysed, whatever else is the matter."""
    if tick.state.phase in {None, Phase.INITIALIZING}:
        return _pull_forgotten(tick)
    kept = _keep_meaning(tick) or _keep_served(tick)
    if kept is not None:
        return kept
    due = tick.write_traffic()
    if due is not None:
        # What nobody analysed gets no more than it has, not even for the moment until its run begins.
        return (_pull_from_unanalysed(tick) if _grows_traffic(tick) else None) or due
    if tick.is_traffic_refused and tick.state.phase not in ANALYSING:
        return wait(tick.why_route_not_served(), seconds=PATIENCE_S)
    return _pull_from_unanalysed(tick)


def _grows_traffic(tick: Tick) -> bool:
    """Return whether the canary side is to get more than the route sends to it."""
    route, wanted = tick.observation.route, tick.wanted_traffic
    if route is None:
        return False
    now = route.traffic
    is_more = wanted.canary_percent > now.canary_percent or wanted.mirror_percent > now.mirror_percent
    return is_more or wanted.includes_unmatched > now.includes_unmatched


def _pull_forgotten(tick: Tick) -> Decision | None:
    """Pull what a lost status left on the canary side: nobody checks it, and the bootstrap may have to wait.

    Its route was written for this very Canary, so the primary is no new one. One that another Canary of the name left
    behind, with everything on the target, is led to the primary by the bootstrap, once the gateway knows its pods.
    """
    route = tick.observation.route
    if route is None or route.sequence == 0 or not tick.can_primary_serve:
        return None
    due = tick.due_traffic() if route.traffic.is_exposing else ()
    return act(*due) if due else None


def _keep_meaning(tick: Tick) -> Decision | None:
    """Keep a weight from being carried out under a strategy to which it means another thing.

    That comes before the stored weight is: the spec renders the route, and its edit is on it with the next write.
    """
    state = tick.state
    if state.strategy == tick.canary.strategy:
        return None
    if tick.analysis_started:
        return restart_with_strategy(tick)
    if state.traffic.canary_percent == 0:
        return None
    if tick.can_primary_serve:
        return _route_to_primary(tick)
    traffic = replace(state.traffic, includes_unmatched=True)
    return tick.update(replace(state, strategy=tick.canary.strategy, traffic=traffic))


def _keep_served(tick: Tick) -> Decision | None:
    """Keep a promotion's traffic where it is served: not on a side without an available pod while the other has one.

    But whatever primary can serve, old or new, is safer than a canary side whose pods already roll to a revision that
    nobody analysed.
    """
    target, primary = tick.observation.target, tick.observation.primary
    if tick.state.phase is not Phase.PROMOTING or target is None:
        return None
    if tick.is_target_newer and _is_same_generation(tick, target):
        return None
    is_canary_good = not tick.is_target_newer and tick.can_canary_serve
    has_primary = primary is not None and primary.readiness.has_available
    if is_canary_good and not tick.canary_carries_everything and not has_primary:
        return tick.transition(give_everything_to_canary(tick), routing_to_canary(was_mirrored=False))
    is_exposed = not is_canary_good and tick.state.traffic.canary_percent > 0
    return _route_to_primary(tick) if is_exposed and tick.can_primary_serve else None


def _route_to_primary(tick: Tick, *messages: Message) -> Decision:
    timing = replace(tick.state.timing, shifted_at_s=None)
    shifted = replace(clear_traffic(tick.state), timing=timing)
    return tick.transition(shifted, *(messages or (routing_to_primary(),)))


def _pull_from_unanalysed(tick: Tick) -> Decision | None:
    target, state = tick.observation.target, tick.state
    if target is None:
        if tick.analysis_started:
            return restart_analysis(tick, target_gone(tick.target_name))
        if state.traffic.canary_percent > 0:
            return tick.transition(clear_traffic(state), target_gone(tick.target_name))
        return None
    is_replaced = state.phase in ANALYSING and tick.is_target_newer and not _is_same_generation(tick, target)
    return restart_run(tick) if is_replaced else None


# What stands in the way.


def await_spec(tick: Tick) -> Decision | None:
    """Stand still while the spec is lost, but for one thing: a canary that nobody can check must not stay exposed."""
    if not tick.observation.is_spec_lost:
        return None
    reported = stand_still(tick)
    if reported is not None and reported.intent is not None:
        return reported
    if not tick.analysis_started and not tick.is_exposed:
        return wait()
    if tick.state.analysis.is_given_up:
        return wait(seconds=PATIENCE_S) if tick.must_canary_serve else end_badly(tick)
    left_s = tick.unobserved_deadline_s - unchecked_s(tick)
    return wait(seconds=left_s) if left_s > 0 else roll_back(tick, "its spec can't be read, nothing can be checked")


def keep_finalizer(tick: Tick) -> Decision | None:
    """Make the deletion of a Canary wait for its revert, as long as it wants one and no longer."""
    is_wanted = tick.canary.spec.revert_on_deletion
    return None if is_wanted == tick.observation.has_finalizer else attempt(tick, SetFinalizer(is_set=is_wanted))


def stand_still(tick: Tick) -> Decision | None:
    """Stand still while something blocks the canary, and store what; None when the way is free and was before.

    What only keeps the next run from beginning is stored, too, and nothing stands still for it. Who suspends a run
    wants it to stay where it is. It stays there, but not unseen: its checks go on, as in a pause.
    """
    blocker = _find_blocker(tick)
    if blocker is None and tick.start_blocker is not None:
        return None if tick.start_blocker == tick.state.blocker else _store_blocker(tick, tick.start_blocker)
    if blocker is None and tick.state.blocker is None:
        return None
    is_suspended = tick.canary.spec.suspend and tick.observation.target is not None
    is_checked = tick.analysis_started or (tick.state.phase is Phase.PROMOTING and tick.is_exposed)
    goes_on = is_suspended and is_checked and not tick.observation.is_spec_lost
    return None if goes_on and blocker == tick.state.blocker else _store_blocker(tick, blocker)


def _find_blocker(tick: Tick) -> Blocker | None:
    """Return what makes the canary stand still.

    Once its analysis has begun, a blocker only keeps it from going forward: its checks, a rollback and the end of its
    promotion must go on.
    """
    observation = tick.observation
    if tick.canary.spec.suspend:
        return _SUSPENDED
    is_under_way = tick.analysis_started or tick.state.phase in {Phase.PROMOTING, Phase.FINALISING}
    goes_on = is_under_way and observation.target is not None and not observation.is_spec_lost
    return None if goes_on else next(iter(observation.blockers), None)


def _store_blocker(tick: Tick, blocker: Blocker | None) -> Decision | None:
    """Stand still while blocked, and store why, once; None when the way is free and that is stored too."""
    if blocker == tick.state.blocker:
        return None if blocker is None else wait()
    message = info(f"{tick.name} goes on") if blocker is None else warning(blocker.message)
    timing = tick.state.timing
    if blocker is None and timing.unready_at_s is not None:
        # Nothing was done for the side that is to come up: its time begins anew.
        timing = replace(timing, unready_at_s=tick.now_s)
    return tick.update(replace(tick.state, blocker=blocker, not_ready=None, timing=timing), message)


# What the workloads show.


def follow_target(tick: Tick) -> Decision | None:
    """Follow the target's identity without starting a run.

    The same uid and generation with another template hash: nobody changed the target, the API server reads it otherwise
    (a new default after an upgrade). Every stored revision that meant the old hash means the new one. And a generation
    that moved without the template (scaling, labels) is noted, so that the rule above stays sharp.
    """
    state, stored, target = tick.state, tick.state.target, tick.observation.target
    if stored is None or target is None or stored == target.identity:
        return None
    followed = replace(state, target=target.identity)
    if stored.revision == target.identity.revision:
        return tick.update(followed)
    if not _is_same_generation(tick, target):
        return None
    before, after = template_part(stored.revision), template_part(target.identity.revision)

    def renamed(revision: str) -> str:
        return revision.replace(before, after, 1) if template_part(revision) == before else revision

    revisions = replace(
        state.revisions,
        analysed=renamed(state.revisions.analysed),
        promoted=renamed(state.revisions.promoted),
        finished=renamed(state.revisions.finished),
    )
    history = tuple(replace(entry, revision=renamed(entry.revision)) for entry in state.history)
    return tick.update(replace(followed, revisions=revisions, history=history))


def count_generation(tick: Tick) -> Tick:
    """Return the tick with a generation of the target that moved without its template noted, while a run is on.

    That is its scaling, ours most of the time. The next transition stores it; at rest there is none to come, and a
    target that is to get the primary's size is scaled once.
    """
    state, stored, target = tick.state, tick.state.target, tick.observation.target
    if stored is None or target is None or state.phase in {None, Phase.TERMINATING, Phase.TERMINATED, *IDLE}:
        return tick
    is_scaled = replace(stored, generation=target.identity.generation) == target.identity
    return tick.having(replace(state, target=target.identity)) if is_scaled else tick


def _is_same_generation(tick: Tick, target: Target) -> bool:
    """Return whether nobody changed the target.

    Another configuration is a change, though it moves no generation of the target.
    """
    stored, now = tick.state.target, target.identity
    if stored is None or config_part(stored.revision) != config_part(now.revision):
        return False
    return (stored.uid, stored.generation) == (now.uid, now.generation)


def restore_primary(tick: Tick) -> Decision | None:
    """Bring the primary back when it is gone, or was left on a revision that was not promoted.

    A primary of no revision is one that Flagger made.
    """
    state, primary = tick.state, tick.observation.primary
    if state.phase in {None, Phase.INITIALIZING, Phase.PROMOTING, Phase.TERMINATING, Phase.TERMINATED}:
        return None
    wanted = state.revisions.analysed if state.phase is Phase.FINALISING else state.revisions.promoted
    is_as_wanted = primary is not None and (primary.revision in {"", wanted} or wanted == UNKNOWN)
    return None if is_as_wanted else attempt(tick, Promote(wanted))

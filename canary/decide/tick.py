"""One tick's three inputs, with the questions that every phase asks of them."""

from dataclasses import dataclass, replace

from canary.api.canary import Canary
from canary.api.names import Identity, primary_name
from canary.decide.timing import (
    DEFAULT_DRAIN_S,
    DEFAULT_UNOBSERVED_DEADLINE_S,
    ENDPOINTS_KNOWN_S,
    PRIMARY_LOST_AFTER_S,
)
from canary.run.action import Action, ApplyObject, ScaleTarget, SetTraffic
from canary.run.decision import Decision, act
from canary.run.managed import ManagedObject
from canary.run.messages import Message, halted, info, not_ready, warning
from canary.run.observation import Observation, RouteState, Target
from canary.run.phase import ANALYSING, Phase
from canary.run.revision import UNKNOWN
from canary.run.state import Blocker, State
from canary.run.traffic import TOTAL_PERCENT, Traffic


@dataclass(frozen=True, slots=True)
class Tick:
    """A canary, its stored intent, and what was observed."""

    canary: Canary
    state: State
    observation: Observation

    # Names and numbers.

    @property
    def now_s(self) -> float:
        """Return the observation's time, in seconds since the epoch."""
        return self.observation.now_s

    @property
    def name(self) -> str:
        """Return `{canary}.{namespace}`, as Flagger's events name it."""
        return f"{self.canary.name}.{self.canary.namespace}"

    @property
    def target_name(self) -> str:
        """Return `{target}.{namespace}`."""
        return f"{self.canary.spec.target_ref.name}.{self.canary.namespace}"

    @property
    def primary_name(self) -> str:
        """Return `{target}-primary.{namespace}`."""
        return f"{primary_name(self.canary.spec.target_ref.name)}.{self.canary.namespace}"

    @property
    def target(self) -> Target:
        """Return the target; a missing one is a blocker, and no phase is asked then."""
        assert self.observation.target is not None
        return self.observation.target

    @property
    def drain_s(self) -> float:
        """Return how long a side is drained at the most."""
        return self.canary.analysis.drain_s if self.canary.analysis else DEFAULT_DRAIN_S

    @property
    def unobserved_deadline_s(self) -> float:
        """Return how long a canary may be exposed without a decisive sample."""
        analysis = self.canary.analysis
        return analysis.unobserved_deadline_s if analysis else DEFAULT_UNOBSERVED_DEADLINE_S

    @property
    def remaining_s(self) -> float:
        """Return the seconds until the next check or step may be made."""
        return max(self.state.timing.next_check_at_s - self.now_s, 0.0)

    # How the run stands.

    @property
    def analysis_started(self) -> bool:
        """Return whether the analysis of this revision began, with or without traffic; then its checks go on always."""
        return self.state.phase in ANALYSING and self.state.analysis.started_at_s is not None

    @property
    def is_exposed(self) -> bool:
        """Return whether requests, or copies of them, are meant for the canary side."""
        return self.state.traffic.is_exposing

    @property
    def is_held(self) -> bool:
        """Return whether somebody wants the run to stay where it is: then it only goes on being checked."""
        return self.state.control.is_paused or self.canary.spec.suspend

    @property
    def skips_analysis(self) -> bool:
        """Return whether the analysis is left out, or what is left of it, by the spec or by a request."""
        return self.canary.is_analysis_skipped or self.state.control.skips_analysis

    @property
    def start_blocker(self) -> Blocker | None:
        """Return why a run would end for want of an answer to its checks; None where they can be asked, or need not."""
        return None if self.skips_analysis else next(iter(self.observation.start_blockers), None)

    @property
    def is_target_newer(self) -> bool:
        """Return whether the target has another revision than the analysed one."""
        return self.target.identity.revision != self.state.revisions.analysed

    @property
    def rollout_interrupts_primary(self) -> bool:
        """Return whether a promotion can leave the primary without a pod: then the canary side carries everything."""
        primary = self.observation.primary
        return primary is not None and not primary.rolls_without_gap

    @property
    def canary_carries_everything(self) -> bool:
        """Return whether all requests are meant for the canary side, also those that match nothing."""
        is_everyone = not self.canary.is_for_matching or self.state.traffic.includes_unmatched
        return self.state.traffic.canary_percent == TOTAL_PERCENT and is_everyone

    @property
    def is_primary_overdue(self) -> bool:
        """Return whether a promotion has waited for its primary for longer than the progress deadline."""
        unready_at_s = self.state.timing.unready_at_s
        return unready_at_s is not None and self.now_s - unready_at_s > self.canary.progress_deadline_s

    @property
    def is_primary_lost(self) -> bool:
        """Return whether the primary has had no pod for longer than a restart takes, and the canary side has some.

        Then nothing is lost by what takes users from the primary to the canary side, only by waiting.
        """
        primary, down_at_s = self.observation.primary, self.state.timing.primary_down_at_s
        has_pod = primary is not None and primary.readiness.has_available
        is_down = down_at_s is not None and self.now_s - down_at_s >= PRIMARY_LOST_AFTER_S
        return is_down and not has_pod and self.can_canary_serve

    @property
    def can_primary_serve(self) -> bool:
        """Return whether the primary has an available pod, and keeps one."""
        primary = self.observation.primary
        return primary is not None and primary.readiness.has_available and primary.is_lasting

    @property
    def can_canary_serve(self) -> bool:
        """Return whether the canary side has an available pod."""
        target = self.observation.target
        return target is not None and target.replicas > 0 and target.readiness.has_available

    # Sizes.

    def canary_size(self, percent: int) -> int:
        """Return how many replicas the canary side needs to carry so much of what the primary carries."""
        return _limited(-(-self.observation.full_size * percent // TOTAL_PERCENT), self.observation.size_limit)

    def primary_size(self, percent: int) -> int:
        """Return how many replicas the primary needs to carry so much of all requests; 0 where no scaler of ours can.

        Its autoscaler has taken some away while others carried its part: it had a size before, which is kept as its
        floor; and where the canary side carries everything, that has the size that it takes now.
        """
        primary, target = self.observation.primary, self.observation.target
        if primary is None or primary.size_limit is None:
            return 0
        carrying = target.replicas if target is not None and self.canary_carries_everything else 0
        whole = max(self.state.primary_floor, carrying)
        return _limited(-(-whole * percent // TOTAL_PERCENT), primary.size_limit)

    @property
    def must_canary_serve(self) -> bool:
        """Return whether those on the canary side would find no pod on the primary, now or while it is brought back."""
        if self.state.traffic.canary_percent == 0 or not self.can_canary_serve:
            return False
        primary, promoted = self.observation.primary, self.state.revisions.promoted
        is_brought_back = self.state.phase is Phase.PROMOTING and promoted != UNKNOWN
        is_other = primary is not None and primary.revision not in {"", promoted}
        return not self.can_primary_serve or (is_brought_back and is_other and self.rollout_interrupts_primary)

    # What keeps it from going forward.

    def why_not_advancing(self) -> Message | None:
        """Return what keeps a canary from getting (more) traffic though its own side is up; None when nothing does."""
        if self.state.control.is_paused:
            return info(f"Halt {self.name} advancement paused by request")
        if self.canary.spec.suspend:
            return info(f"Halt {self.name} advancement suspended, its checks go on")
        if self.observation.blockers:
            return warning(self.observation.blockers[0].message)
        if self.start_blocker is not None:
            return warning(self.start_blocker.message)
        if self.observation.failed_objects:
            return halted(self.name, f"not applied: {', '.join(sorted(self.observation.failed_objects))}")
        why = None if self.is_primary_lost else self.why_primary_not_ready()
        return why or self.why_route_not_served()

    def why_primary_not_ready(self) -> Message | None:
        """Return why the primary is not up, None when it is."""
        primary = self.observation.primary
        if primary is not None and primary.readiness.is_ready:
            return None
        explanation = primary.readiness.explanation if primary is not None else "it does not exist"
        return not_ready(self.primary_name, explanation, is_canary_side=False)

    def why_route_not_served(self) -> Message | None:
        """Return what keeps the route from being served as meant, None when nothing does."""
        route = self.observation.route
        if route is None:
            return halted(self.name, "its route does not exist")
        if self.is_traffic_refused:
            return halted(self.name, "its route can't be written, see the event before")
        if route.state in {RouteState.WARNED, RouteState.REJECTED}:
            return halted(self.name, f"the gateway refuses its route: {route.explanation}")
        if route.state is RouteState.UNACKNOWLEDGED and not self.is_route_served:
            return halted(self.name, route.explanation)
        return None

    @property
    def is_route_served(self) -> bool:
        """Return whether the gateway is known to serve the stored split, warning or not.

        What it once acknowledged stays in force while it is silent: an agent that has just started may know no more.
        """
        route = self.observation.route
        if route is None or route.state is RouteState.REJECTED:
            return False
        return route.state in {RouteState.SETTLED, RouteState.WARNED} or self.state.served_at_s is not None

    @property
    def is_route_settling(self) -> bool:
        """Return whether the gateway is about to serve the stored split: nothing to report, but too early to go on."""
        route = self.observation.route
        return route is not None and route.state is RouteState.PENDING and not self.is_route_served

    @property
    def wanted_traffic(self) -> Traffic:
        """Return the stored split as a route shows it: only beside match conditions is anything unmatched."""
        traffic = self.state.traffic
        is_shown = not traffic.includes_unmatched or self.canary.is_for_matching
        return traffic if is_shown else replace(traffic, includes_unmatched=False)

    @property
    def is_traffic_refused(self) -> bool:
        """Return whether the stored split was refused a moment ago, by the API server or by Gloo's webhook in it."""
        return self.observation.refused_traffic == self.wanted_traffic

    # What is to be done.

    def due(self, *objects: ManagedObject) -> tuple[Action, ...]:
        """Apply those of `objects` that are missing or not as rendered, in the order given."""
        return tuple(ApplyObject(one) for one in objects if one in self.observation.due_objects)

    def due_traffic(self) -> tuple[Action, ...]:
        """Set the route to the stored split where it shows another one."""
        route = self.observation.route
        if route is None or self.is_traffic_refused:
            return ()
        is_awaited = route.state in {RouteState.PENDING, RouteState.UNACKNOWLEDGED}
        if route.traffic == self.wanted_traffic and (route.is_exact or is_awaited):
            # The same split in other numbers is put right when the gateway has acknowledged it.
            return ()
        return (SetTraffic(self.wanted_traffic, self.state.transition.sequence),)

    def write_traffic(self) -> Decision | None:
        """Make the route show the stored split; None when it does, or can't be written now.

        Where somebody else changed it, what the gateway serves since is not known any more, and that is stored first.
        """
        due = self.due_traffic()
        if not due:
            return None
        if self.state.served_at_s is None and self.state.timing.shifted_at_s is None:
            return act(*due)
        timing = replace(self.state.timing, shifted_at_s=None)
        return self.update(replace(self.state, timing=timing, served_at_s=None))

    def due_scale(self, replicas: int) -> tuple[Action, ...]:
        """Scale the target from none to `replicas` or from some to none; a number set by others in between stays."""
        if (replicas == 0) == (self.target.replicas == 0):
            return ()
        return (ScaleTarget(replicas),)

    # How the intent changes.

    def having(self, state: State) -> "Tick":
        """Return this tick with what was learned in it noted in its state; the transition to come stores that too."""
        return Tick(self.canary, state, self.observation)

    def transition(self, after: State, *messages: Message, remarks: tuple[Message, ...] = ()) -> Decision:
        """Store `after` as the next transition, at the present time; the next tick follows at once."""
        named = self._named(after)
        return Decision(intent=self.state.transition_to(named, self.now_s, *messages), remarks=remarks, wake_after_s=0)

    def update(self, after: State, *messages: Message, remarks: tuple[Message, ...] = ()) -> Decision:
        """Store `after` as the next transition, but keep the time of the last one: the run stands where it did."""
        named = self._named(after)
        return Decision(intent=self.state.update_to(named, self.now_s, *messages), remarks=remarks, wake_after_s=0)

    def _named(self, after: State) -> State:
        """Store with the first phase what the objects are named after: from now on they are made."""
        if after.phase is None or after.identity is not None:
            return after
        return replace(after, identity=Identity.of(self.canary))

    def update_timing(
        self, *messages: Message, unready_at_s: float | None = None, shifted_at_s: float | None = None
    ) -> Decision:
        """Store when a side went down, and when the traffic was shifted; None for not (any more)."""
        timing = replace(self.state.timing, unready_at_s=unready_at_s, shifted_at_s=shifted_at_s)
        return self.update(replace(self.state, timing=timing), *messages)

    def became_ready(self) -> Decision:
        """Note that the side that was awaited is up; the gateway needs a moment to know its pods."""
        known_at_s = max(self.state.timing.next_check_at_s, self.now_s + ENDPOINTS_KNOWN_S)
        timing = replace(self.state.timing, unready_at_s=None, next_check_at_s=known_at_s)
        return self.update(replace(self.state, timing=timing))


def _limited(replicas: int, limit: int | None) -> int:
    return replicas if limit is None else min(replicas, limit)

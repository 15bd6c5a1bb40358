"""One tick's three inputs, with the questions that every phase asks of them."""

from dataclasses import dataclass
from typing import Any, Final

from canary.api.canary import Canary
from canary.api.hooks import CanaryWebhook
from canary.run.action import Action, ApplyObject, ScaleTarget, SetWeights
from canary.run.messages import Message, halted, info, not_ready, warning
from canary.run.observation import ManagedObject, Observation, RefusedRoute, RouteState, Target
from canary.run.phase import ANALYSING
from canary.run.state import State
from canary.run.steps import TOTAL_WEIGHT

# A side is looked at this often while its readiness is awaited: watches bring the change, this is for lost ones.
PATIENCE_S = 5.0

# A pod that became ready is in the gateway 0.05 to 0.7 s later (recorded in tests/contract/gloo): traffic sent to its
# side before that gets 503.
ENDPOINTS_KNOWN_S = 1.0

CONFIRM_ROLLOUT: Final = "confirm-rollout"
PRE_ROLLOUT: Final = "pre-rollout"
CONFIRM_TRAFFIC_INCREASE: Final = "confirm-traffic-increase"
CONFIRM_PROMOTION: Final = "confirm-promotion"
POST_ROLLOUT: Final = "post-rollout"
ROLLBACK: Final = "rollback"

# The API's defaults, for a canary without an analysis of its own.
_DRAIN_S = 30.0
_UNOBSERVED_S = 600.0


@dataclass(frozen=True, slots=True)
class Tick:
    """A canary, its stored intent, and what was observed."""

    canary: Canary
    state: State
    seen: Observation

    @property
    def now_s(self) -> float:
        """The observation's time, in seconds since the epoch."""
        return self.seen.now_s

    @property
    def name(self) -> str:
        """`{canary}.{namespace}`, as Flagger's events name it."""
        return f"{self.canary.name}.{self.canary.namespace}"

    @property
    def target_name(self) -> str:
        """`{target}.{namespace}`."""
        return f"{self.canary.spec.target_ref.name}.{self.canary.namespace}"

    @property
    def primary_name(self) -> str:
        """`{target}-primary.{namespace}`."""
        return f"{self.canary.spec.target_ref.name}-primary.{self.canary.namespace}"

    @property
    def target(self) -> Target:
        """The target; a missing one is an obstacle, and no phase is asked then."""
        assert self.seen.target is not None
        return self.seen.target

    @property
    def drain_s(self) -> float:
        """How long a side is drained at the most."""
        return float(self.canary.analysis.drain_seconds) if self.canary.analysis else _DRAIN_S

    @property
    def unobserved_deadline_s(self) -> float:
        """How long a canary may be exposed without a decisive sample."""
        return float(self.canary.analysis.unobserved_deadline_seconds) if self.canary.analysis else _UNOBSERVED_S

    @property
    def is_begun(self) -> bool:
        """Has the analysis of this revision begun, with or without traffic? Then its checks go on, come what may."""
        return self.state.phase in ANALYSING and self.state.first_weight_s is not None

    @property
    def is_skipping(self) -> bool:
        """Is the analysis left out, or what is left of it, by the spec or by a request?"""
        return self.canary.is_analysis_skipped or self.state.is_analysis_skipped

    @property
    def is_primary_to_make_way(self) -> bool:
        """Can a promotion leave the primary without a pod, so that the canary side must carry everything meanwhile?"""
        return self.seen.primary is not None and not self.seen.primary.rolls_without_gap

    @property
    def is_all_on_canary(self) -> bool:
        """Is all the traffic meant for the canary side, that of those who match nothing too?"""
        is_everyone = self.canary.strategy != "ab-testing" or self.state.is_for_everyone
        return self.state.canary_weight == TOTAL_WEIGHT and is_everyone

    @property
    def is_primary_overdue(self) -> bool:
        """Has a promotion waited for its primary for longer than the progress deadline?"""
        since_s = self.state.unready_since_s
        return since_s is not None and self.now_s - since_s > self.canary.progress_deadline_s

    @property
    def can_primary_serve(self) -> bool:
        """Has the primary an available pod, and keeps one?"""
        primary = self.seen.primary
        return primary is not None and primary.readiness.has_available and primary.is_lasting

    @property
    def can_canary_serve(self) -> bool:
        """Has the canary side an available pod?"""
        target = self.seen.target
        return target is not None and target.replicas > 0 and target.readiness.has_available

    def hooks(self, kind: str) -> tuple[CanaryWebhook, ...]:
        """All hooks of a type."""
        return hooks_of(self.canary, kind)

    def unanswered_hooks(self, kind: str) -> tuple[CanaryWebhook, ...]:
        """The hooks of a type that have not said yes for this revision and step."""
        return unanswered_hooks(self.canary, self.state, kind)

    def moved(self, *news: Message, **changes: Any) -> State:
        """Move the intent, now."""
        return self.state.moved(self.now_s, *news, **changes)

    def remaining_s(self) -> float:
        """Seconds until the next check or step may be made."""
        return max(self.state.not_before_s - self.now_s, 0.0)

    def became_ready(self) -> State:
        """Note that the side that was awaited is up; the gateway needs a moment to know its pods."""
        return self.moved(
            unready_since_s=None,
            not_before_s=max(self.state.not_before_s, self.now_s + ENDPOINTS_KNOWN_S),
            last_transition_s=self.state.last_transition_s,
        )

    def trouble(self) -> Message | None:
        """What keeps a canary from getting (more) traffic though its own side is up; None when nothing does."""
        if self.state.is_paused:
            return info(f"Halt {self.name} advancement paused by request")
        if self.seen.blockers:
            return warning(self.seen.blockers[0].message)
        if self.seen.failed_objects:
            return halted(self.name, f"not applied: {', '.join(sorted(self.seen.failed_objects))}")
        return self.primary_trouble() or self.route_trouble()

    def primary_trouble(self) -> Message | None:
        """Why the primary is not up, None when it is."""
        primary = self.seen.primary
        if primary is not None and primary.readiness.is_ready:
            return None
        explanation = primary.readiness.explanation if primary is not None else "it does not exist"
        return not_ready(self.primary_name, explanation, is_canary_side=False)

    def due(self, *parts: ManagedObject) -> tuple[Action, ...]:
        """Apply those of `parts` that are missing or not as rendered, in the order given."""
        return tuple(ApplyObject(part) for part in parts if part in self.seen.due_objects)

    def due_weights(self) -> tuple[Action, ...]:
        """Set the route to the stored weight, mirror and cookie, and for whom they are, where it shows others."""
        state, route = self.state, self.seen.route
        if route is None:
            return ()
        wanted = self._wanted_route()
        weights = (route.primary_weight, route.canary_weight)
        found = (*weights, route.mirror_percent, route.cookie, route.is_for_everyone)
        if self.is_route_refused or found == wanted:
            return ()
        primary_weight, canary_weight, mirror_percent, cookie, is_for_everyone = wanted
        return (SetWeights(primary_weight, canary_weight, state.sequence, mirror_percent, cookie, is_for_everyone),)

    def _wanted_route(self) -> RefusedRoute:
        state = self.state
        weights = (TOTAL_WEIGHT - state.canary_weight, state.canary_weight)
        is_for_everyone = state.is_for_everyone and self.canary.strategy == "ab-testing"
        return (*weights, state.mirror_percent, state.cookie, is_for_everyone)

    @property
    def is_route_refused(self) -> bool:
        """Was the stored intent refused a moment ago, by the API server or by Gloo's webhook in it?"""
        return self.seen.refused_route == self._wanted_route()

    def due_scale(self, replicas: int) -> tuple[Action, ...]:
        """Scale the target from none to `replicas` or from some to none; a number set by others in between stays."""
        if (replicas == 0) == (self.target.replicas == 0):
            return ()
        return (ScaleTarget(replicas),)

    def is_route_served(self) -> bool:
        """Does the gateway serve the route as it stands, warning or not?"""
        return self.seen.route is not None and self.seen.route.state in {RouteState.SETTLED, RouteState.WARNED}

    def route_trouble(self) -> Message | None:
        """What keeps the route from being served as meant, None when nothing does."""
        route = self.seen.route
        if route is None:
            return halted(self.name, "its route does not exist")
        if self.is_route_refused:
            return halted(self.name, "its route can't be written, see the event before")
        if route.state in {RouteState.WARNED, RouteState.REJECTED}:
            return halted(self.name, f"the gateway refuses its route: {route.explanation}")
        return None


def hooks_of(canary: Canary, kind: str) -> tuple[CanaryWebhook, ...]:
    """Return the hooks of a type (`pre-rollout`, ...), in the order in which they are written."""
    hooks = canary.analysis.webhooks if canary.analysis else ()
    return tuple(hook for hook in hooks if hook.type_effective == kind)


def unanswered_hooks(canary: Canary, state: State, kind: str) -> tuple[CanaryWebhook, ...]:
    """Return the hooks of a type that have not said yes for the revision under analysis, and for its present step."""
    return tuple(hook for hook in hooks_of(canary, kind) if answer_key(state, hook) not in state.answered)


def answer_key(state: State, hook: CanaryWebhook) -> str:
    """Name a hook's answer in the state: `{type}/{name}`, for one name may stand for hooks of several types.

    A yes to more traffic is for one step: its key ends with the weight that the step starts from (`@20`).
    """
    key = f"{hook.type_effective}/{hook.name}"
    return f"{key}@{state.canary_weight}" if hook.type_effective == CONFIRM_TRAFFIC_INCREASE else key

"""A cluster in a few fields, for the pure core: actions change it, observations show it, and any step can be cut short.

It stands in for caches, API server, Gloo and metric servers at once, and it is honest about order: what `CanaryLoop`
does one after the other happens one after the other here, and a crash may come before each of it.
"""

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any, Self

from agent.cooldowns import ActionCooldowns
from agent.providers.routing.served import ServedSince
from canary.api.canary import Canary
from canary.api.hooks import CanaryWebhook
from canary.decide import decide
from canary.decide.gates import answer_key, unanswered_hooks
from canary.run.action import (
    Action,
    ApplyObject,
    ClaimRequest,
    DropRequest,
    Promote,
    ReleaseObject,
    RepeatRoute,
    ScaleTarget,
    SetFinalizer,
    SetTraffic,
)
from canary.run.decision import Decision
from canary.run.judge import CheckResult, Verdict
from canary.run.managed import ManagedObject
from canary.run.mark import Mark
from canary.run.messages import Message
from canary.run.observation import Observation, Primary, Question, Target
from canary.run.phase import IDLE
from canary.run.queue import Place
from canary.run.readiness import Readiness
from canary.run.request import claimed
from canary.run.state import Blocker, State, TargetIdentity
from canary.run.status import read_state
from canary.run.traffic import TOTAL_PERCENT
from kube.errors import Rejected
from tests.support.simulated_parts import READY, ROLLING, UNREADY, Refused, always, check_answers, refuse_if_changed
from tests.support.simulated_route import SimulatedRoute
from tests.support.simulated_sizes import SimulatedSizes
from tests.support.simulated_storage import SimulatedStorage

# Whatever else is decided, `agent.apply` does nothing of it while there is no target.
_NEEDS_NO_TARGET = SetTraffic | RepeatRoute | SetFinalizer | ClaimRequest | DropRequest

GAP_S = 5.0  # so long is a primary that does not roll without a gap without a pod; and its status does not show it yet:
_UNSEEN_S = 0.5
_REFUSAL = Rejected("the API server says no")
_BURST_LIMIT = 40  # no phase needs as many ticks at once; more of them are a loop


@dataclass
class SimulatedCluster(SimulatedRoute):
    """`told` collects the news in order.

    `verdicts` answers checks and pre-rollout hooks, `gates` the other hooks, by name; those that it does not name say
    yes, rollback gates no. `asked` collects whoever was asked, `passed` the revisions whose checks passed. `at_rest` is
    called when there is nothing to do before time passes.
    `refused_actions` are the kinds that the API server refuses for good, `refused_objects` the parts that it does.
    `stale` has the parts of the observation that a cache does not follow for a while, as it has them.
    `writes_by_others` are those of the Canary.
    """

    canary: Canary
    verdicts: Iterator[Verdict] = field(default_factory=lambda: always(Verdict.PASS))
    gates: dict[str, Verdict] = field(default_factory=dict)
    before_effect: Callable[[str], None] = lambda _: None
    after_effect: Callable[[str], None] = lambda _: None
    at_rest: Callable[[], None] = lambda: None
    now_s: float = 1_000_000.0
    status: dict[str, Any] = field(default_factory=dict)
    state: State = field(default_factory=State)
    revision: str = "rev-1"
    generation: int = 1
    mark: Mark | None = None
    target_replicas: int = 2
    sizes: SimulatedSizes = field(default_factory=SimulatedSizes)
    is_scaler_paused: bool = False
    is_target_gone: bool = False
    is_target_paused: bool = False
    target_readiness: Readiness = READY
    primary_revision: str | None = None
    primary_readiness: Readiness = READY
    rolls_without_gap: bool = True
    gap_began_s: float | None = None
    parts: set[ManagedObject] = field(default_factory=set)
    refused_actions: set[type[Action]] = field(default_factory=set)
    is_drained: bool | None = True
    blockers: tuple[Blocker, ...] = ()
    start_blockers: tuple[Blocker, ...] = ()
    refused_objects: set[ManagedObject] = field(default_factory=set)
    told: list[Message] = field(default_factory=list)
    told_sequence: int = field(init=False)
    promoted: list[str] = field(default_factory=list)
    primary_runs_target: bool = False
    request: str = ""
    requested_by: str = ""
    claims: int = 0
    flagger: str = ""
    is_spec_lost: bool = False
    place: Place | None = None
    is_deleted: bool = False
    has_finalizer: bool = False
    writes_by_others: int = 0
    stale: dict[str, Any] = field(default_factory=dict)
    released: set[ManagedObject] = field(default_factory=set)
    questions: list[Question] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    passed: set[str] = field(default_factory=set)
    _kept: set[str] = field(default_factory=set)
    storage: SimulatedStorage = field(init=False, compare=False)
    cooldowns: ActionCooldowns = field(init=False, compare=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Start the agent anew."""
        self.told_sequence = -1
        self.cooldowns, self.served_since = ActionCooldowns(lambda: self.now_s), ServedSince()
        self.storage = SimulatedStorage(lambda: self.now_s, hasattr(self, "storage") and self.storage.prunes)

    def set_image(self, revision: str) -> None:
        """Change the target's template, as `kubectl set image` does."""
        if revision != self.revision:
            self.revision, self.generation = revision, self.generation + 1

    def fork(self) -> Self:
        """Return a cluster that stands where this one does and has the same callbacks; its agent has just started."""
        forked = copy(self)
        for name, value in vars(self).items():
            if isinstance(value, dict | list | set | SimulatedSizes):
                setattr(forked, name, copy(value))
        forked.restart()
        return forked

    def observe(self) -> Observation:
        """Show it all."""
        self.follow_route(self.shares)
        return Observation(
            now_s=self.now_s,
            target=None if self.is_target_gone else self._target(),
            primary=None if self.primary_revision is None else self._primary(self.primary_revision),
            route=self.route(self.now_s),
            due_objects=frozenset(self._due() - self.cooldowns.objects),
            failed_objects=frozenset(self.cooldowns.objects & self._due()),
            scale_to=2,
            full_size=self.sizes.primary,
            size_limit=self.sizes.target_limit,
            blockers=self.blockers,
            unstored=self.storage.lost,
            start_blockers=self.start_blockers,
            failures=self.cooldowns.errors,
            lasting=self.storage.trouble.lasting(self.state.not_ready),
            unaccepted=self.unaccepted,
            cooling_down=self.cooldowns.actions,
            refused_traffic=self.cooldowns.traffic,
            request=self.request,
            requested_by=self.requested_by,
            flagger=self.flagger,
            is_spec_lost=self.is_spec_lost,
            place=self.place,
            is_deleted=self.is_deleted,
            has_finalizer=self.has_finalizer,
            unreleased_objects=frozenset(self.parts - self.released - self._not_released()),
        )

    def _due(self) -> set[ManagedObject]:
        return set(ManagedObject) - self.parts | self.sizes.due(self.state.primary_floor)

    def _not_released(self) -> set[ManagedObject]:
        of_scaler = {ManagedObject.FORMER_SCALER, ManagedObject.PRIMARY_SCALER}
        return of_scaler | (set() if self.is_scaler_paused else {ManagedObject.TARGET_SCALER})

    def _primary(self, revision: str) -> Primary:
        readiness = UNREADY if self.is_in_gap else self.primary_readiness
        is_seen = self.gap_began_s is None or self.now_s >= self.gap_began_s + _UNSEEN_S
        return Primary(
            revision,
            readiness if is_seen else ROLLING,
            runs_target=self.primary_runs_target or self.primary_revision == self.revision,
            rolls_without_gap=self.rolls_without_gap,
            is_lasting=not self.is_in_gap,
            replicas=self.sizes.primary,
            size_limit=self.sizes.primary_limit,
        )

    @property
    def is_in_gap(self) -> bool:
        """Has the primary no pod, because it rolls?"""
        return self.gap_began_s is not None and self.now_s < self.gap_began_s + GAP_S

    @property
    def can_primary_serve(self) -> bool:
        """Has the primary an available pod, whatever its status says?"""
        return self.primary_revision is not None and self.primary_readiness.has_available and not self.is_in_gap

    @property
    def can_canary_serve(self) -> bool:
        """Has the canary side an available pod?"""
        return not self.is_target_gone and self.target_replicas > 0 and self.target_readiness.has_available

    @property
    def shares(self) -> tuple[int, int]:
        """How many of all requests, in percent, can reach the primary, and the canary side.

        Those that match conditions choose count for the canary side, though nobody knows how many they are.
        """
        written = self.weights or (0, 0)
        primary, share = (100 * weight // (sum(written) or 1) for weight in written)
        is_some_elsewhere = self.canary.is_for_matching and not self.includes_unmatched
        return (100, share) if is_some_elsewhere else (primary, share)

    def _target(self) -> Target:
        readiness = self.target_readiness if self.target_replicas else UNREADY
        return Target(
            TargetIdentity("uid-1", self.generation, self.revision),
            self.target_replicas,
            readiness,
            self.mark,
            is_paused=self.is_target_paused,
        )

    def tick(self) -> Decision:
        """Do what a tick of the loop does, in its order."""
        state, seen = self.state, replace(self.observe(), **self.stale)
        return self.storage.note(self.canary, state, seen, self.tick_of(state, seen))

    def tick_of(self, state: State, seen: Observation) -> Decision:
        """Tick with a view that may be old; raise Refused where the cluster is not what was seen."""
        version = self.writes_by_others
        decision = decide(self.canary, state, seen)
        if decision.questions:
            decision = decide(self.canary, state, self._answer(state, seen, decision))
        for action in decision.actions:
            self._refuse_old(action, state, seen.target)
            refuse_if_changed(action, seen, self.observe())
            self.before_effect(f"{action}")
            if self._is_refused(action):
                assert self.cooldowns.add(action, _REFUSAL), f"nothing goes on without {action}"
                continue
            if not self.is_target_gone or isinstance(action, _NEEDS_NO_TARGET):
                self._perform(action)
            self.after_effect(f"{action}")
        if decision.actions:
            return decision
        if self.told_sequence != self.state.transition.sequence:
            self.before_effect("news")
            self.told += self.state.transition.messages
            self.told_sequence = self.state.transition.sequence
            self.after_effect("news")
        if decision.intent is not None:
            if state != self.state or version != self.writes_by_others:
                raise Refused("the Canary was written since")
            self.before_effect("intent")
            self._store(decision.intent)
            self.after_effect("intent")
        return replace(decision, wake_after_s=self._wake_after_s(decision))

    def _is_refused(self, action: Action) -> bool:
        is_part = isinstance(action, ApplyObject) and action.part in self.refused_objects
        return is_part or type(action) in self.refused_actions

    def _wake_after_s(self, decision: Decision) -> float | None:
        asked = [] if decision.wake_after_s is None else [decision.wake_after_s]
        return min([*self.cooldowns.waits_s(), *self.storage.waits_s(), *asked], default=None)

    def _store(self, intent: State) -> None:
        before, after = self.state, intent
        # What is not written, or not read again, is lost here as in the cluster.
        written, self.status = self.storage.store(intent, self.status)
        self.state = read_state(self.status)
        self.storage.check(written, self.status)
        is_run = before.phase in IDLE or before.revisions.analysed != after.revisions.analysed
        is_analysis = before.analysis.started_at_s is not None and after.analysis.started_at_s is None
        if is_run or is_analysis:
            self._kept = set()
        self._kept |= set(after.hooks.answered)

    def settle(self) -> Decision:
        """Tick for as long as ticks follow each other at once."""
        for _ in range(_BURST_LIMIT):
            decision = self.tick()
            if decision.wake_after_s is None or decision.wake_after_s > 0:
                self.at_rest()
                return decision
        raise AssertionError(f"no rest in {self.state}")

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Let time pass, ticking whenever a decision asked for it, and stop between two ticks when `until` holds."""
        end_s, ticks_at_once = self.now_s + seconds, 0
        while self.now_s < end_s and not until():
            wake_after_s = self.tick().wake_after_s
            ticks_at_once = ticks_at_once + 1 if wake_after_s == 0 else 0
            assert ticks_at_once < _BURST_LIMIT, f"no rest in {self.state}"
            if wake_after_s != 0:
                self.at_rest()
            # Asleep until something changes: nothing does, so the rest of the time passes at once.
            self.now_s = end_s if wake_after_s is None else min(self.now_s + wake_after_s, end_s)

    def texts(self) -> list[str]:
        """Return what was told, as words."""
        return [news.text for news in self.told]

    def _answer(self, state: State, seen: Observation, decision: Decision) -> Observation:
        answers = {question: self._answers(state, question) for question in decision.questions}
        self.questions += decision.questions
        # Dying here is to have asked for nothing.
        self.before_effect("answers")
        return replace(seen, answers=answers, is_drained=self.is_drained)

    def _answers(self, state: State, question: Question) -> tuple[CheckResult, ...]:
        if question is Question.DRAINED:
            return ()
        if question is Question.CHECKS:
            verdict = next(self.verdicts)
            self.passed |= {state.revisions.analysed} if verdict is Verdict.PASS else set()
            return check_answers(self.canary, verdict, len(self.questions))
        kind = question.name.lower().replace("_", "-")
        return tuple(self._ask_hook(state, hook) for hook in unanswered_hooks(self.canary, state, kind))

    def _ask_hook(self, state: State, hook: CanaryWebhook) -> CheckResult:
        key = answer_key(state, hook)
        assert state is not self.state or key not in self._kept, f"{key} said yes already"
        self.asked.append(key)
        if hook.type_effective == "pre-rollout":
            verdict = next(self.verdicts)
        else:
            shut = Verdict.FAIL if hook.type_effective == "rollback" else Verdict.PASS
            verdict = self.gates.get(hook.name, shut)
        return CheckResult(hook.name, verdict, f"a {verdict} of the tape")

    def _refuse_old(self, action: Action, state: State, seen: Target | None) -> None:
        """Read past the cache, as `agent.apply` does before one side is all that serves."""
        if isinstance(action, Promote) and state != self.state:
            raise Refused("the status was written since")
        is_everything = isinstance(action, SetTraffic) and action.traffic.canary_percent == TOTAL_PERCENT
        is_rollout = isinstance(action, Promote) and self.primary_revision is not None
        now = self.observe().target
        if (
            not (is_everything or is_rollout)
            or seen is None
            or (now and now.identity.revision == seen.identity.revision)
        ):
            return
        if self.stale.get("target") is seen:
            del self.stale["target"]
        raise Refused("the target has another template by now")

    def _perform(self, action: Action) -> None:
        match action:
            case ApplyObject(part):
                self.parts.add(part)
                self.sizes.apply(part, self.state.primary_floor)
                self.weights = self.weights or ((100, 0) if part is ManagedObject.ROUTE else None)
            case SetTraffic() | RepeatRoute():
                self.stale.pop("route", None)
                self.write_route(action)
            case ScaleTarget(replicas):
                self.stale.pop("target", None)
                self.target_replicas = min(replicas, self.sizes.target_lasts)
                self.is_scaler_paused = replicas == 0
                self.generation += 1
            case Promote(revision):
                is_rolled = self.primary_revision not in {None, revision}
                self.gap_began_s = self.now_s if is_rolled and not self.rolls_without_gap else None
                self.primary_revision = revision
                self.promoted.append(revision)
            case ReleaseObject(part):
                self.released.add(part)
                if part is ManagedObject.ROUTE:
                    self.weights = (0, 100)
                    self.history.append(self.weights)
            case SetFinalizer(is_set):
                self.has_finalizer = is_set
            case ClaimRequest(text):
                self.claims += 1
                self.request = claimed(text, str(self.claims))
            case DropRequest():
                self.request = ""

"""A cluster in a few fields, for the pure core: actions change it, observations show it, and any step can be cut short.

It stands in for caches, API server, Gloo and metric servers at once, and it is honest about order: what `CanaryLoop`
does one after the other happens one after the other here, and a crash may come before each of it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from canary.action import Action, ApplyPart, Promote, ScaleTarget, SetWeights
from canary.decide.decision import Decision
from canary.decide.entry import decide
from canary.judge import CheckResult, Verdict
from canary.model.canary import Canary
from canary.news import News
from canary.observation import Observation, Part, Primary, Question, Route, RouteState, Target
from canary.phase import TRANSITIONS, Phase
from canary.readiness import Readiness
from canary.state import Blocked, Seen, State, read_state, write_status

READY = Readiness(is_ready=True, has_available=True)
UNREADY = Readiness(
    is_ready=False, has_available=False, explanation="waiting for rollout to finish: 0 of 2 are available"
)
ROLLING = Readiness(
    is_ready=False, has_available=True, explanation="waiting for rollout to finish: 1 old replica is left"
)


# No phase needs as many ticks at once; more of them are a loop.
_BURST_LIMIT = 40


class Refused(Exception):  # noqa: N818  the API server's answer to a write made from an old view
    """A test of a patch or a resourceVersion did not hold."""


class Crash(Exception):  # noqa: N818  an event of the tape, not an error
    """The agent dies here."""


def always(verdict: Verdict) -> Iterator[Verdict]:
    """Answer every question alike."""
    while True:
        yield verdict


@dataclass
class SimulatedCluster:
    """`told` collects the news in order, `history` the weights that the route ever had."""

    canary: Canary
    verdicts: Iterator[Verdict] = field(default_factory=lambda: always(Verdict.PASS))
    before_effect: Callable[[str], None] = lambda _: None
    now_s: float = 1_000_000.0
    status: dict[str, Any] = field(default_factory=dict)
    state: State = field(default_factory=State)
    revision: str = "rev-1"
    generation: int = 1
    target_replicas: int = 2
    is_target_gone: bool = False
    target_readiness: Readiness = READY
    primary_revision: str | None = None
    primary_readiness: Readiness = READY
    parts: set[Part] = field(default_factory=set)
    weights: tuple[int, int] | None = None
    route_move: int = 0
    route_state: RouteState = RouteState.SETTLED
    is_drained: bool | None = True
    obstacles: tuple[Blocked, ...] = ()
    refused_parts: set[Part] = field(default_factory=set)
    told: list[News] = field(default_factory=list)
    told_sequence: int = 0
    history: list[tuple[int, int]] = field(default_factory=list)
    promoted: list[str] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)

    def set_image(self, revision: str) -> None:
        """Change the target's template, as `kubectl set image` does."""
        if revision != self.revision:
            self.revision, self.generation = revision, self.generation + 1

    def observe(self) -> Observation:
        """Show everything as it stands."""
        return Observation(
            now_s=self.now_s,
            target=None if self.is_target_gone else self._target(),
            primary=None if self.primary_revision is None else Primary(self.primary_revision, self.primary_readiness),
            route=None
            if self.weights is None
            else Route(*self.weights, self.route_move, self.route_state, "the gateway's reason"),
            due_parts=frozenset(set(Part) - self.parts - self.refused_parts),
            failed_parts=frozenset(self.refused_parts - self.parts),
            scale_to=2,
            obstacles=self.obstacles,
        )

    def _target(self) -> Target:
        readiness = self.target_readiness if self.target_replicas else UNREADY
        return Target(Seen("uid-1", self.generation, self.revision), self.target_replicas, readiness)

    def tick(self) -> Decision:
        """Do what a tick of the loop does, in its order."""
        return self.tick_of(self.state, self.observe())

    def tick_of(self, state: State, seen: Observation) -> Decision:
        """Tick with a view of the cluster that may be old; what it does is fenced as the agent's writes are.

        Raises:
            Refused: the cluster is not what was seen.
        """
        decision = decide(self.canary, state, seen)
        if decision.questions:
            decision = decide(self.canary, state, self._answer(seen, decision))
        for action in decision.actions:
            self._refuse_if_changed(action, seen)
            self.before_effect(f"{action}")
            self._perform(action)
        if decision.actions:
            return decision
        if self.told_sequence != self.state.sequence:
            self.before_effect("news")
            self.told += self.state.news
            self.told_sequence = self.state.sequence
        if decision.intent is not None:
            if state != self.state:
                raise Refused("the status was written since")
            self.before_effect("intent")
            before, after = self.state.phase, decision.intent.phase
            assert before == after or after in TRANSITIONS[before], f"undeclared: {before} -> {after}"
            # What is not written, or not read again, is lost here as in the cluster.
            self.status = write_status(decision.intent, self.status, target_kind="Deployment", generation=1)
            self.state = read_state(self.status)
        return decision

    def settle(self) -> Decision:
        """Tick for as long as ticks follow each other at once."""
        for _ in range(_BURST_LIMIT):
            decision = self.tick()
            if decision.wake_after_s is None or decision.wake_after_s > 0:
                return decision
        raise AssertionError(f"no rest in {self.state}")

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Let time pass, ticking whenever a decision asked for it, and stop between two ticks when `until` holds."""
        end_s, ticks_at_once = self.now_s + seconds, 0
        while self.now_s < end_s and not until():
            wake_after_s = self.tick().wake_after_s
            ticks_at_once = ticks_at_once + 1 if wake_after_s == 0 else 0
            assert ticks_at_once < _BURST_LIMIT, f"no rest in {self.state}"
            # Asleep until something changes: nothing does, so the rest of the time passes at once.
            self.now_s = end_s if wake_after_s is None else min(self.now_s + wake_after_s, end_s)

    def texts(self) -> list[str]:
        """Give what was told, as words."""
        return [news.text for news in self.told]

    def _answer(self, seen: Observation, decision: Decision) -> Observation:
        answers: dict[Question, tuple[CheckResult, ...]] = {}
        for question in decision.questions:
            self.questions.append(question)
            if question is Question.DRAINED:
                answers[question] = ()
            else:
                verdict = next(self.verdicts)
                hooks = self.canary.analysis.webhooks if self.canary.analysis else ()
                name = next((hook.name for hook in hooks if hook.type_effective == "pre-rollout"), "gate")
                is_hook = question is Question.PRE_ROLLOUT
                answers[question] = (CheckResult(name if is_hook else "check", verdict, f"a {verdict} of the tape"),)
        return replace(seen, answers=answers, is_drained=self.is_drained)

    def _refuse_if_changed(self, action: Action, seen: Observation) -> None:
        now = self.observe()
        match action:
            case SetWeights():
                if seen.route is None or now.route is None or not _same_writes(seen.route, now.route):
                    raise Refused("the route was written since")
            case ScaleTarget():
                if seen.target is None or now.target is None or seen.target.seen != now.target.seen:
                    raise Refused("the target was written since")
            case Promote():
                if (seen.primary and seen.primary.revision) != (now.primary and now.primary.revision):
                    raise Refused("the primary was written since")
            case ApplyPart():
                pass

    def _perform(self, action: Action) -> None:
        match action:
            case ApplyPart(part):
                self.parts.add(part)
                if part is Part.ROUTE and self.weights is None:
                    self.weights = (100, 0)
            case SetWeights(primary, canary, move):
                self.weights, self.route_move = (primary, canary), move
                self.history.append(self.weights)
            case ScaleTarget(replicas):
                self.target_replicas = replicas
                self.generation += 1
            case Promote(revision):
                self.primary_revision = revision
                self.promoted.append(revision)


def _same_writes(seen: Route, now: Route) -> bool:
    return (seen.primary_weight, seen.canary_weight, seen.move) == (now.primary_weight, now.canary_weight, now.move)


def phase(cluster: SimulatedCluster) -> Phase | None:
    """Read the phase anew: mypy would take it for what an earlier assert narrowed it to."""
    return cluster.state.phase

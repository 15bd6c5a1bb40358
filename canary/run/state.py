"""The intent of a run, as values. `canary.run.status` reads and writes it as `.status`.

Everything that the agent means to do is in here before it does it; everything that it did can be done again from here.
Times are seconds since the epoch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from canary.api.canary import Strategy
from canary.api.names import Identity
from canary.api.shown import shown
from canary.run.evidence import CheckEvidence
from canary.run.history import HistoryEntry, Run
from canary.run.kept import KeptCheck
from canary.run.mark import Mark
from canary.run.messages import Alert, Message
from canary.run.phase import TRANSITIONS, Phase
from canary.run.queue import Queued
from canary.run.request import RequestResult
from canary.run.steps import Step
from canary.run.streaks import Streaks
from canary.run.traffic import Traffic
from canary.run.unsent import Unsent


class UndeclaredTransition(RuntimeError):  # noqa: N818  reads as what was found
    """A phase was to follow another one that it may not follow: a defect in `canary.decide`."""


@dataclass(frozen=True, slots=True)
class TargetIdentity:
    """The target as it was when the state was written. The fields belong together.

    The same uid and generation with another template is not a change by a user: an upgraded API server fills in a new
    default. `configs` are the content hashes of the ConfigMaps and Secrets that the revision is made of besides, by
    `configmap/{name}` and `secret/{name}`: Flagger's `trackedConfigs`.
    """

    uid: str
    generation: int
    revision: str
    configs: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Blocker:
    """Why the canary can't go on: a CamelCase reason and a sentence that names object, path, found and allowed.

    The sentence is fit to be shown (`canary.api.shown`): it becomes a condition and an event.
    """

    reason: str
    message: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", shown(self.message))


@dataclass(frozen=True, slots=True, kw_only=True)
class Revisions:
    """Which revision is where in its life.

    `analysed` is under analysis or was analysed last (Flagger's `lastAppliedSpec`), `promoted` is the one that the
    primary was last given for good (`lastPromotedSpec`), `finished` the one whose run ended last, either way.
    `change`: what the analysed revision changed and who applied it, None where nobody marked it.
    """

    analysed: str = ""
    promoted: str = ""
    finished: str = ""
    change: Mark | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """Where an analysis stands among `analysis.steps`, and since when; also of the bake after the last step.

    `number` counts from 1; it is 0 before the first, and without them. `served_at_s`: since when the gateway is known
    to serve the step, as far as somebody watched. `is_resumed`: somebody ended its pause. `bake_started_at_s`: since
    when the last split is kept before the promotion.
    """

    number: int = 0
    served_at_s: float | None = None
    is_resumed: bool = False
    bake_started_at_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What the analysis of one revision has come to; `Analysis()` is its reset.

    `started_at_s`: the revision's first weight, mirror or iteration; None before. `decisive_at_s`: the last check that
    passed or failed. `failed_checks` counts over the whole run and keeps its value after a rollback. `checks_passed`:
    those of this interval did, and the next step waits for a due object or a gate. `growth_started_at_s`: since
    when the canary side is to have the primary's size. `unobserved_s`: for how long the checks were asked since then,
    and neither passed nor failed. `is_given_up`: the run ends badly as soon as the primary can serve. `kept`: what is
    told of the checks, in the order of the spec. `failed_in_row`: how often those that must fail so often did by now.
    `evidence`: that of the checks that are judged by it.
    """

    started_at_s: float | None = None
    decisive_at_s: float | None = None
    failed_checks: int = 0
    iterations: int = 0
    step: StepRecord = StepRecord()
    checks_passed: bool = False
    growth_started_at_s: float | None = None
    unobserved_s: float = 0.0
    is_given_up: bool = False
    kept: tuple[KeptCheck, ...] = ()
    failed_in_row: Streaks = ()
    evidence: tuple[CheckEvidence, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """What became of a promotion.

    `is_late`: it was reported that the primary does not come up. `growth_started_at_s`: since when the primary is to
    have the size for the traffic that comes back to it. `checked_at_s`: when the canary side, which may still have
    traffic, was last checked.
    """

    is_late: bool = False
    growth_started_at_s: float | None = None
    checked_at_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HookAnswers:
    """What the hooks of a run answered.

    `answered`: those that said yes for this revision, as `canary.decide.gates.answer_key` names them. `waiting_for`:
    those of the gates that the run waits for now, or a step's pause (`canary.run.steps.pause_key`); each is reported
    once. `post_rollout_pending`: the run ended, and its post-rollout hooks have not been called.
    """

    answered: tuple[str, ...] = ()
    waiting_for: tuple[str, ...] = ()
    post_rollout_pending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What people asked of a run.

    `is_paused`: the weight stays where it is. `skips_analysis`: the analysis is left out, or what is left of it.
    `request`: the last one and what became of it.
    """

    is_paused: bool = False
    skips_analysis: bool = False
    request: RequestResult | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What a run waits for.

    `next_check_at_s`: no check and no step is earlier. `unready_at_s`: since when a side that must be up is not.
    `shifted_at_s`: since when the side that is to be scaled down, or rolled without a pod left, is known to get no new
    traffic. `primary_down_at_s`: since when the primary has no available pod, looked at only in an analysis.
    """

    next_check_at_s: float = 0.0
    unready_at_s: float | None = None
    shifted_at_s: float | None = None
    primary_down_at_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitionRecord:
    """The last transition of the intent: its number, its time and its messages.

    `sequence` counts the transitions of a canary; with a message's position it names the message once and for all.
    `alerted_by`: the one process that sends the alerts of the messages, empty as long as none took them on.
    `stored_at_s`: when the intent was written, which updates move and `at_s` is not moved by: no other stored moment is
    later but one that is ahead by a duration of the canary's. 0 where an older version wrote it.
    """

    sequence: int = 0
    at_s: float = 0.0
    stored_at_s: float = 0.0
    messages: tuple[Message, ...] = ()
    alerted_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The stored intent of a canary.

    `served_at_s`: since when the gateway is known to serve `traffic`, None until it acknowledged that.
    `previous_cookie` is the session cookie before that of `traffic`. `strategy` is the one under which `traffic` is
    meant. `primary_floor`: how many replicas the primary's autoscaler must leave it, beside the bounds of its users.
    `identity` is what the objects were named after when they were made, whatever the spec says since; None before the
    first of them. `target` is None until the target was seen, `blocker` None while nothing blocks the canary.
    `is_unanalysed`: it was told that each revision is promoted without an analysis, which the spec does not have.
    `queue`: where it stands while its new revision waits for a turn, None while none does.
    `run` is the one under way, `history` has those that have ended, newest first.
    `not_ready`: what is wrong for longer than it may be, though the canary goes on as far as it can; None where nothing
    is. `unsent`: the alerts that chats have not been sent yet, of this transition and of those before.
    """

    phase: Phase | None = None
    traffic: Traffic = field(default_factory=Traffic)
    served_at_s: float | None = None
    previous_cookie: str = ""
    strategy: Strategy = "canary"
    primary_floor: int = 0
    identity: Identity | None = None
    target: TargetIdentity | None = None
    revisions: Revisions = field(default_factory=Revisions)
    analysis: Analysis = field(default_factory=Analysis)
    promotion: Promotion = field(default_factory=Promotion)
    hooks: HookAnswers = field(default_factory=HookAnswers)
    control: Control = field(default_factory=Control)
    timing: Timing = field(default_factory=Timing)
    blocker: Blocker | None = None
    not_ready: Blocker | None = None
    is_unanalysed: bool = False
    queue: Queued | None = None
    run: Run = field(default_factory=Run)
    history: tuple[HistoryEntry, ...] = ()
    transition: TransitionRecord = field(default_factory=TransitionRecord)
    unsent: tuple[Unsent, ...] = ()

    @property
    def present_step(self) -> Step:
        """Return where the analysis stands, once it began."""
        return Step(self.traffic, self.analysis.iterations, self.analysis.step.number)

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """Return what chats are sent of the last transition."""
        last, change, revision = self.transition, self.revisions.change, self.revisions.analysed
        return tuple(
            replace(message.alert, change=change, revision=revision, id=f"{last.sequence}.{position}", at_s=last.at_s)
            for position, message in enumerate(last.messages)
            if message.alert is not None
        )

    def transition_to(self, after: Self, now_s: float, *messages: Message) -> Self:
        """Return `after` as the next transition of this state: with its number, its time and its messages.

        What was known of the gateway is not known of another split.

        Raises:
            UndeclaredTransition: its phase may not follow this one's.
        """
        if after.phase is not self.phase and after.phase not in TRANSITIONS[self.phase]:
            raise UndeclaredTransition(f"{self.phase} -> {after.phase}")
        record = TransitionRecord(
            sequence=self.transition.sequence + 1, at_s=now_s, stored_at_s=now_s, messages=messages
        )
        served_at_s = after.served_at_s if after.traffic == self.traffic else None
        return replace(after, transition=record, served_at_s=served_at_s)

    def update_to(self, after: Self, now_s: float, *messages: Message) -> Self:
        """Return `after` as `transition_to` does, but with the time of the transition before, where there was one."""
        moved = self.transition_to(after, now_s, *messages)
        return replace(moved, transition=replace(moved.transition, at_s=self.transition.at_s or now_s))

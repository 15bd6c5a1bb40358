"""What a tick sees: facts from caches, and the answers to what it asked. Plain values, no I/O.

`decide` reads nothing else: the time, what the cluster shows and what checks and hooks said are all in here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from canary.api.names import Identity
from canary.run.judge import CheckResult
from canary.run.managed import ManagedObject
from canary.run.mark import Mark
from canary.run.queue import Place
from canary.run.readiness import Readiness
from canary.run.state import Blocker, TargetIdentity
from canary.run.traffic import Traffic

if TYPE_CHECKING:
    from canary.run.action import Action


class RouteState(Enum):
    """What the gateway says of the route as it stands."""

    SETTLED = auto()
    """Acknowledged since the last write; or nothing leads to the route, so that there is nothing to acknowledge."""
    PENDING = auto()
    """Not acknowledged yet, as is to be expected of any write for a moment."""
    UNACKNOWLEDGED = auto()
    """Not acknowledged for longer than that: what was served before stays in force, for all that is known."""
    WARNED = auto()
    """Served, but not as meant (a missing destination, say): the run is held."""
    REJECTED = auto()
    """Not served: what was served before stays in force, and the run is held."""


class Question(Enum):
    """What a tick may ask the world beyond its caches, because the answer costs a request."""

    CONFIRM_ROLLOUT = auto()
    """The `confirm-rollout` gates: may the canary side come up?"""
    PRE_ROLLOUT = auto()
    """The `pre-rollout` hooks that have not said yes for this revision."""
    CHECKS = auto()
    """Metrics and `rollout` hooks."""
    CONFIRM_TRAFFIC_INCREASE = auto()
    """The `confirm-traffic-increase` gates: may the canary get its next step?"""
    CONFIRM_PROMOTION = auto()
    """The `confirm-promotion` gates: may the analysed template go to the primary?"""
    POST_ROLLOUT = auto()
    """The `post-rollout` hooks: told once of the end of a run, whatever they answer."""
    ROLLBACK = auto()
    """The `rollback` gates: one that says yes rolls the run back."""
    DRAINED = auto()
    """Has the side that is to go (the primary while it is promoted, else the canary side) got no new request since?"""


@dataclass(frozen=True, slots=True)
class Target:
    """The workload that users edit. `replicas` is what its spec wants, `readiness` that of the canary side.

    `mark` is the admission webhook's, None where it has none or an older template's. `is_paused`: somebody keeps its
    controller from rolling a template out (`kubectl rollout pause`).
    """

    identity: TargetIdentity
    replicas: int
    readiness: Readiness
    mark: Mark | None = None
    is_paused: bool = False


@dataclass(frozen=True, slots=True)
class Primary:
    """The workload that carries the users' traffic. `revision` is the one whose template it was last given.

    `runs_target`: it has the target's present template; looked at only where another controller wrote the status.
    `rolls_without_gap`: with the strategy that a promotion gives it, a rollout leaves it an available pod all the time.
    `is_lasting`: what is available of it stays so; it is not in a rollout that may take all pods away.
    `replicas` is what its spec wants. `size_limit`: how many our copy of the autoscaler gives it at the most; None
    where there is no such copy, for then the promotion sets its size, or somebody else does.
    """

    revision: str
    readiness: Readiness
    runs_target: bool = False
    rolls_without_gap: bool = True
    is_lasting: bool = True
    replicas: int = 1
    size_limit: int | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """The route as read back; `explanation` is the gateway's own when it refused, or why nothing is known of it.

    `sequence` is the number of the transition that wrote it last, 0 when none did. `is_exact` is False where the
    weights are none that we write, such as 50 and 30: `traffic` is what they come to, and they are written anew.
    `may_be_known`: the gateway may have had these very routes before the last write, and so nothing to acknowledge.
    `served_since_s`: since when this agent has known the gateway to serve `traffic`, None while it does not.
    """

    traffic: Traffic
    sequence: int
    state: RouteState
    explanation: str = ""
    is_exact: bool = True
    may_be_known: bool = False
    served_since_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Everything that one decision is made from. `now_s` is seconds since the epoch.

    `due_objects`: generated objects that are missing or not as rendered.
    `failed_objects`: those that the API server refused a moment ago, and that are tried again later.
    `scale_to`: how many replicas the canary side gets when it is scaled up; `full_size`: how many it needs to carry
    what the primary carries; `size_limit`: how many its autoscaler allows, None where nothing limits them.
    `blockers`: what stands in the way (a missing target, HPA, ...). `start_blockers`: why no run could be checked; only
    the next one waits for these.
    `unstored`: what the API server did not store of the intent when it was last written, None where it did.
    `failures`: why what cools down failed, in the API server's words. `lasting`: what has been wrong for longer than it
    may be, None where nothing is.
    `unaccepted`: what of the objects that the route sends to is not known to the gateway, in words, empty when all is.
    `cooling_down`: other actions that failed a moment ago, and that are tried again later.
    `refused_traffic`: the split that the API server refused a moment ago, tried again later.
    `request`: the text of the Canary's request annotation, empty without one; `requested_by`: who wrote it, if known.
    `flagger`: the Flagger that is at work in the cluster, in words, empty when none is.
    `renamed_to`: what the spec names since the canary's objects were made, None where it names the same; the decision
    is made about the objects as they are named. `has_renamed_target`: the workload that it names by now exists.
    `is_spec_lost`: the spec can't be read and none that could is remembered: nothing can be checked.
    `place`: where it stands in the queue of runs, None where a run may begin.
    `is_deleted`, `has_finalizer`: the Canary is to go, and waits for us. `unreleased_objects`: objects that carry
    traffic and would go with it, or still point to the primary, and a target's scaler that is paused; looked at only
    then.
    `answers`: an entry for each question that was asked; `is_drained` is None when nobody could tell.
    """

    now_s: float
    target: Target | None
    primary: Primary | None
    route: Route | None
    due_objects: frozenset[ManagedObject] = frozenset()
    failed_objects: frozenset[ManagedObject] = frozenset()
    scale_to: int = 1
    full_size: int = 1
    size_limit: int | None = None
    blockers: tuple[Blocker, ...] = ()
    unstored: Blocker | None = None
    start_blockers: tuple[Blocker, ...] = ()
    failures: tuple[str, ...] = ()
    lasting: Blocker | None = None
    unaccepted: str = ""
    cooling_down: "frozenset[Action]" = frozenset()
    refused_traffic: Traffic | None = None
    request: str = ""
    requested_by: str = ""
    flagger: str = ""
    renamed_to: Identity | None = None
    has_renamed_target: bool = False
    is_spec_lost: bool = False
    place: Place | None = None
    is_deleted: bool = False
    has_finalizer: bool = False
    unreleased_objects: frozenset[ManagedObject] = frozenset()
    answers: Mapping[Question, tuple[CheckResult, ...]] | None = None
    is_drained: bool | None = None

    def answered(self, question: Question) -> tuple[CheckResult, ...] | None:
        """Return what came back for a question, None when it was not asked in this tick."""
        return None if self.answers is None else self.answers.get(question)

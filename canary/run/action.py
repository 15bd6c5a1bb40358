"""What a decision may do to the world. Each can be repeated; the next observation shows what came of it."""

from dataclasses import dataclass

from canary.run.managed import ManagedObject
from canary.run.traffic import Traffic


@dataclass(frozen=True, slots=True)
class ApplyObject:
    """Create a generated object, or set what is ours on it."""

    part: ManagedObject


@dataclass(frozen=True, slots=True)
class SetTraffic:
    """Patch the route from what was last seen to the wanted split, on behalf of a numbered transition."""

    traffic: Traffic
    sequence: int


@dataclass(frozen=True, slots=True)
class ScaleTarget:
    """Set the target's replicas."""

    replicas: int


@dataclass(frozen=True, slots=True)
class Promote:
    """Return the primary the template of a revision: an analysed one or, for a new primary, the one it begins with."""

    revision: str


@dataclass(frozen=True, slots=True)
class ReleaseObject:
    """Let a generated object outlive the Canary; the apex service selects the target's pods again.

    The target's scaler: end its pause.
    """

    part: ManagedObject


@dataclass(frozen=True, slots=True)
class SetFinalizer:
    """Make the Canary's deletion wait for us, or let it go."""

    is_set: bool


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """Mark a request as about to be answered. `text` is the annotation's value as it was seen."""

    text: str


@dataclass(frozen=True, slots=True)
class DropRequest:
    """Remove an answered request. `text` is the annotation's value as it was seen."""

    text: str


@dataclass(frozen=True, slots=True)
class RepeatRoute:
    """Write the split that the route has in other numbers, so that the gateway has something to acknowledge."""


Action = (
    ApplyObject
    | SetTraffic
    | RepeatRoute
    | ScaleTarget
    | Promote
    | ReleaseObject
    | SetFinalizer
    | ClaimRequest
    | DropRequest
)


def describe(action: Action) -> str:
    """Return what an action is about, in words for people on call."""
    match action:
        case ApplyObject(part) | ReleaseObject(part):
            return f"the {part}"
        case SetTraffic(traffic):
            return f"the route's weight of {traffic.canary_percent} for the canary side"
        case RepeatRoute():
            return "the route's weights, in other numbers"
        case ScaleTarget(replicas):
            return f"the target's size of {replicas}"
        case Promote():
            return "the primary's template"
        case SetFinalizer():
            return "the Canary's finalizer"
        case ClaimRequest() | DropRequest():
            return "the Canary's request annotation"

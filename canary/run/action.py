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


Action = ApplyObject | SetTraffic | ScaleTarget | Promote | ReleaseObject | SetFinalizer | ClaimRequest | DropRequest

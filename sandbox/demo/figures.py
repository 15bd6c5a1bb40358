"""The demo's figures: how each is measured from moments, and its limit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sandbox.demo.moments import AvailableSeen, EventSeen, ImageSet, Moment, WeightSeen

CANARY = "podinfo"


@dataclass(frozen=True)
class Limit:
    """`allowed_s` itself is within the limit when `is_inclusive`."""

    meaning: str
    allowed_s: float
    is_inclusive: bool = False

    def holds(self, value_s: float | None) -> bool:
        """Is the value within the limit? One that was not measured is not."""
        if value_s is None:
            return False
        return value_s <= self.allowed_s if self.is_inclusive else value_s < self.allowed_s

    def __str__(self) -> str:
        return f"{'≤' if self.is_inclusive else '<'} {self.allowed_s:g} s"


LIMITS: Mapping[str, Limit] = {
    "ready_s": Limit("from the start of the cluster to Serin's agent ready", 40, is_inclusive=True),
    "detect_s": Limit("from `kubectl set image` to the first event", 1),
    "first_weight_s": Limit("from the canary's own Available to its first weight", 2),
}


def worst(measured: Mapping[str, Sequence[float]]) -> dict[str, float | None]:
    """The worst value of each figure, in the order of LIMITS; None for one that was not measured."""
    return {name: round(max(measured[name]), 3) if measured.get(name) else None for name in LIMITS}


def detect_s(moments: Sequence[Moment]) -> list[float]:
    """For each change of the image: the seconds until the event that tells of the new revision."""
    found: list[float] = []
    changed: ImageSet | None = None
    for moment in moments:
        if isinstance(moment, ImageSet):
            changed = moment
        elif changed and isinstance(moment, EventSeen) and moment.text.startswith("New revision detected!"):
            found.append(moment.at_s - changed.at_s)
            changed = None
    return found


def first_weight_s(moments: Sequence[Moment]) -> list[float]:
    """For each run: the seconds from the canary's Deployment available to the first weight above 0."""
    found: list[float] = []
    available: AvailableSeen | None = None
    before = 0
    for moment in moments:
        if isinstance(moment, AvailableSeen) and moment.deployment == CANARY:
            available = moment
        elif isinstance(moment, WeightSeen):
            if available and before == 0 < moment.weight_percent:
                found.append(moment.at_s - available.at_s)
            before = moment.weight_percent
    return found

"""The demo's figures: how each is measured from moments, and its limit."""

import operator
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sandbox.demo.moments import AvailableSeen, EventSeen, ImageSet, Moment, PhaseSeen, WeightSeen

CANARY = "podinfo"

_RELATIONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "≤": operator.le,
    "≥": operator.ge,
}
_NEW_REVISION = "New revision detected!"


@dataclass(frozen=True)
class Limit:
    """A value is within the limit when `relation` holds between it and `allowed`. `unit` is empty for a number."""

    meaning: str
    relation: str
    allowed: float
    unit: str = ""

    def holds(self, value: float | None) -> bool:
        """Is the value within the limit? One that was not measured is not."""
        return value is not None and _RELATIONS[self.relation](value, self.allowed)

    def text(self, value: float | None) -> str:
        """`0.25 s`, or `12,345`."""
        if value is None:
            return "not measured"
        return f"{value:.2f} {self.unit}" if self.unit else f"{value:,}"

    def __str__(self) -> str:
        return f"{self.relation} {self.allowed:,g} {self.unit}".rstrip()


LIMITS: Mapping[str, Limit] = {
    "ready_s": Limit("from the start of the cluster to Serin's agent ready", "≤", 40, "s"),
    "detect_s": Limit("from `kubectl set image` to the first event", "<", 1, "s"),
    "first_weight_s": Limit("from the canary's own Available to its first weight", "<", 2, "s"),
    "rollback_shift_s": Limit("from the check that decides on a rollback to the route at 100/0", "<", 1, "s"),
    "requests": Limit("50 a second through the gateway, 50 a second to the Service inside", "≥", 5000),
    "failed_requests": Limit("of them, answered otherwise than with 200, or not at all", "≤", 0),
    "steps_twice": Limit("steps told or made twice in one run", "≤", 0),
}


def worst(measured: Mapping[str, Sequence[float]]) -> dict[str, float | None]:
    """The worst value of each figure, in the order of LIMITS; None for one that was not measured."""
    return {name: round(max(measured[name]), 3) if measured.get(name) else None for name in LIMITS}


def of_act(moments: Sequence[Moment]) -> dict[str, list[float]]:
    """Every value that an act's moments give, by figure."""
    return {
        "detect_s": detect_s(moments),
        "first_weight_s": first_weight_s(moments),
        "rollback_shift_s": rollback_shift_s(moments),
        "steps_twice": steps_twice(moments),
    }


def detect_s(moments: Sequence[Moment]) -> list[float]:
    """For each change of the image: the seconds until the event that tells of the new revision."""
    found: list[float] = []
    changed: ImageSet | None = None
    for moment in moments:
        if isinstance(moment, ImageSet):
            changed = moment
        elif changed and isinstance(moment, EventSeen) and moment.text.startswith(_NEW_REVISION):
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


def rollback_shift_s(moments: Sequence[Moment]) -> list[float]:
    """For each rollback: the seconds from its deciding check to the route without the canary."""
    found: list[float] = []
    for failed in moments:
        if isinstance(failed, PhaseSeen) and failed.phase == "Failed" and failed.decided_s is not None:
            pulled = [m.at_s for m in moments if isinstance(m, WeightSeen) and m.weight_percent == 0]
            later = [at_s - failed.decided_s for at_s in pulled if at_s >= failed.decided_s]
            found += later[:1]
    return found


def steps_twice(moments: Sequence[Moment]) -> list[float]:
    """For each run: how many steps were told more than once, or made more than once."""
    return [_repeats(_told(run)) + _repeats(_made(run)) for run in _runs(moments)]


def _runs(moments: Sequence[Moment]) -> Iterator[list[Moment]]:
    """Cut at each event of a new revision; what came before the first is no run."""
    run: list[Moment] | None = None
    for moment in moments:
        if isinstance(moment, EventSeen) and moment.text.startswith(_NEW_REVISION):
            if run:
                yield run
            run = []
        elif run is not None:
            run.append(moment)
    if run:
        yield run


def _told(run: Sequence[Moment]) -> Iterator[str]:
    return (moment.text for moment in run if isinstance(moment, EventSeen) and moment.text.startswith("Advance "))


def _made(run: Sequence[Moment]) -> Iterator[int]:
    return (moment.weight_percent for moment in run if isinstance(moment, WeightSeen) and moment.weight_percent > 0)


def _repeats(steps: Iterator[object]) -> int:
    return sum(count - 1 for count in Counter(steps).values())

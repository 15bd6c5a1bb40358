"""What is different for one canary, and what becomes of its run."""

from dataclasses import dataclass
from enum import StrEnum

from canary.run.phase import ANALYSING, Phase


class Weight(StrEnum):
    """How much a change matters. Only the first one is in the way."""

    FIRST = "change first"
    WAIT = "wait"
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class Change:
    """A field that is read differently, or that can't be used; `mend` is what to type."""

    weight: Weight
    path: str
    text: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class CanaryChanges:
    """All of one canary; `phase` is empty where it was read from a file, or is new."""

    namespace: str
    name: str
    phase: str
    run: str
    changes: tuple[Change, ...]

    @property
    def full_name(self) -> str:
        """Return namespace and name."""
        return f"{self.namespace}/{self.name}"

    @property
    def is_in_the_way(self) -> bool:
        """Return whether something has to be changed before."""
        return any(change.weight is Weight.FIRST for change in self.changes)


def what_becomes_of(phase: str, *, is_ours: bool) -> str:
    """Return what happens to a canary in this phase as it is taken over. Source: canary/decide/takeover.py."""
    if is_ours:
        return "it is Serin's already"
    if phase in ANALYSING:
        return "its run is rolled back: nobody knows what Flagger's checks said"
    match phase:
        case Phase.PROMOTING | Phase.FINALISING:
            return "its promotion is completed"
        case Phase.FAILED:
            return "its failed revision stays failed"
        case Phase.INITIALIZED | Phase.SUCCEEDED:
            return "all objects are kept; no run begins"
        case Phase.INITIALIZING:
            return "its bootstrap goes on"
        case "":
            return "it is initialized"
        case _:
            return "its deletion goes on"

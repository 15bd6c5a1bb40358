"""What changes as lines for people, or as JSON for programs."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from canary.api.shown import shown
from cli.doctor.finding import counted, first_of
from cli.migrate.change import CanaryChanges, Change, Weight
from cli.migrate.steps import Step
from cli.rollout.styles import BAD, HELD, QUIET, STRONG
from cli.terminal import Line

_STYLES: Final = {Weight.FIRST: BAD, Weight.WAIT: HELD, Weight.DIFFERS: QUIET}
_WIDTH: Final = max(map(len, Weight))
_MARGIN: Final = " " * (_WIDTH + 2)


@dataclass(frozen=True, slots=True)
class Migration:
    """All that is told; `back` and `steps` are empty for files, of which no cluster is known."""

    canaries: tuple[CanaryChanges, ...]
    installation: tuple[Change, ...] = ()
    flaggers: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    back: tuple[Step, ...] = ()
    notes: tuple[str, ...] = field(default_factory=tuple)

    @property
    def is_in_the_way(self) -> bool:
        """Return whether something has to be changed before."""
        own = any(change.weight is Weight.FIRST for change in self.installation)
        return own or any(one.is_in_the_way for one in self.canaries)


def as_lines(found: Migration) -> Iterator[Line]:
    """Return each change once, with the canaries that it is for: a thousand have mostly the same."""
    yield from (f"found Flagger: {shown(one)}" for one in found.flaggers)
    yield from (f"not checked: {shown(one)}" for one in found.notes)
    by_change: dict[Change, list[str]] = defaultdict(list)
    for change in found.installation:
        by_change[change] = []
    for canary in found.canaries:
        for change in canary.changes:
            by_change[change].append(canary.full_name)
    for change in sorted(by_change, key=lambda one: list(Weight).index(one.weight)):
        yield from _change(change, by_change[change])
    for title, steps in (("Steps", found.steps), ("Back to Flagger", found.back)):
        yield from _steps(title, steps)
    yield ""
    yield summary(found)


def summary(found: Migration) -> str:
    """Return how many canaries there are, and whether anything is in the way."""
    if not found.canaries:
        return "Nothing to migrate: found no Canary"
    first, waiting = (_with(found.canaries, weight) for weight in (Weight.FIRST, Weight.WAIT))
    clean = sum(not one.changes for one in found.canaries)
    parts = [
        counted(len(found.canaries), "canary", "canaries"),
        f"{clean} taken over as they are",
        f"{waiting} with a run under way",
        f"{first} to be changed first",
    ]
    return ", ".join(parts)


def as_value(found: Migration) -> dict[str, Any]:
    """Return the same, canary by canary."""
    canaries = [
        {
            "namespace": one.namespace,
            "name": one.name,
            "phase": one.phase,
            "takeover": one.run,
            "inTheWay": one.is_in_the_way,
            "changes": [_as_value(change) for change in one.changes],
        }
        for one in found.canaries
    ]
    steps = [[{"do": step.title, "type": list(step.commands)} for step in some] for some in (found.steps, found.back)]
    return {
        "inTheWay": found.is_in_the_way,
        "flagger": list(found.flaggers),
        "notChecked": list(found.notes),
        "installation": [_as_value(change) for change in found.installation],
        "canaries": canaries,
        "steps": steps[0],
        "back": steps[1],
    }


def _as_value(change: Change) -> dict[str, str]:
    return {"weight": change.weight.value, "path": change.path, "text": shown(change.text), "mend": change.mend}


def _with(canaries: Sequence[CanaryChanges], weight: Weight) -> int:
    return sum(any(change.weight is weight for change in one.changes) for one in canaries)


def _change(change: Change, names: Sequence[str]) -> Iterator[Line]:
    said = f"{change.path}: {shown(change.text)}"
    yield [(f"{change.weight.value:<{_WIDTH}}  ", _STYLES[change.weight]), (said, "")]
    if names:
        yield [(f"{_MARGIN}{first_of(names)}", STRONG)]
    if change.mend:
        yield f"{_MARGIN}$ {change.mend}"


def _steps(title: str, steps: Sequence[Step]) -> Iterator[Line]:
    if not steps:
        return
    yield ""
    yield [(title, STRONG)]
    for number, step in enumerate(steps, start=1):
        yield f"{number}. {step.title}"
        yield from (f"   $ {command}" for command in step.commands)

"""The tests of a run as its state keeps them: what was read last, what it came to, and what people are shown of it.

All of it is written together with the decision that it led to, so each request counts once, whatever crashes when.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from canary.api.parts import text_of
from canary.judgement.counts import Deltas, Failures, Tally
from canary.judgement.finding import Answer, Finding
from canary.judgement.scrapes import Memory
from canary.judgement.state import EvidenceState
from canary.judgement.stored import read_evidence, read_memory, write_evidence, write_memory
from canary.run.moments import read_known_time, write_time

MOST_LOOKS: Final = 60
"""Of each check; then two that follow each other become one, from the oldest on."""

MOST_LOOKS_OF_ALL: Final = 120
"""Of all checks together: the API server keeps the status, and each watcher gets all of it each time."""

_DIGITS: Final = 4
"""Significant ones, of what is for people alone."""

_PARTS_OF_LOOK: Final = 4
"""Numbers before the failures: the moment, the percent, the requests of both sides."""

_MOST: Final = 1e15


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a test counted at one look, for who wants to know what another plan would have made of it."""

    at_s: float
    next_percent: float
    deltas: Deltas


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What people are shown of a test: its last answer in a word and in a sentence, and its numbers.

    `bar` is where the evidence stands between well (-1) and harm (1). Shares are of requests, from 0 to 1.
    """

    answer: str = ""
    text: str = ""
    bar: float = 0.0
    canary_share: float | None = None
    primary_share: float | None = None
    phi: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckEvidence:
    """The test of one check. `memory` and `state` go on from look to look.

    `step` is the step that it waits for evidence in, since `waiting_since_s`. `is_told`: of this step it was told that
    somebody has to look at it. Until `others_until_s` the canary's requests may have been those of the run before.
    """

    name: str
    memory: Memory = field(default_factory=Memory)
    state: EvidenceState | None = None
    shown: Shown = Shown()
    step: str = ""
    waiting_since_s: float | None = None
    is_told: bool = False
    looks: tuple[Look, ...] = ()
    others_until_s: float | None = None

    def renewed(self, now_s: float) -> "CheckEvidence":
        """Return the test before the first look of another run: what is known of the service's bursts stays known."""
        state = None if self.state is None else self.state.renewed(self.memory.newest_s)
        return CheckEvidence(name=self.name, state=state, others_until_s=now_s)

    @property
    def last_requests_s(self) -> float | None:
        """Return when the canary was last seen to have got requests, None if never in this run."""
        return max((look.at_s for look in self.looks if look.deltas.canary.requests > 0), default=None)


def shown_of(finding: Finding) -> Shown:
    """Return what people are shown of a look."""
    return Shown(
        answer=finding.answer.value,
        text=finding.text,
        bar=_rounded(finding.bar),
        canary_share=None if finding.canary.share is None else _rounded(finding.canary.share),
        primary_share=None if finding.primary.share is None else _rounded(finding.primary.share),
        phi=_rounded(finding.phi),
    )


def with_look(looks: tuple[Look, ...], look: Look, most: int) -> tuple[Look, ...]:
    """Return the looks with one more; of too many, pairs become one, from the oldest on. Counts stay the same."""
    more = (*looks, look)
    while len(more) > max(most, 1):
        first = next((at for at in range(len(more) - 1) if _can_join(more[at], more[at + 1])), None)
        if first is None:
            return more[-max(most, 1) :]
        more = (*more[:first], _joined(more[first], more[first + 1]), *more[first + 2 :])
    return more


def _can_join(one: Look, other: Look) -> bool:
    return one.next_percent == other.next_percent


def _joined(one: Look, other: Look) -> Look:
    deltas = Deltas(_sum(one.deltas.canary, other.deltas.canary), _sum(one.deltas.primary, other.deltas.primary))
    return Look(at_s=other.at_s, next_percent=other.next_percent, deltas=deltas)


def _sum(one: Tally, other: Tally) -> Tally:
    pairs = zip(one.failures, other.failures, strict=True) if len(one.failures) == len(other.failures) else ()
    failures = tuple(Failures(a.surely + b.surely, a.perhaps + b.perhaps) for a, b in pairs)
    return Tally(one.requests + other.requests, failures)


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


# As `status.serin.evidence`.


def write_evidence_of(tests: Iterable[CheckEvidence]) -> list[dict[str, Any]]:
    """Return what `read_evidence_of` reads. What there is nothing of is left out."""
    return [_write(tested) for tested in tests]


def _write(tested: CheckEvidence) -> dict[str, Any]:
    shown = tested.shown
    written = {
        "name": tested.name,
        "answer": shown.answer or None,
        "text": shown.text or None,
        "bar": shown.bar if shown.answer else None,
        "canaryShare": shown.canary_share,
        "primaryShare": shown.primary_share,
        "burst": shown.phi if shown.phi > 1 else None,
        "step": tested.step or None,
        "waitingSince": write_time(tested.waiting_since_s),
        "told": tested.is_told or None,
        "othersUntil": write_time(tested.others_until_s),
        "memory": write_memory(tested.memory) if tested.memory.processes else None,
        "test": None if tested.state is None else write_evidence(tested.state),
        "looks": [_write_look(look) for look in tested.looks] or None,
    }
    return {key: value for key, value in written.items() if value is not None}


def _write_look(look: Look) -> list[float]:
    deltas = look.deltas
    return [
        float(int(look.at_s)),
        look.next_percent,
        deltas.canary.requests,
        deltas.primary.requests,
        *(number for side in (deltas.canary, deltas.primary) for failures in side.failures for number in failures),
    ]


def read_evidence_of(found: object) -> tuple[CheckEvidence, ...]:
    """Read what was written; what is something else, by somebody's hand, is left out, and counting begins anew."""
    items = found if isinstance(found, list) else []
    return tuple(_read(item) for item in items if isinstance(item, Mapping) and text_of(item, "name"))


def _read(item: Mapping[str, Any]) -> CheckEvidence:
    answer = text_of(item, "answer")
    shown = Shown(
        answer=answer if answer in set(Answer) else "",
        text=text_of(item, "text"),
        bar=min(max(_number(item.get("bar")) or 0.0, -1.0), 1.0),
        canary_share=_share(item.get("canaryShare")),
        primary_share=_share(item.get("primaryShare")),
        phi=max(_number(item.get("burst")) or 1.0, 1.0),
    )
    memory, state = _read_counts(item)
    looks = item.get("looks")
    read = map(_read_look, looks if isinstance(looks, list) else [])
    return CheckEvidence(
        name=text_of(item, "name"),
        memory=memory,
        state=state,
        shown=shown,
        step=text_of(item, "step"),
        waiting_since_s=read_known_time(item.get("waitingSince")),
        is_told=item.get("told") is True,
        others_until_s=read_known_time(item.get("othersUntil")),
        looks=tuple(look for look in read if look is not None),
    )


def _read_counts(item: Mapping[str, Any]) -> tuple[Memory, EvidenceState | None]:
    """Return what was read last and what it came to, or nothing of both: with one alone requests would count twice."""
    memory, state = read_memory(item.get("memory")), read_evidence(item.get("test"))
    if state is None or not (state.canary_requests or state.primary_requests):
        return memory, state
    goes_on = bool(memory.processes) and memory.is_of(state.counted, len(state.bounds))
    return (memory, state) if goes_on else (Memory(), None)


def _read_look(found: object) -> Look | None:
    numbers = [_number(value) for value in found] if isinstance(found, list) else []
    known = [number for number in numbers if number is not None and number >= 0]
    if len(known) != len(numbers) or len(known) <= _PARTS_OF_LOOK or (len(known) - _PARTS_OF_LOOK) % 4:
        return None
    at_s, percent, asked, asked_there, *failures = known
    pairs = tuple(Failures(*failures[at : at + 2]) for at in range(0, len(failures), 2))
    half = len(pairs) // 2
    deltas = Deltas(Tally(asked, pairs[:half]), Tally(asked_there, pairs[half:]))
    return Look(at_s=at_s, next_percent=percent, deltas=deltas)


def _share(found: object) -> float | None:
    number = _number(found)
    return None if number is None else min(max(number, 0.0), 1.0)


def _number(found: object) -> float | None:
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    try:
        number = float(found) if is_number else None  # type: ignore[arg-type]
    except OverflowError:
        return None
    return number if number is not None and abs(number) < _MOST else None

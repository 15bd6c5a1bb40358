"""What an act must show, what it showed, and where the two differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from sandbox.demo.sequence import Line, first_difference


@dataclass(frozen=True, kw_only=True)
class Expected:
    """`weights` are the canary's, in percent; `end` maps what is looked at after the act to its value."""

    events: tuple[Line, ...]
    weights: tuple[Line, ...]
    end: Mapping[str, str]
    objects: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As it stands in demo.json."""
        return {
            "events": [str(line) for line in self.events],
            "weights": [str(line) for line in self.weights],
            "end": dict(self.end),
            "objects": list(self.objects),
        }


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The same, as it was seen; `objects` are all that were found."""

    events: tuple[str, ...] = ()
    weights: tuple[int, ...] = ()
    end: Mapping[str, str] = field(default_factory=dict)
    objects: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As it stands in demo.json."""
        return {
            "events": list(self.events),
            "weights": list(self.weights),
            "end": dict(self.end),
            "objects": list(self.objects),
        }


def differences(expected: Expected, seen: Seen) -> list[str]:
    """Everything that is not as expected, each in a sentence; objects beyond the expected ones are none."""
    found = []
    event = first_difference(expected.events, seen.events)
    if event is not None:
        found.append(f"events: {event}")
    if first_difference(expected.weights, [str(weight) for weight in seen.weights]) is not None:
        found.append(f"canary weights: {_chain(seen.weights)}; expected: {_chain(expected.weights)}")
    for name, value in expected.end.items():
        if seen.end.get(name) != value:
            found.append(f"{name}: {seen.end.get(name, 'not found')!r}; expected: {value!r}")
    missing = [name for name in expected.objects if name not in seen.objects]
    if missing:
        found.append(f"objects that do not exist: {', '.join(missing)}")
    return found


@dataclass(frozen=True)
class ActResult:
    """How an act went; `problems` is empty when it went as the guide shows."""

    name: str
    seconds: float
    expected: Expected
    seen: Seen
    problems: tuple[str, ...]

    @classmethod
    def unplayed(cls, name: str, expected: Expected) -> Self:
        """An act that was not come to, because one before it went otherwise."""
        return cls(name, 0.0, expected, Seen(), ("not played",))

    @property
    def is_ok(self) -> bool:
        return not self.problems

    @property
    def is_played(self) -> bool:
        return self.seconds > 0

    def as_json(self) -> dict[str, Any]:
        """One entry of `acts` in demo.json."""
        return {
            "name": self.name,
            "ok": self.is_ok,
            "seconds": round(self.seconds, 2),
            "expected": self.expected.as_json(),
            "seen": self.seen.as_json(),
            "problems": list(self.problems),
        }


def _chain(weights: Sequence[object]) -> str:
    return " → ".join(str(weight) for weight in weights) or "none"

"""The demo's figures: how each is measured from what was seen, and its limit."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Moment:
    """Something seen at `at_s` on the monotonic clock.

    `kind` says what `text` is: an `event` or `warning` about the canary, its `weight` on the route in percent, its
    `status`, the Deployment of `pods` that became available (`ready`:
    that of the canary), the `image` that a user sets, the check that `decided` on a rollback;
    `load` and `failed` are about requests.
    """

    at_s: float
    kind: str
    text: str

    @property
    def is_new_revision(self) -> bool:
        return self.text.startswith("New revision detected!")


@dataclass(frozen=True)
class Limit:
    """The highest value allowed, or the lowest if `is_least`. `unit` is empty for a number."""

    meaning: str
    allowed: float
    unit: str = ""
    is_least: bool = False

    def holds(self, value: float | None) -> bool:
        """Return whether the value is within the limit; one that was not measured (None) is not."""
        return value is not None and (value >= self.allowed if self.is_least else value <= self.allowed)

    def __str__(self) -> str:
        return f"{'≥' if self.is_least else '≤'} {self.allowed:,g}{self.unit}"


LIMITS: Mapping[str, Limit] = {
    "ready_s": Limit("from the start of the cluster to Serin's agent ready", 40, " s"),
    "detect_s": Limit("from `kubectl set image` to the first event", 1, " s"),
    "first_weight_s": Limit("from the canary available to its first weight", 2, " s"),
    "rollback_shift_s": Limit("from the check that decides on a rollback to all traffic on the primary", 1, " s"),
    "requests": Limit("50 a second through the gateway, 50 a second to the Service", 5000, is_least=True),
    "failed_requests": Limit("of them, answered other than with 200, or not at all", 0),
    "steps_twice": Limit("steps announced or made twice in one run", 0),
}


def first_promotion_at_s(moments: Sequence[Moment]) -> float | None:
    """Return when a canary was promoted for the first time; None if none was."""
    return next((moment.at_s for moment in moments if (moment.kind, moment.text) == ("status", "Succeeded")), None)


def minutes_to_promotion(
    before: object, start: str, install: str, seconds: float | None
) -> dict[str, dict[str, object]]:
    """Return what is known of the way from `make demo` to the first promoted canary, for each start (cold, warm).

    `before` is what an earlier demo knew: of another start it still holds.
    """
    known = dict(before) if isinstance(before, Mapping) else {}
    known.pop(start, None)
    if seconds is None:
        return known
    return known | {start: {"minutes": round(seconds / 60, 2), "install": install}}


def measure(moments: Sequence[Moment]) -> dict[str, float | None]:
    """Return the worst value of each figure that moments give; None for one that they don't."""
    measured: dict[str, Iterator[float]] = {
        "detect_s": _seconds(moments, "image", "revision"),
        "first_weight_s": _seconds(moments, "ready", "first weight"),
        "rollback_shift_s": _seconds(moments, "decided", "weight 0"),
        "steps_twice": _steps_twice(moments),
    }
    return {name: max((round(value, 3) for value in values), default=None) for name, values in measured.items()}


def _seconds(moments: Sequence[Moment], start: str, end: str) -> Iterator[float]:
    """Yield the time from each moment in the role `start`, the last one before its end, to that in the role `end`."""
    started_at_s: float | None = None
    weight = "0"
    for moment in sorted(moments, key=lambda moment: moment.at_s):
        role = moment.kind
        if moment.is_new_revision:
            role = "revision"
        elif moment.kind == "weight":
            role = "weight 0" if moment.text == "0" else "first weight" if weight == "0" else "later weight"
            weight = moment.text
        if role == start:
            started_at_s = moment.at_s
        elif started_at_s is not None and role == end:
            yield moment.at_s - started_at_s
            started_at_s = None


def _steps_twice(moments: Sequence[Moment]) -> Iterator[int]:
    """Yield for each run how many steps were announced more than once, or made more than once."""
    runs: list[Counter[str]] = []
    for moment in moments:
        if moment.is_new_revision:
            runs.append(Counter())
        elif runs and (moment.text.startswith("Advance ") or (moment.kind == "weight" and moment.text != "0")):
            runs[-1][moment.text] += 1
    return (run.total() - len(run) for run in runs)

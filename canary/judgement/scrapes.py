"""From raw samples of counters to what was counted since the last look, each request once.

An instant query with a range selector, `envoy_cluster_upstream_rq{...}[2m]`, gives the values as they were scraped,
each with its time: both sides of one Envoy from one scrape. What was read is remembered with its time, so windows may
overlap and scrapes may be missing. Per process and cluster:

- A value that falls is a restart: the counters began at 0 again, and all that they have counts (Prometheus' own rule,
  `increase`).
- Counters that are new begin at 0 only if their process was scraped before, without them. Else nobody knows since when
  they count, and the first value is where counting begins.
- An answer that has samples around the remembered one, but not that one, comes from another Prometheus, with a clock of
  its own: there a value that falls is no restart. Of an HA pair whose series have both one is read.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

from canary.api.names import Side
from canary.judgement.counts import Deltas, Failures, Tally
from canary.judgement.series import Counted, Part, RawSeries

MOST_PROCESSES: Final = 64
"""So many Envoys are counted; of more, these are a fair part of the traffic of both sides."""

HISTORY_S: Final = 1_800.0
"""So far back the first query of a run is to look: from it is learned whether the primary's failures come in bursts."""

LONG_HISTORY_S: Final = 21_600.0
"""And so far where requests are so few that half an hour of them tells nothing."""

_FORGOTTEN_AFTER_S: Final = 3_600.0
"""A process that was not scraped for so long is gone."""

_GONE_AFTER: Final = 3
"""A source that has nothing while another has scraped so often has gone."""

_MOST: Final = 1e15
"""A counter that is beyond it is none, and sums of such numbers are none at all."""

_KEY_CHARS: Final = 8

Values: TypeAlias = tuple[float, ...]
"""Requests, and for each bound the failures that there surely are, and those that there may be."""


@dataclass(frozen=True, slots=True)
class SeenProcess:
    """What a process's counters were when it was scraped last, by a short hash of their unit, with their side."""

    at_s: float
    values: Mapping[str, Values]


@dataclass(frozen=True, slots=True)
class Memory:
    """What was read last of each process, by short hashes of what was scraped and of its labels.

    `key` is that of what is counted.
    """

    key: str = ""
    processes: Mapping[str, SeenProcess] = field(default_factory=dict)

    def is_of(self, key: str, bounds: int) -> bool:
        """Return whether it is of what is counted, by so many bounds."""
        widths = {len(values) for seen in self.processes.values() for values in seen.values.values()}
        return self.key == key and widths <= {_width(bounds)}

    @property
    def newest_s(self) -> float | None:
        """Return when the newest scrape was that was read, None if nothing was."""
        return max((seen.at_s for seen in self.processes.values()), default=None)

    def window_s(self, now_s: float, least_s: float) -> float:
        """Return for how long back samples are to be asked for, so that none is missed: at least `least_s`."""
        if self.newest_s is None:
            return max(least_s, HISTORY_S)
        return max(least_s, min(now_s - self.newest_s + least_s, _FORGOTTEN_AFTER_S))


def _width(bounds: int) -> int:
    """Return how many numbers a unit has."""
    return 1 + 2 * bounds


class Times(NamedTuple):
    """When the revision had its first traffic, and what of the time before belongs to others.

    Until `others_until_s` the canary's requests may have been another revision's, and until `learned_until_s` the
    primary's history was learned by the run before; None where there was none.
    """

    since_s: float
    others_until_s: float | None = None
    learned_until_s: float | None = None


class Reading(NamedTuple):
    """What was counted, what is to be remembered, and when the newest sample was scraped, None if there is none."""

    deltas: Deltas
    memory: Memory
    newest_s: float | None


_Row: TypeAlias = dict[str, list[float]]
_Table: TypeAlias = dict[float, _Row]
"""For each scrape, by its time, the values of each unit."""


def read_counts(
    memory: Memory,
    answer: Iterable[RawSeries],
    counted: Counted,
    times: Times,
    *,
    tick_s: float,
) -> Reading:
    """Return what was counted since the last reading, or since the first traffic of the revision.

    `tick_s` is the time between two looks: the primary's history before that comes in pieces of it.
    """
    remembered = memory.processes if memory.is_of(counted.key, counted.bounds) else {}
    tables, sides = _tables(answer, counted, remembered)
    sums = _Sums(_width(counted.bounds), tick_s)
    read_until: dict[str, float] = {}
    for process, last in remembered.items():
        read_until[process[:_KEY_CHARS]] = max(last.at_s, read_until.get(process[:_KEY_CHARS], last.at_s))
    processes = dict(remembered)
    for process in sorted(tables, key=lambda key: (key not in remembered, key))[:MOST_PROCESSES]:
        seen = remembered.get(process)
        until_s = -math.inf if seen is not None else read_until.get(process[:_KEY_CHARS], -math.inf)
        known = _Known(seen, until_s, counted.is_of_two)
        processes[process] = _read_process(known, tables[process], sides, sums, times)
    newest_s = max((max(table) for table in tables.values()), default=None)
    oldest_kept_s = -math.inf if newest_s is None else newest_s - _FORGOTTEN_AFTER_S
    newest_first = sorted(processes.items(), key=lambda item: -item[1].at_s)
    kept = {key: seen for key, seen in newest_first[:MOST_PROCESSES] if seen.at_s >= oldest_kept_s}
    return Reading(sums.deltas(), Memory(counted.key, kept), newest_s)


def _tables(
    answer: Iterable[RawSeries], counted: Counted, remembered: Mapping[str, SeenProcess]
) -> tuple[dict[str, _Table], dict[str, Side]]:
    """Return each process's values by time, of one source alone, and each unit's side."""
    by_target: dict[str, dict[str, dict[str, _Table]]] = {}
    sides: dict[str, Side] = {}
    for series in counted.whole(answer):
        part = counted.part(series.labels)
        if part is None:
            continue
        unit, process = _hash(part.unit + part.side), _hash(part.target) + _hash(part.process)
        points = _not_before(series.points, remembered.get(process))
        if not points:
            continue
        sides[unit] = part.side
        sources = by_target.setdefault(part.target, {})
        _add_series(sources.setdefault(part.source, {}).setdefault(process, {}), unit, part, points)
    one = [_of_one(sources, remembered) for sources in by_target.values()]
    return {process: table for tables in one for process, table in tables.items() if table}, sides


def _not_before(points: Sequence[tuple[float, float]], seen: SeenProcess | None) -> Sequence[tuple[float, float]]:
    """Return what is not older than what was read last, and one that is: it tells that the answer goes so far back."""
    if seen is None:
        return points
    at = len(points)
    while at and points[at - 1][0] >= seen.at_s:
        at -= 1
    return points[max(at - 1, 0) :]


def _add_series(table: _Table, unit: str, part: Part, points: Sequence[tuple[float, float]]) -> None:
    for at_s, value in points:
        if not (0 <= value <= _MOST and 0 <= at_s <= _MOST):
            continue
        known = table.setdefault(at_s, {}).setdefault(unit, [0.0] * len(part.adds))
        for index, adds in enumerate(part.adds):
            known[index] += adds * value


def _of_one(sources: Mapping[str, Mapping[str, _Table]], remembered: Mapping[str, SeenProcess]) -> Mapping[str, _Table]:
    """Return what one source has scraped: the one that was read before, else the one that has the most.

    One that scrapes no more is left, so that what counts on is not lost.
    """
    times = {source: {at_s for table in tables.values() for at_s in table} for source, tables in sources.items()}

    def rank(source: str) -> tuple[bool, bool, int, str]:
        newest_s = max(times[source], default=-math.inf)
        has_gone = any(sum(at_s > newest_s for at_s in other) >= _GONE_AFTER for other in times.values())
        was_read = any(
            process in remembered and remembered[process].at_s in table for process, table in sources[source].items()
        )
        return has_gone, not was_read, -len(times[source]), source

    return sources[min(sources, key=rank)]


class _Sums:
    """Adds up what all processes counted."""

    def __init__(self, width: int, tick_s: float) -> None:
        self._tick_s = tick_s
        self._width = width
        self._counted = {side: [0.0] * width for side in Side}
        self._history: dict[int, list[float]] = {}

    def count(self, side: Side, counted: Values) -> None:
        _add(self._counted[side], counted)

    def remember(self, at_s: float, counted: Values) -> None:
        _add(self._history.setdefault(math.floor(at_s / self._tick_s), [0.0] * self._width), counted)

    def deltas(self) -> Deltas:
        history = tuple(_tally(self._history[tick]) for tick in sorted(self._history))
        return Deltas(_tally(self._counted[Side.CANARY]), _tally(self._counted[Side.PRIMARY]), history)


class _Known(NamedTuple):
    """What was read of a process; of a new one, until when others of its target were. `is_of_two` as of `Counted`."""

    seen: SeenProcess | None
    read_until_s: float
    is_of_two: bool


def _read_process(known: _Known, table: _Table, sides: Mapping[str, Side], sums: _Sums, times: Times) -> SeenProcess:
    """Add what a process counted; return what it is at now."""
    scraped = sorted(table)
    seen = known.seen
    values = dict(seen.values) if seen is not None else {}
    last_s = seen.at_s if seen is not None else None
    is_another_server = seen is not None and scraped[0] <= seen.at_s and seen.at_s not in table
    before_last = _before(table, scraped, last_s)
    for at_s in scraped:
        if last_s is not None and at_s <= last_s:
            continue
        last_row = dict(values)
        for unit, found in table[at_s].items():
            now, before = _sound(found), values.get(unit)
            if before is not None and known.is_of_two and _is_torn(before, now):
                continue
            values[unit] = _lasting(before, now) if known.is_of_two else now
            if (before is None and last_s is None) or at_s <= known.read_until_s:
                continue  # nobody knows since when this unit counts, or another process of it was read so far
            nothing = (0.0,) * len(now)
            is_falling_known = not is_another_server
            increase = _increase(before or nothing, values[unit], is_restart_known=is_falling_known)
            if at_s <= times.since_s:
                if sides[unit] is Side.PRIMARY and not _is_learned(at_s, times):
                    sums.remember(at_s, increase)
            elif sides[unit] is Side.PRIMARY or _is_its_own(last_s, before, before_last.get(unit), times):
                sums.count(sides[unit], increase)
        before_last, last_s, is_another_server = last_row, at_s, False
    return SeenProcess(last_s if last_s is not None else scraped[-1], values)


def _before(table: _Table, scraped: Sequence[float], last_s: float | None) -> Mapping[str, Values]:
    """Return the values of the scrape before the one that was read last."""
    older = [at_s for at_s in scraped if last_s is not None and at_s < last_s]
    return {unit: _sound(found) for unit, found in table[older[-1]].items()} if older else {}


def _is_its_own(last_s: float | None, before: Values | None, before_last: Values | None, times: Times) -> bool:
    """Return whether what the canary counted between two scrapes is the revision's own.

    Its first traffic may come between them: then the canary must have been at rest before, and without another
    revision since the first of the two.
    """
    if last_s is None or last_s >= times.since_s:
        return True
    if times.others_until_s is not None and last_s < times.others_until_s:
        return False
    return before is None or not any(before) or before == before_last


def _is_learned(at_s: float, times: Times) -> bool:
    return times.learned_until_s is not None and at_s <= times.learned_until_s


def _sound(found: Sequence[float]) -> Values:
    """Return counts that can be: not negative, and no more failures than requests."""
    requests = min(max(found[0], 0.0), _MOST)
    return (requests, *(min(max(each, 0.0), requests) for each in found[1:]))


def _is_torn(before: Values, now: Values) -> bool:
    """Return whether fewer requests are good than before, though there are no fewer: some are missing in the answer."""
    return now[0] >= before[0] and now[0] - now[1] < before[0] - before[1]


def _lasting(before: Values | None, now: Values) -> Values:
    """Return counts whose failures don't fall: what is counted, and not yet as good, is no failure for long."""
    if before is None or now[0] < before[0]:
        return now
    return (now[0], *(max(old, new) for old, new in zip(before[1:], now[1:], strict=True)))


def _increase(before: Values, now: Values, *, is_restart_known: bool) -> Values:
    """Return what was counted between two scrapes: after a restart all of it.

    It is told by any number that falls: of requests, of failures, or of the requests that did not fail.
    """
    grown = tuple([new - old for old, new in zip(before, now, strict=True)])
    if min(grown) >= 0 and max(grown) <= grown[0]:
        return grown
    return now if is_restart_known else tuple([max(0.0, each) for each in grown])


def _add(sums: list[float], counted: Values) -> None:
    for index, value in enumerate(counted):
        sums[index] += value


def _tally(values: Sequence[float]) -> Tally:
    pairs = zip(values[1::2], values[2::2], strict=True)
    return Tally(values[0], tuple(Failures(surely, perhaps) for surely, perhaps in pairs))


@lru_cache(maxsize=4_096)
def _hash(text: str) -> str:
    return hashlib.blake2s(text.encode(), digest_size=_KEY_CHARS // 2).hexdigest()

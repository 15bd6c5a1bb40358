"""The series of all canaries, rendered from what is stored of them; counters besides.

Whatever was not asked for at a scrape is not kept: a canary that has gone, a metric's old name, a bound, another
target's name have no series left at the next one.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from agent.series.counts import Counts, End
from agent.series.families import OF_CANARIES, READY, TOTAL, Shown, ready_line
from agent.series.snapshot import Snapshot, read_snapshot
from agent.series.text import label
from canary.api.canary import Canary
from canary.api.names import primary_name
from canary.run.judge import CheckResult
from canary.run.phase import Phase
from canary.run.state import State
from canary.run.status import UnknownPhase
from kube.resource import Object
from kube.store import Key, key_of

_log = logging.getLogger(__name__)

# A piece of the page holds the event loop for some milliseconds.
_READ_AT_ONCE: Final = 10
_WRITTEN_AT_ONCE: Final = 100


Leads: TypeAlias = Callable[[str], bool]
"""Returns whether this process leads the canaries of a namespace; of an empty one: any."""


class _Read(NamedTuple):
    """An object with what was read of it; None where its status can't be."""

    obj: Object
    snapshot: Snapshot | None


class _Written(NamedTuple):
    """The lines of one canary, those of each family in one text, and what they were made of."""

    snapshot: Snapshot
    counts: Counts | None
    changes: int
    texts: tuple[str, ...]

    def is_of(self, shown: Shown) -> bool:
        """Return whether nothing of it has changed since."""
        is_same = self.snapshot is shown.snapshot and self.counts is shown.counts
        return is_same and self.changes == shown.changes


class CanarySeries:
    """Renders the canaries that `stored` returns at each scrape, and keeps what is counted of them meanwhile."""

    def __init__(self, stored: Callable[[], Iterable[Object]]) -> None:
        self.stored = stored
        self._read: dict[Key, _Read] = {}
        self._counts: dict[Key, Counts] = {}
        self._written: dict[Key, _Written] = {}

    def count_checks(self, canary: Canary, results: Sequence[CheckResult], seconds: float) -> None:
        """Count what a tick's checks came to, those of hooks before those of metrics, and how long they took."""
        counts = self._counts_of(canary)
        counts.add_duration(seconds)
        counts.add_verdicts(canary.analysis.metrics if canary.analysis else (), results)

    def count_end(self, canary: Canary, state: State) -> None:
        """Count a run that ended."""
        end = End(state.phase is Phase.FAILED, canary.flaggers_strategy, state.control.skips_analysis)
        self._counts_of(canary).add_end(end)

    def forget(self, key: Key) -> None:
        """Drop what was counted of a canary that has gone, though nobody may ever ask for the page."""
        self._counts.pop(key, None)
        self._read.pop(key, None)
        self._written.pop(key, None)

    def pieces(self, leads: Leads) -> Iterator[str]:
        """Yield the page in pieces, of which none takes long; some are empty.

        Only who leads a canary shows it: two agents' series of it would count twice in each sum.
        """
        if not leads(""):
            self._read.clear()
            self._written.clear()
            return
        yield from self._read_changed(leads)
        read = sorted(self._read.items(), key=_by_age)
        yield _total(key.namespace for key, _ in read)
        whole, ready_lines = self._shown(read)
        yield READY.beginning() + "".join(ready_lines)
        yield from self._write_changed(whole)
        for position, (family, _) in enumerate(OF_CANARIES):
            yield family.beginning()
            yield "".join(written.texts[position] for written in self._written.values())

    def _counts_of(self, canary: Canary) -> Counts:
        key, target = Key(canary.namespace, canary.name), canary.spec.target_ref.name
        counts = self._counts.get(key)
        if counts is None or not counts.is_of(canary.uid, target):
            counts = self._counts[key] = Counts(canary.uid, target)
        return counts

    def _read_changed(self, leads: Leads) -> Iterator[str]:
        """Read the objects that are others than at the last scrape; yield nothing now and then."""
        stored = {key_of(obj): obj for obj in self.stored() if leads(obj["metadata"]["namespace"])}
        for key in self._counts.keys() - stored.keys():
            del self._counts[key]
        read: dict[Key, _Read] = {}
        changed = 0
        for key, obj in stored.items():
            known = self._read.get(key)
            if known is not None and known.obj is obj:
                read[key] = known
                continue
            read[key] = _Read(obj, _read(obj, known.snapshot if known else None))
            changed += 1
            if changed % _READ_AT_ONCE == 0:
                yield ""
        self._read = read

    def _write_changed(self, whole: Mapping[Key, Shown]) -> Iterator[str]:
        """Write the lines of those that are not as they were at the last scrape; yield nothing now and then."""
        written: dict[Key, _Written] = {}
        changed = 0
        for key, shown in whole.items():
            known = self._written.get(key)
            if known is not None and known.is_of(shown):
                written[key] = known
                continue
            texts = tuple("".join(lines(shown)) for _, lines in OF_CANARIES)
            written[key] = _Written(shown.snapshot, shown.counts, shown.changes, texts)
            changed += 1
            if changed % _WRITTEN_AT_ONCE == 0:
                yield ""
        self._written = written

    def _shown(self, read: Iterable[tuple[Key, _Read]]) -> tuple[dict[Key, Shown], list[str]]:
        """Return the canaries that have all their series, and of all of them the lines that say whether they are ready.

        Series are named after workloads: of two canaries with one target, the older one has them, and the other one is
        not ready.
        """
        whole: dict[Key, Shown] = {}
        claimed: set[tuple[str, str]] = set()
        ready_lines: dict[str, None] = {}
        for key, (_, snapshot) in read:
            if snapshot is None:
                continue
            ready_lines[ready_line(snapshot)] = None
            workloads = {(key.namespace, name) for name in (snapshot.target, primary_name(snapshot.target))}
            if snapshot.spec is not None and claimed.isdisjoint(workloads):
                claimed |= workloads
                counts = self._counts.get(key)
                is_ours = counts is not None and counts.is_of(snapshot.uid, snapshot.target)
                whole[key] = Shown(snapshot, snapshot.spec, counts if is_ours else None)
        return whole, list(ready_lines)


def _read(obj: Object, before: Snapshot | None) -> Snapshot | None:
    try:
        return read_snapshot(obj, before)
    except UnknownPhase:
        return None
    except Exception:  # noqa: BLE001  what stands in one object must not keep the others from the page
        _log.exception("series of canary %s: not shown", "/".join(key_of(obj)))
        return None


def _by_age(item: tuple[Key, _Read]) -> tuple[str, Key]:
    return str(item[1].obj["metadata"].get("creationTimestamp", "")), item[0]


def _total(namespaces: Iterable[str]) -> str:
    """Return how many canaries each namespace has; one that lost its last has none, and no series."""
    counts = Counter(namespaces)
    lines = (TOTAL.line(label("namespace", namespace), count) for namespace, count in sorted(counts.items()))
    return TOTAL.beginning() + "".join(lines)

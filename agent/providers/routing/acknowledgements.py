"""Which routes Gloo has acknowledged.

The only acknowledgement that Gloo gives is that it empties the proxy's entry in the table's status and fills it again,
some 1.6 s after a change of the routes (recorded in tests/contract/gloo). So what is remembered of each table is
whether that happened since its routes came to be as they are, whoever wrote them; a write that never reached the API
server is not waited for.

What an agent did not see (it was not running, or its watch was broken) it reads from the object: a status that was
written after our last write, and a while after it or not again for a while, is one that Gloo made of that write.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from agent.status_times import status_times
from canary.run.revision import content_hash
from kube.store import Key
from render.gloo_status import ProxyEntry, read_proxies
from render.objects import Object

ACKNOWLEDGED_WITHIN_S: Final = 5.0
"""An acknowledgement that takes longer is told to be missing. It is waited for all the same."""

# Gloo writes the statuses of table and VirtualServices one after the other: the last may still speak of the past.
_OTHERS_FOLLOW_WITHIN_S: Final = 0.5

# Gloo empties an entry about 0.6 s after the write that it is about: one emptied sooner is about a neighbour's.
_EMPTIED_AFTER_S: Final = 0.3

# By then Gloo has gone on from what it was at when a write reached it: 1.6 s were recorded for all of that. Together
# they are less than the time after which an acknowledgement is told to be missing.
FOLLOWED_WITHIN_S: Final = 3.0


class Acknowledgement(Enum):
    """Whether the gateway serves a table's routes as they stand."""

    GIVEN = auto()
    AWAITED = auto()
    MISSING = auto()


@dataclass(slots=True)
class _Routes:
    """The routes of a table as they stand, known since `since_s`, and the table as it was seen last.

    `was_emptied`: half of their acknowledgement was seen. `proxies`: what was said of them, or of those before, when
    the entries were filled last. `left_port`: the port that these routes led away from. `earlier`: the routes that Gloo
    may have made something of since it last acknowledged any, those included. `may_be_known`: these are among them.
    """

    digest: str
    table: Object
    since_s: float
    proxies: tuple[ProxyEntry, ...] | None
    left_port: int | None
    was_emptied: bool = False
    earlier: frozenset[str] = frozenset()
    may_be_known: bool = False
    acknowledged_at_s: float | None = None


class Acknowledgements:
    """Remembers the routes of each table. Times are seconds since the epoch."""

    def __init__(self) -> None:
        self._routes: dict[Key, _Routes] = {}
        self._leaving: dict[Key, int] = {}

    def __len__(self) -> int:
        """Return how many tables are remembered."""
        return len(self._routes)

    def leave(self, table: Key, port: int) -> None:
        """Note that the write that is about to be made leads away from a port."""
        self._leaving[table] = port

    def note(self, table: Key, obj: Object | None, now_s: float) -> None:
        """Note how the table stands now, None for gone."""
        if obj is None:
            self._routes.pop(table, None)
            self._leaving.pop(table, None)
            return
        digest, proxies = _digest(obj), read_proxies(obj)
        known = self._routes.get(table)
        if known is None:
            # A first entry can only be made by a Gloo that has seen the table. Else nothing is known of it.
            is_new = proxies == ()
            self._routes[table] = _Routes(
                digest, obj, now_s, proxies, self._leaving.pop(table, None), was_emptied=is_new, may_be_known=not is_new
            )
            return
        if known.digest != digest:
            before = known.proxies if proxies is None else proxies
            earlier = {known.digest} if known.acknowledged_at_s is not None else {known.digest, *known.earlier}
            self._routes[table] = _Routes(
                digest,
                obj,
                now_s,
                before,
                self._leaving.pop(table, None),
                earlier=frozenset(earlier),
                may_be_known=digest in earlier,
            )
            return
        known.table = obj
        if _is_emptied(proxies, known.proxies):
            known.was_emptied = known.was_emptied or now_s >= known.since_s + _EMPTIED_AFTER_S
            return
        known.proxies = proxies
        if known.was_emptied and known.acknowledged_at_s is None:
            known.acknowledged_at_s = now_s

    def of(self, table: Key, obj: Object, now_s: float) -> Acknowledgement:
        """Return what is known of the routes of a table, which `obj` shows as they stand."""
        known = self._routes.get(table)
        if known is None or (known.table is not obj and known.digest != _digest(obj)):
            self.note(table, obj, now_s)
            known = self._routes[table]
        known.since_s = min(known.since_s, now_s)  # the clock may step back
        if known.acknowledged_at_s is not None:
            is_recent = 0 <= now_s - known.acknowledged_at_s < _OTHERS_FOLLOW_WITHIN_S
            return Acknowledgement.AWAITED if is_recent else Acknowledgement.GIVEN
        if _is_followed(obj, now_s):
            known.acknowledged_at_s = now_s - _OTHERS_FOLLOW_WITHIN_S
            return Acknowledgement.GIVEN
        is_late = now_s - known.since_s >= ACKNOWLEDGED_WITHIN_S
        return Acknowledgement.MISSING if is_late else Acknowledgement.AWAITED

    def proxies(self, table: Key) -> tuple[ProxyEntry, ...]:
        """Return what the proxies said last of a table: they empty their entries at each change of anybody's."""
        known = self._routes.get(table)
        return (known.proxies if known is not None else None) or ()

    def may_be_known(self, table: Key) -> bool:
        """Return whether Gloo may have had a table's routes before they were written last: it acknowledges changes."""
        known = self._routes.get(table)
        return known is not None and known.may_be_known

    def left_port(self, table: Key, obj: Object, now_s: float) -> int | None:
        """Return the port that the gateway may still send to though the table's last write led away from it."""
        is_given = self.of(table, obj, now_s) is Acknowledgement.GIVEN
        return None if is_given else self._routes[table].left_port


def _is_emptied(proxies: tuple[ProxyEntry, ...] | None, before: tuple[ProxyEntry, ...] | None) -> bool:
    """Return whether a proxy's entry is empty, or gone: a Gloo that has just started knows no proxy's status yet."""
    return proxies is None or (not proxies and bool(before))


def _is_followed(table: Object, now_s: float) -> bool:
    """Return whether the status that the table has was made of what we wrote last, by the times of the two writes."""
    if not read_proxies(table):
        return False
    routes_at_s, status_at_s = status_times(table)
    if routes_at_s is None or status_at_s is None:
        return False
    is_later = status_at_s > routes_at_s
    return is_later and max(status_at_s - routes_at_s, now_s - status_at_s) >= FOLLOWED_WITHIN_S


def _digest(table: Object) -> str:
    routes: Any = (table.get("spec") or {}).get("routes")
    return content_hash(routes)

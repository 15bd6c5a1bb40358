"""Since when the gateway serves what a canary's route shows, as far as this agent has seen it.

It is known to this process alone. What has to outlive it is stored, see `canary.decide.served`.
"""

from dataclasses import dataclass, replace
from typing import Final

from canary.run.observation import Route, RouteState
from canary.run.traffic import Traffic

_SERVED: Final = frozenset({RouteState.SETTLED, RouteState.WARNED})

# A canary with a run under way is looked at more often. Who did not look for longer did not lead meanwhile.
_LOOKED_AGAIN_S: Final = 30.0


@dataclass(slots=True)
class _Seen:
    traffic: Traffic
    sequence: int
    looked_at_s: float
    since_s: float | None = None


class ServedSince:
    """Remembers of one canary's route since when its split is served. Times are seconds since the epoch."""

    def __init__(self) -> None:
        self._seen: _Seen | None = None

    def note(self, route: Route, now_s: float) -> Route:
        """Return the route as it is observed now, with the moment since when its split is served, if it is known.

        A gateway that is silent, or refuses what others wrote, goes on serving what it acknowledged.
        """
        seen = self._seen
        if seen is None or not self._is_followed(seen, route, now_s):
            seen = self._seen = _Seen(route.traffic, route.sequence, now_s)
        seen.looked_at_s = now_s
        if not route.is_exact:
            seen.since_s = None
        elif seen.since_s is not None:
            seen.since_s = min(seen.since_s, now_s)  # the clock may step back
        elif route.state in _SERVED:
            seen.since_s = now_s
        return replace(route, served_since_s=seen.since_s)

    @staticmethod
    def _is_followed(seen: _Seen, route: Route, now_s: float) -> bool:
        is_same = (seen.traffic, seen.sequence) == (route.traffic, route.sequence)
        return is_same and now_s - seen.looked_at_s <= _LOOKED_AGAIN_S

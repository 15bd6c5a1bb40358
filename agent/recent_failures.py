"""What failed lately: said once, and spared, until it works again."""

from collections.abc import Callable


class RecentFailures:
    """Keys of what failed and has not worked since; those of `kept_for_s` ago are forgotten when another is noted."""

    def __init__(self, kept_for_s: float, clock: Callable[[], float]) -> None:
        self._kept_for_s = kept_for_s
        self._clock = clock
        self._failed_at_s: dict[str, float] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._failed_at_s

    def note(self, key: str) -> bool:
        """Note that something failed; return whether it is new."""
        now_s = self._clock()
        self._failed_at_s = {key: at_s for key, at_s in self._failed_at_s.items() if now_s - at_s < self._kept_for_s}
        is_new = key not in self._failed_at_s
        self._failed_at_s[key] = now_s
        return is_new

    def forget(self, key: str) -> None:
        """Note that it works."""
        self._failed_at_s.pop(key, None)

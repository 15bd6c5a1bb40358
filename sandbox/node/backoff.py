"""The kubelet's back-off: 10 s after the first crash, doubling to 300 s, forgotten after 10 minutes of good running."""

from dataclasses import dataclass

_FIRST_S = 10.0
_LONGEST_S = 300.0
_FORGET_S = 600.0


@dataclass
class Backoff:
    """The restarts of one container. `scale` shortens all its times: 0.1 makes the first delay one second."""

    scale: float = 1.0
    _delay_s: float = 0.0

    def after_failure(self, ran_s: float) -> float:
        """Return the seconds to wait after a run of `ran_s` seconds; the very first restart is at once."""
        if ran_s >= _FORGET_S * self.scale:
            self._delay_s = 0.0
        waiting_s = self._delay_s
        self._delay_s = min(max(self._delay_s * 2, _FIRST_S * self.scale), _LONGEST_S * self.scale)
        return waiting_s

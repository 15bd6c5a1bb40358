"""What simulated clusters are made of: how ready their sides are, how they answer, and what ends a tick early."""

from collections.abc import Iterator

from canary.run.judge import Verdict
from canary.run.readiness import Readiness

READY = Readiness(is_ready=True, has_available=True)
UNREADY = Readiness(
    is_ready=False, has_available=False, explanation="waiting for rollout to finish: 0 of 2 are available"
)
ROLLING = Readiness(
    is_ready=False, has_available=True, explanation="waiting for rollout to finish: 1 old replica is left"
)


class Refused(Exception):  # noqa: N818  the API server's answer to a write made from an old view
    """A test of a patch or a resourceVersion did not hold."""


class Crash(Exception):  # noqa: N818  an event of the tape, not an error
    """The agent dies here."""


def always(verdict: Verdict) -> Iterator[Verdict]:
    """Answer every question alike."""
    while True:
        yield verdict

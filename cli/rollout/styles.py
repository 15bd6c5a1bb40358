"""Which colour a word has in a terminal."""

from typing import Final

from canary.run.phase import ANALYSING, Phase
from cli.rollout.canary import CanaryView

GOOD: Final = "green"
BAD: Final = "bold red"
BUSY: Final = "cyan"
HELD: Final = "yellow"
QUIET: Final = "dim"
STRONG: Final = "bold"


def phase_style(view: CanaryView) -> str:
    """Return the style of a canary's phase."""
    if view.waits_for_somebody or view.queue:
        return HELD
    if view.phase == Phase.FAILED:
        return BAD
    if view.is_idle:
        return GOOD
    return BUSY if view.phase in ANALYSING | {Phase.PROMOTING, Phase.FINALISING} else QUIET


def ready_style(view: CanaryView) -> str:
    """Return the style of the Ready condition."""
    return {True: GOOD, False: BAD, None: QUIET}[view.is_ready]

"""What is wrong with a canary that goes on all the same: not served as meant, or tried again and again."""

from dataclasses import dataclass
from typing import Final

from canary.run.state import Blocker

TOLERATED_S: Final = 60.0

RETRYING: Final = "Retrying"
"""The reason of a tick that fails each time: nothing else of the canary is known then."""


def is_other_reason(one: Blocker | None, other: Blocker | None) -> bool:
    """Return whether two reasons differ; a reason's sentence alone may change with each tick."""
    return (one and one.reason) != (other and other.reason)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a canary is not ready, once it has been so for `tolerated_s`."""

    why: Blocker
    tolerated_s: float = TOLERATED_S

"""What is wrong with a canary that goes on all the same: not served as meant, or tried again and again."""

from dataclasses import dataclass
from typing import Final

from canary.run.state import Blocker

TOLERATED_S: Final = 60.0

RETRYING: Final = "Retrying"
"""The reason of a tick that fails each time: nothing else of the canary is known then."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a canary is not ready, once it has been so for `tolerated_s`."""

    why: Blocker
    tolerated_s: float = TOLERATED_S

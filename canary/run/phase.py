"""The phases of a canary, the transitions allowed between them, and what each says in the `Promoted` condition.

Source of the names and messages: Flagger 1.44, `pkg/apis/flagger/v1beta1/status.go` and `pkg/canary/status.go`.
"""

from enum import StrEnum
from typing import Final, Literal


class Phase(StrEnum):
    """`status.phase`, in Flagger's spelling."""

    INITIALIZING = "Initializing"
    INITIALIZED = "Initialized"
    WAITING = "Waiting"
    PROGRESSING = "Progressing"
    WAITING_PROMOTION = "WaitingPromotion"
    PROMOTING = "Promoting"
    FINALISING = "Finalising"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    TERMINATING = "Terminating"
    TERMINATED = "Terminated"


IDLE: Final = frozenset({Phase.INITIALIZED, Phase.SUCCEEDED, Phase.FAILED})
"""No run is on; a new revision starts one."""

ANALYSING: Final = frozenset({Phase.WAITING, Phase.PROGRESSING, Phase.WAITING_PROMOTION})
"""A run is on and nothing of it has reached the primary yet: a new revision starts the analysis again."""

_FOLLOWING: Final[dict[Phase | None, frozenset[Phase]]] = {
    None: frozenset({Phase.INITIALIZING}),
    Phase.INITIALIZING: frozenset({Phase.INITIALIZED}),
    Phase.INITIALIZED: frozenset({Phase.PROGRESSING, Phase.WAITING, Phase.INITIALIZING}),
    Phase.WAITING: frozenset({Phase.PROGRESSING, Phase.PROMOTING, Phase.FINALISING, Phase.FAILED}),
    Phase.PROGRESSING: frozenset(
        {Phase.WAITING, Phase.WAITING_PROMOTION, Phase.PROMOTING, Phase.FINALISING, Phase.FAILED},
    ),
    Phase.WAITING_PROMOTION: frozenset(
        {Phase.WAITING, Phase.PROGRESSING, Phase.PROMOTING, Phase.FINALISING, Phase.FAILED},
    ),
    Phase.PROMOTING: frozenset({Phase.FINALISING, Phase.WAITING, Phase.PROGRESSING, Phase.FAILED}),
    Phase.FINALISING: frozenset({Phase.SUCCEEDED}),
    Phase.SUCCEEDED: frozenset({Phase.PROGRESSING, Phase.WAITING, Phase.INITIALIZING}),
    Phase.FAILED: frozenset({Phase.PROGRESSING, Phase.WAITING, Phase.INITIALIZING}),
    Phase.TERMINATING: frozenset({Phase.TERMINATED}),
    Phase.TERMINATED: frozenset(),
}

TRANSITIONS: Final = {
    phase: following if phase in {None, Phase.TERMINATED} else following | {Phase.TERMINATING}
    for phase, following in _FOLLOWING.items()
}
"""Phase -> the phases that may follow it, the deletion's from any. Staying in a phase is always allowed."""

ConditionStatus = Literal["True", "False", "Unknown"]

_PROMOTED: Final[dict[Phase, tuple[ConditionStatus, str]]] = {
    Phase.INITIALIZING: ("Unknown", "New {kind} detected, starting initialization."),
    Phase.INITIALIZED: ("True", "{kind} initialization completed."),
    Phase.WAITING: ("Unknown", "Waiting for approval."),
    Phase.WAITING_PROMOTION: ("Unknown", "Waiting for approval."),
    Phase.PROGRESSING: ("Unknown", "New revision detected, progressing canary analysis."),
    Phase.PROMOTING: ("Unknown", "Canary analysis completed, starting primary rolling update."),
    Phase.FINALISING: ("Unknown", "Canary analysis completed, routing all traffic to primary."),
    Phase.SUCCEEDED: ("True", "Canary analysis completed successfully, promotion finished."),
    Phase.FAILED: ("False", "Canary analysis failed, {kind} scaled to zero."),
    Phase.TERMINATING: ("Unknown", "Canary is being deleted."),
    Phase.TERMINATED: ("Unknown", "Canary was deleted."),
}


def promoted_condition(phase: Phase, target_kind: str) -> tuple[ConditionStatus, str]:
    """Return (status, message) of the `Promoted` condition that belongs to a phase."""
    status, message = _PROMOTED[phase]
    return status, message.format(kind=target_kind)

"""The names under which we store anything in objects: annotations, a label, the finalizer, and the keys of our status.

Objects that other versions wrote carry them too, so none of them ever changes its meaning.
"""

from typing import Final

OUR_PREFIX: Final = "serin.dev/"
"""What our annotations begin with. Those of Flagger that mean the same to us keep Flagger's names."""

# On a Canary.

FINALIZER: Final = "finalizer.flagger.app"
"""Flagger's name for it, so that a canary taken over is let go of by whoever runs."""

REQUEST_ANNOTATION: Final = "serin.dev/request"
"""What somebody asks of a run: `canary.run.request`."""

REQUESTED_BY_ANNOTATION: Final = "serin.dev/requested-by"
"""Who asks it: written by the admission webhook, which lets nobody else write it."""

# On a target and its primary.

REVISION_ANNOTATION: Final = "serin.dev/revision"
"""On the target: the admission webhook's mark. On the primary: the revision whose template it was last given."""

CHANGED_ANNOTATION: Final = "serin.dev/changed"
"""Of the mark: what changed, in words."""

CHANGED_BY_ANNOTATION: Final = "serin.dev/changed-by"
"""Of the mark: who applied the change."""

CONFIG_ANNOTATION: Final = "serin.dev/config"
"""On pods of either side: the hash of what they were configured by when they started. No revision of its own."""

FLAGGER_ID_ANNOTATION: Final = "flagger-id"
"""A random pod annotation by which Flagger makes every promotion a rolling update.

Ours is one when the template differs, so it is never rendered, and the pods of a cluster taken over need no restart.
"""

SCALE_TO_ZERO_LABEL: Final = "flagger.app/scale-to-zero"
"""A node label that no node has: selecting it is how a DaemonSet is scaled to zero. No revision of its own."""

TRACKING_ANNOTATION: Final = "flagger.app/config-tracking"
"""A value that begins with `disable` takes a ConfigMap or Secret out of tracking, on a target all that it refers to."""

# On generated objects.

APPLIED_ANNOTATION: Final = "serin.dev/applied"
"""A hash of what was last applied. A field that is no longer rendered shows in nothing else."""

MOVE_ANNOTATION: Final = "serin.dev/move"
"""On the RouteTable: the Canary's uid and the number of the transition (StatusKey.SEQUENCE) that its weights belong to.

It fences off an agent that was stopped before a write and wakes up after others have moved on: by the weights alone
100/0 before the run and 100/0 after a rollback are the same.
"""

OWNED_ANNOTATION: Final = "serin.dev/owned"
"""On the RouteTable: which of its fields are ours, as `render.owned_fields` writes them."""

# In `.status` of a Canary. Keys outside of `serin` are Flagger's.

SERIN_STATUS: Final = "serin"
"""The key of `.status` that holds ours."""


class StatusKey:
    """The keys of `.status.serin`. What each means is said at the field of `canary.run.state` that it stores."""

    ALERTED_BY: Final = "alertedBy"
    ANALYSIS_SKIPPED: Final = "analysisSkipped"
    ANSWERED_HOOKS: Final = "answeredHooks"
    BAKE_STARTED_AT: Final = "bakeStartedAt"
    CHANGE: Final = "change"
    CHECKS: Final = "checks"
    CHECKS_PASSED: Final = "cleared"
    DECISIVE_AT: Final = "lastDecisiveAt"
    EVIDENCE: Final = "evidence"
    FAILED_IN_ROW: Final = "failedInRow"
    FINISHED_REVISION: Final = "finishedRevision"
    GIVEN_UP: Final = "givenUp"
    GROWTH_STARTED_AT: Final = "grownAt"
    HISTORY: Final = "history"
    INCLUDES_UNMATCHED: Final = "forEveryone"
    MESSAGES: Final = "news"
    MIRROR_PERCENT: Final = "mirrorPercent"
    NAMES: Final = "names"
    NEXT_CHECK_AT: Final = "notBefore"
    NOT_READY: Final = "notReady"
    PAUSED: Final = "paused"
    PRIMARY_FLOOR: Final = "primaryFloor"
    PRIMARY_GROWTH_STARTED_AT: Final = "primaryGrownAt"
    POST_ROLLOUT_PENDING: Final = "endUntold"
    PRIMARY_DOWN_AT: Final = "primaryDownSince"
    PROMOTION_CHECKED_AT: Final = "promotionCheckedAt"
    PROMOTION_LATE: Final = "promotionLate"
    QUEUE: Final = "queue"
    REQUEST: Final = "request"
    RUN: Final = "run"
    SEQUENCE: Final = "sequence"
    SERVED_AT: Final = "servedAt"
    SHIFTED_AT: Final = "shiftedAt"
    STARTED_AT: Final = "firstWeightAt"
    STEP: Final = "step"
    STEP_RESUMED: Final = "stepResumed"
    STEP_SERVED_AT: Final = "stepServedAt"
    STORED_AT: Final = "storedAt"
    STRATEGY: Final = "strategy"
    TARGET: Final = "seen"
    UNANALYSED: Final = "unanalysed"
    UNOBSERVED: Final = "unobservedSeconds"
    UNREADY_AT: Final = "unreadySince"
    UNSENT_ALERTS: Final = "unsentAlerts"
    WAITING_FOR: Final = "waitingFor"

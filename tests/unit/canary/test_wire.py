"""What is stored in objects keeps its name: other versions wrote it, and people and tools read it."""

import pytest

from canary.run import wire

NAMES = {
    "OUR_PREFIX": "serin.dev/",
    "FINALIZER": "finalizer.flagger.app",
    "REQUEST_ANNOTATION": "serin.dev/request",
    "REQUESTED_BY_ANNOTATION": "serin.dev/requested-by",
    "REVISION_ANNOTATION": "serin.dev/revision",
    "CHANGED_ANNOTATION": "serin.dev/changed",
    "CHANGED_BY_ANNOTATION": "serin.dev/changed-by",
    "CONFIG_ANNOTATION": "serin.dev/config",
    "FLAGGER_ID_ANNOTATION": "flagger-id",
    "SCALE_TO_ZERO_LABEL": "flagger.app/scale-to-zero",
    "TRACKING_ANNOTATION": "flagger.app/config-tracking",
    "APPLIED_ANNOTATION": "serin.dev/applied",
    "MOVE_ANNOTATION": "serin.dev/move",
    "OWNED_ANNOTATION": "serin.dev/owned",
    "SERIN_STATUS": "serin",
}
STATUS_KEYS = {
    "ALERTED_BY": "alertedBy",
    "ANALYSIS_SKIPPED": "analysisSkipped",
    "ANSWERED_HOOKS": "answeredHooks",
    "BAKE_STARTED_AT": "bakeStartedAt",
    "CHANGE": "change",
    "CHECKS": "checks",
    "CHECKS_PASSED": "cleared",
    "DECISIVE_AT": "lastDecisiveAt",
    "EVIDENCE": "evidence",
    "FAILED_IN_ROW": "failedInRow",
    "FINISHED_REVISION": "finishedRevision",
    "GIVEN_UP": "givenUp",
    "GROWTH_STARTED_AT": "grownAt",
    "HISTORY": "history",
    "INCLUDES_UNMATCHED": "forEveryone",
    "MESSAGES": "news",
    "MIRROR_PERCENT": "mirrorPercent",
    "NAMES": "names",
    "NEXT_CHECK_AT": "notBefore",
    "NOT_READY": "notReady",
    "PAUSED": "paused",
    "PRIMARY_FLOOR": "primaryFloor",
    "PRIMARY_GROWTH_STARTED_AT": "primaryGrownAt",
    "POST_ROLLOUT_PENDING": "endUntold",
    "PRIMARY_DOWN_AT": "primaryDownSince",
    "PROMOTION_CHECKED_AT": "promotionCheckedAt",
    "PROMOTION_LATE": "promotionLate",
    "QUEUE": "queue",
    "REQUEST": "request",
    "RUN": "run",
    "SEQUENCE": "sequence",
    "SERVED_AT": "servedAt",
    "SHIFTED_AT": "shiftedAt",
    "STARTED_AT": "firstWeightAt",
    "STEP": "step",
    "STEP_RESUMED": "stepResumed",
    "STEP_SERVED_AT": "stepServedAt",
    "STORED_AT": "storedAt",
    "STRATEGY": "strategy",
    "TARGET": "seen",
    "UNANALYSED": "unanalysed",
    "UNOBSERVED": "unobservedSeconds",
    "UNREADY_AT": "unreadySince",
    "UNSENT_ALERTS": "unsentAlerts",
    "WAITING_FOR": "waitingFor",
}


@pytest.mark.parametrize(("holder", "literals"), [(wire, NAMES), (wire.StatusKey, STATUS_KEYS)])
def test_each_name_is_the_one_that_is_stored_since_long(holder: object, literals: dict[str, str]) -> None:
    assert {name: value for name, value in vars(holder).items() if name.isupper()} == literals

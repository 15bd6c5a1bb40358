"""The stored intent as `.status`, read and written.

Flagger's fields keep Flagger's names and meaning; ours stand under `status.serin`. Fields that we don't know are kept.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from canary.api.canary import Strategy
from canary.api.names import Identity
from canary.api.parts import items_of, mapping_of, text_of
from canary.run.counts import read_amount, read_count
from canary.run.evidence import read_evidence_of, write_evidence_of
from canary.run.history import Run, read_history, read_run, write_history, write_run
from canary.run.kept import read_checks, write_checks
from canary.run.mark import Mark
from canary.run.messages import Alert, Message, Severity
from canary.run.moments import read_time, write_second, write_time
from canary.run.phase import ANALYSING, IDLE, ConditionStatus, Phase, promoted_condition
from canary.run.queue import Queued
from canary.run.request import RequestResult
from canary.run.state import (
    Analysis,
    Blocker,
    Control,
    HookAnswers,
    Promotion,
    Revisions,
    State,
    StepRecord,
    TargetIdentity,
    Timing,
    TransitionRecord,
)
from canary.run.traffic import TOTAL_PERCENT, Traffic
from canary.run.unsent import read_unsent, write_unsent
from canary.run.wire import SERIN_STATUS, StatusKey

READY: Final = "Ready"
PROMOTED: Final = "Promoted"


class UnknownPhase(ValueError):  # noqa: N818  reads as what was found, as the other error families do
    """`status.phase` is a word that this version doesn't know: stand still and say so."""


def read_state(status: Mapping[str, Any] | None) -> State:
    """Read `.status`; absent or empty is a canary that was never touched. What comes out of it has the declared types.

    Raises:
        UnknownPhase: `phase` is none of Flagger's.
        AttributeError, KeyError, OverflowError, TypeError, ValueError: somebody's hand wrote something else into it.
    """
    status = status or {}
    ours: Mapping[str, Any] = status.get(SERIN_STATUS) or {}
    false_ready, is_only_told = _read_blocker(items_of(status, "conditions")), bool(ours.get(StatusKey.NOT_READY))
    return State(
        phase=_read_phase(status.get("phase")),
        traffic=_read_traffic(status, ours),
        served_at_s=read_time(ours.get(StatusKey.SERVED_AT)),
        previous_cookie=_read_text(status.get("previousSessionAffinityCookie", "")),
        strategy=cast(
            "Strategy", _read_text(ours.get(StatusKey.STRATEGY, "canary"))
        ),  # what says nothing was written when there were no others
        primary_floor=read_count(ours.get(StatusKey.PRIMARY_FLOOR, 0)),
        identity=read_identity(status),
        target=_read_target(ours.get(StatusKey.TARGET), status.get("trackedConfigs")),
        revisions=Revisions(
            analysed=_read_text(status.get("lastAppliedSpec", "")),
            promoted=_read_text(status.get("lastPromotedSpec", "")),
            finished=_read_text(ours.get(StatusKey.FINISHED_REVISION, "")),
            change=_read_change(ours.get(StatusKey.CHANGE)),
        ),
        analysis=_read_analysis(status, ours),
        promotion=Promotion(
            is_late=bool(ours.get(StatusKey.PROMOTION_LATE, False)),
            growth_started_at_s=read_time(ours.get(StatusKey.PRIMARY_GROWTH_STARTED_AT)),
            checked_at_s=read_time(ours.get(StatusKey.PROMOTION_CHECKED_AT)),
        ),
        hooks=HookAnswers(
            answered=tuple(map(_read_text, ours.get(StatusKey.ANSWERED_HOOKS, ()))),
            waiting_for=tuple(map(_read_text, ours.get(StatusKey.WAITING_FOR, ()))),
            post_rollout_pending=bool(ours.get(StatusKey.POST_ROLLOUT_PENDING, False)),
        ),
        control=Control(
            is_paused=bool(ours.get(StatusKey.PAUSED, False)),
            skips_analysis=bool(ours.get(StatusKey.ANALYSIS_SKIPPED, False)),
            request=RequestResult.read(ours.get(StatusKey.REQUEST)),
        ),
        timing=Timing(
            next_check_at_s=read_time(ours.get(StatusKey.NEXT_CHECK_AT)) or 0.0,
            unready_at_s=read_time(ours.get(StatusKey.UNREADY_AT)),
            shifted_at_s=read_time(ours.get(StatusKey.SHIFTED_AT)),
            primary_down_at_s=read_time(ours.get(StatusKey.PRIMARY_DOWN_AT)),
        ),
        blocker=None if is_only_told else false_ready,
        not_ready=false_ready if is_only_told else None,
        is_unanalysed=bool(ours.get(StatusKey.UNANALYSED, False)),
        queue=Queued.read(ours.get(StatusKey.QUEUE)),
        run=_read_run(status, ours),
        history=read_history(ours.get(StatusKey.HISTORY)),
        transition=_read_transition(status, ours),
        unsent=read_unsent(ours.get(StatusKey.UNSENT_ALERTS)),
    )


def _read_run(status: Mapping[str, Any], ours: Mapping[str, Any]) -> Run:
    """Read the run under way; one that an older version began counts from its first weight."""
    stored, is_under_way = ours.get(StatusKey.RUN), status.get("phase") in {*ANALYSING, Phase.PROMOTING}
    return read_run({"startedAt": ours.get(StatusKey.STARTED_AT)} if stored is None and is_under_way else stored)


def _read_traffic(status: Mapping[str, Any], ours: Mapping[str, Any]) -> Traffic:
    return Traffic(
        canary_percent=_read_percent(status.get("canaryWeight", 0)),
        mirror_percent=_read_percent(ours.get(StatusKey.MIRROR_PERCENT, 0)),
        cookie=_read_text(status.get("sessionAffinityCookie", "")),
        includes_unmatched=bool(ours.get(StatusKey.INCLUDES_UNMATCHED, False)),
    )


def _read_transition(status: Mapping[str, Any], ours: Mapping[str, Any]) -> TransitionRecord:
    return TransitionRecord(
        sequence=read_count(ours.get(StatusKey.SEQUENCE, 0)),
        at_s=read_time(status.get("lastTransitionTime")) or 0.0,
        stored_at_s=read_time(ours.get(StatusKey.STORED_AT)) or 0.0,
        messages=tuple(_read_message(item) for item in ours.get(StatusKey.MESSAGES, ())),
        alerted_by=_read_text(ours.get(StatusKey.ALERTED_BY, "")),
    )


def _read_analysis(status: Mapping[str, Any], ours: Mapping[str, Any]) -> Analysis:
    return Analysis(
        started_at_s=read_time(ours.get(StatusKey.STARTED_AT)),
        decisive_at_s=read_time(ours.get(StatusKey.DECISIVE_AT)),
        failed_checks=read_count(status.get("failedChecks", 0)),
        iterations=read_count(status.get("iterations", 0)),
        step=StepRecord(
            number=read_count(ours.get(StatusKey.STEP, 0)),
            served_at_s=read_time(ours.get(StatusKey.STEP_SERVED_AT)),
            is_resumed=bool(ours.get(StatusKey.STEP_RESUMED, False)),
            bake_started_at_s=read_time(ours.get(StatusKey.BAKE_STARTED_AT)),
        ),
        checks_passed=bool(ours.get(StatusKey.CHECKS_PASSED, False)),
        growth_started_at_s=read_time(ours.get(StatusKey.GROWTH_STARTED_AT)),
        unobserved_s=read_amount(ours.get(StatusKey.UNOBSERVED, 0.0)),
        is_given_up=bool(ours.get(StatusKey.GIVEN_UP, False)),
        kept=read_checks(ours.get(StatusKey.CHECKS)),
        evidence=read_evidence_of(ours.get(StatusKey.EVIDENCE)),
        failed_in_row=tuple(
            (name, read_count(number)) for name, number in (ours.get(StatusKey.FAILED_IN_ROW) or {}).items()
        ),
    )


def read_identity(status: Mapping[str, Any]) -> Identity | None:
    """Read what a canary's objects are named after; None before there are any, and of older versions."""
    ours = status.get(SERIN_STATUS)
    names = ours.get(StatusKey.NAMES) if isinstance(ours, Mapping) else None
    found = [names.get(key) for key in ("target", "kind", "service")] if isinstance(names, Mapping) else []
    target, kind, apex = (str(name) if name and isinstance(name, str) else "" for name in found or ("", "", ""))
    return Identity(target, kind, apex) if target and kind and apex else None


def write_status(
    state: State, before: Mapping[str, Any] | None, *, target_kind: str, generation: int
) -> dict[str, Any]:
    """Return the whole new `.status`: `before` with the state's fields in place of the old ones."""
    status = dict(before or {})
    ours = dict(mapping_of(status, SERIN_STATUS)) | _write_ours(state)
    status |= {
        "canaryWeight": state.traffic.canary_percent,
        "sessionAffinityCookie": state.traffic.cookie,
        "previousSessionAffinityCookie": state.previous_cookie,
        "failedChecks": state.analysis.failed_checks,
        "iterations": state.analysis.iterations,
        "lastAppliedSpec": state.revisions.analysed,
        "lastPromotedSpec": state.revisions.promoted,
        "lastTransitionTime": write_second(state.transition.at_s),
        "observedGeneration": generation,
        "conditions": _write_conditions(state, items_of(status, "conditions"), target_kind),
        SERIN_STATUS: {key: value for key, value in ours.items() if value is not None},
    }
    if state.phase is not None:
        status["phase"] = str(state.phase)
    if state.target is not None:
        status["trackedConfigs"] = dict(state.target.configs)
    return status


def lost_fields(written: Mapping[str, Any], stored: Mapping[str, Any], path: str = "status") -> list[str]:
    """Name the fields of a written status that are not stored as they were written: each highest one by its path."""
    lost = []
    for key, value in written.items():
        found = stored.get(key)
        if isinstance(value, Mapping) and isinstance(found, Mapping):
            lost += lost_fields(value, found, f"{path}.{key}")
        elif found != value and (found or value):
            lost.append(f"{path}.{key}")
    return lost


def _write_ours(state: State) -> dict[str, Any]:
    """Return the fields of `status.serin`; None takes a field away."""
    timing, analysis, hooks, control, target = state.timing, state.analysis, state.hooks, state.control, state.target
    return {
        StatusKey.NEXT_CHECK_AT: write_time(timing.next_check_at_s or None),
        StatusKey.INCLUDES_UNMATCHED: state.traffic.includes_unmatched or None,
        StatusKey.MIRROR_PERCENT: state.traffic.mirror_percent or None,
        StatusKey.SEQUENCE: state.transition.sequence,
        StatusKey.FINISHED_REVISION: state.revisions.finished,
        StatusKey.CHANGE: _write_change(state.revisions.change),
        StatusKey.ANSWERED_HOOKS: list(hooks.answered),
        StatusKey.WAITING_FOR: list(hooks.waiting_for) or None,
        StatusKey.STEP: analysis.step.number or None,
        StatusKey.STEP_SERVED_AT: write_time(analysis.step.served_at_s),
        StatusKey.STEP_RESUMED: analysis.step.is_resumed or None,
        StatusKey.BAKE_STARTED_AT: write_time(analysis.step.bake_started_at_s),
        StatusKey.CHECKS_PASSED: analysis.checks_passed or None,
        StatusKey.STRATEGY: state.strategy,
        StatusKey.NAMES: None if state.identity is None else _write_identity(state.identity),
        StatusKey.POST_ROLLOUT_PENDING: hooks.post_rollout_pending or None,
        StatusKey.ANALYSIS_SKIPPED: control.skips_analysis,
        StatusKey.PROMOTION_LATE: state.promotion.is_late or None,
        StatusKey.NOT_READY: (state.blocker is None and state.not_ready is not None) or None,
        StatusKey.PRIMARY_FLOOR: state.primary_floor or None,
        StatusKey.PRIMARY_GROWTH_STARTED_AT: write_time(state.promotion.growth_started_at_s),
        StatusKey.PAUSED: control.is_paused or None,
        StatusKey.UNANALYSED: state.is_unanalysed or None,
        StatusKey.QUEUE: None if state.queue is None else state.queue.write(),
        StatusKey.RUN: write_run(state.run),
        StatusKey.HISTORY: write_history(state.history) or None,
        StatusKey.REQUEST: None if control.request is None else control.request.write(),
        StatusKey.MESSAGES: [_write_message(message) for message in state.transition.messages],
        StatusKey.ALERTED_BY: state.transition.alerted_by or None,
        StatusKey.UNSENT_ALERTS: write_unsent(state.unsent) or None,
        StatusKey.TARGET: None
        if target is None
        else {"uid": target.uid, "generation": target.generation, "revision": target.revision},
        StatusKey.UNREADY_AT: write_time(timing.unready_at_s),
        StatusKey.STARTED_AT: write_time(analysis.started_at_s),
        StatusKey.DECISIVE_AT: write_time(analysis.decisive_at_s),
        StatusKey.SERVED_AT: write_time(state.served_at_s),
        StatusKey.SHIFTED_AT: write_time(timing.shifted_at_s),
        StatusKey.GROWTH_STARTED_AT: write_time(analysis.growth_started_at_s),
        StatusKey.UNOBSERVED: round(analysis.unobserved_s, 3) or None,
        StatusKey.GIVEN_UP: analysis.is_given_up or None,
        StatusKey.CHECKS: write_checks(analysis.kept) or None,
        StatusKey.EVIDENCE: write_evidence_of(analysis.evidence) or None,
        StatusKey.FAILED_IN_ROW: dict(analysis.failed_in_row) or None,
        StatusKey.PROMOTION_CHECKED_AT: write_time(state.promotion.checked_at_s),
        StatusKey.PRIMARY_DOWN_AT: write_time(timing.primary_down_at_s),
        StatusKey.STORED_AT: write_time(state.transition.stored_at_s or None),
    }


def _read_target(target: Mapping[str, Any] | None, configs: Mapping[str, str] | None) -> TargetIdentity | None:
    if not target:
        return None
    tracked = {name: _read_text(content) for name, content in (configs or {}).items()}
    return TargetIdentity(
        _read_text(target["uid"]), read_count(target["generation"]), _read_text(target["revision"]), tracked
    )


def _write_identity(identity: Identity) -> dict[str, str]:
    return {"target": identity.target, "kind": identity.kind, "service": identity.apex}


def _read_phase(word: str | None) -> Phase | None:
    if not word:
        return None
    try:
        return Phase(word)
    except ValueError as error:
        allowed = ", ".join(Phase)
        raise UnknownPhase(f"status.phase: found {word!r}; allowed: {allowed}") from error


def _read_change(item: Mapping[str, Any] | None) -> Mark | None:
    return None if item is None else Mark(*(_read_text(item.get(key, "")) for key in ("revision", "what", "by")))


def _write_change(change: Mark | None) -> dict[str, str] | None:
    return None if change is None else {"revision": change.revision, "what": change.changed, "by": change.by}


def _read_message(item: Mapping[str, Any]) -> Message:
    stored = item.get("alert")
    alert = None
    if stored is not None:
        severity = cast("Severity", _read_text(stored["severity"]))
        text, reason = _read_text(stored["text"]), _read_text(stored.get("reason", ""))
        alert = Alert(severity, text, reason, has_settings=bool(stored.get("hasSettings", False)))
    return Message(_read_text(item["text"]), is_warning=item["type"] == "Warning", alert=alert)


def _write_message(message: Message) -> dict[str, Any]:
    item: dict[str, Any] = {"type": "Warning" if message.is_warning else "Normal", "text": message.text}
    if message.alert is not None:
        stored = {"severity": message.alert.severity, "text": message.alert.text}
        stored |= {"reason": message.alert.reason} if message.alert.reason else {}
        item["alert"] = stored | ({"hasSettings": True} if message.alert.has_settings else {})
    return item


def _read_blocker(conditions: Iterable[Any]) -> Blocker | None:
    for condition in conditions:
        if text_of(condition, "type") == READY and condition.get("status") == "False":
            return Blocker(text_of(condition, "reason"), text_of(condition, "message"))
    return None


def _write_conditions(state: State, before: Iterable[Any], target_kind: str) -> list[dict[str, Any]]:
    """Return the conditions `Promoted` (Flagger's) and `Ready` (ours), and keep those of others as they are.

    A condition's `lastTransitionTime` moves only with its status, and `lastUpdateTime` with anything of it.
    """
    old = {kind: condition for condition in before if (kind := text_of(condition, "type"))}
    new: dict[str, tuple[ConditionStatus, str, str]] = {}
    if state.phase is not None:
        status, message = promoted_condition(state.phase, target_kind)
        new[PROMOTED] = (status, str(state.phase), message)
    why = state.blocker or state.not_ready
    if why is not None:
        new[READY] = ("False", why.reason, why.message)
    elif state.queue is not None and state.phase in IDLE:
        message = f"A new revision waits for a turn: {state.queue.position} of {state.queue.of} in the queue."
        new[READY] = ("True", "Queued", message)
    elif state.is_unanalysed:
        message = "The canary is valid and watched, but without spec.analysis: every revision is promoted unanalysed."
        new[READY] = ("True", "Unanalysed", message)
    elif state.phase is not None or READY in old:
        new[READY] = ("True", "Reconciling", "The canary is valid and watched.")
    for kind, (verdict, reason, message) in new.items():
        previous = old.get(kind, {})
        if (previous.get("status"), previous.get("reason"), previous.get("message")) == (verdict, reason, message):
            continue
        now = write_second(state.transition.at_s)
        is_same_status = previous.get("status") == verdict
        old[kind] = {
            "type": kind,
            "status": verdict,
            "reason": reason,
            "message": message,
            "lastUpdateTime": now,
            "lastTransitionTime": previous.get("lastTransitionTime", now) if is_same_status else now,
        }
    return list(old.values())


def _read_text(found: object) -> str:
    """Return a text.

    Raises:
        TypeError: it is something else, which the API server stores where the CRD leaves a field free.
    """
    if not isinstance(found, str):
        raise TypeError(f"found {type(found).__name__}; allowed: a text")
    return found


def _read_percent(found: Any) -> int:
    return min(max(int(found), 0), TOTAL_PERCENT)

"""The stored intent of a canary: `.status`, read and written.

Everything that the agent means to do is in here before it does it; everything that it did can be done again from here.
Flagger's fields keep Flagger's names and meaning; ours stand under `status.serin`. Fields that we don't know are kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, Self

from canary.api.canary import Strategy
from canary.run.mark import Mark
from canary.run.messages import Alert, Message
from canary.run.phase import ConditionStatus, Phase, promoted_condition
from canary.run.request import RequestResult

READY: Final = "Ready"
PROMOTED: Final = "Promoted"


class UnknownPhase(ValueError):  # noqa: N818  reads as what was found, as the other error families do
    """`status.phase` is a word that this version doesn't know: stand still and say so."""


@dataclass(frozen=True, slots=True)
class TargetIdentity:
    """The target as it was when the state was written. They belong together.

    The same uid and generation with another template is not a change by a user: an upgraded API server fills in a new
    default. `configs` are the content hashes of the ConfigMaps and Secrets that the revision is made of besides, by
    `configmap/{name}` and `secret/{name}`: Flagger's `trackedConfigs`.
    """

    uid: str
    generation: int
    revision: str
    configs: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Blocker:
    """Why the canary can't go on: a CamelCase reason and a sentence that names object, path, found and allowed."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The intent. Times are seconds since the epoch; weights are percent.

    `analysed` is the revision under analysis or analysed last (Flagger's `lastAppliedSpec`), `promoted` the one that
    the primary was last given for good (`lastPromotedSpec`), `finished` the one whose run ended last, either way.
    `change`: what the analysed revision changed and who applied it, None where nobody marked it.
    `not_before_s`: no check and no step earlier. `unready_since_s`: since when a side that must be up is not.
    `first_weight_s`: since when this revision is under analysis: its first weight, mirror or iteration; None before.
    `decisive_s`: the last check that passed or failed.
    `shifted_s`: since when the side that is to be scaled down, or rolled without a pod left, is known to get no new
    traffic. `grown_s`: since when the canary side is to have the primary's size. `is_for_everyone`: the weight of an
    A/B test is for those who match nothing, too. `is_promotion_late`: it was told that the primary does not come up.
    `answered`: the hooks that said yes for this revision, as `canary.decide.context.answer_key` names them;
    `waiting_for`: those of the gates that the run waits for now, each is told of once. `is_cleared`: the checks of this
    interval passed, the next step waits for a due object or a gate. `strategy`: the one that the analysis began with.
    `is_paused`: somebody asked that the weight stays where it is; `request` is the last one and what became of it.
    `has_untold_end`: the run ended, and its post-rollout hooks have not been told. `mirror_percent` of the requests are
    copied to the canary side; `cookie` (`name=value`) keeps its users there, and `previous_cookie` is the one before.
    `news` belongs to the last move of the intent, and `sequence` counts those moves: together they name each message
    once and for all. `alerted_by`: the one process that sends the move's alerts, empty as long as none took them on.
    """

    phase: Phase | None = None
    canary_weight: int = 0
    is_for_everyone: bool = False
    mirror_percent: int = 0
    cookie: str = ""
    previous_cookie: str = ""
    failed_checks: int = 0
    iterations: int = 0
    analysed: str = ""
    promoted: str = ""
    finished: str = ""
    change: Mark | None = None
    seen: TargetIdentity | None = None
    last_transition_s: float = 0.0
    not_before_s: float = 0.0
    unready_since_s: float | None = None
    first_weight_s: float | None = None
    decisive_s: float | None = None
    shifted_s: float | None = None
    grown_s: float | None = None
    answered: tuple[str, ...] = ()
    waiting_for: tuple[str, ...] = ()
    is_cleared: bool = False
    strategy: Strategy = "canary"
    has_untold_end: bool = False
    is_analysis_skipped: bool = False
    is_promotion_late: bool = False
    is_paused: bool = False
    request: RequestResult | None = None
    blocked: Blocker | None = None
    sequence: int = 0
    news: tuple[Message, ...] = ()
    alerted_by: str = ""

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """What chats are told of the last move."""
        return tuple(replace(news.alert, change=self.change) for news in self.news if news.alert is not None)

    def moved(self, now_s: float, *news: Message, **changes: Any) -> Self:
        """Copy with changes, as the next move of the intent: with its news, its number and its time."""
        return replace(
            self, **{"last_transition_s": now_s} | changes, sequence=self.sequence + 1, news=news, alerted_by=""
        )


_TIMES: Final = {
    "unready_since_s": "unreadySince",
    "first_weight_s": "firstWeightAt",
    "decisive_s": "lastDecisiveAt",
    "shifted_s": "shiftedAt",
    "grown_s": "grownAt",
}
"""How the optional times are spelled under `status.serin`."""


def read_state(status: Mapping[str, Any] | None) -> State:
    """Read `.status`; absent or empty is a canary that was never touched.

    Raises:
        UnknownPhase: `phase` is none of Flagger's.
    """
    status = status or {}
    ours: Mapping[str, Any] = status.get("serin") or {}
    promoted, analysed = str(status.get("lastPromotedSpec", "")), str(status.get("lastAppliedSpec", ""))
    return State(
        phase=_read_phase(status.get("phase")),
        canary_weight=int(status.get("canaryWeight", 0)),
        is_for_everyone=bool(ours.get("forEveryone", False)),
        mirror_percent=int(ours.get("mirrorPercent", 0)),
        cookie=str(status.get("sessionAffinityCookie", "")),
        previous_cookie=str(status.get("previousSessionAffinityCookie", "")),
        failed_checks=int(status.get("failedChecks", 0)),
        iterations=int(status.get("iterations", 0)),
        analysed=analysed,
        promoted=promoted,
        finished=str(ours.get("finishedRevision", "")),
        change=_read_change(ours.get("change")),
        seen=_read_seen(ours.get("seen"), status.get("trackedConfigs")),
        last_transition_s=_read_time(status.get("lastTransitionTime")) or 0.0,
        not_before_s=_read_time(ours.get("notBefore")) or 0.0,
        answered=tuple(ours.get("answeredHooks", ())),
        waiting_for=tuple(ours.get("waitingFor", ())),
        is_cleared=bool(ours.get("cleared", False)),
        strategy=ours.get("strategy", "canary"),  # what says nothing was written when there were no others
        has_untold_end=bool(ours.get("endUntold", False)),
        is_analysis_skipped=bool(ours.get("analysisSkipped", False)),
        is_promotion_late=bool(ours.get("promotionLate", False)),
        is_paused=bool(ours.get("paused", False)),
        request=RequestResult.read(ours.get("request")),
        blocked=_read_blocked(status.get("conditions") or ()),
        sequence=int(ours.get("sequence", 0)),
        news=tuple(_read_news(item) for item in ours.get("news", ())),
        alerted_by=str(ours.get("alertedBy", "")),
        **{name: _read_time(ours.get(key)) for name, key in _TIMES.items()},
    )


def write_status(
    state: State, before: Mapping[str, Any] | None, *, target_kind: str, generation: int
) -> dict[str, Any]:
    """Return the whole new `.status`: `before` with the state's fields in place of the old ones."""
    before = dict(before or {})
    ours = dict(before.get("serin") or {})
    ours |= {
        "notBefore": _write_time(state.not_before_s) if state.not_before_s else None,
        "forEveryone": state.is_for_everyone or None,
        "mirrorPercent": state.mirror_percent or None,
        "sequence": state.sequence,
        "finishedRevision": state.finished,
        "change": _write_change(state),
        "answeredHooks": list(state.answered),
        "waitingFor": list(state.waiting_for) or None,
        "cleared": state.is_cleared or None,
        "strategy": state.strategy,
        "endUntold": state.has_untold_end or None,
        "analysisSkipped": state.is_analysis_skipped,
        "promotionLate": state.is_promotion_late or None,
        "paused": state.is_paused or None,
        "request": None if state.request is None else state.request.write(),
        "news": [_write_news(news) for news in state.news],
        "alertedBy": state.alerted_by or None,
        "seen": None
        if state.seen is None
        else {"uid": state.seen.uid, "generation": state.seen.generation, "revision": state.seen.revision},
    }
    for name, key in _TIMES.items():
        moment: float | None = getattr(state, name)
        ours[key] = None if moment is None else _write_time(moment)
    before |= {
        "canaryWeight": state.canary_weight,
        "sessionAffinityCookie": state.cookie,
        "previousSessionAffinityCookie": state.previous_cookie,
        "failedChecks": state.failed_checks,
        "iterations": state.iterations,
        "lastAppliedSpec": state.analysed,
        "lastPromotedSpec": state.promoted,
        "lastTransitionTime": _write_second(state.last_transition_s),
        "observedGeneration": generation,
        "conditions": _write_conditions(state, before.get("conditions") or (), target_kind),
        "serin": {key: value for key, value in ours.items() if value is not None},
    }
    if state.phase is not None:
        before["phase"] = str(state.phase)
    if state.seen is not None:
        before["trackedConfigs"] = dict(state.seen.configs)
    return before


def _read_seen(seen: Mapping[str, Any] | None, configs: Mapping[str, str] | None) -> TargetIdentity | None:
    if not seen:
        return None
    return TargetIdentity(seen["uid"], int(seen["generation"]), seen["revision"], dict(configs or {}))


def _read_phase(word: str | None) -> Phase | None:
    if not word:
        return None
    try:
        return Phase(word)
    except ValueError as error:
        allowed = ", ".join(Phase)
        raise UnknownPhase(f"status.phase: found {word!r}; allowed: {allowed}") from error


def _read_change(item: Mapping[str, Any] | None) -> Mark | None:
    return None if item is None else Mark(item.get("revision", ""), item.get("what", ""), item.get("by", ""))


def _write_change(state: State) -> dict[str, str] | None:
    change = state.change
    return None if change is None else {"revision": change.revision, "what": change.changed, "by": change.by}


def _read_news(item: Mapping[str, Any]) -> Message:
    stored = item.get("alert")
    alert = None
    if stored is not None:
        alert = Alert(
            stored["severity"], stored["text"], stored.get("reason", ""), has_settings=stored.get("hasSettings", False)
        )
    return Message(item["text"], is_warning=item["type"] == "Warning", alert=alert)


def _write_news(news: Message) -> dict[str, Any]:
    item: dict[str, Any] = {"type": "Warning" if news.is_warning else "Normal", "text": news.text}
    if news.alert is not None:
        stored = {"severity": news.alert.severity, "text": news.alert.text}
        stored |= {"reason": news.alert.reason} if news.alert.reason else {}
        item["alert"] = stored | ({"hasSettings": True} if news.alert.has_settings else {})
    return item


def _read_blocked(conditions: Any) -> Blocker | None:
    for condition in conditions:
        if condition.get("type") == READY and condition.get("status") == "False":
            return Blocker(condition.get("reason", ""), condition.get("message", ""))
    return None


def _write_conditions(state: State, before: Any, target_kind: str) -> list[dict[str, Any]]:
    """Return the conditions `Promoted` (Flagger's) and `Ready` (ours), and keep those of others as they are.

    A condition's `lastTransitionTime` moves only with its status, and `lastUpdateTime` with anything of it.
    """
    old = {condition["type"]: condition for condition in before}
    new: dict[str, tuple[ConditionStatus, str, str]] = {}
    if state.phase is not None:
        status, message = promoted_condition(state.phase, target_kind)
        new[PROMOTED] = (status, str(state.phase), message)
    if state.blocked is not None:
        new[READY] = ("False", state.blocked.reason, state.blocked.message)
    elif state.phase is not None or READY in old:
        new[READY] = ("True", "Reconciling", "The canary is valid and watched.")
    for kind, (verdict, reason, message) in new.items():
        previous = old.get(kind, {})
        if (previous.get("status"), previous.get("reason"), previous.get("message")) == (verdict, reason, message):
            continue
        now = _write_second(state.last_transition_s)
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


def _read_time(text: str | None) -> float | None:
    return datetime.fromisoformat(text).timestamp() if text else None


def _write_time(moment_s: float) -> str:
    """Write to the millisecond: intervals of a second would be badly served by whole seconds."""
    return datetime.fromtimestamp(moment_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _write_second(moment_s: float) -> str:
    """Write as Kubernetes' own `metav1.Time` does."""
    return datetime.fromtimestamp(moment_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

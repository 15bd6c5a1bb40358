"""Message: what users are told of a canary, in Flagger's words.

Source of the texts: Flagger 1.44, `pkg/controller/scheduler.go`, `scheduler_hooks.go` and `scheduler_metrics.go`. Texts
of ours, where Flagger says nothing, are marked so.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal

from canary.run.mark import Mark

Severity = Literal["info", "warn", "error"]


@dataclass(frozen=True, slots=True)
class Alert:
    """What a chat is told. `reason`: what the deciding checks said, empty where none decided.

    `has_settings`: the canary's target, limits and steps are shown with it. `change`: what the run is about, as its
    state has it (`State.alerts`).
    """

    severity: Severity
    text: str
    reason: str = ""
    has_settings: bool = False
    change: Mark | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One message about a canary. `is_warning` makes it an event of type Warning instead of Normal.

    `alert` goes out to chats as well; only news of a move of the intent have one, for each is sent once.
    """

    text: str
    is_warning: bool = False
    alert: Alert | None = None


def info(text: str) -> Message:
    """Say something that goes as planned."""
    return Message(text)


def warning(text: str) -> Message:
    """Say something that somebody on call may want to look at."""
    return Message(text, is_warning=True)


def initialized(name: str, target_kind: str) -> Message:
    """Bootstrap is done. `name` is `{canary}.{namespace}`."""
    alert = Alert("info", f"New {target_kind} detected, initialization completed.", has_settings=True)
    return replace(info(f"Initialization done! {name}"), alert=alert)


def run_started(target: str, change: Mark | None = None) -> Message:
    """A new revision starts a run. `target` is `{target}.{namespace}`; `change` is what it changed, if known."""
    alert = Alert("info", "New revision detected, progressing canary analysis.", has_settings=True)
    return replace(info(f"New revision detected! Scaling up {target}{_in_words(change)}"), alert=alert)


def run_restarted(target: str, change: Mark | None = None) -> Message:
    """A newer revision starts the analysis again."""
    return info(f"New revision detected! Restarting analysis for {target}{_in_words(change)}")


def _in_words(change: Mark | None) -> str:
    """Ours: Flagger's events don't tell what changed."""
    return f": {change}" if change is not None and str(change) else ""


def returned_to_promoted(target: str) -> Message:
    """Ours: the target was set back to the promoted revision in mid-run, there is nothing left to analyse."""
    return info(f"Revision of {target} is the promoted one again, nothing to analyse. Routing all traffic to primary")


def target_gone(target: str) -> Message:
    """Ours: the target was deleted while it had traffic."""
    return warning(f"{target} is gone. Routing all traffic to primary")


def still_drained(target: str) -> Message:
    """Ours: requests still reach the side that is to be scaled down."""
    return warning(f"Scaling down {target} waits: it still gets requests")


def still_asked(primary: str) -> Message:
    """Ours: requests still reach the primary that will have no pod for a while."""
    return warning(f"Copying the template to {primary} waits: it still gets requests, and will have no pod meanwhile")


def analysis_started(target: str) -> Message:
    """The canary side is up, its hooks and checks begin."""
    return info(f"Starting canary analysis for {target}")


def not_ready(workload: str, explanation: str, *, is_canary_side: bool) -> Message:
    """A side is not (or no longer) up. `workload` is `{workload}.{namespace}`."""
    subject = f"canary deployment {workload}" if is_canary_side else workload
    return warning(f"{subject} not ready: {explanation}")


def hook_passed(kind: str, hook: str) -> Message:
    """A hook said yes. `kind` is its type, such as `pre-rollout`."""
    return info(f"{kind.capitalize()} check {hook} passed")


def gate_shut(name: str, kind: str, hook: str, *, is_alerted: bool) -> Message:
    """A gate of type `kind` holds the run; said once for each gate and step."""
    subject, approval = _WAITING[kind]
    said = warning(f"Halt {name} advancement waiting for {approval} {hook}")
    return replace(said, alert=Alert("warn", f"{subject} is waiting for approval.")) if is_alerted else said


_WAITING: Final = {
    "confirm-rollout": ("Canary", "approval"),
    "confirm-traffic-increase": ("Canary traffic increase", "traffic increase approval"),
    "confirm-promotion": ("Canary promotion", "promotion approval"),
}
"""Type of a gate -> what waits, and for which approval."""


def rollback_asked_for(hook: str) -> Message:
    """A rollback gate is open."""
    return warning(f"Rollback check {hook} passed")


def rollback_not_asked_for(hook: str) -> Message:
    """A rollback gate is shut, as it should be."""
    return info(f"Rollback hook {hook} not signaling a rollback")


def canary_weight_advanced(name: str, weight_percent: int) -> Message:
    """More traffic for the canary."""
    return info(f"Advance {name} canary weight {weight_percent}")


def canary_iteration_advanced(name: str, iteration: int, iterations: int) -> Message:
    """One more interval of A/B or blue/green testing begins."""
    return info(f"Advance {name} canary iteration {iteration}/{iterations}")


def routing_to_canary(*, was_mirrored: bool) -> Message:
    """The iterations of blue/green are over: the canary takes all traffic before it is promoted."""
    return info(
        "Stop traffic mirroring and route all traffic to canary" if was_mirrored else "Routing all traffic to canary"
    )


def scaling_to_full_size(target: str, replicas: int, primary: str) -> Message:
    """Ours: the canary side is to carry all that the primary carries."""
    return info(f"Scaling up {target} to {replicas} replicas, for it is to carry all that {primary} carries")


def analysis_resumed(target: str, explanation: str) -> Message:
    """Ours: the canary side went down before the primary was promoted; it has to show again that it is sound."""
    return warning(f"Promotion of {target} is taken back, canary not ready: {explanation}. Restarting its analysis")


def strategy_changed(target: str, before: str, after: str) -> Message:
    """Ours: an edit of the spec in mid-run made another kind of analysis of it."""
    return info(f"Strategy changed from {before} to {after}! Restarting analysis for {target}")


def primary_weight_advanced(name: str, weight_percent: int) -> Message:
    """More traffic for the new primary, with `stepWeightPromotion`."""
    return info(f"Advance {name} primary weight {weight_percent}")


def halted(name: str, reason: str) -> Message:
    """The weight stays: `reason` is a failed check's sentence (`success rate 69.17% < 99%`), or what is in the way."""
    return warning(f"Halt {name} advancement {reason}")


def held(reason: str) -> Message:
    """No decisive sample; the weight stays and no check is burned."""
    return warning(f"Halt advancement {reason}")


def copying_template(target: str, primary: str) -> Message:
    """Promotion begins. Both are `{workload}.{namespace}`."""
    return info(f"Copying {target} template spec to {primary}")


def routing_to_primary() -> Message:
    """The primary runs the new revision and takes all traffic."""
    return info("Routing all traffic to primary")


def promotion_waits(target: str, explanation: str) -> Message:
    """The primary does not come up on the new revision; traffic stays where it is healthy, and it is tried on."""
    said = warning(f"Promotion of {target} failed, primary not ready: {explanation}")
    return replace(said, alert=Alert("error", f"Promotion failed, primary not ready: {explanation}"))


def promotion_completed(target: str, *, is_analysis_skipped: bool) -> Message:
    """The run ended well."""
    if is_analysis_skipped:
        skipped = info(f"Promotion completed! Canary analysis was skipped for {target}")
        return replace(skipped, alert=Alert("info", "Canary analysis was skipped, promotion finished."))
    completed = info(f"Promotion completed! Scaling down {target}")
    return replace(completed, alert=Alert("info", "Canary analysis completed successfully, promotion finished."))


def rolling_back(name: str, reason: str, because: str = "") -> Message:
    """The run ends badly; `reason` such as `failed checks threshold reached 5`, `because` what the checks said."""
    alert = Alert("error", reason[:1].upper() + reason[1:], because)
    return replace(warning(f"Rolling back {name} {reason}"), alert=alert)


def rolled_back_by_hand(name: str) -> Message:
    """The run ends badly because a rollback gate says so."""
    said = warning(f"Rolling back {name} manual webhook invoked")
    return replace(said, alert=Alert("warn", "Rolling back manual webhook invoked"))


def run_failed(name: str) -> Message:
    """The last word on a run that was rolled back."""
    return warning(f"Canary failed! Scaling down {name}")


def paused(name: str, weight_percent: int) -> Message:
    """Ours: somebody asked that the weight stays where it is."""
    return info(f"Pausing {name} at canary weight {weight_percent}, by request. Its checks go on")


def resumed(name: str) -> Message:
    """Ours: somebody asked that the weight grows again."""
    return info(f"Resuming {name}, by request")


def promoted_by_request(name: str) -> Message:
    """Ours: somebody asked for the promotion, whatever of the analysis is left."""
    return info(f"Promoting {name} without the rest of its analysis, by request")


def skipped(target: str, revision: str) -> Message:
    """Ours: somebody asked that a revision is never rolled out."""
    return info(f"Revision {revision} of {target} is not rolled out, by request")


def request_refused(namespace: str, name: str, text: str, allowed: str) -> Message:
    """Ours: a request that can't be carried out; `text` is the annotation's."""
    path = "metadata.annotations[serin.dev/request]"
    return warning(f"Canary {namespace}/{name} {path}: found {text!r}; allowed: {allowed}")


def taken_over(name: str, explanation: str, *, is_warning: bool) -> Message:
    """Ours: the status was Flagger's and is ours from now on."""
    return Message(f"Taken over {name} from Flagger: {explanation}", is_warning=is_warning)


def terminating(name: str, target: str, *, is_target_promoted: bool) -> tuple[Message, ...]:
    """The Canary is deleted, and its target is to take the traffic back."""
    said = info(f"Terminating canary {name}")
    if is_target_promoted:
        return (said,)
    return said, warning(f"{target} takes the traffic back with a revision that was not promoted")


def routing_to_target(target: str) -> Message:
    """Ours: the primary gets no new traffic."""
    return info(f"Routing all traffic to {target}")


def nothing_to_revert(target: str) -> Message:
    """Ours: the deletion finds no target."""
    return warning(f"{target} is gone: there is nothing that could take the traffic back")


def terminated(name: str) -> Message:
    """The target has the traffic, the Canary may go."""
    return info(f"Terminated canary {name}")

"""Messages: what is reported of a canary, in Flagger's words.

Source of the texts: Flagger 1.44, `pkg/controller/scheduler.go`, `scheduler_hooks.go` and `scheduler_metrics.go`. Texts
of ours, where Flagger says nothing, are marked so. What answers a request is in `canary.run.request_messages`.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal

from canary.api.shown import shown
from canary.run.mark import Mark
from canary.run.wire import REQUEST_ANNOTATION

Severity = Literal["info", "warn", "error"]


@dataclass(frozen=True, slots=True)
class Alert:
    """What is sent to chats, fit to be shown (`canary.api.shown`).

    `reason`: what the deciding checks say, empty where none decided. `has_settings`: the canary's target, limits
    and steps are shown with it. The rest is what the state has of it (`State.alerts`): `change` and `revision` are what
    the run is about, `id` names the alert among the canary's, and `at_s` is the time of its transition.
    """

    severity: Severity
    text: str
    reason: str = ""
    has_settings: bool = False
    change: Mark | None = None
    revision: str = ""
    id: str = ""
    at_s: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", shown(self.text))
        object.__setattr__(self, "reason", shown(self.reason))


@dataclass(frozen=True, slots=True)
class Message:
    """One message about a canary, its text fit to be shown (`canary.api.shown`).

    `is_warning` makes it an event of type Warning instead of Normal. `alert` goes out to chats as well; only messages
    of a transition have one, for each is sent once. `waits_for`, if any, is what a remark waits for that mostly takes a
    moment: it is told once that has taken longer.
    """

    text: str
    is_warning: bool = False
    alert: Alert | None = None
    waits_for: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", shown(self.text))


def info(text: str) -> Message:
    """Say something that goes as planned."""
    return Message(text)


def warning(text: str) -> Message:
    """Say something that somebody on call may want to look at."""
    return Message(text, is_warning=True)


def initialized(name: str, target_kind: str) -> Message:
    """Report that bootstrap is done. `name` is `{canary}.{namespace}`."""
    alert = Alert("info", f"New {target_kind} detected, initialization completed.", has_settings=True)
    return replace(info(f"Initialization done! {name}"), alert=alert)


def unanalysed(name: str) -> Message:
    """Report that the spec has no analysis, and nothing says that it is meant so. The text is ours."""
    return warning(
        f"{name} has no spec.analysis: every revision is promoted unanalysed. Add one, or skipAnalysis: true if that "
        "is meant"
    )


def analysed_from_now_on(name: str) -> Message:
    """Report that the analysis that was missing is there, or that it is meant to be left out. The text is ours."""
    return info(f"{name} has a spec.analysis from now on, or skipAnalysis: true")


def run_started(target: str, change: Mark | None = None) -> Message:
    """Report that a new revision starts a run. `target` is `{target}.{namespace}`, `change` what it changed."""
    alert = Alert("info", "New revision detected, progressing canary analysis.", has_settings=True)
    return replace(info(f"New revision detected! Scaling up {target}{_in_words(change)}"), alert=alert)


def run_restarted(target: str, change: Mark | None = None) -> Message:
    """Report that a newer revision starts the analysis again, in place of the one under way. The alert is ours."""
    alert = Alert("info", "New revision detected, restarting canary analysis.", has_settings=True)
    return replace(info(f"New revision detected! Restarting analysis for {target}{_in_words(change)}"), alert=alert)


def _in_words(change: Mark | None) -> str:
    """Return what changed, in words of ours: Flagger's events don't have it."""
    return f": {change}" if change is not None and str(change) else ""


def returned_to_promoted(target: str) -> Message:
    """Report that the target was set back to the promoted revision in mid-run. The text is ours."""
    return info(f"Revision of {target} is the promoted one again, nothing to analyse. Routing all traffic to primary")


def target_paused(target: str) -> Message:
    """Report that somebody keeps the target from rolling its new template out. The text is ours."""
    return warning(f"Halt advancement {target} is paused (spec.paused: true), waiting for `kubectl rollout resume`")


def target_gone(target: str) -> Message:
    """Report that the target was deleted while it had traffic. The text is ours."""
    text = f"{target} is gone. Routing all traffic to primary"
    return replace(warning(text), alert=Alert("error", text))


def still_drained(target: str) -> Message:
    """Report that requests still reach the side that is to be scaled down. The text is ours."""
    return warning(f"Scaling down {target} waits: it still gets requests")


def still_asked(primary: str) -> Message:
    """Report that requests still reach the primary that will have no pod for a while. The text is ours."""
    return warning(f"Copying the template to {primary} waits: it still gets requests, and will have no pod meanwhile")


def still_released(primary: str) -> Message:
    """Report that requests still reach the primary that goes with its Canary. The text is ours."""
    return warning(f"Removing {primary} waits: it still gets requests")


def analysis_started(target: str) -> Message:
    """Report that the canary side is up, and its hooks and checks begin."""
    return info(f"Starting canary analysis for {target}")


def not_ready(workload: str, explanation: str, *, is_canary_side: bool) -> Message:
    """Report that a side is not up for some seconds by now. `workload` is `{workload}.{namespace}`."""
    subject = f"canary deployment {workload}" if is_canary_side else workload
    return replace(warning(f"{subject} not ready: {explanation}"), waits_for=subject)


def hook_passed(kind: str, hook: str) -> Message:
    """Report that a hook said yes. `kind` is its type, such as `pre-rollout`."""
    return info(f"{kind.capitalize()} check {hook} passed")


def gate_shut(name: str, kind: str, hook: str, *, is_alerted: bool) -> Message:
    """Report that a gate of type `kind` holds the run; once for each gate and step."""
    subject, approval = _WAITING[kind]
    message = warning(f"Halt {name} advancement waiting for {approval} {hook}")
    return replace(message, alert=Alert("warn", f"{subject} is waiting for approval.")) if is_alerted else message


_WAITING: Final = {
    "confirm-rollout": ("Canary", "approval"),
    "confirm-traffic-increase": ("Canary traffic increase", "traffic increase approval"),
    "confirm-promotion": ("Canary promotion", "promotion approval"),
}
"""Type of a gate -> what waits, and for which approval."""


def rollback_asked_for(hook: str) -> Message:
    """Report that a rollback gate is open."""
    return warning(f"Rollback check {hook} passed")


def rollback_not_asked_for(hook: str) -> Message:
    """Report that a rollback gate is shut, as it should be."""
    return info(f"Rollback hook {hook} not signaling a rollback")


def canary_weight_advanced(name: str, weight_percent: int) -> Message:
    """Report that the canary gets more traffic."""
    return info(f"Advance {name} canary weight {weight_percent}")


def canary_iteration_advanced(name: str, iteration: int, iterations: int) -> Message:
    """Report that one more interval of A/B or blue/green testing begins."""
    return info(f"Advance {name} canary iteration {iteration}/{iterations}")


def routing_to_canary(*, was_mirrored: bool) -> Message:
    """Report that the canary side gets all traffic before it is promoted, as at the end of blue/green."""
    return info(
        "Stop traffic mirroring and route all traffic to canary" if was_mirrored else "Routing all traffic to canary"
    )


def scaling_to_size(target: str, replicas: int, primary: str, *, is_everything: bool) -> Message:
    """Report that the canary side is scaled to carry its part of what the primary carries. The text is ours."""
    part = "all that" if is_everything else "more of what"
    return info(f"Scaling up {target} to {replicas} replicas, for it is to carry {part} {primary} carries")


def target_kept_up(target: str, replicas: int) -> Message:
    """Report that the target has pods between runs, which get no traffic: somebody scaled it up. The text is ours."""
    return warning(
        f"{target} has {replicas} replicas between runs, set by somebody else: they get no traffic. Is spec.replicas "
        "in what a GitOps source applies? Leave it out there, or scale the target to 0"
    )


def primary_grows(primary: str, replicas: int, present: int) -> Message:
    """Report that the primary gets the size for what comes back to it. The text is ours."""
    return info(f"Scaling up {primary} from {present} to {replicas} replicas before the traffic comes back to it")


def primary_stays_small(primary: str, replicas: int, present: int) -> Message:
    """Report that the primary did not get the size for what comes back to it in time. The text is ours."""
    return warning(
        f"{primary} has {present} of {replicas} replicas for the traffic that comes back to it now, and had its time "
        "for more: look at its autoscaler, at quotas and at room on the nodes"
    )


def analysis_resumed(target: str, explanation: str) -> Message:
    """Report that the canary side went down before the promotion, so that it is analysed again. The text is ours."""
    message = warning(f"Promotion of {target} is taken back, canary not ready: {explanation}. Restarting its analysis")
    return replace(message, alert=Alert("warn", f"Promotion taken back, canary not ready: {explanation}"))


def strategy_changed(target: str, before: str, after: str) -> Message:
    """Report that an edit of the spec in mid-run changed the strategy. The text is ours."""
    return info(f"Strategy changed from {before} to {after}! Restarting analysis for {target}")


def primary_weight_advanced(name: str, weight_percent: int) -> Message:
    """Report that the new primary gets more traffic, with `stepWeightPromotion`."""
    return info(f"Advance {name} primary weight {weight_percent}")


def halted(name: str, reason: str) -> Message:
    """Report that the weight stays: `reason` is a failed check's sentence, or what is in the way."""
    return warning(f"Halt {name} advancement {reason}")


def held(reason: str) -> Message:
    """Report that there is no decisive sample: the weight stays, and no failed check is counted."""
    return warning(f"Halt advancement {reason}")


def common_cause(name: str, reason: str) -> Message:
    """Report that both sides are bad: nothing speaks against the revision, and nothing goes on. The text is ours."""
    message = warning(f"Halt {name} advancement {reason}")
    return replace(message, alert=Alert("warn", "The primary is as bad as the canary: the run is held.", reason))


def no_evidence(name: str, reason: str, waited: str) -> Message:
    """Report that there is no evidence either way at the deadline, and the run waits on. The text is ours."""
    message = warning(f"Halt {name} advancement no evidence in {waited}, {reason}")
    return replace(message, alert=Alert("warn", f"There is no evidence either way after {waited}.", reason))


def dry_run(name: str, reason: str) -> Message:
    """Report that a check that decides nothing did not pass. The text is ours."""
    return info(f"Dry run for {name}, which decides nothing: {reason}")


def undone_again(name: str, what: str) -> Message:
    """Report that somebody else changes in turns with us what is ours. The text is ours."""
    return warning(
        f"Halt {name} advancement {what} is changed back by somebody else each time it is set, and is now set less "
        "often: look for another controller, a GitOps source or a webhook that writes it"
    )


def copying_template(target: str, primary: str) -> Message:
    """Report that the promotion begins. Both names are `{workload}.{namespace}`."""
    return info(f"Copying {target} template spec to {primary}")


def routing_to_primary() -> Message:
    """Report that the primary runs the new revision and gets all traffic."""
    return info("Routing all traffic to primary")


def promotion_waits(target: str, explanation: str) -> Message:
    """Report that the primary does not come up on the new revision; traffic stays where it is served."""
    message = warning(f"Promotion of {target} failed, primary not ready: {explanation}")
    return replace(message, alert=Alert("error", f"Promotion failed, primary not ready: {explanation}"))


def promotion_completed(target: str, *, is_analysis_skipped: bool) -> Message:
    """Report that the run ended well."""
    if is_analysis_skipped:
        skipped = info(f"Promotion completed! Canary analysis was skipped for {target}")
        return replace(skipped, alert=Alert("info", "Canary analysis was skipped, promotion finished."))
    completed = info(f"Promotion completed! Scaling down {target}")
    return replace(completed, alert=Alert("info", "Canary analysis completed successfully, promotion finished."))


def rolling_back(name: str, reason: str, because: str = "") -> Message:
    """Report a rollback; `reason` is like `failed checks threshold reached 5`, `because` what the checks say."""
    alert = Alert("error", reason[:1].upper() + reason[1:], because)
    return replace(warning(f"Rolling back {name} {reason}"), alert=alert)


def rollback_waits(name: str, primary: str) -> Message:
    """Report that nobody but the canary side can serve now. The text is ours."""
    return warning(f"Rolling back {name} waits: the traffic stays with the canary until {primary} can serve it")


def rolled_back_by_hand(name: str) -> Message:
    """Report a rollback that a rollback gate asked for."""
    message = warning(f"Rolling back {name} manual webhook invoked")
    return replace(message, alert=Alert("warn", "Rolling back manual webhook invoked"))


def run_failed(name: str) -> Message:
    """Report the end of a run that was rolled back."""
    return warning(f"Canary failed! Scaling down {name}")


def not_ready_any_more(name: str, why: str, *, is_alerted: bool) -> Message:
    """Report that the condition Ready is False from now on, and why. The text is ours."""
    message = warning(f"{name} is not ready: {why}")
    return replace(message, alert=Alert("warn", "Canary is not ready.", why)) if is_alerted else message


def ready_again(name: str, *, is_alerted: bool) -> Message:
    """Report that the condition Ready is True again. The text is ours."""
    message = info(f"{name} is ready again")
    return replace(message, alert=Alert("info", "Canary is ready again.")) if is_alerted else message


def paused_by_step(name: str, number: int, steps: int, weight_percent: int, revision: str) -> Message:
    """Report that a step holds the run until somebody resumes it, and how. The text is ours."""
    message = warning(
        f"Halt {name} advancement paused at canary weight {weight_percent} by step {number} of {steps}, its checks go "
        f"on. Resume it with the annotation {REQUEST_ANNOTATION}: resume@{revision}"
    )
    return replace(message, alert=Alert("warn", f"Canary is paused at weight {weight_percent}, until it is resumed."))


def baking(name: str, duration: str) -> Message:
    """Report that the last step is over, and the time before the promotion begins. The text is ours."""
    return info(f"Baking {name} for {duration} before its promotion, its checks go on")


def waits_for_turn(target: str, position: int, of: int, bound: str) -> Message:
    """Report that a new revision is known, whose run begins when others' have ended. The text is ours."""
    return info(f"New revision of {target} detected! Waiting for a turn: {position} of {of} in the queue; {bound}")


def status_restored(name: str) -> Message:
    """Report that the status is older than what it led to, as one of a backup is. The text is ours."""
    return warning(f"The status of {name} is older than its route: it was set back by somebody, and is carried out")


def taken_over(name: str, explanation: str, *, is_warning: bool) -> Message:
    """Report that the status was Flagger's and is ours from now on. The text is ours."""
    return Message(f"Taken over {name} from Flagger: {explanation}", is_warning=is_warning)


def terminating(name: str, target: str, *, is_target_promoted: bool) -> tuple[Message, ...]:
    """Report that the Canary is deleted, and its target is to get the traffic back."""
    message = info(f"Terminating canary {name}")
    if is_target_promoted:
        return (message,)
    return message, warning(f"{target} takes the traffic back with a revision that was not promoted")


def renamed(name: str, before: str, after: str) -> Message:
    """Report that the objects get other names, and that those of the old names stay. The text is ours."""
    text = (
        f"Names of {name} changed from {before} to {after}. What was made under the old names is kept as it is, with "
        "all traffic on the primary: delete it when nothing leads there any more"
    )
    return info(text)


def routing_to_target(target: str) -> Message:
    """Report that the primary gets no new traffic. The text is ours."""
    return info(f"Routing all traffic to {target}")


def nothing_to_revert(target: str) -> Message:
    """Report that the deletion finds no target. The text is ours."""
    return warning(f"{target} is gone: there is nothing that could take the traffic back")


def terminated(name: str) -> Message:
    """Report that the target has the traffic, and the Canary may go."""
    return info(f"Terminated canary {name}")

"""News: what users are told of a canary, in Flagger's words.

Source of the texts: Flagger 1.44, `pkg/controller/scheduler.go`, `scheduler_hooks.go` and `scheduler_metrics.go`. Texts
of ours, where Flagger says nothing, are marked so.
"""

from dataclasses import dataclass, replace
from typing import Literal

Severity = Literal["info", "warn", "error"]


@dataclass(frozen=True, slots=True)
class Alert:
    """What a chat is told. `reason`: what the deciding checks said, empty where none decided.

    `has_settings`: the canary's target, limits and steps are shown with it.
    """

    severity: Severity
    text: str
    reason: str = ""
    has_settings: bool = False


@dataclass(frozen=True, slots=True)
class News:
    """One message about a canary. `is_warning` makes it an event of type Warning instead of Normal.

    `alert` goes out to chats as well; only news of a move of the intent have one, for each is sent once.
    """

    text: str
    is_warning: bool = False
    alert: Alert | None = None


def info(text: str) -> News:
    """Say something that goes as planned."""
    return News(text)


def warning(text: str) -> News:
    """Say something that somebody on call may want to look at."""
    return News(text, is_warning=True)


def initialized(name: str, target_kind: str) -> News:
    """Bootstrap is done. `name` is `{canary}.{namespace}`."""
    alert = Alert("info", f"New {target_kind} detected, initialization completed.", has_settings=True)
    return replace(info(f"Initialization done! {name}"), alert=alert)


def run_started(target: str) -> News:
    """A new revision starts a run. `target` is `{target}.{namespace}`."""
    alert = Alert("info", "New revision detected, progressing canary analysis.", has_settings=True)
    return replace(info(f"New revision detected! Scaling up {target}"), alert=alert)


def run_restarted(target: str) -> News:
    """A newer revision starts the analysis again."""
    return info(f"New revision detected! Restarting analysis for {target}")


def returned_to_promoted(target: str) -> News:
    """Ours: the target was set back to the promoted revision in mid-run, there is nothing left to analyse."""
    return info(f"Revision of {target} is the promoted one again, nothing to analyse. Routing all traffic to primary")


def target_gone(target: str) -> News:
    """Ours: the target was deleted while it had traffic."""
    return warning(f"{target} is gone. Routing all traffic to primary")


def still_drained(target: str) -> News:
    """Ours: requests still reach the side that is to be scaled down."""
    return warning(f"Scaling down {target} waits: it still gets requests")


def analysis_started(target: str) -> News:
    """The canary side is up, its hooks and checks begin."""
    return info(f"Starting canary analysis for {target}")


def not_ready(workload: str, explanation: str, *, is_canary_side: bool) -> News:
    """A side is not (or no longer) up. `workload` is `{workload}.{namespace}`."""
    subject = f"canary deployment {workload}" if is_canary_side else workload
    return warning(f"{subject} not ready: {explanation}")


def pre_rollout_passed(hook: str) -> News:
    """A pre-rollout hook said yes."""
    return info(f"Pre-rollout check {hook} passed")


def canary_weight_advanced(name: str, weight_percent: int) -> News:
    """More traffic for the canary."""
    return info(f"Advance {name} canary weight {weight_percent}")


def primary_weight_advanced(name: str, weight_percent: int) -> News:
    """More traffic for the new primary, with `stepWeightPromotion`."""
    return info(f"Advance {name} primary weight {weight_percent}")


def halted(name: str, reason: str) -> News:
    """A check failed; `reason` is its own sentence, such as `success rate 69.17% < 99%`."""
    return warning(f"Halt {name} advancement {reason}")


def held(reason: str) -> News:
    """No decisive sample; the weight stays and no check is burned."""
    return warning(f"Halt advancement {reason}")


def copying_template(target: str, primary: str) -> News:
    """Promotion begins. Both are `{workload}.{namespace}`."""
    return info(f"Copying {target} template spec to {primary}")


def routing_to_primary() -> News:
    """The primary runs the new revision and takes all traffic."""
    return info("Routing all traffic to primary")


def promotion_waits(target: str, explanation: str) -> News:
    """The primary does not come up on the new revision; traffic stays where it is healthy."""
    return warning(f"Promotion of {target} failed, primary not ready: {explanation}")


def promotion_completed(target: str, *, is_analysis_skipped: bool) -> News:
    """The run ended well."""
    if is_analysis_skipped:
        skipped = info(f"Promotion completed! Canary analysis was skipped for {target}")
        return replace(skipped, alert=Alert("info", "Canary analysis was skipped, promotion finished."))
    completed = info(f"Promotion completed! Scaling down {target}")
    return replace(completed, alert=Alert("info", "Canary analysis completed successfully, promotion finished."))


def rolling_back(name: str, reason: str, because: str = "") -> News:
    """The run ends badly; `reason` such as `failed checks threshold reached 5`, `because` what the checks said."""
    alert = Alert("error", reason[:1].upper() + reason[1:], because)
    return replace(warning(f"Rolling back {name} {reason}"), alert=alert)


def run_failed(name: str) -> News:
    """The last word on a run that was rolled back."""
    return warning(f"Canary failed! Scaling down {name}")

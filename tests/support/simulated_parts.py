"""What simulated clusters are made of: how ready their sides are, how they answer, and what ends a tick early."""

from collections.abc import Iterator

from canary.api.canary import Canary
from canary.run.action import (
    Action,
    ApplyObject,
    ClaimRequest,
    DropRequest,
    Promote,
    ReleaseObject,
    RepeatRoute,
    ScaleTarget,
    SetFinalizer,
    SetTraffic,
)
from canary.run.judge import CheckResult, Verdict
from canary.run.observation import Observation
from canary.run.readiness import Readiness
from tests.support.simulated_route import is_same_write

READY = Readiness(is_ready=True, has_available=True)
UNREADY = Readiness(
    is_ready=False, has_available=False, explanation="waiting for rollout to finish: 0 of 2 are available"
)
ROLLING = Readiness(
    is_ready=False, has_available=True, explanation="waiting for rollout to finish: 1 old replica is left"
)


class Refused(Exception):  # noqa: N818  the API server's answer to a write made from an old view
    """A test of a patch or a resourceVersion did not hold."""


class Crash(Exception):  # noqa: N818  an event of the tape, not an error
    """The agent dies here."""


def always(verdict: Verdict) -> Iterator[Verdict]:
    """Answer every question alike."""
    while True:
        yield verdict


def check_answers(canary: Canary, verdict: Verdict, number: int) -> tuple[CheckResult, ...]:
    """Return the answer of `check`, and those of the dry runs, which are other ones each time, by its `number`.

    How often `check` must fail in a row is what the metric of that name says, if there is one.
    """
    metrics = canary.analysis.metrics if canary.analysis else ()
    needed = next((metric.failures_needed for metric in metrics if metric.name == "check"), 1)
    dry = list(Verdict)[number % len(Verdict)]
    return (
        CheckResult("check", verdict, f"a {verdict} of the tape", failures_needed=needed),
        *(CheckResult(metric.name, dry, f"a dry {dry}", is_dry_run=True) for metric in metrics if metric.dry_run),
    )


def refuse_if_changed(action: Action, seen: Observation, now: Observation) -> None:
    """Raise Refused where what an action changes is not `now` what it was `seen` to be: its patch has a test."""
    match action:
        case SetTraffic() | RepeatRoute():
            if seen.route is None or now.route is None or not is_same_write(seen.route, now.route):
                raise Refused("the route was written since")
        case ScaleTarget():
            if seen.target is None or now.target is None or seen.target.identity != now.target.identity:
                raise Refused("the target was written since")
        case Promote():
            if (seen.primary and seen.primary.revision) != (now.primary and now.primary.revision):
                raise Refused("the primary was written since")
        case ClaimRequest(text) | DropRequest(text):
            if text != now.request:
                raise Refused("the request was written since")
        case ApplyObject() | ReleaseObject() | SetFinalizer():
            pass

"""What simulated clusters are made of: how ready their sides are, how they answer, and what ends a tick early."""

from collections.abc import Iterator

from canary.api.canary import Canary
from canary.run.judge import CheckResult, Verdict
from canary.run.readiness import Readiness

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

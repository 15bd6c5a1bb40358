"""Judging: a check and its sample in, a verdict out.

Five verdicts. FAIL is evidence against the revision and burns a failed check; PASS is evidence for it. NO_DATA and
ERROR say nothing of the revision: they hold the weight and spend time, not checks. UNDECIDED is what a test says that
has seen requests, and not yet enough: the weight stays, and nothing is spent but the test's own deadline.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from canary.api.duration import format_duration
from canary.api.metrics import REQUEST_DURATION, SUCCESS_RATE, CanaryMetric, ThresholdRange
from canary.judgement.plan import Plan
from canary.judgement.scrapes import Memory, Reading, Times, read_counts
from canary.judgement.series import Counted, RawSeries


class Verdict(StrEnum):
    """What a check says of the revision."""

    PASS = "pass"  # noqa: S105  a verdict, not a password
    FAIL = "fail"
    NO_DATA = "no-data"
    ERROR = "error"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Sample:
    """An answer of a metric provider. `value` is in the metric's own unit (percent, milliseconds, or the query's).

    `requests` is how many requests the value speaks of, None when the provider can't tell. `error` is set when the
    provider could not be asked; then there is no value. `is_refused`: somebody has to mend what it says.
    """

    value: float | None = None
    requests: float | None = None
    error: str | None = None
    is_refused: bool = False


@dataclass(frozen=True, slots=True)
class Counts:
    """What a metric server has of the counters of a test, and how to read and judge it.

    `name` is the test's, `without_requests` the verdict of a look in which the canary got none, with its sentence.
    `lacks_history`: what was before the release, or enough of it, was too long for an answer.
    """

    name: str
    plan: Plan
    counted: Counted
    answer: tuple[RawSeries, ...]
    without_requests: Verdict = Verdict.NO_DATA
    no_requests: str = ""
    lacks_history: bool = False
    readings: list[tuple[object, Reading]] = field(default_factory=list, compare=False, repr=False)

    def read(self, memory: Memory, times: Times, tick_s: float) -> Reading:
        """Return `read_counts` of it. Who asks for the same again gets the same: thousands of samples are read once."""
        asked = (memory, times, tick_s)
        for known, reading in self.readings:
            if known == asked:
                return reading
        reading = read_counts(memory, self.answer, self.counted, times, tick_s=tick_s)
        self.readings[:] = [(asked, reading)]
        return reading


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A judged check: `text` is the sentence for events, in Flagger's words; `allowed` the threshold as text.

    `is_pending`: its hook still runs, and is waited for. `is_dry_run`: it is shown, and decides nothing.
    `is_refused`: it has no answer until somebody mends what `text` says. `failures_needed`: how often in a row it must
    fail before that counts; `is_unconfirmed`: it failed, and less often.
    `counts`: what a test is to count, None where there is none. `is_final`: a FAIL that ends the run by itself.
    """

    name: str
    verdict: Verdict
    text: str
    value: float | None = None
    allowed: str = ""
    is_pending: bool = False
    is_dry_run: bool = False
    is_refused: bool = False
    failures_needed: int = 1
    is_unconfirmed: bool = False
    counts: Counts | None = None
    is_final: bool = False


def result_of(metric: CanaryMetric, result: CheckResult) -> CheckResult:
    """Return what came of a metric with what its spec says of how it counts."""
    return replace(result, is_dry_run=metric.dry_run, failures_needed=metric.failures_needed)


def counted(
    metric: CanaryMetric, result: CheckResult, counts: Counts, target: str, *, keeps_threshold: bool
) -> CheckResult:
    """Return a check that is judged by evidence: of its threshold nothing is left but where the spec wants both."""
    without = _without_data(metric, _no_values(metric, target), result.allowed)
    found = replace(counts, without_requests=without.verdict, no_requests=without.text)
    verdict, text = (result.verdict, result.text) if keeps_threshold else (Verdict.PASS, "")
    is_refused = keeps_threshold and result.is_refused
    return replace(result, verdict=verdict, text=text, is_refused=is_refused, counts=found)


def judge(metric: CanaryMetric, sample: Sample, target: str) -> CheckResult:
    """Judge one metric. `target` is `{target}.{namespace}`, for the text."""
    return result_of(metric, _judge(metric, sample, target))


def _judge(metric: CanaryMetric, sample: Sample, target: str) -> CheckResult:
    allowed = _describe_range(metric)
    if sample.error is not None:
        text = f"metric query failed for {metric.name}: {sample.error}"
        return CheckResult(metric.name, Verdict.ERROR, text, None, allowed, is_refused=sample.is_refused)
    if sample.value is None:
        return _without_data(metric, _no_values(metric, target), allowed)
    if metric.min_requests is not None and sample.requests is not None and sample.requests < metric.min_requests:
        text = f"too few requests for metric {metric.name}: {sample.requests:.0f} < minRequests {metric.min_requests}"
        return _without_data(metric, text, allowed)
    broken = _broken_limit(metric, sample.value)
    if broken is not None:
        return CheckResult(metric.name, Verdict.FAIL, broken, sample.value, allowed)
    return CheckResult(metric.name, Verdict.PASS, _describe_value(metric, sample.value), sample.value, allowed)


def overall(results: Iterable[CheckResult]) -> Verdict:
    """Sum up the checks of a tick: one FAIL is enough; else all must pass.

    What decides nothing is left out: a dry run, and what is known and not enough (`is_open`).
    """
    verdicts = {result.verdict for result in results if not (result.is_dry_run or is_open(result))}
    for verdict in (Verdict.FAIL, Verdict.ERROR, Verdict.NO_DATA):
        if verdict in verdicts:
            return verdict
    return Verdict.PASS


def is_open(result: CheckResult) -> bool:
    """Return whether it is known how the canary does, and not enough to go on or back.

    That is a failure that has not come often enough in a row, and a test without evidence enough.
    """
    return not result.is_dry_run and (result.is_unconfirmed or result.verdict is Verdict.UNDECIDED)


def is_observed(results: Iterable[CheckResult]) -> bool:
    """Return whether all that has come back passed, and something has: no more is missing than hooks that still run.

    A failure that does not count yet is something as well: it is known how the canary does.
    """
    known = [result for result in results if not (result.is_pending or result.is_dry_run)]
    return bool(known) and overall(known) is Verdict.PASS


def _no_values(metric: CanaryMetric, target: str) -> str:
    return f"no values found for gloo metric {metric.name} probably {target} is not receiving traffic"


def _without_data(metric: CanaryMetric, text: str, allowed: str) -> CheckResult:
    verdict = {"hold": Verdict.NO_DATA, "fail": Verdict.FAIL, "pass": Verdict.PASS}[metric.on_no_data]
    return CheckResult(metric.name, verdict, text, None, allowed)


def effective_range(metric: CanaryMetric) -> ThresholdRange:
    """Return the range of a metric; the deprecated `threshold` is a minimum for the success rate, else a maximum.

    Source: Flagger 1.44, `runBuiltinMetricChecks` and `runMetricChecks`.
    """
    if metric.threshold_range is not None:
        return metric.threshold_range
    if metric.name == SUCCESS_RATE:
        return ThresholdRange(min=metric.threshold)
    return ThresholdRange(max=metric.threshold)


def _broken_limit(metric: CanaryMetric, value: float) -> str | None:
    limits = effective_range(metric)
    if limits.min is not None and value < limits.min:
        return f"{_describe_value(metric, value)} < {_describe_limit(metric, limits.min)}"
    if limits.max is not None and value > limits.max:
        return f"{_describe_value(metric, value)} > {_describe_limit(metric, limits.max)}"
    return None


def _describe_value(metric: CanaryMetric, value: float) -> str:
    if metric.is_builtin and metric.name == SUCCESS_RATE:
        return f"success rate {value:.2f}%"
    if metric.is_builtin and metric.name == REQUEST_DURATION:
        return f"request duration {format_duration(round(value) / 1000)}"
    return f"{metric.name} {value:.2f}"


def _describe_limit(metric: CanaryMetric, limit: float) -> str:
    if metric.is_builtin and metric.name == SUCCESS_RATE:
        return f"{limit:g}%"
    if metric.is_builtin and metric.name == REQUEST_DURATION:
        return format_duration(limit / 1000)
    return f"{limit:g}"


def _describe_range(metric: CanaryMetric) -> str:
    limits = effective_range(metric)
    words = []
    if limits.min is not None:
        words.append(f">= {_describe_limit(metric, limits.min)}")
    if limits.max is not None:
        words.append(f"<= {_describe_limit(metric, limits.max)}")
    return " and ".join(words)

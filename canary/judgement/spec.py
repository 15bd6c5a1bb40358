"""From the spec of a check to the plan of its test: which limits are tested, and against whom."""

from collections.abc import Iterator
from typing import Final

from canary.api.bounds import MOST_EVIDENCE_TESTS
from canary.api.canary import Canary
from canary.api.evidence import DEFAULT_SLOW_PERCENT, Evidence, SlowBound
from canary.api.metrics import REQUEST_DURATION, CanaryMetric
from canary.api.shown import shown
from canary.judgement.plan import Bound, Plan, default_unacceptable, failing_over
from canary.judgement.series import ENVOY_BUCKETS_MS, around

ALL_PERCENT: Final = 100.0

_MOST_NAME_CHARS: Final = 253

_DEFAULT_PERCENT: Final = 1.0
"""What is acceptable where the primary alone is compared with, and the spec names no limit."""


def limits(metric: CanaryMetric, evidence: Evidence) -> Iterator[tuple[str, float | None]]:
    """Return the acceptable shares of bad requests in percent, each by the field of the metric that says it.

    None is a field that has to say one, and does not.
    """
    if is_about_duration(metric):
        bounds = list(slow_bounds(metric, evidence))
        if not bounds:
            yield "thresholdRange.max", None
        for field, bound in bounds:
            yield f"{field.removesuffix('.over')}.share" if evidence.bounds else "evidence.acceptable", bound.share
    elif evidence.acceptable is not None or not metric.is_builtin:
        yield "evidence.acceptable", evidence.acceptable
    else:
        written = metric.threshold_range.min if metric.threshold_range is not None else _written_threshold(metric)
        field = "threshold" if metric.threshold_range is None and written is not None else "thresholdRange.min"
        yield field, None if written is None else round(ALL_PERCENT - written, 9)


def slow_bounds(metric: CanaryMetric, evidence: Evidence) -> Iterator[tuple[str, SlowBound]]:
    """Return what may be slow of a built-in duration check, each by the field of the metric that says it."""
    if evidence.bounds:
        for index, bound in enumerate(evidence.bounds):
            yield f"evidence.bounds[{index}].over", bound
        return
    most = metric.threshold_range.max if metric.threshold_range is not None else _written_threshold(metric)
    if most is not None:
        field = "threshold" if metric.threshold_range is None else "thresholdRange.max"
        share = DEFAULT_SLOW_PERCENT if evidence.acceptable is None else evidence.acceptable
        yield field, SlowBound(over=most, share=share)


def is_about_duration(metric: CanaryMetric) -> bool:
    """Return whether slow requests are counted, and not those that fail."""
    return metric.is_builtin and metric.name == REQUEST_DURATION


def has_one_number(metric: CanaryMetric) -> bool:
    """Return whether it asks a query of the canary's own, in which nothing can be counted."""
    return metric.template_ref is None and not metric.is_builtin


def keeps_threshold(metric: CanaryMetric, evidence: Evidence) -> bool:
    """Return whether the threshold is judged as ever, too: what the test is about is said elsewhere."""
    is_written = metric.threshold_range is not None or _written_threshold(metric) is not None
    if is_about_duration(metric):
        return bool(evidence.bounds) and is_written
    return is_written and (evidence.acceptable is not None or not metric.is_builtin)


def why_not_compared(canary: Canary, metric: CanaryMetric) -> str:
    """Return why the canary can't be compared with the primary, empty where it can."""
    analysis = canary.analysis
    if metric.template_ref is not None:
        return "a MetricTemplate counts the canary's requests only"
    if canary.is_for_matching:
        return "the requests that match are not like the others"
    if analysis is not None and analysis.session_affinity is not None:
        return "with sessionAffinity the sides have different users"
    if analysis is not None and analysis.mirror:
        return "of mirrored requests nobody waits for the answers"
    if canary.strategy == "blue-green":
        return "in blue/green the sides are not asked the same at the same time"
    return ""


def plan_of(canary: Canary, metric: CanaryMetric, counted: str) -> Plan | None:
    """Return the plan of a metric's test; None where it has no evidence, or what it asks for can't be tested.

    `counted` names what is counted.
    """
    evidence = metric.evidence
    if evidence is None or has_one_number(metric):
        return None
    against = "limit" if why_not_compared(canary, metric) else evidence.against
    shares = [share for _, share in limits(metric, evidence)]
    usable = [share for share in shares if share is not None and 0 < share < ALL_PERCENT]
    if len(usable) < len(shares):
        if against != "primary":
            return None
        usable = [_DEFAULT_PERCENT] * len(shares)
    overs = [bound.over for _, bound in slow_bounds(metric, evidence)] if is_about_duration(metric) else []
    failing = [failing_over(over) for over in overs] or ["fails"]
    try:
        bounds = tuple(_bound(share, evidence, words) for share, words in zip(usable, failing, strict=True))
        return Plan(
            counted=counted,
            bounds=bounds,
            against=against,
            alpha=evidence.alpha,
            beta=evidence.beta,
            ratio=evidence.ratio,
            burst=evidence.pinned_burst,
            deadline_s=evidence.deadline_s,
            undecided=evidence.undecided,
            warm_up_s=evidence.warm_up_s,
            checks=count_tests(canary),
        )
    except ValueError:
        # Admission refuses it; one that is stored all the same is judged by its threshold.
        return None


def count_tests(canary: Canary) -> int:
    """Return how many tests decide of the canary, at least 1: they share its alpha."""
    metrics = canary.analysis.metrics if canary.analysis is not None else ()
    return max(sum(metric.evidence is not None and not metric.dry_run for metric in metrics), 1)


def evidence_name(canary: Canary, metric: CanaryMetric) -> str:
    """Return what the test of a metric is called: the metric's name, `name#2` for the second of one name."""
    metrics = canary.analysis.metrics if canary.analysis is not None else ()
    number = 0
    for other in metrics:
        number += other.name == metric.name
        if other is metric:
            break
    name = shown(metric.name, _MOST_NAME_CHARS)
    return name if number <= 1 else f"{name}#{number}"


def evidence_names(canary: Canary) -> frozenset[str]:
    """Return the names of all tests of the spec."""
    metrics = canary.analysis.metrics if canary.analysis is not None else ()
    return frozenset(evidence_name(canary, metric) for metric in metrics if metric.evidence is not None)


def with_evidence(canary: Canary) -> Canary:
    """Return the canary with built-in checks that are judged by evidence where they say nothing of it, and can be."""
    analysis = canary.analysis
    if analysis is None:
        return canary
    room = MOST_EVIDENCE_TESTS - sum(metric.evidence is not None for metric in analysis.metrics)
    metrics: list[CanaryMetric] = []
    for metric in analysis.metrics:
        tested = _with_evidence(canary, metric) if room > 0 else metric
        room -= tested is not metric
        metrics.append(tested)
    edited = analysis.model_copy(update={"metrics": tuple(metrics)})
    field = "analysis" if canary.spec.analysis is not None else "canary_analysis"
    return canary.model_copy(update={"spec": canary.spec.model_copy(update={field: edited})})


def _with_evidence(canary: Canary, metric: CanaryMetric) -> CanaryMetric:
    if metric.evidence is not None or not metric.is_builtin:
        return metric
    tested = metric.model_copy(update={"evidence": Evidence()})
    if is_about_duration(metric):
        between = [around(bound.over, ENVOY_BUCKETS_MS) for _, bound in slow_bounds(tested, Evidence())]
        if any(low != high for low, high in between):
            # Of requests between two buckets it isn't known whether they are slow, and nobody was warned of that.
            return metric
    return metric if plan_of(canary, tested, "") is None else tested


def _bound(share_percent: float, evidence: Evidence, failing: str) -> Bound:
    limit = share_percent / ALL_PERCENT
    worst = evidence.unacceptable
    unacceptable = default_unacceptable(limit) if worst is None else worst / ALL_PERCENT
    return Bound(limit=limit, unacceptable=unacceptable, failing=failing)


def _written_threshold(metric: CanaryMetric) -> float | None:
    return metric.threshold if "threshold" in metric.model_fields_set else None

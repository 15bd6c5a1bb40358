"""Rules for the checks of an analysis. The text of a query is not looked at here."""

from collections.abc import Iterator
from functools import partial

from canary.api.canary import Canary
from canary.api.metrics import BUILTIN_METRICS, REQUEST_DURATION, SUCCESS_RATE, CanaryMetric, ThresholdRange
from canary.api.problems import Problem
from canary.api.schema import as_written
from canary.rules.urls import HTTP_URL, is_http_url, shown_address

_BEST_SUCCESS_RATE_PERCENT = 100

_SHORTEST_WINDOW_S = 1
"""A check's window is asked for in whole seconds."""
_SHORT_WINDOW_S = 10
"""A rate needs two scrapes in its window; Prometheus' shortest usual interval is 5 s."""

_refused = partial(Problem, spares_stored=True)


def metric_is_known(canary: Canary) -> Iterator[Problem]:
    for path, metric in _metrics(canary):
        if metric.name not in BUILTIN_METRICS and not _has_own_question(metric):
            allowed = f"{' or '.join(BUILTIN_METRICS)}; any other name needs a templateRef"
            yield Problem(f"{path}.name", metric.name, allowed)


def metric_is_asked_once(canary: Canary) -> Iterator[Problem]:
    for path, metric in _metrics(canary):
        if metric.name in BUILTIN_METRICS and _has_own_question(metric):
            allowed = "a name of its own; the built-in check of this name is not run"
            yield Problem(f"{path}.name", metric.name, allowed, is_warning=True)
        if metric.query and metric.template_ref is not None:
            allowed = "nothing beside templateRef, which replaces it"
            yield Problem(f"{path}.query", metric.query, allowed, is_warning=True)


def metric_has_a_threshold(canary: Canary) -> Iterator[Problem]:
    """Warn of a check that is compared with 0, or with nothing, as in Flagger; refuse one that no request can pass."""
    for path, metric in _metrics(canary):
        bounds = metric.threshold_range
        is_bounded = bounds is not None and (bounds.min is not None or bounds.max is not None)
        if is_bounded or (bounds is None and "threshold" in metric.model_fields_set):
            continue
        is_at_most_0 = bounds is None and metric.name != SUCCESS_RATE
        allowed = "min or max; without one, " + ("at most 0 is good" if is_at_most_0 else "any value is good")
        is_warning = not (metric.is_builtin and is_at_most_0)
        yield Problem(f"{path}.thresholdRange", as_written(bounds), allowed, is_warning)


def threshold_range_is_ordered(canary: Canary) -> Iterator[Problem]:
    for path, metric in _metrics(canary):
        bounds = metric.threshold_range
        if bounds is not None and bounds.min is not None and bounds.max is not None and bounds.min > bounds.max:
            yield Problem(f"{path}.thresholdRange", as_written(bounds), "min that is not above max")


def success_rate_can_be_reached(canary: Canary) -> Iterator[Problem]:
    for path, metric in _metrics(canary):
        if metric.name != SUCCESS_RATE or not metric.is_builtin:
            continue
        if metric.threshold_range is None:
            least, field = metric.threshold, "threshold"
        else:
            least, field = metric.threshold_range.min or 0, "thresholdRange.min"
        if least > _BEST_SUCCESS_RATE_PERCENT:
            yield Problem(f"{path}.{field}", as_written(least), "a percentage, at most 100")


def success_rate_is_a_least_percentage(canary: Canary) -> Iterator[Problem]:
    """Find bounds that the best success rate breaks, that the worst one keeps, or that look like a fraction."""
    for path, metric in _metrics(canary):
        if metric.name != SUCCESS_RATE or not metric.is_builtin:
            continue
        bounds, best = metric.threshold_range, _BEST_SUCCESS_RATE_PERCENT
        least, field = (metric.threshold, "threshold") if bounds is None else (bounds.min, "thresholdRange.min")
        is_ordered = bounds is not None and (bounds.min is None or bounds.max is None or bounds.min <= bounds.max)
        if bounds is not None and is_ordered and bounds.max is not None and bounds.max < best:
            allowed = "min, the least percentage of requests that succeed; with this, a revision without errors fails"
            is_range = bounds.min is not None
            path_of_max, found = f"{path}.thresholdRange.max", as_written(bounds.max)
            yield Problem(path_of_max, found, allowed, is_warning=is_range, spares_stored=not is_range)
        if least is None or least == 0:
            continue
        if least < 0:
            yield _refused(f"{path}.{field}", as_written(least), "a percentage from 0 to 100")
        elif least < 1:
            allowed = f"a percentage, such as {least * 100:g}; {least:g} is less than one request of a hundred"
            yield Problem(f"{path}.{field}", as_written(least), allowed, is_warning=True)


def duration_is_a_most(canary: Canary) -> Iterator[Problem]:
    """Find bounds of a latency that only slow answers keep, that no answer keeps, or that look like seconds."""
    for path, metric in _metrics(canary):
        if metric.name != REQUEST_DURATION or not metric.is_builtin:
            continue
        bounds = metric.threshold_range or ThresholdRange(max=metric.threshold)
        field = "threshold" if metric.threshold_range is None else "thresholdRange.max"
        if bounds.min is not None and bounds.min > 0 and bounds.max is None:
            allowed = "max, the most milliseconds that 99 of 100 requests take; with this, a faster revision fails"
            yield _refused(f"{path}.thresholdRange.min", as_written(bounds.min), allowed)
        if bounds.max is None or (metric.threshold_range is None and "threshold" not in metric.model_fields_set):
            continue
        if bounds.max < 0:
            yield _refused(f"{path}.{field}", as_written(bounds.max), "milliseconds, more than 0")
        elif bounds.max < 1:
            allowed = f"milliseconds, such as {bounds.max * 1000 or 500:g}; no request is answered in {bounds.max:g} ms"
            yield Problem(f"{path}.{field}", as_written(bounds.max), allowed, is_warning=True)


def threshold_is_given_once(canary: Canary) -> Iterator[Problem]:
    for path, metric in _metrics(canary):
        if metric.threshold_range is not None and "threshold" in metric.model_fields_set:
            allowed = "nothing beside thresholdRange, which replaces it"
            yield Problem(f"{path}.threshold", as_written(metric.threshold), allowed, is_warning=True)


def metric_interval_is_positive(canary: Canary) -> Iterator[Problem]:
    for path, metric in _metrics(canary):
        if metric.interval_s <= 0:
            yield Problem(f"{path}.interval", metric.interval, "a duration such as 30s or 1m, more than 0s")


def metric_interval_has_scrapes(canary: Canary) -> Iterator[Problem]:
    """Refuse a window of less than a second, in which there is never an answer; warn of a short one."""
    for path, metric in _metrics(canary):
        if 0 < metric.interval_s < _SHORTEST_WINDOW_S:
            yield _refused(f"{path}.interval", metric.interval, "a duration such as 30s or 1m, at least 1s")
        elif _SHORTEST_WINDOW_S <= metric.interval_s < _SHORT_WINDOW_S:
            allowed = (
                f"a duration such as 30s or 1m; with less than {_SHORT_WINDOW_S}s few windows have the two scrapes "
                "that a rate needs"
            )
            yield Problem(f"{path}.interval", metric.interval, allowed, is_warning=True)


def metric_names_differ(canary: Canary) -> Iterator[Problem]:
    """Warn of equal names: each check is judged by itself, as in Flagger, but its readers can't distinguish them."""
    seen: set[str] = set()
    for path, metric in _metrics(canary):
        if metric.name in seen:
            allowed = "a name that no other metric of this analysis has; in events and exported series they look alike"
            yield Problem(f"{path}.name", metric.name, allowed, is_warning=True)
        seen.add(metric.name)


def metric_settings_are_read(canary: Canary) -> Iterator[Problem]:
    for path, metric in _metrics(canary):
        if metric.template_variables and not _has_own_question(metric):
            allowed = "nothing without a templateRef, whose query they are for"
            yield Problem(f"{path}.templateVariables", metric.template_variables, allowed, is_warning=True)
        if metric.min_requests and not metric.is_builtin:
            allowed = f"nothing beside a query of your own; only {' and '.join(BUILTIN_METRICS)} count requests"
            yield Problem(f"{path}.minRequests", metric.min_requests, allowed, is_warning=True)


def failures_in_a_row_are_some(canary: Canary) -> Iterator[Problem]:
    """Refuse less than one failure, which is read as one."""
    for path, metric in _metrics(canary):
        found = metric.consecutive_failures
        if found is not None and found < 1:
            yield _refused(f"{path}.consecutiveFailures", found, "1 or more")


def builtin_checks_have_requests(canary: Canary) -> Iterator[Problem]:
    """Warn of checks without data: in blue/green nobody is routed to the canary before all its iterations passed."""
    analysis = canary.analysis
    if analysis is None or canary.is_analysis_skipped or canary.strategy != "blue-green" or analysis.mirror:
        return
    for path, metric in _metrics(canary):
        if metric.is_builtin and metric.on_no_data != "pass" and not metric.dry_run:
            end = f"after {analysis.unobserved_deadline_s:g} s without data"
            if metric.on_no_data == "fail":
                end = "after as many checks without data as threshold says"
            allowed = (
                "pass, or mirror: true: this check sees what Gloo's Envoy routes to the canary, not what goes to its "
                f"Service, and with iterations nobody is routed there before their end; the run is rolled back {end}"
            )
            found = metric.on_no_data if "on_no_data" in metric.model_fields_set else None
            yield Problem(f"{path}.onNoData", found, allowed, is_warning=True)


def metrics_server_is_a_url(canary: Canary) -> Iterator[Problem]:
    address = canary.spec.metrics_server
    if address and not is_http_url(address):
        yield Problem("spec.metricsServer", shown_address(address), HTTP_URL)


def _metrics(canary: Canary) -> Iterator[tuple[str, CanaryMetric]]:
    for index, metric in enumerate(canary.analysis.metrics if canary.analysis is not None else ()):
        yield f"{canary.analysis_path}.metrics[{index}]", metric


def _has_own_question(metric: CanaryMetric) -> bool:
    return metric.template_ref is not None or metric.query != ""


METRIC_RULES = (
    metric_is_known,
    metric_is_asked_once,
    metric_has_a_threshold,
    threshold_range_is_ordered,
    success_rate_can_be_reached,
    success_rate_is_a_least_percentage,
    duration_is_a_most,
    threshold_is_given_once,
    metric_interval_is_positive,
    metric_interval_has_scrapes,
    metric_names_differ,
    metric_settings_are_read,
    failures_in_a_row_are_some,
    builtin_checks_have_requests,
    metrics_server_is_a_url,
)

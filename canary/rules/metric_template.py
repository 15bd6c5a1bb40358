"""Rules for MetricTemplates. What a query must be is in `canary.rules.queries`."""

from collections.abc import Iterator

from canary.api.metric_template import PROMETHEUS, QUERIED_TYPES, MetricTemplate
from canary.api.problems import Problem
from canary.rules.unknown_fields import fields_are_known
from canary.rules.urls import HTTP_URL, is_http_url, shown_address


def check_metric_template(template: MetricTemplate) -> tuple[Problem, ...]:
    """Return errors and warnings."""
    return (
        *_query_is_written(template),
        *_prometheus_has_an_address(template),
        *_type_is_queried(template),
        *fields_are_known(template),
    )


def _query_is_written(template: MetricTemplate) -> Iterator[Problem]:
    if not template.spec.query.strip():
        yield Problem("spec.query", template.spec.query, "a query in the language of the provider")


def _prometheus_has_an_address(template: MetricTemplate) -> Iterator[Problem]:
    provider = template.spec.provider
    if provider.type == PROMETHEUS and not is_http_url(provider.address):
        yield Problem("spec.provider.address", shown_address(provider.address) or None, HTTP_URL)


def _type_is_queried(template: MetricTemplate) -> Iterator[Problem]:
    queried, found = ", ".join(QUERIED_TYPES), template.spec.provider.type
    if found not in QUERIED_TYPES:
        allowed = f"{queried} in this version; a canary that refers to another type begins no run"
        yield Problem("spec.provider.type", found, allowed, is_warning=True)

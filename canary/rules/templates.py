"""Rules for MetricTemplates and AlertProviders."""

from collections.abc import Iterator

from canary.api.alert_provider import TOLD_TYPES, AlertProvider
from canary.api.metric_template import ASKED_TYPES, PROMETHEUS, MetricTemplate
from canary.api.problems import Problem
from canary.rules.urls import HTTP_URL, is_http_url, shown_address


def check_metric_template(template: MetricTemplate) -> tuple[Problem, ...]:
    return (*_query_asks_something(template), *_prometheus_has_an_address(template), *_type_is_asked(template))


def check_alert_provider(provider: AlertProvider) -> tuple[Problem, ...]:
    return (*_alerts_have_an_address(provider), *_alert_addresses_are_urls(provider), *_type_is_told(provider))


def _query_asks_something(template: MetricTemplate) -> Iterator[Problem]:
    if not template.spec.query.strip():
        yield Problem("spec.query", template.spec.query, "a query in the language of the provider")


def _prometheus_has_an_address(template: MetricTemplate) -> Iterator[Problem]:
    provider = template.spec.provider
    if provider.type == PROMETHEUS and not is_http_url(provider.address):
        yield Problem("spec.provider.address", shown_address(provider.address) or None, HTTP_URL)


def _type_is_asked(template: MetricTemplate) -> Iterator[Problem]:
    asked, found = ", ".join(ASKED_TYPES), template.spec.provider.type
    if found not in ASKED_TYPES:
        allowed = f"{asked} in this version; a check that asks another type gets no answer and holds its run"
        yield Problem("spec.provider.type", found, allowed, is_warning=True)


def _alerts_have_an_address(provider: AlertProvider) -> Iterator[Problem]:
    if not provider.spec.address and provider.spec.secret_ref is None:
        yield Problem("spec.address", None, f"{HTTP_URL}, or a secretRef to a secret that holds it")
    elif provider.spec.address and provider.spec.secret_ref is not None:
        allowed = "nothing beside secretRef, whose address is taken"
        yield Problem("spec.address", shown_address(provider.spec.address), allowed, is_warning=True)


def _alert_addresses_are_urls(provider: AlertProvider) -> Iterator[Problem]:
    for field, address in (("address", provider.spec.address), ("proxy", provider.spec.proxy)):
        if address and not is_http_url(address):
            yield Problem(f"spec.{field}", shown_address(address), HTTP_URL)


def _type_is_told(provider: AlertProvider) -> Iterator[Problem]:
    if provider.spec.type not in TOLD_TYPES:
        allowed = f"{', '.join(TOLD_TYPES)} in this version; an alert for another type becomes a Warning event"
        yield Problem("spec.type", provider.spec.type, allowed, is_warning=True)

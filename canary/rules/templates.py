"""Rules for MetricTemplates and AlertProviders."""

from collections.abc import Iterator

from canary.model.alert_provider import AlertProvider
from canary.model.metric_template import MetricTemplate
from canary.problems import Problem
from canary.rules.urls import HTTP_URL, is_http_url


def check_metric_template(template: MetricTemplate) -> tuple[Problem, ...]:
    return (*_query_asks_something(template), *_prometheus_has_an_address(template))


def check_alert_provider(provider: AlertProvider) -> tuple[Problem, ...]:
    return (*_alerts_have_an_address(provider), *_alert_addresses_are_urls(provider))


def _query_asks_something(template: MetricTemplate) -> Iterator[Problem]:
    if not template.spec.query.strip():
        yield Problem("spec.query", template.spec.query, "a query in the language of the provider")


def _prometheus_has_an_address(template: MetricTemplate) -> Iterator[Problem]:
    provider = template.spec.provider
    if provider.type == "prometheus" and not is_http_url(provider.address):
        yield Problem("spec.provider.address", provider.address or None, HTTP_URL)


def _alerts_have_an_address(provider: AlertProvider) -> Iterator[Problem]:
    if not provider.spec.address and provider.spec.secret_ref is None:
        yield Problem("spec.address", None, f"{HTTP_URL}, or a secretRef to a secret that holds it")
    elif provider.spec.address and provider.spec.secret_ref is not None:
        allowed = "nothing beside secretRef, whose address is taken"
        yield Problem("spec.address", provider.spec.address, allowed, is_warning=True)


def _alert_addresses_are_urls(provider: AlertProvider) -> Iterator[Problem]:
    for field, address in (("address", provider.spec.address), ("proxy", provider.spec.proxy)):
        if address and not is_http_url(address):
            yield Problem(f"spec.{field}", address, HTTP_URL)

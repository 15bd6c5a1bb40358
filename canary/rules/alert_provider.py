"""Rules for AlertProviders."""

from collections.abc import Iterator

from canary.api.alert_provider import AlertProvider
from canary.api.problems import Problem
from canary.rules.object_names import check_secret_reference
from canary.rules.unknown_fields import fields_are_known
from canary.rules.urls import CLEAN_URL, HTTP_URL, is_clean_http_url, is_http_url, shown_address


def check_alert_provider(provider: AlertProvider) -> tuple[Problem, ...]:
    """Return errors and warnings."""
    return (
        *_alerts_have_an_address(provider),
        *_alert_addresses_are_urls(provider),
        *_address_is_kept_secret(provider),
        *check_secret_reference("spec.secretRef", provider.spec.secret_ref),
        *fields_are_known(provider),
    )


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
        elif address and not is_clean_http_url(address):
            yield Problem(f"spec.{field}", shown_address(address), CLEAN_URL, spares_stored=True)


def _address_is_kept_secret(provider: AlertProvider) -> Iterator[Problem]:
    """Warn of an address without TLS: who has it can write to the chat."""
    if provider.spec.address.startswith("http://"):
        allowed = "https://, for who sees the address on its way can write to the chat"
        yield Problem("spec.address", shown_address(provider.spec.address), allowed, is_warning=True)

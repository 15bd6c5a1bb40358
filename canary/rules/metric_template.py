"""Rules for MetricTemplates. What a query must be is in `canary.rules.queries`."""

from collections.abc import Iterator
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from canary.api.metric_template import PROMETHEUS, QUERIED_TYPES, MetricTemplate
from canary.api.problems import Problem, field_path
from canary.rules.http_syntax import TOKEN, is_field_value, is_token, shown
from canary.rules.object_names import check_secret_reference
from canary.rules.unknown_fields import fields_are_known
from canary.rules.urls import BASE_URL, CLEAN_URL, HTTP_URL, has_user, is_clean_http_url, is_http_url, shown_address

_API: Final = "/api/v1"
"""Of Prometheus; `/query` below it is put behind the address."""

_refused = partial(Problem, spares_stored=True)


def check_metric_template(template: MetricTemplate) -> tuple[Problem, ...]:
    """Return errors and warnings."""
    return (
        *_query_is_written(template),
        *_prometheus_has_an_address(template),
        *_address_is_a_base(template),
        *_headers_can_be_sent(template),
        *_certificate_is_there(template),
        *check_secret_reference("spec.provider.secretRef", template.spec.provider.secret_ref),
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


def _address_is_a_base(template: MetricTemplate) -> Iterator[Problem]:
    """Refuse what is more than an address to which the path of a query can be added; warn of a password in it."""
    provider, path = template.spec.provider, "spec.provider.address"
    if provider.type != PROMETHEUS or not is_http_url(provider.address):
        return
    url, shown_url = urlsplit(provider.address), shown_address(provider.address)
    if not is_clean_http_url(provider.address):
        yield _refused(path, shown_url, CLEAN_URL)
    elif url.query or url.fragment or provider.address.rstrip().endswith(("?", "#")):
        allowed = f"{BASE_URL}, without ? and #; {_API}/query is put behind it"
        yield _refused(path, shown_url, allowed)
    elif f"{url.path.rstrip('/')}/".endswith((f"{_API}/", f"{_API}/query/", f"{_API}/query_range/")):
        yield _refused(path, shown_url, f"{BASE_URL}; {_API}/query is put behind it")
    if has_user(provider.address):
        allowed = "no user and password in it, which everybody sees who may read MetricTemplates; a secretRef has them"
        yield Problem(path, shown_url, allowed, is_warning=True)


def _headers_can_be_sent(template: MetricTemplate) -> Iterator[Problem]:
    for name, values in template.spec.provider.headers.items():
        path = field_path("spec.provider.headers", name)
        if not is_token(name):
            yield _refused(path, shown(name, is_token), f"for its name: {TOKEN}")
        elif name.lower() == "host":
            yield _refused(path, name, "a header other than Host, which is the address'")
        for index, value in enumerate(values):
            if not is_field_value(value):
                # A header may be a credential: nothing of it is shown.
                yield _refused(f"{path}[{index}]", "…", "a text without line breaks and other control characters")


def _certificate_is_there(template: MetricTemplate) -> Iterator[Problem]:
    provider = template.spec.provider
    if provider.insecure_skip_verify and provider.address.startswith("http://"):
        allowed = "nothing beside http://, which has no certificate to be verified"
        yield Problem("spec.provider.insecureSkipVerify", provider.insecure_skip_verify, allowed, is_warning=True)


def _type_is_queried(template: MetricTemplate) -> Iterator[Problem]:
    queried, found = ", ".join(QUERIED_TYPES), template.spec.provider.type
    if found not in QUERIED_TYPES:
        allowed = f"{queried} in this version; a canary that refers to another type begins no run"
        yield Problem("spec.provider.type", found, allowed, is_warning=True)

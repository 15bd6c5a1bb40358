"""Rules for MetricTemplates. What a query must be is in `canary.rules.queries`."""

import re
from collections.abc import Iterator
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from canary.api.metric_template import (
    FRAMING_HEADERS,
    PROVIDER_FIELDS,
    REGION,
    MetricTemplate,
    ProviderFields,
    Use,
    named_keys,
)
from canary.api.problems import Problem, field_path
from canary.rules.http_syntax import TOKEN, is_field_value, is_token, shown
from canary.rules.object_names import check_secret_reference
from canary.rules.unknown_fields import fields_are_known
from canary.rules.urls import BASE_URL, CLEAN_URL, HTTP_URL, has_user, is_clean_http_url, is_http_url, shown_address

_TARGET: Final = re.compile(r"(?:^|[&}])\s*target=")
"""A parameter, at the beginning or behind another one, or behind something that is filled in."""

_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"")
_BARE_INTERVAL: Final = re.compile(r"[(,]\s*\{\{-?\s*interval\s*-?\}\}\s*[,)]")

_refused = partial(Problem, spares_stored=True)


def check_metric_template(template: MetricTemplate) -> tuple[Problem, ...]:
    """Return errors and warnings."""
    return (
        *_query_is_written(template),
        *_headers_can_be_sent(template),
        *_certificate_is_there(template),
        *check_secret_reference("spec.provider.secretRef", template.spec.provider.secret_ref),
        *_type_has_its_fields(template, PROVIDER_FIELDS[template.spec.provider.type]),
        *fields_are_known(template),
    )


def _type_has_its_fields(template: MetricTemplate, fields: ProviderFields) -> Iterator[Problem]:
    yield from _address_is_there(template, fields)
    yield from _address_is_a_base(template, fields)
    yield from _secret_is_named(template, fields)
    yield from _region_is_named(template, fields)
    if template.spec.provider.type == "graphite":
        yield from _graphite_has_a_target(template)
        yield from _graphites_interval_is_a_text(template)


def _query_is_written(template: MetricTemplate) -> Iterator[Problem]:
    if not template.spec.query.strip():
        yield Problem("spec.query", template.spec.query, "a query in the language of the provider")


def _address_is_there(template: MetricTemplate, fields: ProviderFields) -> Iterator[Problem]:
    address, path = fields.by_http(template.spec.provider.address), "spec.provider.address"
    if fields.address is Use.UNUSED:
        if address:
            yield _unused(template, path, shown_address(address))
    elif (address or fields.address is Use.NEEDED) and not is_http_url(address):
        default = f", or nothing: then it is {fields.default_address}" if fields.default_address else ""
        yield Problem(path, shown_address(address) or None, f"{HTTP_URL}{default}")


def _address_is_a_base(template: MetricTemplate, fields: ProviderFields) -> Iterator[Problem]:
    """Refuse what is more than an address to which the path of a query can be added; warn of a password in it."""
    address, path = fields.by_http(template.spec.provider.address), "spec.provider.address"
    if fields.address is Use.UNUSED or not is_http_url(address):
        return
    url, shown_url = urlsplit(address), shown_address(address)
    if not is_clean_http_url(address):
        yield _refused(path, shown_url, CLEAN_URL)
    elif url.query or url.fragment or address.rstrip().endswith(("?", "#")):
        allowed = f"{BASE_URL}, without ? and #; {fields.api} is put behind it"
        yield _refused(path, shown_url, allowed)
    elif f"{url.path.rstrip('/')}/".endswith(_ends_of_api(fields.api)):
        yield _refused(path, shown_url, f"{BASE_URL}; {fields.api} is put behind it")
    if has_user(address):
        allowed = "no user and password in it, which everybody sees who may read MetricTemplates; a secretRef has them"
        yield Problem(path, shown_url, allowed, is_warning=True)


def _ends_of_api(api: str) -> tuple[str, ...]:
    """Return the ends of an address to which the API's path, or the folder of it, was added already."""
    if not api:
        return ()
    folder = api.rpartition("/")[0]
    return (f"{api}/", f"{api}_range/", *([f"{folder}/"] if folder else []))


def _secret_is_named(template: MetricTemplate, fields: ProviderFields) -> Iterator[Problem]:
    reference, path = template.spec.provider.secret_ref, "spec.provider.secretRef"
    if fields.secret_ref is Use.NEEDED and reference is None:
        yield Problem(path, None, f"the name of a Secret with {named_keys(fields)}")
    elif fields.own_identity and not fields.identity_key and reference is None:
        allowed = (
            f"the name of a Secret with {named_keys(fields)}; without one it is asked with the agent's own "
            f"{fields.own_identity}, which --agent-identity-namespaces has to allow namespace {template.namespace}, or "
            "no run of its canaries begins"
        )
        yield Problem(path, None, allowed, is_warning=True)
    elif fields.secret_ref is Use.UNUSED and reference is not None:
        yield _unused(template, path, reference.name)


def _region_is_named(template: MetricTemplate, fields: ProviderFields) -> Iterator[Problem]:
    region, path = template.spec.provider.region, "spec.provider.region"
    if fields.region is Use.NEEDED and REGION.fullmatch(region) is None:
        yield Problem(path, region or None, "the region that is asked, such as eu-west-1")
    elif fields.region is Use.UNUSED and region:
        yield _unused(template, path, region)


def _graphite_has_a_target(template: MetricTemplate) -> Iterator[Problem]:
    """Warn of a query that is no parameters of a request: Graphite would answer that it has nothing."""
    query = template.spec.query
    if query.strip() and _TARGET.search(query) is None:
        allowed = (
            "the parameters of a request to Graphite's render API, such as target=sumSeries(a.*.errors)&from=-1min"
        )
        yield Problem("spec.query", query, allowed, is_warning=True)


def _graphites_interval_is_a_text(template: MetricTemplate) -> Iterator[Problem]:
    """Warn of an interval among a function's arguments without quotes: Graphite takes it for a metric's name."""
    query = template.spec.query
    if _BARE_INTERVAL.search(_QUOTED.sub("", query)):
        allowed = "'{{ interval }}' as a function's argument: without quotes Graphite takes it for the name of a metric"
        yield Problem("spec.query", query, allowed, is_warning=True)


def _unused(template: MetricTemplate, path: str, found: str) -> Problem:
    allowed = f"nothing: with the type {template.spec.provider.type} it has no meaning"
    return Problem(path, found, allowed, is_warning=True)


def _headers_can_be_sent(template: MetricTemplate) -> Iterator[Problem]:
    for name, values in template.spec.provider.headers.items():
        path = field_path("spec.provider.headers", name)
        if not is_token(name):
            yield _refused(path, shown(name, is_token), f"for its name: {TOKEN}")
        elif name.lower() in FRAMING_HEADERS:
            allowed = "a header of the server's own; this one says where a request goes or ends, which is ours to say"
            yield _refused(path, name, allowed)
        for index, value in enumerate(values):
            if not is_field_value(value):
                # A header may be a credential: nothing of it is shown.
                yield _refused(f"{path}[{index}]", "…", "a text without line breaks and other control characters")


def _certificate_is_there(template: MetricTemplate) -> Iterator[Problem]:
    provider = template.spec.provider
    if provider.insecure_skip_verify and provider.address.startswith("http://"):
        allowed = "nothing beside http://, which has no certificate to be verified"
        yield Problem("spec.provider.insecureSkipVerify", provider.insecure_skip_verify, allowed, is_warning=True)

"""Rules for what is done to requests on their way: retries, rewrites, headers and CORS.

A route that Envoy refuses is an error: Gloo passes most of them on, and Envoy then drops the whole update, other
people's routes included.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from canary.api.bounds import MOST_HEADER_VALUE_BYTES, MOST_REGEXES, MOST_RETRY_ON_CHARS
from canary.api.canary import Canary
from canary.api.problems import Described, Problem, around, field_path
from canary.api.schema import as_written
from canary.api.service import HeaderOperations
from canary.rules.header_variables import ALLOWED_VARIABLES, find_fault
from canary.rules.http_syntax import TOKEN, is_field_value, is_token, shown
from canary.rules.patterns import is_origin_of

_RETRY_ON: Final = (
    *("5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "envoy-ratelimited"),
    *("retriable-4xx", "refused-stream", "retriable-status-codes", "retriable-headers", "http3-post-connect-failure"),
    *("cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"),
)
"""Envoy's x-envoy-retry-on and x-envoy-retry-grpc-on."""

_ANY_SITES: Final = ("https://one.invalid", "http://other.invalid:8080")
"""Two that nobody means; what is for both is for everybody."""

_REWRITE_TYPES: Final = ("ReplaceFullPath", "ReplacePrefixMatch")
_SERVICE: Final = "spec.service"

_MOST_NAMED: Final = 5
"""Conditions that are none, in one message."""


def timeouts_are_no_zeros(canary: Canary) -> Iterator[Problem]:
    """Warn of 0s: Envoy takes it for no limit of its own."""
    service = canary.spec.service
    if service.timeout_s == 0:
        allowed = "a duration such as 15s; with 0s a request may take for ever"
        yield Problem(f"{_SERVICE}.timeout", service.timeout, allowed, is_warning=True)
    if service.retries is not None and service.retries.per_try_timeout_s == 0:
        allowed = "a duration such as 5s; with 0s only timeout, if there is one, ends a try"
        yield Problem(f"{_SERVICE}.retries.perTryTimeout", service.retries.per_try_timeout, allowed, is_warning=True)


def retries_are_tried(canary: Canary) -> Iterator[Problem]:
    retries, timeout_s = canary.spec.service.retries, canary.spec.service.timeout_s
    if retries is None:
        return
    path = f"{_SERVICE}.retries"
    yield from _retry_conditions(f"{path}.retryOn", retries.retry_on)
    if timeout_s and retries.per_try_timeout_s is not None and retries.per_try_timeout_s > timeout_s:
        allowed = f"at most timeout, {canary.spec.service.timeout}, which ends all tries"
        yield Problem(f"{path}.perTryTimeout", retries.per_try_timeout, allowed, is_warning=True)
    if not retries.attempts and (retries.per_try_timeout or retries.retry_on):
        found = retries.attempts if "attempts" in retries.model_fields_set else None
        yield Problem(f"{path}.attempts", found, "1 or more; without it nothing is retried", is_warning=True)


def rewrite_gives_a_path_and_a_host(canary: Canary) -> Iterator[Problem]:
    rewrite = canary.spec.service.rewrite
    if rewrite is None:
        return
    path = f"{_SERVICE}.rewrite"
    if rewrite.uri and not (rewrite.uri.startswith("/") and is_field_value(rewrite.uri)):
        found = shown(rewrite.uri, is_field_value) if rewrite.uri.startswith("/") else rewrite.uri
        yield Problem(f"{path}.uri", found, "a path that starts with /, without control characters")
    if not _can_be_a_host(rewrite.authority):
        yield Problem(
            f"{path}.authority", shown(rewrite.authority, _can_be_a_host), "a host, with a port or without one"
        )
    if not rewrite.uri and not rewrite.authority:
        found = as_written(rewrite)
        yield Problem(path, found, "uri or authority; without them nothing is rewritten", is_warning=True)
    if rewrite.type and rewrite.type not in _REWRITE_TYPES:
        allowed = f"{' or '.join(_REWRITE_TYPES)}; anything else is read as {_REWRITE_TYPES[1]}"
        yield Problem(f"{path}.type", rewrite.type, allowed, is_warning=True)


def headers_can_be_changed(canary: Canary) -> Iterator[Problem]:
    headers = canary.spec.service.headers
    if headers is not None:
        yield from _operations(f"{_SERVICE}.headers.request", headers.request)
        yield from _operations(f"{_SERVICE}.headers.response", headers.response)


def headers_are_changed_once(canary: Canary) -> Iterator[Problem]:
    """Warn of a header that is in two of set, add and remove, or in one of them in two spellings."""
    headers = canary.spec.service.headers
    if headers is None:
        return
    for side, operations in (("request", headers.request), ("response", headers.response)):
        written = (*operations.set, *operations.add, *operations.remove)
        count = Counter(name.lower() for name in written)
        told: set[str] = set()
        for name in written:
            if count[name.lower()] > 1 and name.lower() not in told:
                told.add(name.lower())
                found = Described(f"{name} {count[name.lower()]} times")
                allowed = "each header once, in one of set, add and remove; Envoy removes first, then sets and adds"
                yield Problem(f"{_SERVICE}.headers.{side}", found, allowed, is_warning=True)


def cors_names_are_tokens(canary: Canary) -> Iterator[Problem]:
    cors = canary.spec.service.cors_policy
    if cors is None:
        return
    path = f"{_SERVICE}.corsPolicy"
    fields = (("allowMethods", cors.allow_methods), ("allowHeaders", cors.allow_headers))
    for field, names in (*fields, ("exposeHeaders", cors.expose_headers)):
        for index, name in enumerate(names):
            if not is_token(name):
                yield Problem(f"{path}.{field}[{index}]", shown(name, is_token), f"{TOKEN}, or *")


def cors_origins_are_named(canary: Canary) -> Iterator[Problem]:
    cors = canary.spec.service.cors_policy
    if cors is None:
        return
    path = f"{_SERVICE}.corsPolicy"
    for index, origin in enumerate(cors.allow_origin):
        if not origin or not is_field_value(origin):
            yield Problem(f"{path}.allowOrigin[{index}]", origin, "an origin such as https://example.com, or *")
    if not cors.allow_origin and not cors.allow_origins:
        allowed = "at least one origin; without one no other site may call"
        yield Problem(f"{path}.allowOrigins", None, allowed, is_warning=True)
    if cors.allow_credentials and "*" in cors.allow_origin:
        allowed = "named origins beside allowCredentials; browsers give * no credentials"
        yield Problem(f"{path}.allowOrigin", list(cors.allow_origin), allowed, is_warning=True)


def cors_credentials_are_for_somebody(canary: Canary) -> Iterator[Problem]:
    """Warn where any site whatever may call with a user's cookies: Envoy repeats the origin, which `*` does not do."""
    cors = canary.spec.service.cors_policy
    if cors is None or not cors.allow_credentials:
        return
    for index, origin in enumerate(cors.allow_origins[:MOST_REGEXES]):
        if all(is_origin_of(origin, site) for site in _ANY_SITES):
            allowed = "the origins that are meant, beside allowCredentials; this is every site, with the user's cookies"
            path = f"{_SERVICE}.corsPolicy.allowOrigins[{index}]"
            yield Problem(path, as_written(origin), allowed, is_warning=True)


def _operations(path: str, operations: HeaderOperations) -> Iterator[Problem]:
    for field, entries in (("set", operations.set), ("add", operations.add)):
        for name, value in entries.items():
            yield from _name(field_path(path, field, name), name)
            yield from _header_value(field_path(path, field, name), value)
    for index, name in enumerate(operations.remove):
        yield from _name(f"{path}.remove[{index}]", name)


def _header_value(path: str, value: str) -> Iterator[Problem]:
    size_bytes = len(value.encode(errors="replace"))
    if size_bytes > MOST_HEADER_VALUE_BYTES:
        yield Problem(path, Described(f"{size_bytes} bytes"), f"at most {MOST_HEADER_VALUE_BYTES} bytes")
    elif not is_field_value(value):
        yield Problem(path, shown(value, is_field_value), "a text without control characters")
    elif (place := find_fault(value)) is not None:
        yield Problem(path, around(value, place), ALLOWED_VARIABLES)


def _retry_conditions(path: str, written: str) -> Iterator[Problem]:
    if len(written) > MOST_RETRY_ON_CHARS:
        yield Problem(path, Described(f"{len(written)} characters"), f"at most {MOST_RETRY_ON_CHARS} characters")
        return
    unknown = [part.strip() for part in written.split(",") if part.strip() and part.strip() not in _RETRY_ON]
    if unknown:
        named = ", ".join(unknown[:_MOST_NAMED]) + (", ..." if len(unknown) > _MOST_NAMED else "")
        is_are = "is none and is" if len(unknown) == 1 else "are none and are"
        allowed = f"Envoy's conditions, separated by commas; {named} {is_are} ignored"
        yield Problem(path, written, allowed, is_warning=True)


def _can_be_a_host(text: str) -> bool:
    return is_field_value(text) and not set(text) & set(" /?#@")


def _name(path: str, name: str) -> Iterator[Problem]:
    if name.startswith(":"):
        yield Problem(path, name, "no pseudo-header; see rewrite for another path or host")
    elif not is_token(name) or name.lower() == "host":
        yield Problem(path, name, f"a header other than Host (see rewrite.authority): {TOKEN}")


ROUTING_RULES = (
    timeouts_are_no_zeros,
    retries_are_tried,
    rewrite_gives_a_path_and_a_host,
    headers_can_be_changed,
    headers_are_changed_once,
    cors_names_are_tokens,
    cors_origins_are_named,
    cors_credentials_are_for_somebody,
)

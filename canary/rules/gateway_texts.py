"""Rules for the size of texts that reach Envoy, which refuses all routes together for one that is too long.

Header values and patterns have rules of their own: `canary.rules.routing` and `canary.rules.patterns`.
"""

from collections.abc import Iterator

from canary.api.bounds import (
    MOST_COOKIE_ATTRIBUTE_CHARS,
    MOST_COOKIE_NAME_CHARS,
    MOST_HEADER_NAME_CHARS,
    MOST_PARAMETER_NAME_BYTES,
    MOST_PATH_BYTES,
)
from canary.api.canary import Canary
from canary.api.problems import Described, Problem, field_path
from canary.rules.conditions import conditions, entries


def paths_and_hosts_are_short(canary: Canary) -> Iterator[Problem]:
    for condition in conditions(canary):
        if condition.is_always_there:
            for way in ("exact", "prefix", "suffix"):
                yield from _bytes(f"{condition.path}.{way}", getattr(condition.match, way) or "", MOST_PATH_BYTES)
    rewrite = canary.spec.service.rewrite
    if rewrite is not None:
        yield from _bytes("spec.service.rewrite.uri", rewrite.uri, MOST_PATH_BYTES)
        yield from _bytes("spec.service.rewrite.authority", rewrite.authority, MOST_PATH_BYTES)


def names_of_conditions_are_short(canary: Canary) -> Iterator[Problem]:
    for path, entry in entries(canary):
        for field, matches in (("headers", entry.headers), ("withoutHeaders", entry.without_headers)):
            for name in matches:
                yield from _name(field_path(path, field, name), name)
        for name in entry.query_params:
            where = field_path(path, "queryParams", name)
            yield from _bytes(where, name, MOST_PARAMETER_NAME_BYTES, "for its name: ")


def names_of_changed_headers_are_short(canary: Canary) -> Iterator[Problem]:
    headers = canary.spec.service.headers
    if headers is None:
        return
    for side, operations in (("request", headers.request), ("response", headers.response)):
        path = f"spec.service.headers.{side}"
        for field, names in (("set", operations.set), ("add", operations.add)):
            for name in names:
                yield from _name(field_path(path, field, name), name)
        for index, name in enumerate(operations.remove):
            yield from _name(f"{path}.remove[{index}]", name)


def cookies_are_short(canary: Canary) -> Iterator[Problem]:
    affinity = canary.analysis.session_affinity if canary.analysis is not None else None
    if affinity is None:
        return
    for field, text, most in (
        ("cookieName", affinity.cookie_name, MOST_COOKIE_NAME_CHARS),
        ("primaryCookieName", affinity.primary_cookie_name, MOST_COOKIE_NAME_CHARS),
        ("domain", affinity.domain, MOST_COOKIE_ATTRIBUTE_CHARS),
        ("path", affinity.path, MOST_COOKIE_ATTRIBUTE_CHARS),
    ):
        if len(text) > most:
            path = f"{canary.analysis_path}.sessionAffinity.{field}"
            yield Problem(path, Described(f"{len(text)} characters"), f"at most {most} characters")


def origins_are_not_empty(canary: Canary) -> Iterator[Problem]:
    cors = canary.spec.service.cors_policy
    for index, origin in enumerate(cors.allow_origins if cors is not None else ()):
        if origin.regex == "":
            allowed = "a regular expression; Envoy refuses an empty one, and all other routes with it"
            yield Problem(f"spec.service.corsPolicy.allowOrigins[{index}].regex", "", allowed)


def _name(path: str, name: str) -> Iterator[Problem]:
    if len(name) > MOST_HEADER_NAME_CHARS:
        yield Problem(path, Described(f"{len(name)} characters"), f"for its name: at most {MOST_HEADER_NAME_CHARS}")


def _bytes(path: str, text: str, most: int, about: str = "") -> Iterator[Problem]:
    size = len(text.encode(errors="replace"))
    if size > most:
        yield Problem(path, Described(f"{size} bytes"), f"{about}at most {most} bytes")


GATEWAY_TEXT_RULES = (
    paths_and_hosts_are_short,
    names_of_conditions_are_short,
    names_of_changed_headers_are_short,
    cookies_are_short,
    origins_are_not_empty,
)

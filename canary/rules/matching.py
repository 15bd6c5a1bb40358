"""Rules for match conditions: each value compared in one way, and in a way that Gloo can."""

from collections.abc import Iterator
from typing import NamedTuple

import re2

from canary.model.canary import Canary
from canary.model.matching import StringMatch
from canary.model.schema import as_written
from canary.problems import Problem, field_path
from canary.rules.http_syntax import METHODS, TOKEN, is_token

_HEADER_WAYS = ("exact", "prefix", "suffix", "regex", "present")
_QUERY_WAYS = ("exact", "prefix", "regex", "present")
_PATH_WAYS = ("exact", "prefix", "regex")
_METHOD_WAYS = ("exact",)  # Gloo's matcher has a list of methods, no patterns

_RE2_OPTIONS = re2.Options()
_RE2_OPTIONS.log_errors = False


class _Condition(NamedTuple):
    path: str
    match: StringMatch
    ways: tuple[str, ...]
    is_header: bool = False


def each_value_is_compared_in_one_way(canary: Canary) -> Iterator[Problem]:
    """An empty comparison is refused for headers only: Flagger's CRD lets it pass elsewhere."""
    for condition in _conditions(canary):
        count = len(condition.match.ways)
        if count != 1:
            is_warning = count == 0 and not condition.is_header
            found = as_written(condition.match)
            yield Problem(condition.path, found, f"exactly one of {', '.join(condition.ways)}", is_warning)


def each_comparison_is_possible(canary: Canary) -> Iterator[Problem]:
    for condition in _conditions(canary):
        for way in condition.match.ways:
            if way not in condition.ways:
                found = getattr(condition.match, way)
                yield Problem(f"{condition.path}.{way}", found, f"only {', '.join(condition.ways)} here")


def regexes_are_re2(canary: Canary) -> Iterator[Problem]:
    """Gloo accepts any regex; Envoy drops the whole update for one that RE2 refuses."""
    for condition in (*_conditions(canary), *_origins(canary)):
        regex = condition.match.regex
        fault = _re2_fault(regex) if regex is not None else None
        if fault is not None:
            yield Problem(f"{condition.path}.regex", regex, f"a regular expression that RE2 reads ({fault})")


def no_entry_matches_everyone(canary: Canary) -> Iterator[Problem]:
    entries = canary.analysis.match if canary.analysis is not None else ()
    for index, entry in enumerate(entries):
        if not (entry.headers or entry.without_headers or entry.query_params or entry.uri or entry.method):
            path = f"{canary.analysis_path}.match[{index}]"
            allowed = "a condition on headers, queryParams, uri or method; without one it matches every request"
            yield Problem(path, as_written(entry), allowed, is_warning=True)


def names_can_be_sent(canary: Canary) -> Iterator[Problem]:
    """A header that HTTP can't carry is refused by Envoy; so is a name that is empty."""
    for index, entry in enumerate(canary.analysis.match if canary.analysis is not None else ()):
        path = f"{canary.analysis_path}.match[{index}]"
        for field, matches in (("headers", entry.headers), ("withoutHeaders", entry.without_headers)):
            for name, match in matches.items():
                if not is_token(name.removeprefix(":")):  # :authority, :method and :path are headers to Envoy
                    yield Problem(field_path(path, field, name), as_written(match), f"for its name: {TOKEN}")
        if "" in entry.query_params:
            found = as_written(entry.query_params[""])
            yield Problem(field_path(path, "queryParams", ""), found, "for its name: at least one character")


def absence_can_be_asked(canary: Canary) -> Iterator[Problem]:
    for index, entry in enumerate(canary.analysis.match if canary.analysis is not None else ()):
        for name, match in entry.query_params.items():
            if match.present is False:
                path = field_path(f"{canary.analysis_path}.match[{index}]", "queryParams", name, "present")
                yield Problem(path, match.present, "true; Gloo can't ask that a parameter is not there")


def method_is_one_of_http(canary: Canary) -> Iterator[Problem]:
    for index, entry in enumerate(canary.analysis.match if canary.analysis is not None else ()):
        written = entry.method.exact if entry.method is not None else None
        if written is None or written in METHODS:
            continue
        allowed = f"one of {', '.join(METHODS)}"
        is_warning = is_token(written)
        if is_warning:
            allowed += "; any other, and another spelling, is compared as it is"
        yield Problem(f"{canary.analysis_path}.match[{index}].method.exact", written, allowed, is_warning)


def paths_start_with_a_slash(canary: Canary) -> Iterator[Problem]:
    for index, entry in enumerate(canary.analysis.match if canary.analysis is not None else ()):
        for way in ("exact", "prefix"):
            written = getattr(entry.uri, way, None)
            if written is not None and not written.startswith("/"):
                path = f"{canary.analysis_path}.match[{index}].uri.{way}"
                yield Problem(path, written, "a path that starts with /; no request has any other", is_warning=True)


def _re2_fault(regex: str) -> str | None:
    try:
        re2.compile(regex, _RE2_OPTIONS)
    except re2.error as error:
        fault = error.args[0]
        return fault.decode(errors="replace") if isinstance(fault, bytes) else str(fault)
    return None


def _conditions(canary: Canary) -> Iterator[_Condition]:
    entries = canary.analysis.match if canary.analysis is not None else ()
    for index, entry in enumerate(entries):
        path = f"{canary.analysis_path}.match[{index}]"
        for name, match in entry.headers.items():
            yield _Condition(field_path(path, "headers", name), match, _HEADER_WAYS, is_header=True)
        for name, match in entry.without_headers.items():
            yield _Condition(field_path(path, "withoutHeaders", name), match, _HEADER_WAYS)
        for name, match in entry.query_params.items():
            yield _Condition(field_path(path, "queryParams", name), match, _QUERY_WAYS)
        if entry.uri is not None:
            yield _Condition(f"{path}.uri", entry.uri, _PATH_WAYS)
        if entry.method is not None:
            yield _Condition(f"{path}.method", entry.method, _METHOD_WAYS)


def _origins(canary: Canary) -> Iterator[_Condition]:
    cors = canary.spec.service.cors_policy
    for index, match in enumerate(cors.allow_origins if cors is not None else ()):
        yield _Condition(f"spec.service.corsPolicy.allowOrigins[{index}]", match, _PATH_WAYS)


MATCHING_RULES = (
    each_value_is_compared_in_one_way,
    each_comparison_is_possible,
    regexes_are_re2,
    no_entry_matches_everyone,
    names_can_be_sent,
    absence_can_be_asked,
    method_is_one_of_http,
    paths_start_with_a_slash,
)

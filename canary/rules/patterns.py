"""Rules for regular expressions: RE2 has to read them, and Envoy has to take them.

Gloo passes on any of them, and Envoy drops the whole update for one that it refuses, other people's routes included.
"""

import re
from collections.abc import Iterator
from typing import Final

import re2

from canary.model.canary import Canary
from canary.problems import Problem
from canary.rules.conditions import Condition, conditions, entries, headers_and_parameters, origins

_RE2_OPTIONS: Final = re2.Options()
_RE2_OPTIONS.log_errors = False

_SMALLEST_LIMIT: Final = 100
"""Of a pattern's program in RE2, in instructions: Envoy's own limit, which Gloo 1.15 raised to 1024."""

# A cookie's value is ten letters, with the step's weight behind it on the primary's.
_ANY_COOKIE_VALUE: Final = "x" * len("abcdefghij-100")


def regexes_are_re2(canary: Canary) -> Iterator[Problem]:
    for condition in (*conditions(canary), *origins(canary)):
        regex = condition.match.regex
        fault = _re2_fault(regex) if regex is not None else None
        if fault is not None:
            yield Problem(f"{condition.path}.regex", regex, f"a regular expression that RE2 reads ({fault})")


def patterns_are_small(canary: Canary) -> Iterator[Problem]:
    for path, written, pattern in _patterns(canary):
        size = 0 if _re2_fault(pattern) is not None else re2.compile(pattern, _RE2_OPTIONS).programsize
        if size > _SMALLEST_LIMIT:
            allowed = (
                f"a pattern of at most {_SMALLEST_LIMIT} instructions in RE2, and this one has {size}: with more, "
                "Envoy drops the whole update unless its limit is higher (1024 by default since Gloo 1.15)"
            )
            yield Problem(path, written, allowed, is_warning=True)


def path_patterns_start_with_a_slash(canary: Canary) -> Iterator[Problem]:
    """Source: Gloo's `isRouteTableValidForDelegatePrefix`, which compares texts and does not read the pattern."""
    for path, entry in entries(canary):
        regex = entry.uri.regex if entry.uri is not None else None
        if regex and not regex.startswith("/"):
            allowed = (
                "a regular expression whose first character is /: it has to match the whole path, and Gloo leaves out "
                "a route that does not begin with the prefix of the route that leads to it, even for .* or ^/"
            )
            yield Problem(f"{path}.uri.regex", regex, allowed, is_warning=True)


def no_regex_is_empty(canary: Canary) -> Iterator[Problem]:
    for path, entry in entries(canary):
        for condition in headers_and_parameters(path, entry):
            if condition.match.regex == "":
                allowed = "a regular expression; an empty one only asks that the value is there (see present)"
                yield Problem(f"{condition.path}.regex", "", allowed, is_warning=True)


def _patterns(canary: Canary) -> Iterator[tuple[str, str, str]]:
    """Give path and text of what becomes a pattern, and the pattern."""
    for path, entry in entries(canary):
        yield from _patterns_of(headers_and_parameters(path, entry))
        if entry.uri is not None and entry.uri.regex is not None:
            yield f"{path}.uri.regex", entry.uri.regex, entry.uri.regex
    yield from _patterns_of(origins(canary))
    affinity = canary.analysis.session_affinity if canary.analysis is not None else None
    if affinity is not None:
        for field, name in (("cookieName", affinity.cookie_name), ("primaryCookieName", affinity.primary_cookie_name)):
            pattern = rf"^(.*;\s*)?{re.escape(name)}={_ANY_COOKIE_VALUE}(;.*)?$"
            yield f"{canary.analysis_path}.sessionAffinity.{field}", name, pattern


def _patterns_of(found: Iterator[Condition]) -> Iterator[tuple[str, str, str]]:
    for path, match, _, _ in found:
        if match.regex is not None:
            yield f"{path}.regex", match.regex, match.regex
        if match.prefix is not None:
            yield f"{path}.prefix", match.prefix, f"{re.escape(match.prefix)}.*"
        if match.suffix is not None:
            yield f"{path}.suffix", match.suffix, f".*{re.escape(match.suffix)}"


def _re2_fault(regex: str) -> str | None:
    try:
        re2.compile(regex, _RE2_OPTIONS)
    except re2.error as error:
        fault = error.args[0]
        return fault.decode(errors="replace") if isinstance(fault, bytes) else str(fault)
    return None


PATTERN_RULES = (regexes_are_re2, patterns_are_small, path_patterns_start_with_a_slash, no_regex_is_empty)

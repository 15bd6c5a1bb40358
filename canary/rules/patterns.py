"""Rules for regular expressions: RE2 has to read them, and Envoy has to take them.

Gloo passes on any of them, and Envoy drops the whole update for one that it refuses, other people's routes included.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

import re2

from canary.api.bounds import (
    FEWEST_REGEX_INSTRUCTIONS,
    MOST_REGEX_CHARS,
    MOST_REGEX_INSTRUCTIONS,
    MOST_REGEXES,
    MOST_REGEXES_CHARS,
)
from canary.api.canary import Canary
from canary.api.matching import StringMatch
from canary.api.problems import Problem, around
from canary.rules.conditions import Condition, conditions, entries, headers_and_parameters, origins

_RE2_OPTIONS: Final = re2.Options()
_RE2_OPTIONS.log_errors = False
_RE2_OPTIONS.max_mem = 256 * 1024  # bytes: room for ten times the instructions that Envoy takes

_MOST_SHOWN: Final = 80

_TOO_LARGE: Final = "pattern too large"

_LONG_TEXT: Final = MOST_REGEX_INSTRUCTIONS
"""In characters. To see that a pattern made of a longer text is too large, it need not be compiled."""

# A cookie's value is ten letters, with the step's weight behind it on the primary's.
_ANY_COOKIE_VALUE: Final = "x" * len("abcdefghij-100")


class _Compiled(NamedTuple):
    """What RE2 found of a pattern: its instructions, or else what is wrong with it."""

    size: int = 0
    fault: str = ""


def regexes_are_not_too_many(canary: Canary) -> Iterator[Problem]:
    """Refuse more than anybody writes by hand: others who apply something would wait. They are not looked at."""
    first_beyond = _first_beyond(_regexes(canary))
    if first_beyond is not None:
        path, regex = first_beyond
        allowed = (
            f"at most {MOST_REGEXES} regular expressions in one Canary, each of at most {MOST_REGEX_CHARS} characters "
            f"and {MOST_REGEXES_CHARS} in all; this is the first beyond"
        )
        yield Problem(path, regex, allowed)


def regexes_are_re2(canary: Canary) -> Iterator[Problem]:
    regexes = _regexes(canary)
    if _first_beyond(regexes) is not None:
        return
    for path, regex in _looked_at(regexes):
        if fault := _compiled(regex).fault:
            # RE2 ends with the piece that it can't read, which may be as long as the pattern.
            place = max(regex.find(fault.partition(": ")[2]), 0)
            shown = fault if len(fault) <= _MOST_SHOWN else f"{fault[: _MOST_SHOWN - 1]}…"
            yield Problem(path, around(regex, place), f"a regular expression that RE2 reads ({shown})")


def patterns_are_small(canary: Canary) -> Iterator[Problem]:
    regexes = _regexes(canary)
    if _first_beyond(regexes) is not None or len(_looked_at(regexes)) < len(regexes):
        return
    for path, written, pattern in _patterns(canary):
        size = _size(written, pattern)
        if size > FEWEST_REGEX_INSTRUCTIONS:
            if size > MOST_REGEX_INSTRUCTIONS:
                allowed = (
                    f"a pattern of at most {MOST_REGEX_INSTRUCTIONS} instructions in RE2, and this one has {size} or "
                    "more: Envoy refuses it, and all other routes with it"
                )
                yield Problem(path, around(written, 0), allowed)
                continue
            allowed = (
                f"a pattern of at most {FEWEST_REGEX_INSTRUCTIONS} instructions in RE2, and this one has {size}: with "
                "more, Envoy drops the whole update unless its limit is higher (1024 by default since Gloo 1.15)"
            )
            yield Problem(path, written, allowed, is_warning=True)


def path_patterns_start_with_a_slash(canary: Canary) -> Iterator[Problem]:
    """Warn of others.

    Source: Gloo's `isRouteTableValidForDelegatePrefix`, which compares texts and does not read the pattern.
    """
    for path, entry in entries(canary):
        regex = entry.uri.regex if entry.uri is not None else None
        if regex and not regex.startswith("/"):
            allowed = (
                "a regular expression whose first character is /: it has to match the whole path, and Gloo leaves out "
                "a route that does not begin with the prefix of the route that leads to it, even for .* or ^/, so the "
                "entry is for nobody"
            )
            yield Problem(f"{path}.uri.regex", regex, allowed, is_warning=True)


def no_regex_is_empty(canary: Canary) -> Iterator[Problem]:
    for path, entry in entries(canary):
        for condition in headers_and_parameters(path, entry):
            if condition.match.regex == "":
                allowed = "a regular expression; an empty one asks for an empty value (see present)"
                yield Problem(f"{condition.path}.regex", "", allowed, is_warning=True)


def is_origin_of(origin: StringMatch, site: str) -> bool:
    """Return whether a CORS policy's origin is for a site; not for any where its regular expression can't be read."""
    if origin.regex is not None:
        if len(origin.regex) > MOST_REGEX_CHARS or _compiled(origin.regex).fault:
            return False
        is_match = re2.compile(origin.regex, _RE2_OPTIONS).fullmatch(site) is not None
        re2.purge()
        return is_match
    if origin.prefix is not None:
        return site.startswith(origin.prefix)
    if origin.suffix is not None:
        return site.endswith(origin.suffix)
    return bool(origin.present)


def _patterns(canary: Canary) -> Iterator[tuple[str, str, str]]:
    """Return path and text of what becomes a pattern, and the pattern."""
    for path, entry in entries(canary):
        yield from _patterns_of(headers_and_parameters(path, entry))
        always_there = entry.of_every_request.items()
        yield from _patterns_of(Condition(f"{path}.{field}", match, ()) for field, match in always_there)
        if entry.uri is not None and entry.uri.regex is not None:
            yield f"{path}.uri.regex", entry.uri.regex, entry.uri.regex
        if entry.uri is not None and entry.ignore_uri_case:
            for way in ("exact", "prefix"):
                if text := getattr(entry.uri, way):
                    yield f"{path}.uri.{way}", text, f"/(?i){re.escape(text)}.*"
    yield from _patterns_of(origins(canary))
    affinity = canary.analysis.session_affinity if canary.analysis is not None else None
    if affinity is not None:
        for field, name in (("cookieName", affinity.cookie_name), ("primaryCookieName", affinity.primary_cookie_name)):
            pattern = rf"^(.*;\s*)?{re.escape(name)}={_ANY_COOKIE_VALUE}(;.*)?$"
            yield f"{canary.analysis_path}.sessionAffinity.{field}", name, pattern


def _patterns_of(found: Iterator[Condition]) -> Iterator[tuple[str, str, str]]:
    for path, match, *_ in found:
        if match.regex is not None:
            yield f"{path}.regex", match.regex, match.regex
        if match.prefix is not None:
            yield f"{path}.prefix", match.prefix, f"{re.escape(match.prefix)}.*"
        if match.suffix is not None:
            yield f"{path}.suffix", match.suffix, f".*{re.escape(match.suffix)}"


def _regexes(canary: Canary) -> list[tuple[str, str]]:
    """Return path and text of each regular expression."""
    return [
        (f"{condition.path}.regex", condition.match.regex)
        for condition in (*conditions(canary), *origins(canary))
        if condition.match.regex is not None
    ]


def _first_beyond(regexes: list[tuple[str, str]]) -> tuple[str, str] | None:
    """Return the first that is one too many or too long; None where all may be compiled."""
    chars = 0
    for place, (path, regex) in enumerate(regexes):
        chars += len(regex)
        if place >= MOST_REGEXES or len(regex) > MOST_REGEX_CHARS or chars > MOST_REGEXES_CHARS:
            return path, regex
    return None


def _looked_at(regexes: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return those up to the first that RE2 has no room for: it takes up to 0.2 s to see that of one."""
    for place, (_, regex) in enumerate(regexes):
        if _compiled(regex).fault.startswith(_TOO_LARGE):
            return regexes[: place + 1]
    return regexes


def program_size(pattern: str) -> int:
    """Return the instructions of a pattern in RE2; 0 where it can't be read."""
    return _compiled(pattern).size


def _size(written: str, pattern: str) -> int:
    """Return the instructions of a pattern; 0 for one that RE2 can't read: another rule refuses it."""
    is_made_of_a_text = pattern != written
    if is_made_of_a_text and len(written) > _LONG_TEXT:
        return len(written)  # at the least: each letter is one
    return _compiled(pattern).size


@lru_cache(maxsize=2 * MOST_REGEXES)
def _compiled(pattern: str) -> _Compiled:
    """Compile a pattern once for all rules, and keep no more than the answer: compiled ones take up to 256 KiB each."""
    try:
        return _Compiled(size=re2.compile(pattern, _RE2_OPTIONS).programsize)
    except re2.error as error:
        fault = error.args[0]
        return _Compiled(fault=fault.decode(errors="replace") if isinstance(fault, bytes) else str(fault))
    finally:
        re2.purge()


PATTERN_RULES = (
    regexes_are_not_too_many,
    regexes_are_re2,
    patterns_are_small,
    path_patterns_start_with_a_slash,
    no_regex_is_empty,
)

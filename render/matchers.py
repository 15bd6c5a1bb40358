"""Which requests a route is for: the canary's match entries as Gloo's matchers.

Entries are alternatives, and so are Gloo's matchers; everything named in one must hold. What Envoy makes of a matcher
is recorded in tests/contract/gloo (cases `ab-*`, `header-invert-and-present`). Patterns must match the whole value.

No route takes more requests than the entries ask for. What can't be asked takes none, and matchers are never empty
where there are conditions: Gloo reads an empty list as every request.
"""

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any, Final

from canary.api.bounds import MOST_REGEX_INSTRUCTIONS, MOST_ROUTE_MATCHERS
from canary.api.matching import RequestMatch, StringMatch
from canary.rules.http_syntax import METHODS
from canary.rules.patterns import program_size
from render.objects import Object

PATHS: Final = ("exact", "prefix", "regex")

NOBODY: Final[Object] = {
    "headers": [{"name": "x-serin-nobody"}, {"name": "x-serin-nobody", "invertMatch": True}],
}
"""The matcher that takes no request, for it asks for a header that is there and not there."""

_SPECIAL: Final = frozenset(r"\.+*?()|[]{}^$")
_EMPTY: Final = {"value": "^$", "regex": True}
_QUERY: Final = r"(\?.*)?"


def literal(text: str) -> str:
    """Spell text as a pattern of RE2 that matches it and nothing else."""
    return "".join(f"\\{letter}" if letter in _SPECIAL else letter for letter in text)


def conditions(entries: Iterable[RequestMatch]) -> list[Object]:
    """Return the matchers of all entries; those without a `uri` name no path.

    Entries that are for nobody give none; where all of them are, the one matcher takes no request.
    """
    asked = [condition for entry in entries if entry.is_for_somebody for condition in _conditions(entry)]
    return asked or [NOBODY]


def narrowed(matchers: list[Object], conditions: list[Object]) -> list[Object]:
    """Combine matchers of a route with further conditions: each of the results asks for both.

    No matchers are one that takes every request. Where no request can fulfil both, the one result takes none; so it is
    where there would be more than any table has room for.
    """
    alternatives = matchers or [{}]
    if len(alternatives) * len(conditions) > MOST_ROUTE_MATCHERS:
        return [_both(alternatives[0], NOBODY) or NOBODY]
    combined = [
        both for matcher in alternatives for condition in conditions if (both := _both(matcher, condition)) is not None
    ]
    return combined or [_both(alternatives[0], NOBODY) or NOBODY]


def has_path(matcher: Object) -> bool:
    """Return whether the matcher says which paths it is for; an empty path is none."""
    return any(matcher.get(path) for path in PATHS)


def without_path(matcher: Object) -> Object:
    """Return the matcher for every path."""
    return {name: value for name, value in matcher.items() if name not in {*PATHS, "caseSensitive"}}


def _conditions(entry: RequestMatch) -> Iterator[Object]:
    """Return one condition, or one for each way in which a header of `withoutHeaders` can be without the value.

    Envoy's inverted comparison does not take a request that lacks the header, so that is an alternative of its own.
    """
    base: Object = _path(entry)
    wanted = [_header(name, match) for name, match in entry.headers.items()]
    unwanted = [_without(name, match) for name, match in entry.without_headers.items()]
    parameters = [{"name": name} | _value(match) for name, match in entry.query_params.items()]
    if parameters:
        base["queryParameters"] = parameters
    for field, match in entry.of_every_request.items():
        if field == "method" and match.exact in METHODS:
            base["methods"] = [match.exact]
        else:  # Gloo makes a pattern of `methods`, in which `P.T` would be PUT as well
            wanted.append(_header(f":{field}", match))
    for alternative in product(*unwanted):
        headers = [*wanted, *alternative]
        yield base | ({"headers": headers} if headers else {})


def _both(matcher: Object, condition: Object) -> Object | None:
    """Return what asks for both; None where no request can fulfil both, or no matcher can ask for both."""
    both = (without_path(matcher) if has_path(condition) else matcher) | condition
    further: list[Object] = []
    if has_path(condition) and has_path(matcher):
        if condition.get("regex"):
            path, header = condition, _path_header(matcher)
        else:
            path, header = matcher, _path_header(condition)
        if header is None:
            return None
        further.append(header)
        both = without_path(both) | {name: path[name] for name in (*PATHS, "caseSensitive") if name in path}
    headers = [*(matcher.get("headers") or ()), *(condition.get("headers") or ()), *further]
    if headers:
        both["headers"] = headers
    parameters = [*(matcher.get("queryParameters") or ()), *(condition.get("queryParameters") or ())]
    if parameters:
        both["queryParameters"] = parameters
    if matcher.get("methods") and condition.get("methods"):
        both["methods"] = [method for method in condition["methods"] if method in matcher["methods"]]
        if not both["methods"]:
            return None
    return both


def _path_header(matcher: Object) -> Object | None:
    """Ask for a matcher's path by the header `:path`, for a matcher has but one path; None for a pattern.

    That header has the query, too, which a pattern of a path might take for a part of it. None as well for a text that
    makes a larger pattern than Envoy takes: it would refuse everybody's routes.
    """
    text = matcher.get("exact") or matcher.get("prefix")
    if matcher.get("regex") or not text:
        return None
    flag = "(?i)" if matcher.get("caseSensitive") is False else ""
    rest = _QUERY if matcher.get("exact") else ".*"
    if len(text) > MOST_REGEX_INSTRUCTIONS:
        return None
    pattern = f"{flag}{literal(text)}{rest}"
    is_small = program_size(pattern) <= MOST_REGEX_INSTRUCTIONS
    return {"name": ":path", "value": pattern, "regex": True} if is_small else None


def _path(entry: RequestMatch) -> dict[str, Any]:
    uri = entry.uri
    if uri is None:
        return {}
    if uri.regex:
        return {"regex": uri.regex}
    way, text = ("exact", uri.exact) if uri.exact else ("prefix", uri.prefix)
    assert text, "an entry without a path here is for nobody"
    if not entry.ignore_uri_case:
        return {way: text}
    # Not `caseSensitive: false`: a route table's route must be as case-sensitive as the one that delegates to it, and
    # its path must begin with that one's prefix, so the slash comes before the flag.
    rest = ".*" if way == "prefix" else ""
    return {"regex": f"/(?i){literal(text.removeprefix('/'))}{rest}"}


def _header(name: str, match: StringMatch) -> dict[str, Any]:
    if match.present is False:
        return {"name": name, "invertMatch": True}
    return {"name": name} | _value(match)


def _without(name: str, match: StringMatch) -> list[dict[str, Any]]:
    if match.present is False:
        return [{"name": name}]
    absent = {"name": name, "invertMatch": True}
    value = {} if match.regex == "" else _value(match)
    return [absent, absent | value] if value else [absent]


def _value(match: StringMatch) -> dict[str, Any]:
    """Say what a value must be; empty when it only has to be there, which is how Gloo reads a missing `value`."""
    if match.exact:
        return {"value": match.exact}
    if match.exact is not None or match.regex == "":
        return dict(_EMPTY)
    pattern = match.regex
    if match.prefix is not None:
        pattern = f"{literal(match.prefix)}.*"
    elif match.suffix is not None:
        pattern = f".*{literal(match.suffix)}"
    return {"value": pattern, "regex": True} if pattern else {}

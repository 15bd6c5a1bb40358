"""Which requests a route is for: the canary's match entries as Gloo's matchers.

Entries are alternatives, and so are Gloo's matchers; everything named in one must hold. What Envoy makes of a matcher
is recorded in tests/contract/gloo (cases `ab-*`, `header-invert-and-present`). Patterns must match the whole value.
"""

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any, Final

from canary.api.matching import RequestMatch, StringMatch
from render.objects import Object

PATHS: Final = ("exact", "prefix", "regex")

_SPECIAL: Final = frozenset(r"\.+*?()|[]{}^$")


def literal(text: str) -> str:
    """Spell text as a pattern of RE2 that matches it and nothing else."""
    return "".join(f"\\{letter}" if letter in _SPECIAL else letter for letter in text)


def conditions(entries: Iterable[RequestMatch]) -> list[Object]:
    """Return the matchers of all entries; those without a `uri` name no path.

    An entry that asks for a query parameter to be absent gives none: Gloo can't ask that, and to leave the condition
    out would send more requests to the canary than were meant.
    """
    return [condition for entry in entries if _is_possible(entry) for condition in _conditions(entry)]


def narrowed(matchers: list[Object], conditions: list[Object]) -> list[Object]:
    """Combine matchers of a route with further conditions: each of the results asks for both.

    A condition's path stands in place of the matcher's. No matchers are one that takes every request.
    """
    return [both for matcher in matchers or [{}] for condition in conditions for both in _both(matcher, condition)]


def has_path(matcher: Object) -> bool:
    """Return whether the matcher says which paths it is for; an empty path is none."""
    return any(matcher.get(path) for path in PATHS)


def _is_possible(entry: RequestMatch) -> bool:
    return all(match.present is not False for match in entry.query_params.values())


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
    if entry.method is not None and entry.method.exact:
        base["methods"] = [entry.method.exact]
    for alternative in product(*unwanted):
        headers = [*wanted, *alternative]
        yield base | ({"headers": headers} if headers else {})


def _both(matcher: Object, condition: Object) -> Iterator[Object]:
    both = matcher | condition
    if has_path(condition):
        dropped = {*PATHS, "caseSensitive"}
        both = {name: value for name, value in matcher.items() if name not in dropped} | condition
    for name in ("headers", "queryParameters"):
        entries = [*(matcher.get(name) or ()), *(condition.get(name) or ())]
        if entries:
            both[name] = entries
    if matcher.get("methods") and condition.get("methods"):
        both["methods"] = [method for method in condition["methods"] if method in matcher["methods"]]
        if not both["methods"]:
            return
    yield both


def _path(entry: RequestMatch) -> dict[str, Any]:
    uri = entry.uri
    if uri is None:
        return {}
    if uri.regex:
        return {"regex": uri.regex}
    way, text = ("exact", uri.exact) if uri.exact else ("prefix", uri.prefix)
    if not text:
        return {}
    if not entry.ignore_uri_case:
        return {way: text}
    # Not `caseSensitive: false`: a route table's route must be as case-sensitive as the one that delegates to it, and
    # its path must begin with that one's prefix, so the slash comes before the flag.
    slash = "/" if text.startswith("/") else ""
    rest = ".*" if way == "prefix" else ""
    return {"regex": f"{slash}(?i){literal(text.removeprefix('/'))}{rest}"}


def _header(name: str, match: StringMatch) -> dict[str, Any]:
    if match.present is False:
        return {"name": name, "invertMatch": True}
    return {"name": name} | _value(match)


def _without(name: str, match: StringMatch) -> list[dict[str, Any]]:
    if match.present is False:
        return [{"name": name}]
    absent = {"name": name, "invertMatch": True}
    value = _value(match)
    return [absent, absent | value] if value else [absent]


def _value(match: StringMatch) -> dict[str, Any]:
    """Say what a value must be; empty when it only has to be there, which is how Gloo reads a missing `value`."""
    if match.exact:
        return {"value": match.exact}
    if match.exact is not None:
        return {"value": "^$", "regex": True}
    pattern = match.regex
    if match.prefix is not None:
        pattern = f"{literal(match.prefix)}.*"
    elif match.suffix is not None:
        pattern = f".*{literal(match.suffix)}"
    return {"value": pattern, "regex": True} if pattern else {}

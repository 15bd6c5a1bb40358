"""Rules for match conditions: each value compared in one way, in a way that Gloo can, and with what a request can have.

A condition that can't be asked makes its entry one for nobody (`RequestMatch.is_for_somebody`): a warning says so.

What regular expressions must fulfil is in `canary.rules.patterns`.
"""

from collections.abc import Iterator

from canary.api.canary import Canary
from canary.api.problems import Problem, field_path
from canary.api.schema import as_written
from canary.rules.conditions import conditions, entries, headers_and_parameters, origins
from canary.rules.http_syntax import METHODS, TOKEN, is_field_value, is_token, shown

_NOT_IN_A_PATH = "?#"
_FOR_NOBODY = "the entry is for nobody"


def each_value_is_compared_in_one_way(canary: Canary) -> Iterator[Problem]:
    """Refuse two comparisons, and for headers none; elsewhere Flagger's CRD accepts none, which is a warning."""
    for condition in conditions(canary):
        count = len(condition.match.ways)
        if count != 1:
            is_warning = count == 0 and not condition.is_header
            found = as_written(condition.match)
            allowed = f"exactly one of {', '.join(condition.ways)}"
            if is_warning and condition.is_always_there:
                allowed += f"; with none, {_FOR_NOBODY}"
            yield Problem(condition.path, found, allowed, is_warning)


def each_origin_is_compared_in_one_way(canary: Canary) -> Iterator[Problem]:
    """Warn of an origin with two comparisons, where both count, or with none: Flagger's CRD accepts both."""
    for condition in origins(canary):
        if len(condition.match.ways) != 1:
            allowed = f"exactly one of {', '.join(condition.ways)}; each is an origin of its own, and {{}} is none"
            yield Problem(condition.path, as_written(condition.match), allowed, is_warning=True)


def each_comparison_is_possible(canary: Canary) -> Iterator[Problem]:
    for condition in conditions(canary):
        for way in condition.match.ways:
            if way not in condition.ways:
                found = getattr(condition.match, way)
                yield Problem(f"{condition.path}.{way}", found, f"only {', '.join(condition.ways)} here")


def each_entry_has_a_condition(canary: Canary) -> Iterator[Problem]:
    """Warn of an entry without conditions. Everybody at once is blue/green, and no list of conditions is meant so."""
    for path, entry in entries(canary):
        if not entry.has_conditions and not entry.of_a_mesh:
            allowed = (
                "a condition on headers, withoutHeaders, queryParams, uri, method, scheme or authority; without one, "
                f"{_FOR_NOBODY}"
            )
            yield Problem(path, as_written(entry), allowed, is_warning=True)


def a_gateway_can_ask_it(canary: Canary) -> Iterator[Problem]:
    """Warn of what only a service mesh can ask."""
    for path, entry in entries(canary):
        for field, value in entry.of_a_mesh.items():
            allowed = f"nothing; a gateway can't ask it, so {_FOR_NOBODY}"
            yield Problem(f"{path}.{field}", as_written(value), allowed, is_warning=True)


def some_entry_is_for_somebody(canary: Canary) -> Iterator[Problem]:
    """Warn of conditions that no request fulfils, as far as they can be asked."""
    found = [entry for _, entry in entries(canary)]
    if found and not any(entry.is_for_somebody for entry in found):
        allowed = "at least one entry that a gateway can ask for; with none, nobody is routed to the canary"
        yield Problem(f"{canary.analysis_path}.match", as_written(found), allowed, is_warning=True)


def texts_are_not_empty(canary: Canary) -> Iterator[Problem]:
    for path, entry in entries(canary):
        for field, match in entry.of_every_request.items():
            if match.ways and match.is_blank:
                (way, *_) = match.ways
                allowed = f"a text; every request has its {field}, so with an empty one {_FOR_NOBODY}"
                yield Problem(f"{path}.{field}.{way}", getattr(match, way), allowed, is_warning=True)


def names_can_be_sent(canary: Canary) -> Iterator[Problem]:
    """Refuse a header that HTTP can't carry, as Envoy does, and a name that is empty."""
    for path, entry in entries(canary):
        for field, matches in (("headers", entry.headers), ("withoutHeaders", entry.without_headers)):
            for name, match in matches.items():
                if not is_token(name.removeprefix(":")):  # :authority, :method and :path are headers to Envoy
                    yield Problem(field_path(path, field, name), as_written(match), f"for its name: {TOKEN}")
        if "" in entry.query_params:
            found = as_written(entry.query_params[""])
            yield Problem(field_path(path, "queryParams", ""), found, "for its name: at least one character")


def values_can_be_sent(canary: Canary) -> Iterator[Problem]:
    for path, entry in entries(canary):
        for condition in headers_and_parameters(path, entry):
            for way in ("exact", "prefix", "suffix"):
                written = getattr(condition.match, way)
                if written is not None and not is_field_value(written):
                    allowed = "a text without control characters; no request has one with them"
                    found = shown(written, is_field_value)
                    yield Problem(f"{condition.path}.{way}", found, allowed, is_warning=True)


def absence_can_be_asked(canary: Canary) -> Iterator[Problem]:
    for entry_path, entry in entries(canary):
        for name, match in entry.query_params.items():
            if match.present is False:
                path = field_path(entry_path, "queryParams", name, "present")
                yield Problem(path, match.present, "true; Gloo can't ask that a parameter is not there")


def method_is_one_of_http(canary: Canary) -> Iterator[Problem]:
    for path, entry in entries(canary):
        written = entry.method.exact if entry.method is not None else None
        if written and written not in METHODS:
            allowed = f"one of {', '.join(METHODS)}; any other, and another spelling, is compared as it is"
            yield Problem(f"{path}.method.exact", written, allowed, is_warning=True)


def paths_are_paths(canary: Canary) -> Iterator[Problem]:
    for entry_path, entry in entries(canary):
        for way in ("exact", "prefix", "regex"):
            written = getattr(entry.uri, way, None)
            path = f"{entry_path}.uri.{way}"
            if written == "":
                allowed = f"a path that starts with /; with an empty one, {_FOR_NOBODY}"
                yield Problem(path, written, allowed, is_warning=True)
            elif written is None or way == "regex":
                continue
            elif not written.startswith("/"):
                allowed = f"a path that starts with /; no request has any other, so {_FOR_NOBODY}"
                yield Problem(path, written, allowed, is_warning=True)
            elif set(written) & set(_NOT_IN_A_PATH):
                allowed = (
                    "a path without ? and #; the query is no part of it (see queryParams), and nothing is behind a #"
                )
                found = shown(written, lambda char: char not in _NOT_IN_A_PATH)
                yield Problem(path, found, allowed, is_warning=True)


def each_entry_is_written_once(canary: Canary) -> Iterator[Problem]:
    """Warn of an entry that is there already, whatever its `name`."""
    seen: set[str] = set()
    for path, entry in entries(canary):
        unnamed = entry.model_dump_json(exclude={"name"})
        if unnamed in seen:
            allowed = "an entry that is not in the list yet; this one chooses nobody else"
            yield Problem(path, as_written(entry), allowed, is_warning=True)
        seen.add(unnamed)


def each_header_is_asked_once(canary: Canary) -> Iterator[Problem]:
    """Warn of one header under two spellings, and of one that has to be there and not to be there."""
    for path, entry in entries(canary):
        for field, matches in (("headers", entry.headers), ("withoutHeaders", entry.without_headers)):
            seen: dict[str, str] = {}
            for name, match in matches.items():
                spelling = seen.setdefault(name.lower(), name)
                if spelling != name:
                    allowed = f"one spelling of {spelling}; case makes no difference in a header's name, so both count"
                    yield Problem(field_path(path, field, name), as_written(match), allowed, is_warning=True)
        wanted = {name.lower(): match for name, match in entry.headers.items()}
        for name, match in entry.without_headers.items():
            other = wanted.get(name.lower())
            if other is not None and (match.present or match == other):
                allowed = f"another header, or another value, than headers of this entry; with both, {_FOR_NOBODY}"
                yield Problem(field_path(path, "withoutHeaders", name), as_written(match), allowed, is_warning=True)


def case_is_ignored_somewhere(canary: Canary) -> Iterator[Problem]:
    for path, entry in entries(canary):
        if entry.ignore_uri_case and (entry.uri is None or not (entry.uri.exact or entry.uri.prefix)):
            allowed = "nothing without uri.exact or uri.prefix, which it is about; a regex begins with /(?i) instead"
            yield Problem(f"{path}.ignoreUriCase", entry.ignore_uri_case, allowed, is_warning=True)


MATCHING_RULES = (
    each_value_is_compared_in_one_way,
    each_origin_is_compared_in_one_way,
    each_comparison_is_possible,
    each_entry_has_a_condition,
    a_gateway_can_ask_it,
    some_entry_is_for_somebody,
    texts_are_not_empty,
    names_can_be_sent,
    values_can_be_sent,
    absence_can_be_asked,
    method_is_one_of_http,
    paths_are_paths,
    each_entry_is_written_once,
    each_header_is_asked_once,
    case_is_ignored_somewhere,
)

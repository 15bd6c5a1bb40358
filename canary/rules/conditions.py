"""Every comparison of a text in a Canary, with where it stands and how Gloo can make it."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from canary.api.canary import Canary
from canary.api.matching import RequestMatch, StringMatch
from canary.api.problems import field_path

_HEADER_WAYS: Final = ("exact", "prefix", "suffix", "regex", "present")
_QUERY_WAYS: Final = ("exact", "prefix", "regex", "present")
_PATH_WAYS: Final = ("exact", "prefix", "regex")


class Condition(NamedTuple):
    """`ways` are the comparisons that are possible here; `is_always_there`: every request has what is compared."""

    path: str
    match: StringMatch
    ways: tuple[str, ...]
    is_header: bool = False
    is_always_there: bool = False


def entries(canary: Canary) -> Iterator[tuple[str, RequestMatch]]:
    """Return each entry of the match list with its path."""
    for index, entry in enumerate(canary.analysis.match if canary.analysis is not None else ()):
        yield f"{canary.analysis_path}.match[{index}]", entry


def conditions(canary: Canary) -> Iterator[Condition]:
    """Return the conditions of all entries."""
    for path, entry in entries(canary):
        yield from headers_and_parameters(path, entry)
        if entry.uri is not None:
            yield Condition(f"{path}.uri", entry.uri, _PATH_WAYS, is_always_there=True)
        for field, match in entry.of_every_request.items():
            # To Envoy these are headers: :method, :scheme and :authority.
            yield Condition(f"{path}.{field}", match, _HEADER_WAYS, is_always_there=True)


def headers_and_parameters(path: str, entry: RequestMatch) -> Iterator[Condition]:
    """Return the conditions of one entry on what a request carries."""
    for name, match in entry.headers.items():
        yield Condition(field_path(path, "headers", name), match, _HEADER_WAYS, is_header=True)
    for name, match in entry.without_headers.items():
        yield Condition(field_path(path, "withoutHeaders", name), match, _HEADER_WAYS)
    for name, match in entry.query_params.items():
        yield Condition(field_path(path, "queryParams", name), match, _QUERY_WAYS)


def origins(canary: Canary) -> Iterator[Condition]:
    """Return the origins of the service's CORS policy."""
    cors = canary.spec.service.cors_policy
    for index, match in enumerate(cors.allow_origins if cors is not None else ()):
        yield Condition(f"spec.service.corsPolicy.allowOrigins[{index}]", match, _HEADER_WAYS)

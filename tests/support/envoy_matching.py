"""Does a request match? Asked of Envoy's matches as Gloo makes them, and of what a canary's entries say.

The two are written apart from each other and from what we render, so that one can be held to the other.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import re2

from sandbox.gloo.matchers import default_matcher, envoy_match, inherit

Json = dict[str, Any]


@dataclass(frozen=True)
class Request:
    method: str = "GET"
    path: str = "/"
    """With its query."""
    scheme: str = "http"
    authority: str = "app.example.com"
    headers: dict[str, str] = field(default_factory=dict)

    def header(self, name: str) -> str | None:
        own = {":method": self.method, ":path": self.path, ":scheme": self.scheme, ":authority": self.authority}
        return (own | self.headers).get(name)

    @property
    def parameters(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))


def takes(route: Json, request: Request) -> bool:
    """Whether the route of a RouteTable below a VirtualService's `/` takes the request."""
    matchers = inherit(
        route.get("matchers") or [],
        default_matcher(),
        path=bool(route.get("inheritablePathMatchers")),
        rest=bool(route.get("inheritableMatchers")),
    )
    return any(_matches(envoy_match(matcher), request) for matcher in matchers)


def _matches(match: Json, request: Request) -> bool:
    path = request.path.partition("?")[0]
    ignores_case = match.get("case_sensitive") is False

    def cased(text: str) -> str:
        return text.lower() if ignores_case else text

    return (
        ("path" not in match or cased(path) == cased(match["path"]))
        and cased(path).startswith(cased(match.get("prefix", "")))
        and ("safe_regex" not in match or _is_all(match["safe_regex"], path))
        and all(_has_header(header, request) for header in match.get("headers", ()))
        and all(_has_parameter(parameter, request) for parameter in match.get("query_parameters", ()))
    )


def _has_header(header: Json, request: Request) -> bool:
    value = request.header(header["name"])
    if header.get("present_match"):
        is_so = value is not None
    elif value is None:
        return False  # an inverted comparison does not take it either
    elif "exact_match" in header:
        is_so = value == header["exact_match"]
    else:
        is_so = _is_all(header["safe_regex_match"], value)
    return is_so is not header.get("invert_match", False)


def _has_parameter(parameter: Json, request: Request) -> bool:
    value = request.parameters.get(parameter["name"])
    if value is None or parameter.get("present_match"):
        return value is not None
    text = parameter["string_match"]
    return value == text["exact"] if "exact" in text else _is_all(text["safe_regex"], value)


def _is_all(pattern: Json, text: str) -> bool:
    return re2.fullmatch(pattern["regex"], text) is not None


def asks_for(entry: Json, request: Request) -> bool:
    """Whether the request fulfils every condition that stands in the entry, and there is one.

    One that a gateway can't know, or that is unknown to us, is not fulfilled; nor is one that compares what every
    request has with nothing, or with an empty text.
    """
    known = {
        "name",
        "uri",
        "ignoreUriCase",
        "method",
        "scheme",
        "authority",
        "headers",
        "withoutHeaders",
        "queryParams",
    }
    if set(entry) - known or any(
        not any(entry[name].values()) for name in ("uri", "method", "scheme", "authority") if name in entry
    ):
        return False
    path = request.path.partition("?")[0]
    held = []
    if "uri" in entry:
        held.append(_fits(entry["uri"], path) or (entry.get("ignoreUriCase", False) and _fits_any_case(entry, path)))
    own = ("method", "scheme", "authority")
    held += [_fits(entry[name], getattr(request, name)) for name in own if name in entry]
    held += [_fits(match, request.header(name)) for name, match in entry.get("headers", {}).items()]
    held += [not _fits(match, request.header(name)) for name, match in entry.get("withoutHeaders", {}).items()]
    held += [_fits(match, request.parameters.get(name)) for name, match in entry.get("queryParams", {}).items()]
    return bool(held) and all(held)


def _fits_any_case(entry: Json, path: str) -> bool:
    uri = {way: text.lower() for way, text in entry["uri"].items() if way in {"exact", "prefix"}}
    return bool(uri) and _fits(uri, path.lower())


def _fits(match: Json, value: str | None) -> bool:
    if value is None:
        return match.get("present") is False
    comparisons: dict[str, Callable[[Any], bool]] = {
        "exact": lambda text: value == text,
        "prefix": value.startswith,
        "suffix": value.endswith,
        "regex": lambda text: re2.fullmatch(text, value) is not None,
        "present": bool,
    }
    return all(way in comparisons and comparisons[way](text) for way, text in match.items())

"""The cookies of session affinity: how they are set, known again and deleted.

Source: Flagger 1.44, `getSessionAffinityRouteRules` and `BuildCookie`; on Gloo the recorded case `session-affinity`.
A cookie is written `name=value`.
"""

from collections.abc import Iterator
from typing import Any, Final

from canary.api.analysis import SessionAffinity
from render.matchers import literal
from render.objects import Object

DELETE_S: Final = -1
"""The age of a cookie that browsers are to drop."""


def cookie_condition(cookie: str) -> Object:
    """Ask for requests that send the cookie, alone or among others."""
    return {"headers": [{"name": "cookie", "value": _pattern(cookie), "regex": True}]}


def set_cookie(cookie: str, affinity: SessionAffinity | None, max_age_s: int) -> dict[str, Any]:
    """Return the response header that sets the cookie, on top of those that the application sets.

    A browser drops a cookie only when it is told so with the domain and path that it was set with.
    """
    parts = [cookie, f"Max-Age={max_age_s}"]
    if affinity is not None:
        attributes = {
            f"Domain={affinity.domain}": affinity.domain,
            "HttpOnly": affinity.http_only,
            "Partitioned": affinity.partitioned,
            f"Path={affinity.path}": affinity.path,
            f"SameSite={affinity.same_site}": affinity.same_site,
            "Secure": affinity.secure,
        }
        parts += [attribute for attribute, is_written in attributes.items() if is_written]
    # Envoy reads a percent sign in a header as the beginning of a variable.
    return {"header": {"key": "Set-Cookie", "value": "; ".join(parts).replace("%", "%%")}, "append": True}


def cookies_set(options: Object | None) -> Iterator[str]:
    """Return every cookie that the options of a route or destination set."""
    for entry in _added(options):
        if _is_cookie(entry):
            yield _cookie(entry)


def asks_for(route: Object, cookie: str) -> bool:
    """Return whether the route is one for requests that send the cookie."""
    headers = [header for matcher in route.get("matchers") or () for header in matcher.get("headers") or ()]
    return _pattern(cookie) in [header.get("value") for header in headers if header.get("name") == "cookie"]


def with_cookie(options: Object | None, header: dict[str, Any] | None, *, in_place_of: set[str]) -> Object:
    """Return the options with the Set-Cookie header, or without it, in place of those for cookies of these names."""
    options = dict(options or {})
    added = [entry for entry in _added(options) if not _is_cookie(entry) or _name(_cookie(entry)) not in in_place_of]
    added += [header] if header is not None else []
    if added == _added(options):
        return options
    manipulation = dict(options.get("headerManipulation") or {}) | {"responseHeadersToAdd": added}
    if not added:
        del manipulation["responseHeadersToAdd"]
    options["headerManipulation"] = manipulation
    if not manipulation:
        del options["headerManipulation"]
    return options


def _added(options: Object | None) -> list[dict[str, Any]]:
    manipulation = (options or {}).get("headerManipulation") or {}
    return list(manipulation.get("responseHeadersToAdd") or ())


def _is_cookie(entry: dict[str, Any]) -> bool:
    return str((entry.get("header") or {}).get("key", "")).lower() == "set-cookie"


def _cookie(entry: dict[str, Any]) -> str:
    return str(entry["header"].get("value", "")).partition(";")[0].replace("%%", "%")


def _name(cookie: str) -> str:
    return cookie.partition("=")[0]


def _pattern(cookie: str) -> str:
    return rf"^(.*;\s*)?{literal(cookie)}(;.*)?$"

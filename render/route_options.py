"""How requests are treated on their way: the canary's service settings as Gloo's route options.

Flagger ignores these settings on Gloo. Their meaning is Istio's, whose API they were taken from; the options are those
of Gloo's `RouteOptions`, and the recorded case `retries-timeout-rewrite-headers-cors` shows what Envoy makes of them.
"""

import re
from typing import Any, Final

from canary.api.bounds import MOST_ROUTE_RETRIES, MOST_ROUTE_TIMEOUT_S
from canary.api.matching import StringMatch
from canary.api.service import CanaryService, CorsPolicy, HeaderOperations, Headers, Retries, Rewrite

# Istio retries on these when the user names none; Envoy would not retry at all.
_RETRY_ON: Final = "connect-failure,refused-stream,unavailable,cancelled"

_FULL_PATH: Final = "ReplaceFullPath"


def route_options(service: CanaryService) -> dict[str, Any]:
    """Return Gloo's route options; empty when the service says nothing of them."""
    options: dict[str, Any] = {}
    if service.timeout_s is not None:
        options["timeout"] = _seconds(service.timeout_s)
    if service.retries is not None and service.retries.attempts:
        options["retries"] = _retries(service.retries)
    if service.rewrite is not None:
        options |= _rewrite(service.rewrite)
    if service.headers is not None:
        options["headerManipulation"] = _header_manipulation(service.headers)
    if service.cors_policy is not None:
        options["cors"] = _cors(service.cors_policy)
    return {name: option for name, option in options.items() if option}


def _seconds(duration_s: float) -> str:
    """Spell a duration as protobuf's JSON does, the only way that every version of Gloo reads: `90s`, `0.25s`."""
    return f"{min(duration_s, MOST_ROUTE_TIMEOUT_S):.9f}".rstrip("0").rstrip(".") + "s"


def _retries(retries: Retries) -> dict[str, Any]:
    policy: dict[str, Any] = {
        "retryOn": retries.retry_on or _RETRY_ON,
        "numRetries": min(retries.attempts, MOST_ROUTE_RETRIES),
    }
    if retries.per_try_timeout_s is not None:
        policy["perTryTimeout"] = _seconds(retries.per_try_timeout_s)
    return policy


def _rewrite(rewrite: Rewrite) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if rewrite.uri and rewrite.type == _FULL_PATH:
        # A backslash would start a reference to a group of the pattern.
        substitution = rewrite.uri.replace("\\", "\\\\")
        options["regexRewrite"] = {"pattern": {"regex": "^/.*$"}, "substitution": substitution}
    elif rewrite.uri:
        options["prefixRewrite"] = rewrite.uri
    if rewrite.authority:
        options["hostRewrite"] = rewrite.authority
    return options


def _header_manipulation(headers: Headers) -> dict[str, Any]:
    manipulation: dict[str, Any] = {}
    for direction, operations in (("request", headers.request), ("response", headers.response)):
        added = _added_headers(operations)
        if added:
            manipulation[f"{direction}HeadersToAdd"] = added
        if operations.remove:
            manipulation[f"{direction}HeadersToRemove"] = list(operations.remove)
    return manipulation


def _added_headers(operations: HeaderOperations) -> list[dict[str, Any]]:
    """Return the header changes: `set` replaces what the request has of a name, `add` comes on top of it."""
    return [
        {"header": {"key": key, "value": value}, "append": is_added}
        for is_added, entries in ((False, operations.set), (True, operations.add))
        for key, value in entries.items()
    ]


def _cors(policy: CorsPolicy) -> dict[str, Any]:
    exact = [*policy.allow_origin, *(origin.exact for origin in policy.allow_origins if origin.exact is not None)]
    patterns = [pattern for origin in policy.allow_origins if (pattern := _origin_regex(origin)) is not None]
    if not exact and not patterns:
        return {}  # nobody is allowed anything, and Gloo rejects every route of a proxy with such a policy
    lists = {
        "allowOrigin": exact,
        "allowOriginRegex": patterns,
        "allowMethods": list(policy.allow_methods),
        "allowHeaders": list(policy.allow_headers),
        "exposeHeaders": list(policy.expose_headers),
    }
    cors: dict[str, Any] = {name: entries for name, entries in lists.items() if entries}
    if policy.max_age_s is not None:
        # It becomes the header access-control-max-age as it is, and browsers read that in seconds.
        cors["maxAge"] = str(int(policy.max_age_s))
    if policy.allow_credentials:
        cors["allowCredentials"] = True
    return cors


def _origin_regex(origin: StringMatch) -> str | None:
    """Return the pattern of an origin: Envoy matches the whole origin against it."""
    if origin.regex is not None:
        return origin.regex
    if origin.prefix is not None:
        return f"{re.escape(origin.prefix)}.*"
    if origin.suffix is not None:
        return f".*{re.escape(origin.suffix)}"
    return ".*" if origin.present else None

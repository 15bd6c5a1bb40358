"""`options` of a route or a virtual host: timeout, retries, rewrites, headers, cors, mirroring."""

from sandbox.gloo.durations import envoy_duration
from sandbox.gloo.matchers import regex_match, regex_substitution
from sandbox.gloo.reports import TranslationError
from sandbox.gloo.snapshot import Json, without_none

_CORS_FILTER = "envoy.filters.http.cors"
_CORS_TYPE = "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy"
_HUNDRED_PERCENT = 100

ROUTE_OPTIONS = {
    "timeout",
    "idleTimeout",
    "retries",
    "prefixRewrite",
    "regexRewrite",
    "hostRewrite",
    "autoHostRewrite",
    "hostRewriteHeader",
    "hostRewritePathRegex",
    "appendXForwardedHost",
    "headerManipulation",
    "cors",
    "shadowing",
}
VIRTUAL_HOST_OPTIONS = {"headerManipulation", "cors", "retries"}


def action_options(options: Json) -> Json:
    """Return what `options` adds to a route's action. Raises TranslationError for a mirror without a target."""
    return without_none(
        prefix_rewrite=options.get("prefixRewrite") or None,
        regex_rewrite=regex_substitution(options["regexRewrite"]) if options.get("regexRewrite") else None,
        timeout=envoy_duration(options.get("timeout")),
        idle_timeout=envoy_duration(options.get("idleTimeout")),
        retry_policy=retry_policy(options["retries"]) if options.get("retries") else None,
        request_mirror_policies=[_mirror(options["shadowing"])] if options.get("shadowing") else None,
        **_host_rewrite(options),
    )


def route_options(options: Json) -> Json:
    """Return what `options` adds beside a route's action, whatever the action is."""
    fields = header_manipulation(options.get("headerManipulation") or {})
    if cors := options.get("cors"):
        fields["typed_per_filter_config"] = {_CORS_FILTER: _cors(cors)}
    return fields


def virtual_host_options(options: Json) -> Json:
    """Return a virtual host's share: headers, cors and retries for all its routes."""
    fields = route_options(options)
    if retries := options.get("retries"):
        fields["retry_policy"] = retry_policy(retries)
    return fields


def header_manipulation(manipulation: Json) -> Json:
    return without_none(
        request_headers_to_add=_headers_to_add(manipulation.get("requestHeadersToAdd")),
        request_headers_to_remove=manipulation.get("requestHeadersToRemove") or None,
        response_headers_to_add=_headers_to_add(manipulation.get("responseHeadersToAdd")),
        response_headers_to_remove=manipulation.get("responseHeadersToRemove") or None,
    )


def _headers_to_add(entries: list[Json] | None) -> list[Json] | None:
    added = []
    for entry in entries or []:
        header = entry.get("header")
        if not header:
            raise TranslationError("header section of header value option cannot be nil")
        key = header["key"]
        if key.startswith(":") or key.lower() == "host":
            raise TranslationError(f": -prefixed or host headers may not be modified. Received '{key}' header")
        fields: Json = {"header": {"key": key, "value": header.get("value", "")}}
        if entry.get("append") is False:
            fields["append_action"] = "OVERWRITE_IF_EXISTS_OR_ADD"
        added.append(fields)
    return added or None


def retry_policy(policy: Json) -> Json:
    back_off = policy.get("retryBackOff") or {}
    return without_none(
        retry_on=policy.get("retryOn") or None,
        num_retries=policy.get("numRetries") or 1,
        per_try_timeout=envoy_duration(policy.get("perTryTimeout")),
        retriable_status_codes=policy.get("retriableStatusCodes") or None,
        retry_back_off=without_none(
            base_interval=envoy_duration(back_off.get("baseInterval")),
            max_interval=envoy_duration(back_off.get("maxInterval")),
        )
        or None,
    )


def _host_rewrite(options: Json) -> Json:
    fields: Json = {}
    if literal := options.get("hostRewrite"):
        fields["host_rewrite_literal"] = literal
    elif options.get("autoHostRewrite") is not None:
        fields["auto_host_rewrite"] = options["autoHostRewrite"]
    elif header := options.get("hostRewriteHeader"):
        fields["host_rewrite_header"] = header
    elif path_regex := options.get("hostRewritePathRegex"):
        fields["host_rewrite_path_regex"] = regex_substitution(path_regex)
    if fields and options.get("appendXForwardedHost"):
        fields["append_x_forwarded_host"] = True
    return fields


def _mirror(shadowing: Json) -> Json:
    upstream = shadowing.get("upstream")
    if not upstream:
        raise TranslationError("invalid plugin spec: must specify an upstream ref")
    percentage = shadowing.get("percentage") or 0
    if not 0 <= percentage <= _HUNDRED_PERCENT:
        raise TranslationError(f"shadow percentage must be between 0 and 100, received {percentage}")
    fraction = without_none(denominator="MILLION", numerator=int(percentage * 10_000) or None)
    return {
        "cluster": f"{upstream['name']}_{upstream.get('namespace', '')}",
        "runtime_fraction": {"default_value": fraction},
    }


def _cors(cors: Json) -> Json:
    exact = [{"exact": origin} for origin in cors.get("allowOrigin") or []]
    regexes = [{"safe_regex": regex_match(origin)} for origin in cors.get("allowOriginRegex") or []]
    if not exact + regexes:
        raise TranslationError("must provide at least one of AllowOrigin or AllowOriginRegex")
    policy = without_none(
        allow_origin_string_match=exact + regexes,
        allow_methods=",".join(cors.get("allowMethods") or []) or None,
        allow_headers=",".join(cors.get("allowHeaders") or []) or None,
        expose_headers=",".join(cors.get("exposeHeaders") or []) or None,
        max_age=cors.get("maxAge") or None,
        allow_credentials=True if cors.get("allowCredentials") else None,
    )
    if cors.get("disableForRoute"):
        policy["filter_enabled"] = {"default_value": {}, "runtime_key": "gloo.routeplugin.cors"}
    return {"@type": _CORS_TYPE} | policy

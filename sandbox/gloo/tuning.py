"""How an Upstream tunes its cluster: circuit breakers, connections, load balancing, health, HTTP/2."""

import math

from sandbox.gloo.durations import envoy_duration, seconds
from sandbox.gloo.reports import TranslationError
from sandbox.gloo.snapshot import Json, without_none

_CONNECT_TIMEOUT = "5s"  # Gloo's default
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

TUNING = {
    "circuitBreakers",
    "connectionConfig",
    "loadBalancerConfig",
    "outlierDetection",
    "healthChecks",
    "useHttp2",
    "initialStreamWindowSize",
    "initialConnectionWindowSize",
    "maxConcurrentStreams",
    "ignoreHealthOnHostRemoval",
}

_OUTLIER_FIELDS = {
    "consecutive5xx": "consecutive_5xx",
    "interval": "interval",
    "baseEjectionTime": "base_ejection_time",
    "maxEjectionPercent": "max_ejection_percent",
    "enforcingConsecutive5xx": "enforcing_consecutive_5xx",
    "enforcingSuccessRate": "enforcing_success_rate",
    "successRateMinimumHosts": "success_rate_minimum_hosts",
    "successRateRequestVolume": "success_rate_request_volume",
    "successRateStdevFactor": "success_rate_stdev_factor",
    "consecutiveGatewayFailure": "consecutive_gateway_failure",
    "enforcingConsecutiveGatewayFailure": "enforcing_consecutive_gateway_failure",
    "splitExternalLocalOriginErrors": "split_external_local_origin_errors",
}
_HEALTH_FIELDS = {
    "timeout": "timeout",
    "interval": "interval",
    "initialJitter": "initial_jitter",
    "intervalJitter": "interval_jitter",
    "unhealthyThreshold": "unhealthy_threshold",
    "healthyThreshold": "healthy_threshold",
    "reuseConnection": "reuse_connection",
    "noTrafficInterval": "no_traffic_interval",
    "unhealthyInterval": "unhealthy_interval",
    "unhealthyEdgeInterval": "unhealthy_edge_interval",
    "healthyEdgeInterval": "healthy_edge_interval",
}
_DURATIONS = {
    name for name in (*_OUTLIER_FIELDS, *_HEALTH_FIELDS) if name.endswith(("nterval", "Time", "timeout", "itter"))
}


def tuning(spec: Json) -> Json:
    """Return the fields that an Upstream's spec adds to its cluster. Raises TranslationError for what Gloo refuses."""
    return without_none(
        circuit_breakers=_circuit_breakers(spec.get("circuitBreakers")),
        health_checks=_health_checks(spec.get("healthChecks")),
        outlier_detection=_outlier_detection(spec.get("outlierDetection")),
        ignore_health_on_host_removal=spec.get("ignoreHealthOnHostRemoval") or None,
        **_connection(spec.get("connectionConfig") or {}),
        **_load_balancing(spec.get("loadBalancerConfig") or {}),
        **_http2(spec),
    )


def _circuit_breakers(config: Json | None) -> Json | None:
    if config is None:
        return None
    thresholds = without_none(
        max_connections=config.get("maxConnections"),
        max_pending_requests=config.get("maxPendingRequests"),
        max_requests=config.get("maxRequests"),
        max_retries=config.get("maxRetries"),
    )
    return {"thresholds": [thresholds]}


def _connection(config: Json) -> Json:
    keepalive = config.get("tcpKeepalive")
    common = config.get("commonHttpProtocolOptions")
    return without_none(
        connect_timeout=envoy_duration(config.get("connectTimeout")) or _CONNECT_TIMEOUT,
        max_requests_per_connection=config.get("maxRequestsPerConnection") or None,
        per_connection_buffer_limit_bytes=config.get("perConnectionBufferLimitBytes"),
        upstream_connection_options={"tcp_keepalive": _tcp_keepalive(keepalive)} if keepalive else None,
        common_http_protocol_options=_common_http(common) if common else None,
    )


def _tcp_keepalive(keepalive: Json) -> Json:
    return without_none(
        keepalive_probes=keepalive.get("keepaliveProbes") or None,
        keepalive_time=_whole_seconds(keepalive.get("keepaliveTime")),
        keepalive_interval=_whole_seconds(keepalive.get("keepaliveInterval")),
    )


def _common_http(options: Json) -> Json:
    return without_none(
        idle_timeout=envoy_duration(options.get("idleTimeout")),
        max_headers_count=options.get("maxHeadersCount") or None,
        max_stream_duration=envoy_duration(options.get("maxStreamDuration")),
    )


def _whole_seconds(text: str | None) -> int | None:
    return None if text is None else math.ceil(seconds(text))


def _load_balancing(config: Json) -> Json:
    panic, window = config.get("healthyPanicThreshold"), config.get("updateMergeWindow")
    common = without_none(
        healthy_panic_threshold=None if panic is None else {"value": panic},
        update_merge_window=envoy_duration(window),
        close_connections_on_host_set_change=config.get("closeConnectionsOnHostSetChange") or None,
        consistent_hashing_lb_config=(
            {"use_hostname_for_hashing": True} if config.get("useHostnameForHashing") else None
        ),
    )
    return without_none(common_lb_config=common or None, **_policy(config))


def _policy(config: Json) -> Json:
    if (robin := config.get("roundRobin")) is not None:
        slow_start = _slow_start(robin)
        return {"round_robin_lb_config": slow_start} if slow_start else {}
    if (least := config.get("leastRequest")) is not None:
        fields = without_none(choice_count=least.get("choiceCount") or None) | _slow_start(least)
        return {"lb_policy": "LEAST_REQUEST"} | ({"least_request_lb_config": fields} if fields else {})
    if "random" in config:
        return {"lb_policy": "RANDOM"}
    if (ring := config.get("ringHash")) is not None:
        sizes = ring.get("ringHashConfig") or {}
        # 64-bit numbers are texts in protobuf's JSON.
        fields = without_none(
            minimum_ring_size=_number_text(sizes.get("minimumRingSize")),
            maximum_ring_size=_number_text(sizes.get("maximumRingSize")),
        )
        return {"lb_policy": "RING_HASH", "ring_hash_lb_config": fields}
    return {"lb_policy": "MAGLEV"} if "maglev" in config else {}


def _number_text(number: int | str | None) -> str | None:
    return str(number) if number else None


def _slow_start(policy: Json) -> Json:
    config = policy.get("slowStartConfig")
    if config is None:
        return {}
    aggression, least = config.get("aggression"), config.get("minWeightPercent")
    return {
        "slow_start_config": without_none(
            slow_start_window=envoy_duration(config.get("slowStartWindow")),
            aggression=(
                {"default_value": aggression, "runtime_key": "upstream.slowStart.aggression"} if aggression else None
            ),
            min_weight_percent=None if least is None else {"value": least},
        )
    }


def _outlier_detection(config: Json | None) -> Json | None:
    if config is None:
        return None
    if config.get("interval") is None:
        raise TranslationError("The field OutlierDetection.HealthChecker.Interval cannot be nil")
    return _renamed(config, _OUTLIER_FIELDS)


def _health_checks(checks: list[Json] | None) -> list[Json] | None:
    return [_health_check(index, check) for index, check in enumerate(checks or [])] or None


def _health_check(index: int, check: Json) -> Json:
    for name in ("healthyThreshold", "unhealthyThreshold"):
        if check.get(name) is None:
            raise TranslationError(f"The field HealthCheck[{index}].{name[0].upper()}{name[1:]} cannot be nil")
    fields = _renamed(check, _HEALTH_FIELDS)
    if (http := check.get("httpHealthCheck")) is not None:
        return fields | {
            "http_health_check": without_none(host=http.get("host"), path=http.get("path"), method=http.get("method"))
        }
    if (grpc := check.get("grpcHealthCheck")) is not None:
        named = without_none(service_name=grpc.get("serviceName"), authority=grpc.get("authority"))
        return fields | {"grpc_health_check": named}
    if "tcpHealthCheck" in check:
        return fields | {"tcp_health_check": {}}
    raise TranslationError(f"The field HealthCheck[{index}].HealthChecker cannot be nil")


def _renamed(config: Json, fields: dict[str, str]) -> Json:
    return {
        envoy: envoy_duration(config[gloo]) if gloo in _DURATIONS else config[gloo]
        for gloo, envoy in fields.items()
        if config.get(gloo) is not None
    }


def _http2(spec: Json) -> Json:
    if not spec.get("useHttp2"):
        return {}
    options = without_none(
        initial_stream_window_size=spec.get("initialStreamWindowSize"),
        initial_connection_window_size=spec.get("initialConnectionWindowSize"),
        max_concurrent_streams=spec.get("maxConcurrentStreams"),
    )
    typed = {
        "@type": f"type.googleapis.com/{_HTTP_OPTIONS}",
        "explicit_http_config": {"http2_protocol_options": options},
    }
    return {"http2_protocol_options": {}, "typed_extension_protocol_options": {_HTTP_OPTIONS: typed}}

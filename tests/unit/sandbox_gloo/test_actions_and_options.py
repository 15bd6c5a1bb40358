"""Routes' actions and options, for Envoy."""

from typing import Any

import pytest

from sandbox.gloo.durations import envoy_duration
from sandbox.gloo.reports import TranslationError
from sandbox.gloo.route_options import action_options, route_options, virtual_host_options
from sandbox.gloo.snapshot import Snapshot
from sandbox.gloo.translate import Translation, translate

Json = dict[str, Any]


def translated(route: Json, **options: Any) -> Translation:
    host = {"domains": ["a.example.com"], "routes": [route], "options": options}
    virtual_service = {"metadata": {"name": "app", "namespace": "conf"}, "spec": {"virtualHost": host}}
    return translate(Snapshot(virtual_services={("conf", "app"): virtual_service}))


def only_route(translation: Translation) -> Json:
    (host,) = translation.route_config["virtual_hosts"]
    (route,) = host["routes"]
    return dict(route)


@pytest.mark.parametrize(
    ("text", "expected"), [("15s", "15s"), ("1m30s", "90s"), ("500ms", "0.5s"), ("2h", "7200s"), (None, None)]
)
def test_durations(text: str | None, expected: str | None) -> None:
    assert envoy_duration(text) == expected


@pytest.mark.parametrize("text", ["", "15", "s", "15 s", "1m and 2s"])
def test_a_text_that_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        envoy_duration(text)


def test_redirect() -> None:
    action = {"hostRedirect": "b.example.com", "prefixRewrite": "/new", "responseCode": "FOUND", "httpsRedirect": True}
    assert only_route(translated({"redirectAction": action}))["redirect"] == {
        "host_redirect": "b.example.com",
        "prefix_rewrite": "/new",
        "response_code": "FOUND",
        "https_redirect": True,
    }


def test_direct_response() -> None:
    route = only_route(translated({"directResponseAction": {"status": 418, "body": "teapot"}}))
    assert route["direct_response"] == {"status": 418, "body": {"inline_string": "teapot"}}


def test_a_reference_without_namespace_means_the_owners() -> None:
    route = only_route(translated({"routeAction": {"single": {"upstream": {"name": "u"}}}}))
    assert route["route"] == {"cluster": "u_conf"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"hostRewrite": "b.example.com"}, {"host_rewrite_literal": "b.example.com"}),
        (
            {"autoHostRewrite": True, "appendXForwardedHost": True},
            {"auto_host_rewrite": True, "append_x_forwarded_host": True},
        ),
        (
            {"regexRewrite": {"pattern": {"regex": "^/a/(.*)"}, "substitution": "/\\1"}},
            {
                "regex_rewrite": {
                    "pattern": {"google_re2": {}, "regex": "^/a/(.*)"},
                    "substitution": "/\\1",
                }
            },
        ),
        (
            {"retries": {"retryOn": "5xx", "retryBackOff": {"baseInterval": "25ms", "maxInterval": "1s"}}},
            {
                "retry_policy": {
                    "retry_on": "5xx",
                    "num_retries": 1,
                    "retry_back_off": {"base_interval": "0.025s", "max_interval": "1s"},
                }
            },
        ),
        (
            {"shadowing": {"upstream": {"name": "u", "namespace": "n"}, "percentage": 12.5}},
            {
                "request_mirror_policies": [
                    {
                        "cluster": "u_n",
                        "runtime_fraction": {"default_value": {"denominator": "MILLION", "numerator": 125_000}},
                    }
                ]
            },
        ),
    ],
)
def test_action_options(options: Json, expected: Json) -> None:
    assert action_options(options) == expected


def test_cors_with_credentials_and_a_regex() -> None:
    cors = {"allowOriginRegex": [".*"], "allowHeaders": ["a", "b"], "allowCredentials": True}
    policy = route_options({"cors": cors})["typed_per_filter_config"]["envoy.filters.http.cors"]
    assert policy["allow_origin_string_match"] == [{"safe_regex": {"google_re2": {}, "regex": ".*"}}]
    assert policy["allow_headers"] == "a,b"
    assert policy["allow_credentials"] is True


def test_virtual_host_options() -> None:
    fields = virtual_host_options(
        {"headerManipulation": {"responseHeadersToRemove": ["server"]}, "retries": {"retryOn": "5xx", "numRetries": 2}}
    )
    assert fields == {
        "response_headers_to_remove": ["server"],
        "retry_policy": {"retry_on": "5xx", "num_retries": 2},
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"headerManipulation": {"requestHeadersToAdd": [{"header": {"key": "Host", "value": "x"}}]}}, "'Host' header"),
        ({"cors": {"allowMethods": ["GET"]}}, "must provide at least one of AllowOrigin"),
    ],
)
def test_options_that_gloo_refuses_reject_the_proxy_and_name_the_route(options: Json, message: str) -> None:
    with pytest.raises(TranslationError, match=message):
        route_options(options)
    translation = translated({"directResponseAction": {"status": 200}, "options": options})
    status = translation.statuses["virtualservices", ("conf", "app")]
    proxy = status["subresourceStatuses"]["*v1.Proxy.gateway-proxy_gloo-system"]
    assert (status["state"], proxy["state"]) == ("Accepted", "Rejected")
    assert "Route Name: conf_app-route-0-matcher-0" in proxy["reason"]

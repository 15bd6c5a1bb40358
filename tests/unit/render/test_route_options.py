"""The canary's service settings as Gloo's route options."""

from typing import Any

import pytest
import re2

from render.route_options import route_options
from render.route_table import route_table
from tests.support import gloo_cases
from tests.support.podinfo import podinfo_canary


def options(**service: Any) -> dict[str, Any]:
    return route_options(podinfo_canary(service=service).spec.service)


def test_settings_give_the_options_of_the_recorded_case() -> None:
    _, recorded = gloo_cases.objects("retries-timeout-rewrite-headers-cors")
    expected = recorded["spec"]["routes"][0]["options"]
    del expected["cors"]["allowCredentials"]  # false is what it is when left out
    expected["cors"]["maxAge"] = "86400"  # browsers read the header in seconds
    assert (
        options(
            timeout="15s",
            rewrite={"uri": "/"},
            retries={"attempts": 3, "perTryTimeout": "5s", "retryOn": "gateway-error,connect-failure,refused-stream"},
            headers={"request": {"set": {"x-added": "1"}}, "response": {"remove": ["x-envoy-upstream-service-time"]}},
            corsPolicy={"allowOrigin": ["example.com"], "allowMethods": ["GET"], "maxAge": "24h"},
        )
        == expected
    )


def test_a_service_without_such_settings_gives_a_route_without_options() -> None:
    assert options() == {}
    assert options(headers={}, corsPolicy={}, rewrite={}, retries={"attempts": 0}) == {}
    assert options(corsPolicy={"allowMethods": ["GET"], "maxAge": "1h"}) == {}  # Gloo rejects one without origins
    assert "options" not in route_table(podinfo_canary())["spec"]["routes"][0]


def test_options_stand_on_our_route() -> None:
    table = route_table(podinfo_canary(service={"timeout": "1m30s"}))
    assert table["spec"]["routes"][0]["options"] == {"timeout": "90s"}


@pytest.mark.parametrize(
    ("written", "rendered"), [("15s", "15s"), ("1m30s", "90s"), ("250ms", "0.25s"), ("100s", "100s"), ("1h", "3600s")]
)
def test_durations_are_written_in_seconds(written: str, rendered: str) -> None:
    assert options(timeout=written)["timeout"] == rendered


def test_retries_without_conditions_retry_on_istios() -> None:
    retries = options(retries={"attempts": 2})["retries"]
    assert retries == {"retryOn": "connect-failure,refused-stream,unavailable,cancelled", "numRetries": 2}


def test_rewrite_replaces_the_prefix_or_the_whole_path_and_the_host() -> None:
    assert options(rewrite={"uri": "/v2", "authority": "a.example.com"}) == {
        "prefixRewrite": "/v2",
        "hostRewrite": "a.example.com",
    }
    whole = options(rewrite={"uri": r"/v2\1", "type": "ReplaceFullPath"})["regexRewrite"]
    rewritten = re2.sub(whole["pattern"]["regex"], whole["substitution"], "/any/path")
    assert rewritten == r"/v2\1"


def test_added_headers_come_on_top_and_set_ones_replace() -> None:
    headers = {"request": {"add": {"a": "1"}, "set": {"b": "2"}, "remove": ["c"]}, "response": {"add": {"d": "4"}}}
    assert options(headers=headers)["headerManipulation"] == {
        "requestHeadersToAdd": [
            {"header": {"key": "b", "value": "2"}, "append": False},
            {"header": {"key": "a", "value": "1"}, "append": True},
        ],
        "requestHeadersToRemove": ["c"],
        "responseHeadersToAdd": [{"header": {"key": "d", "value": "4"}, "append": True}],
    }


@pytest.mark.parametrize(
    ("origin", "allowed", "refused"),
    [
        ({"prefix": "https://a.b"}, "https://a.b.example.com", "https://aXb.example.com"),
        ({"suffix": ".example.com"}, "https://a.example.com", "https://a.example.com.evil.org"),
        ({"regex": "https://[ab]"}, "https://a", "https://c"),
    ],
)
def test_origins_that_are_not_exact_become_patterns(origin: dict[str, str], allowed: str, refused: str) -> None:
    policy = {"allowOrigins": [origin, {"exact": "https://exact"}], "allowCredentials": True}
    cors = options(corsPolicy=policy)["cors"]
    assert cors["allowOrigin"] == ["https://exact"]
    assert cors["allowCredentials"] is True
    (pattern,) = cors["allowOriginRegex"]
    assert re2.fullmatch(pattern, allowed)
    assert not re2.fullmatch(pattern, refused)


def test_cors_lists_are_carried_over() -> None:
    policy = {"allowOrigin": ["*"], "allowHeaders": ["x-a", "x-b"], "exposeHeaders": ["x-c"]}
    cors = options(corsPolicy=policy)["cors"]
    assert (cors["allowHeaders"], cors["exposeHeaders"]) == (["x-a", "x-b"], ["x-c"])

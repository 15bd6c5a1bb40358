"""The rules for what is done to requests, for cookies and for mirroring: one change, and exactly its problem."""

from collections.abc import Mapping
from functools import partial

import pytest

from canary.api.canary import Canary
from canary.api.problems import Described, Problem
from canary.rules import affinity, routing
from canary.rules.canary import Rule, check_canary
from canary.rules.header_variables import ALLOWED_VARIABLES
from canary.rules.http_syntax import TOKEN
from tests.support.rule_cases import CanaryWith, Case, assert_only_problem, case_name

warning = partial(Problem, is_warning=True)

AFFINITY = "spec.analysis.sessionAffinity"
HOOK = {"name": "load", "url": "http://loadtester.test/"}
BLUE_GREEN: Mapping[str, object] = {"interval": "10s", "threshold": 1, "iterations": 3, "webhooks": [HOOK]}
HEADER_NAME = f"a header other than Host (see rewrite.authority): {TOKEN}"
HEADER_VALUE = "a text without control characters"


def cookie(**settings: object) -> Mapping[str, object]:
    return {"analysis/sessionAffinity": {"cookieName": "side", **settings}}


CASES: list[Case] = [
    (
        routing.retries_are_tried,
        {"service/retries": {"attempts": 2, "retryOn": "5xx,sometimes"}},
        warning(
            "spec.service.retries.retryOn",
            "5xx,sometimes",
            "Envoy's conditions, separated by commas; sometimes is none and is ignored",
        ),
    ),
    (
        routing.retries_are_tried,
        {"service/retries": {"attempts": 2, "retryOn": "a, b,5xx,c,d,e,f"}},
        warning(
            "spec.service.retries.retryOn",
            "a, b,5xx,c,d,e,f",
            "Envoy's conditions, separated by commas; a, b, c, d, e, ... are none and are ignored",
        ),
    ),
    (
        routing.retries_are_tried,
        {"service/retries": {"attempts": 2, "retryOn": "x," * 600}},
        Problem("spec.service.retries.retryOn", Described("1200 characters"), "at most 1024 characters"),
    ),
    (
        routing.headers_can_be_changed,
        {"service/headers": {"request": {"set": {"x": "é" * 8_193}}}},
        Problem("spec.service.headers.request.set.x", Described("16386 bytes"), "at most 16384 bytes"),
    ),
    (
        routing.retries_are_tried,
        {"service/timeout": "2s", "service/retries": {"attempts": 2, "perTryTimeout": "3s"}},
        warning("spec.service.retries.perTryTimeout", "3s", "at most timeout, 2s, which ends all tries"),
    ),
    (
        routing.retries_are_tried,
        {"service/retries": {"perTryTimeout": "3s"}},
        warning("spec.service.retries.attempts", None, "1 or more; without it nothing is retried"),
    ),
    (
        routing.rewrite_gives_a_path_and_a_host,
        {"service/rewrite": {"uri": "v2/"}},
        Problem("spec.service.rewrite.uri", "v2/", "a path that starts with /, without control characters"),
    ),
    (
        routing.rewrite_gives_a_path_and_a_host,
        {"service/rewrite": {"authority": "http://a"}},
        Problem("spec.service.rewrite.authority", "http://a", "a host, with a port or without one"),
    ),
    (
        routing.rewrite_gives_a_path_and_a_host,
        {"service/rewrite": {"type": "ReplaceFullPath"}},
        warning(
            "spec.service.rewrite",
            {"type": "ReplaceFullPath"},
            "uri or authority; without them nothing is rewritten",
        ),
    ),
    (
        routing.rewrite_gives_a_path_and_a_host,
        {"service/rewrite": {"uri": "/", "type": "Prefix"}},
        warning(
            "spec.service.rewrite.type",
            "Prefix",
            "ReplaceFullPath or ReplacePrefixMatch; anything else is read as ReplacePrefixMatch",
        ),
    ),
    (
        routing.headers_can_be_changed,
        {"service/headers": {"request": {"set": {"x from": "a"}}}},
        Problem("spec.service.headers.request.set[x from]", "x from", HEADER_NAME),
    ),
    (
        routing.headers_can_be_changed,
        {"service/headers": {"request": {"remove": ["x-a", "Host"]}}},
        Problem("spec.service.headers.request.remove[1]", "Host", HEADER_NAME),
    ),
    (
        routing.headers_can_be_changed,
        {"service/headers": {"response": {"add": {"x-share": "5%"}}}},
        Problem("spec.service.headers.response.add[x-share]", "5%", ALLOWED_VARIABLES),
    ),
    (
        routing.headers_can_be_changed,
        {"service/headers": {"response": {"set": {"x": "a\r\nset-cookie: b"}}}},
        Problem("spec.service.headers.response.set.x", "a\r\nset-cookie: b", HEADER_VALUE),
    ),
    (
        routing.cors_names_are_tokens,
        {"service/corsPolicy": {"allowOrigin": ["*"], "allowHeaders": ["x-a", "x b"]}},
        Problem("spec.service.corsPolicy.allowHeaders[1]", "x b", f"{TOKEN}, or *"),
    ),
    (
        routing.cors_origins_are_named,
        {"service/corsPolicy": {"allowOrigin": [""]}},
        Problem("spec.service.corsPolicy.allowOrigin[0]", "", "an origin such as https://example.com, or *"),
    ),
    (
        routing.cors_origins_are_named,
        {"service/corsPolicy": {"allowMethods": ["GET"]}},
        warning(
            "spec.service.corsPolicy.allowOrigins", None, "at least one origin; without one no other site may call"
        ),
    ),
    (
        routing.cors_origins_are_named,
        {"service/corsPolicy": {"allowOrigin": ["*"], "allowCredentials": True}},
        warning(
            "spec.service.corsPolicy.allowOrigin",
            ["*"],
            "named origins beside allowCredentials; browsers give * no credentials",
        ),
    ),
    (
        affinity.cookies_of_the_sides_differ,
        cookie(primaryCookieName="side"),
        Problem(f"{AFFINITY}.primaryCookieName", "side", "another name than cookieName"),
    ),
    (
        affinity.cookie_names_are_tokens,
        cookie(cookieName="my side"),
        Problem(f"{AFFINITY}.cookieName", "my side", TOKEN),
    ),
    (
        affinity.cookie_names_are_tokens,
        cookie(primaryCookieName="a=b"),
        Problem(f"{AFFINITY}.primaryCookieName", "a=b", TOKEN),
    ),
    (
        affinity.cookie_attributes_stay_one,
        cookie(domain="a.example.com; Secure"),
        Problem(f"{AFFINITY}.domain", "a.example.com; Secure", "visible ASCII characters and spaces, but no semicolon"),
    ),
    (
        affinity.cookie_is_kept_by_browsers,
        cookie(maxAge=-1),
        warning(f"{AFFINITY}.maxAge", -1, "0 (the default, a day) or more; browsers drop this cookie at once"),
    ),
    (
        affinity.cookie_is_kept_by_browsers,
        cookie(path="app"),
        warning(f"{AFFINITY}.path", "app", "a path that starts with /; it is ignored"),
    ),
    (
        affinity.cookie_is_kept_by_browsers,
        cookie(sameSite="None"),
        warning(f"{AFFINITY}.secure", None, "true, or browsers drop a cookie that is partitioned or has sameSite None"),
    ),
    (
        affinity.affinity_is_for_weights,
        {"analysis": {**BLUE_GREEN, "sessionAffinity": {"cookieName": "side"}}},
        warning(
            AFFINITY,
            {"cookieName": "side"},
            "nothing beside iterations or match; it is for weights (stepWeight, stepWeights) among all requests, and "
            "means nothing here",
        ),
    ),
    (
        affinity.mirror_means_something,
        {"analysis": {**BLUE_GREEN, "mirror": True, "match": [{"headers": {"x": {"exact": "a"}}}]}},
        warning(
            "spec.analysis.mirror",
            found=True,
            allowed="nothing beside match: what is for some requests is not mirrored, as on Flagger",
        ),
    ),
    (
        affinity.mirror_means_something,
        {"analysis/mirrorWeight": 20},
        warning("spec.analysis.mirrorWeight", 20, "nothing without mirror: true, which it belongs to"),
    ),
]

NO_PROBLEM: list[Mapping[str, object]] = [
    cookie(primaryCookieName="other", domain="example.com", path="/a b", maxAge=0, sameSite="None", secure=True),
    {"service/retries": {"attempts": 1, "perTryTimeout": "2s", "retryOn": "5xx, reset"}, "service/timeout": "2s"},
    {"service/rewrite": {"uri": "/", "authority": "a.example.com:8080", "type": "ReplaceFullPath"}},
    {"service/headers": {"response": {"add": {"x-share": "5%% %REQ(x-user?:path):10% %PROTOCOL%"}}}},
    {"service/corsPolicy": {"allowOrigins": [{"prefix": "https://"}], "exposeHeaders": ["*"]}},
    {"analysis/mirror": True, "analysis/mirrorWeight": 20},
    {"analysis": {**BLUE_GREEN, "mirror": True}},
]


@pytest.mark.parametrize(("rule", "changes", "problem"), CASES, ids=case_name)
def test_the_rule_tells_where_what_was_found_and_what_is_allowed(
    canary_with: CanaryWith, rule: Rule, changes: Mapping[str, object], problem: Problem
) -> None:
    assert_only_problem(Canary.model_validate(canary_with(changes)), rule, problem)


@pytest.mark.parametrize("changes", NO_PROBLEM, ids=str)
def test_the_good_side_of_a_border_is_no_problem(canary_with: CanaryWith, changes: Mapping[str, object]) -> None:
    assert check_canary(Canary.model_validate(canary_with(changes))) == ()

"""The rules for conditions and patterns: the good Canary with one change has exactly that problem."""

import time
from collections.abc import Mapping
from functools import partial

import pytest
import re2

from canary.api.canary import Canary
from canary.api.problems import Described, Problem
from canary.rules import matching, patterns
from canary.rules.canary import Rule, check_canary
from canary.rules.http_syntax import TOKEN
from tests.support.rule_cases import CanaryWith, Case, ab_test, assert_only_problem, case_name

warning = partial(Problem, is_warning=True)


LONG = "x" * 100
TOO_LARGE = (
    "a pattern of at most 1024 instructions in RE2, and this one has {} or more: Envoy refuses it, and all other "
    "routes with it"
)
LARGE = (
    "a pattern of at most 100 instructions in RE2, and this one has {}: with more, Envoy drops the whole update unless "
    "its limit is higher (1024 by default since Gloo 1.15)"
)
IGNORED_NOWHERE: list[dict[str, object]] = [{"uri": {"regex": "/a"}}, {"headers": {"a": {"exact": "1"}}}]
METHODS = "one of GET, HEAD, POST, PUT, DELETE, CONNECT, OPTIONS, TRACE, PATCH"


FOR_NOBODY: list[list[dict[str, object]]] = [
    [{"sourceLabels": {"app": "x"}}],
    [{}, {"uri": {}}],
    [{"header": {"a": {"exact": "b"}}}],
]

CASES: list[Case] = [
    (
        matching.each_value_is_compared_in_one_way,
        ab_test({"headers": {"x-user": {"exact": "a", "regex": "b"}}}),
        Problem(
            "spec.analysis.match[0].headers[x-user]",
            {"exact": "a", "regex": "b"},
            "exactly one of exact, prefix, suffix, regex, present",
        ),
    ),
    (
        matching.each_value_is_compared_in_one_way,
        ab_test({"headers": {"user": {}}}),
        Problem("spec.analysis.match[0].headers.user", {}, "exactly one of exact, prefix, suffix, regex, present"),
    ),
    (
        matching.each_comparison_is_possible,
        ab_test({"queryParams": {"q": {"suffix": "z"}}}),
        Problem("spec.analysis.match[0].queryParams.q.suffix", "z", "only exact, prefix, regex, present here"),
    ),
    (
        matching.each_comparison_is_possible,
        ab_test({"uri": {"present": True}}),
        Problem("spec.analysis.match[0].uri.present", found=True, allowed="only exact, prefix, regex here"),
    ),
    *(
        (
            patterns.regexes_are_not_too_many,
            ab_test(*({"headers": {"a": {"regex": regex}}} for regex in regexes)),
            Problem(
                f"spec.analysis.match[{place}].headers.a.regex",
                regexes[place],
                "at most 256 regular expressions in one Canary, each of at most 2048 characters and 16384 in all; "
                "this is the first beyond",
            ),
        )
        for place, regexes in (
            (256, [f"a{number}" for number in range(300)]),
            (1, ["a", "a" * 2_049, "(unclosed"]),
            (8, ["a" * 2_000] * 9),
        )
    ),
    (
        patterns.regexes_are_re2,
        ab_test({"headers": {"a": {"regex": r"\pL{200}"}}}),
        Problem(
            "spec.analysis.match[0].headers.a.regex",
            r"\pL{200}",
            "a regular expression that RE2 reads (pattern too large - compile failed)",
        ),
    ),
    (
        patterns.regexes_are_re2,
        ab_test({"headers": {"a": {"exact": "1"}}}, {"withoutHeaders": {"cookie": {"regex": "(unclosed"}}}),
        Problem(
            "spec.analysis.match[1].withoutHeaders.cookie.regex",
            "(unclosed",
            "a regular expression that RE2 reads (missing ): (unclosed)",
        ),
    ),
    (
        patterns.regexes_are_re2,
        {"service/corsPolicy": {"allowOrigins": [{"regex": "(?=a)"}]}},
        Problem(
            "spec.service.corsPolicy.allowOrigins[0].regex",
            "(?=a)",
            "a regular expression that RE2 reads (invalid perl operator: (?=)",
        ),
    ),
    (
        matching.each_value_is_compared_in_one_way,
        ab_test({"queryParams": {"q": {}}}),
        warning("spec.analysis.match[0].queryParams.q", {}, "exactly one of exact, prefix, regex, present"),
    ),
    (
        matching.each_entry_has_a_condition,
        ab_test({"name": "all", "headers": {}}),
        warning(
            "spec.analysis.match[0]",
            {"name": "all", "headers": {}},
            "a condition on headers, withoutHeaders, queryParams, uri, method, scheme or authority; without one, the "
            "entry is for nobody",
        ),
    ),
    *(
        (
            matching.a_gateway_can_ask_it,
            ab_test({"headers": {"a": {"exact": "b"}}, field: value}),
            warning(
                f"spec.analysis.match[0].{field}",
                value,
                "nothing; a gateway can't ask it, so the entry is for nobody",
            ),
        )
        for field, value in (
            ("sourceLabels", {"app": "x"}),
            ("sourceNamespace", "test"),
            ("gateways", ["mesh"]),
            ("port", 80),
        )
    ),
    *(
        (
            matching.some_entry_is_for_somebody,
            ab_test(*entries),
            warning(
                "spec.analysis.match",
                list(entries),
                "at least one entry that a gateway can ask for; with none, nobody is routed to the canary",
            ),
        )
        for entries in FOR_NOBODY
    ),
    (
        matching.texts_are_not_empty,
        ab_test({"authority": {"prefix": ""}}),
        warning(
            "spec.analysis.match[0].authority.prefix",
            "",
            "a text; every request has its authority, so with an empty one the entry is for nobody",
        ),
    ),
    (
        matching.each_value_is_compared_in_one_way,
        ab_test({"scheme": {}}),
        warning(
            "spec.analysis.match[0].scheme",
            {},
            "exactly one of exact, prefix, suffix, regex, present; with none, the entry is for nobody",
        ),
    ),
    (
        matching.names_can_be_sent,
        ab_test({"headers": {"x user": {"exact": "a"}}}),
        Problem("spec.analysis.match[0].headers[x user]", {"exact": "a"}, f"for its name: {TOKEN}"),
    ),
    (
        matching.names_can_be_sent,
        ab_test({"queryParams": {"": {"exact": "a"}}}),
        Problem("spec.analysis.match[0].queryParams[]", {"exact": "a"}, "for its name: at least one character"),
    ),
    (
        matching.absence_can_be_asked,
        ab_test({"queryParams": {"q": {"present": False}}}),
        Problem(
            "spec.analysis.match[0].queryParams.q.present",
            found=False,
            allowed="true; Gloo can't ask that a parameter is not there",
        ),
    ),
    (
        matching.method_is_one_of_http,
        ab_test({"method": {"exact": "GET /"}}),
        warning(
            "spec.analysis.match[0].method.exact",
            "GET /",
            f"{METHODS}; any other, and another spelling, is compared as it is",
        ),
    ),
    (
        matching.method_is_one_of_http,
        ab_test({"method": {"exact": "get"}}),
        warning(
            "spec.analysis.match[0].method.exact",
            "get",
            f"{METHODS}; any other, and another spelling, is compared as it is",
        ),
    ),
    (
        matching.paths_are_paths,
        ab_test({"uri": {"prefix": "api"}}),
        warning(
            "spec.analysis.match[0].uri.prefix",
            "api",
            "a path that starts with /; no request has any other, so the entry is for nobody",
        ),
    ),
    *(
        (
            matching.paths_are_paths,
            ab_test({"uri": {way: ""}}),
            warning(
                f"spec.analysis.match[0].uri.{way}",
                "",
                "a path that starts with /; with an empty one, the entry is for nobody",
            ),
        )
        for way in ("exact", "prefix", "regex")
    ),
    (
        matching.paths_are_paths,
        ab_test({"uri": {"exact": "/v2?beta=1"}}),
        warning(
            "spec.analysis.match[0].uri.exact",
            "/v2?beta=1",
            "a path without ? and #; the query is no part of it (see queryParams), and nothing is behind a #",
        ),
    ),
    *(
        (
            patterns.path_patterns_start_with_a_slash,
            ab_test({"uri": {"regex": regex}}),
            warning(
                "spec.analysis.match[0].uri.regex",
                regex,
                "a regular expression whose first character is /: it has to match the whole path, and Gloo leaves out "
                "a route that does not begin with the prefix of the route that leads to it, even for .* or ^/, so the "
                "entry is for nobody",
            ),
        )
        for regex in ("api/.*", ".*", "^/v2", "(/v1|/v2)", "[/]v2")
    ),
    (
        patterns.no_regex_is_empty,
        ab_test({"withoutHeaders": {"x-bot": {"regex": ""}}}),
        warning(
            "spec.analysis.match[0].withoutHeaders[x-bot].regex",
            "",
            "a regular expression; an empty one asks for an empty value (see present)",
        ),
    ),
    *(
        (patterns.patterns_are_small, changes, warning(path, found, LARGE.format(size)))
        for changes, path, found, size in (
            (ab_test({"uri": {"regex": "/[a-z]{99}"}}), "spec.analysis.match[0].uri.regex", "/[a-z]{99}", 104),
            (ab_test({"headers": {"a": {"prefix": LONG}}}), "spec.analysis.match[0].headers.a.prefix", LONG, 112),
            (
                ab_test({"uri": {"prefix": f"/{LONG}"}, "ignoreUriCase": True}),
                "spec.analysis.match[0].uri.prefix",
                f"/{LONG}",
                114,
            ),
            (ab_test({"headers": {"a": {"suffix": LONG}}}), "spec.analysis.match[0].headers.a.suffix", LONG, 112),
            (
                {"service/corsPolicy": {"allowOrigins": [{"regex": f"{LONG}.*"}]}},
                "spec.service.corsPolicy.allowOrigins[0].regex",
                f"{LONG}.*",
                112,
            ),
            (
                {"analysis/sessionAffinity": {"cookieName": LONG}},
                "spec.analysis.sessionAffinity.cookieName",
                LONG,
                144,
            ),
        )
    ),
    *(
        (
            patterns.patterns_are_small,
            ab_test(entry),
            Problem(f"spec.analysis.match[0].{path}", found, TOO_LARGE.format(size)),
        )
        for entry, path, found, size in (
            (
                {"headers": {"a": {"prefix": LONG * 200}}},
                "headers.a.prefix",
                Described(f"'{LONG[:40]}…' at character 1"),
                20_000,
            ),
            ({"uri": {"regex": "/[a-z]{999}[a-z]{99}"}}, "uri.regex", "/[a-z]{999}[a-z]{99}", 1_103),
        )
    ),
    (
        matching.values_can_be_sent,
        ab_test({"headers": {"a": {"exact": "x\n"}}}),
        warning(
            "spec.analysis.match[0].headers.a.exact",
            "x\n",
            "a text without control characters; no request has one with them",
        ),
    ),
    *(
        (
            matching.case_is_ignored_somewhere,
            ab_test({"ignoreUriCase": True} | entry),
            warning(
                "spec.analysis.match[0].ignoreUriCase",
                found=True,
                allowed="nothing without uri.exact or uri.prefix, which it is about; a regex begins with /(?i) instead",
            ),
        )
        for entry in IGNORED_NOWHERE
    ),
    *(
        (
            matching.each_origin_is_compared_in_one_way,
            {"service/corsPolicy": {"allowOrigins": [origin]}},
            warning(
                "spec.service.corsPolicy.allowOrigins[0]",
                origin,
                "exactly one of exact, prefix, suffix, regex, present; each is an origin of its own, and {} is none",
            ),
        )
        for origin in ({}, {"exact": "https://a.io", "regex": "https://.*"})
    ),
]


@pytest.mark.parametrize(("rule", "changes", "problem"), CASES, ids=case_name)
def test_the_rule_tells_where_what_was_found_and_what_is_allowed(
    canary_with: CanaryWith, rule: Rule, changes: Mapping[str, object], problem: Problem
) -> None:
    assert_only_problem(Canary.model_validate(canary_with(changes)), rule, problem)


def test_no_compiled_pattern_is_kept(canary_with: CanaryWith) -> None:
    """Each would take up to 256 KiB, and the library keeps 128 of them."""
    entries = [{"headers": {"a": {"regex": f"[a-z]{{10}}{number}"}}} for number in range(20)]
    assert check_canary(Canary.model_validate(canary_with(ab_test(*entries)))) == ()
    assert re2._Regexp._make.cache_info().currsize == 0


def test_a_header_with_many_open_variables_takes_no_time(canary_with: CanaryWith) -> None:
    canary = Canary.model_validate(canary_with({"service/headers": {"request": {"set": {"x": "%A(" * 50_000}}}}))
    started_s = time.process_time()
    assert [problem.path for problem in check_canary(canary)] == ["spec.service.headers.request.set.x"]
    assert time.process_time() - started_s < 1

"""The rules for the size of texts that reach Envoy: one change, and exactly its problem."""

from collections.abc import Mapping

import pytest

from canary.api.canary import Canary
from canary.api.problems import Described, Problem
from canary.rules import gateway_texts
from canary.rules.canary import Rule, check_canary
from tests.support.rule_cases import CanaryWith, Case, ab_test, assert_only_problem, case_name

COOKIE = {"cookieName": "side"}

CASES: list[Case] = [
    (
        gateway_texts.paths_and_hosts_are_short,
        ab_test({"uri": {"prefix": "/" + "é" * 4_096}}),
        Problem("spec.analysis.match[0].uri.prefix", Described("8193 bytes"), "at most 8192 bytes"),
    ),
    (
        gateway_texts.paths_and_hosts_are_short,
        {"service/rewrite": {"uri": "/" + "a" * 8_192}},
        Problem("spec.service.rewrite.uri", Described("8193 bytes"), "at most 8192 bytes"),
    ),
    (
        gateway_texts.paths_and_hosts_are_short,
        {"service/rewrite": {"authority": "a" * 8_193}},
        Problem("spec.service.rewrite.authority", Described("8193 bytes"), "at most 8192 bytes"),
    ),
    (
        gateway_texts.names_of_conditions_are_short,
        ab_test({"headers": {"x" * 257: {"exact": "1"}}}),
        Problem(
            f"spec.analysis.match[0].headers.{'x' * 257}", Described("257 characters"), "for its name: at most 256"
        ),
    ),
    (
        gateway_texts.names_of_conditions_are_short,
        ab_test({"queryParams": {"é" * 513: {"exact": "1"}}}),
        Problem(
            f"spec.analysis.match[0].queryParams[{'é' * 513}]",
            Described("1026 bytes"),
            "for its name: at most 1024 bytes",
        ),
    ),
    (
        gateway_texts.names_of_changed_headers_are_short,
        {"service/headers": {"response": {"remove": ["x" * 257]}}},
        Problem("spec.service.headers.response.remove[0]", Described("257 characters"), "for its name: at most 256"),
    ),
    (
        gateway_texts.names_of_changed_headers_are_short,
        {"service/headers": {"request": {"add": {"x" * 257: "a"}}}},
        Problem(
            f"spec.service.headers.request.add.{'x' * 257}", Described("257 characters"), "for its name: at most 256"
        ),
    ),
    (
        gateway_texts.cookies_are_short,
        {"analysis/sessionAffinity": COOKIE | {"path": "/" + "a" * 1_024}},
        Problem("spec.analysis.sessionAffinity.path", Described("1025 characters"), "at most 1024 characters"),
    ),
    (
        gateway_texts.cookies_are_short,
        {"analysis/sessionAffinity": {"cookieName": "a" * 257}},
        Problem("spec.analysis.sessionAffinity.cookieName", Described("257 characters"), "at most 256 characters"),
    ),
    (
        gateway_texts.origins_are_not_empty,
        {"service/corsPolicy": {"allowOrigins": [{"regex": ""}]}},
        Problem(
            "spec.service.corsPolicy.allowOrigins[0].regex",
            "",
            "a regular expression; Envoy refuses an empty one, and all other routes with it",
        ),
    ),
]

NO_PROBLEM: list[Mapping[str, object]] = [
    ab_test({"uri": {"prefix": "/" + "a" * 8_191}}),
    ab_test({"headers": {"x" * 256: {"exact": "1"}}, "queryParams": {"q" * 1_024: {"exact": "1"}}}),
    {"service/headers": {"request": {"set": {"x": "a" * 16_384}}}},
    {"service/rewrite": {"uri": "/" + "a" * 8_191}},
]


@pytest.mark.parametrize(("rule", "changes", "problem"), CASES, ids=case_name)
def test_the_rule_tells_where_what_was_found_and_what_is_allowed(
    canary_with: CanaryWith, rule: Rule, changes: Mapping[str, object], problem: Problem
) -> None:
    assert_only_problem(Canary.model_validate(canary_with(changes)), rule, problem)


@pytest.mark.parametrize("changes", NO_PROBLEM, ids=lambda changes: str(changes)[:60])
def test_the_good_side_of_a_border_is_no_problem(canary_with: CanaryWith, changes: Mapping[str, object]) -> None:
    assert check_canary(Canary.model_validate(canary_with(changes))) == ()

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from canary.api.problems import InvalidObject, Problem, around, field_path
from canary.rules.shape import canary_problems

CanaryWith = Callable[[Mapping[str, object]], dict[str, Any]]
LONG = "a" * 300


def test_a_problem_tells_path_found_and_allowed() -> None:
    problem = Problem("spec.analysis.interval", "5x", "a duration such as 30s")
    assert str(problem) == "spec.analysis.interval: found '5x'; allowed: a duration such as 30s"


def test_found_is_texts_as_the_user_wrote_it() -> None:
    texts = [str(Problem("p", found, "x")) for found in (None, True, 5, {"min": 2.5}, ["a"], "y" * 500)]
    assert texts[:5] == [
        "p: found nothing; allowed: x",
        "p: found true; allowed: x",
        "p: found 5; allowed: x",
        'p: found {"min": 2.5}; allowed: x',
        'p: found ["a"]; allowed: x',
    ]
    assert len(texts[5]) < 160


def test_of_a_long_text_the_piece_around_its_fault_is_shown() -> None:
    assert around("short", 2) == "short"
    middle = str(Problem("p", around(f"{LONG}!{LONG}", 300), "x"))
    assert middle == f"p: found '…{'a' * 40}!{'a' * 39}…' at character 301; allowed: x"
    assert str(Problem("p", around(f"!{LONG}", 0), "x")) == f"p: found '!{'a' * 39}…' at character 1; allowed: x"


@pytest.mark.parametrize(
    ("changes", "path", "piece"),
    [
        ({"analysis/sessionAffinity": {"cookieName": f"{LONG} b"}}, "sessionAffinity.cookieName", "a b'"),
        ({"analysis/sessionAffinity": {"cookieName": "c", "path": f"/{LONG};b"}}, "sessionAffinity.path", "a;b'"),
        ({"service/rewrite": {"uri": f"/{LONG}\nb"}}, "rewrite.uri", "a\\nb'"),
        ({"service/rewrite": {"authority": f"{LONG}/b"}}, "rewrite.authority", "a/b'"),
        ({"service/headers": {"request": {"set": {"x": f"{LONG}%%%b{LONG}"}}}}, "headers.request.set.x", "a%%%ba"),
        ({"service/headers": {"request": {"set": {"x": f"{LONG}\nb"}}}}, "headers.request.set.x", "a\\nb'"),
        ({"service/corsPolicy": {"allowOrigin": ["*"], "allowHeaders": [f"{LONG} b"]}}, "allowHeaders[0]", "a b'"),
        (
            {"analysis/iterations": 3, "analysis/match": [{"uri": {"exact": f"/{LONG}?b"}}]},
            "match[0].uri.exact",
            "a?b'",
        ),
        (
            {"analysis/iterations": 3, "analysis/match": [{"headers": {"a": {"exact": f"{LONG}\nb"}}}]},
            "match[0].headers.a.exact",
            "a\\nb'",
        ),
        (
            {"analysis/iterations": 3, "analysis/match": [{"headers": {"a": {"regex": f"{LONG}(?=b){LONG}"}}}]},
            "match[0].headers.a.regex",
            "a(?=b)a",
        ),
    ],
    ids=str,
)
def test_a_rule_shows_the_fault_of_a_long_text(
    canary_with: CanaryWith, changes: Mapping[str, object], path: str, piece: str
) -> None:
    problems = [str(problem) for problem in canary_problems(canary_with(changes))]
    (told,) = [text for text in problems if f"{path}: found" in text and " at character 3" in text]
    assert piece in told
    assert len(told) < 450


def test_an_invalid_object_names_itself_and_every_problem() -> None:
    problems = [Problem("spec.a", 1, "2"), Problem("spec.b", None, "3")]
    error = InvalidObject(kind="Canary", namespace="test", name="podinfo", problems=problems)
    assert str(error) == "Canary test/podinfo: spec.a: found 1; allowed: 2; spec.b: found nothing; allowed: 3"
    assert error.problems == tuple(problems)


def test_paths_are_written_as_kubernetes_writes_them() -> None:
    assert field_path("spec", "metrics", 1, "name") == "spec.metrics[1].name"
    assert field_path("spec.match[0]", "headers", "x-user") == "spec.match[0].headers[x-user]"
    assert field_path("metadata", "annotations", "a.io/b") == "metadata.annotations[a.io/b]"

"""Match entries as Gloo's matchers; what requests they take is asked of a real Envoy in tests/contract/gloo."""

from typing import Any

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.api.matching import RequestMatch
from render.matchers import NOBODY, conditions, has_path, literal, narrowed

Json = dict[str, Any]


def rendered(*entries: Json) -> list[Json]:
    return conditions([RequestMatch.model_validate(entry) for entry in entries])


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n")))
def test_a_literal_pattern_matches_its_text_only(text: str) -> None:
    assert re2.fullmatch(literal(text), text)
    assert not re2.fullmatch(literal(text), f"{text}x")


@settings(deadline=None)
@given(st.text("ab.*+()[]{}\\|^$?/&<-", max_size=6), st.text("ab.*", max_size=3))
def test_prefix_and_suffix_become_patterns_of_the_whole_value(text: str, other: str) -> None:
    (prefix, suffix) = rendered({"headers": {"h": {"prefix": text}}}, {"headers": {"h": {"suffix": text}}})
    for (header,), value, is_matched in (
        (prefix["headers"], text + other, True),
        (suffix["headers"], other + text, True),
        (prefix["headers"], other, other.startswith(text)),
        (suffix["headers"], other, other.endswith(text)),
    ):
        assert header["regex"] is True
        assert bool(re2.fullmatch(header["value"], value)) is is_matched


def test_entries_are_alternatives_and_their_conditions_hold_together() -> None:
    assert rendered(
        {"headers": {"a": {"exact": "1"}, "b": {"regex": "2+"}}, "method": {"exact": "GET"}},
        {"uri": {"prefix": "/v2"}, "queryParams": {"q": {"exact": "3"}}},
    ) == [
        {"headers": [{"name": "a", "value": "1"}, {"name": "b", "value": "2+", "regex": True}], "methods": ["GET"]},
        {"prefix": "/v2", "queryParameters": [{"name": "q", "value": "3"}]},
    ]


def test_each_header_to_be_without_is_absent_or_has_another_value() -> None:
    found = rendered({"withoutHeaders": {"a": {"exact": "1"}, "b": {"exact": "2"}, "c": {"present": True}}})
    absent = [{"name": name, "invertMatch": True} for name in "abc"]
    a_differs, b_differs = absent[0] | {"value": "1"}, absent[1] | {"value": "2"}
    assert [matcher["headers"] for matcher in found] == [
        [absent[0], absent[1], absent[2]],
        [absent[0], b_differs, absent[2]],
        [a_differs, absent[1], absent[2]],
        [a_differs, b_differs, absent[2]],
    ]


def test_a_header_that_must_not_be_without_must_be_there() -> None:
    assert rendered({"withoutHeaders": {"a": {"present": False}}}) == [{"headers": [{"name": "a"}]}]


def test_an_entry_that_gloo_cannot_ask_chooses_nobody() -> None:
    assert rendered({"queryParams": {"q": {"present": False}}, "headers": {"a": {"exact": "1"}}}) == [NOBODY]


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ({"exact": "/Ab.c"}, {"regex": r"/(?i)Ab\.c"}),
        ({"prefix": "/Ab"}, {"regex": "/(?i)Ab.*"}),
        ({"regex": "/Ab"}, {"regex": "/Ab"}),
    ],
)
def test_a_path_of_any_case_begins_with_a_slash_as_its_parents_does(uri: Json, path: Json) -> None:
    assert rendered({"uri": uri, "ignoreUriCase": True}) == [path]
    assert has_path(path)


@pytest.mark.parametrize(
    ("matchers", "expected"),
    [
        ([], [{"headers": [{"name": "a"}], "methods": ["GET"]}]),
        (
            [{"prefix": "/x", "headers": [{"name": "b"}]}, {"exact": "/y", "methods": ["GET", "PUT"]}],
            [
                {"prefix": "/x", "headers": [{"name": "b"}, {"name": "a"}], "methods": ["GET"]},
                {"exact": "/y", "headers": [{"name": "a"}], "methods": ["GET"]},
            ],
        ),
        ([{"prefix": "/x", "methods": ["PUT"]}], [{"prefix": "/x", "methods": ["PUT"], **NOBODY}]),
    ],
)
def test_a_narrowed_matcher_asks_for_both(matchers: list[Json], expected: list[Json]) -> None:
    assert narrowed(matchers, [{"headers": [{"name": "a"}], "methods": ["GET"]}]) == expected


@pytest.mark.parametrize(
    ("matcher", "condition", "expected"),
    [
        (
            {"prefix": "/x", "caseSensitive": True, "headers": [{"name": "b"}]},
            {"exact": "/y"},
            {
                "prefix": "/x",
                "caseSensitive": True,
                "headers": [{"name": "b"}, {"name": ":path", "value": r"/y(\?.*)?", "regex": True}],
            },
        ),
        (
            {"exact": "/x", "caseSensitive": False},
            {"regex": "/y.*"},
            {"regex": "/y.*", "headers": [{"name": ":path", "value": r"(?i)/x(\?.*)?", "regex": True}]},
        ),
        ({"regex": "/x"}, {"regex": "/y"}, {"regex": "/x", **NOBODY}),
        ({"caseSensitive": True}, {"prefix": "/y"}, {"prefix": "/y"}),
    ],
)
def test_paths_of_a_matcher_and_of_a_condition_are_both_asked(matcher: Json, condition: Json, expected: Json) -> None:
    assert narrowed([matcher], [condition]) == [expected]


def test_a_parameter_is_compared_in_every_way_that_gloo_can() -> None:
    asked = {"a": {"exact": "1"}, "b": {"prefix": "x.y"}, "c": {"regex": "z+"}, "d": {"present": True}}
    (matcher,) = rendered({"queryParams": asked})
    found = {entry["name"]: (entry.get("value"), entry.get("regex", False)) for entry in matcher["queryParameters"]}
    assert (found["a"], found["c"], found["d"][0]) == (("1", False), ("z+", True), None)
    pattern, is_regex = found["b"]
    assert is_regex
    assert [re2.fullmatch(pattern, text) is not None for text in ("x.y!", "x-y!", "ax.y")] == [True, False, False]


@pytest.mark.parametrize(
    ("matcher", "condition"),
    [
        ({"regex": "/x.*"}, {"exact": f"/{'a' * 1_020}"}),
        ({"regex": "/x.*"}, {"prefix": f"/{'a' * 3_000}"}),
        ({"exact": "/" + "\u00e9" * 600}, {"regex": "/.*"}),
    ],
    ids=["exact", "prefix", "of-the-main-route"],
)
def test_a_path_whose_pattern_envoy_would_refuse_is_not_asked_for(matcher: Json, condition: Json) -> None:
    assert narrowed([matcher], [condition]) == [matcher | NOBODY]


def test_more_combinations_than_a_table_has_room_for_are_not_made() -> None:
    matchers = [{"prefix": f"/{number}"} for number in range(30_000)]
    found = narrowed(matchers, [{"headers": [{"name": f"x-{number}"}]} for number in range(100)])
    assert found == [{"prefix": "/0", **NOBODY}]
    assert len(narrowed(matchers[:50], [{"headers": [{"name": "x"}]}] * 100)) == 5_000

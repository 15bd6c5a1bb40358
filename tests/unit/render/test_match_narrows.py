"""No route in front takes a request that match entries don't ask for, whatever stands in them and in the main route."""

from copy import deepcopy
from itertools import product
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from canary.api.canary import Canary
from canary.run.traffic import Traffic
from render.route_place import MATCH_ROUTES
from render.route_table import read_traffic, route_patch, route_table
from tests.support.envoy_matching import Request, asks_for, takes
from tests.support.json_patch import apply_patch
from tests.support.podinfo import canary_object, stored

Json = dict[str, Any]

VALUES = st.sampled_from(["", "x", "xy", "y", "X"])
PATHS = st.sampled_from(["/", "/x", "/xy", "/x/y", "/X", "/y"])
METHODS = st.sampled_from(["GET", "POST", "PUT", "P.T", "GET|POST"])


def matches(*ways: str, values: st.SearchStrategy[str], regexes: list[str]) -> st.SearchStrategy[Json]:
    """One comparison, as a rule; now and then none, two, or one that nobody knows."""
    kinds: Json = {"regex": st.sampled_from(regexes), "present": st.booleans()}
    one = st.one_of([st.fixed_dictionaries({way: kinds.get(way, values)}) for way in ways])
    odd = st.sampled_from([{}, {"exact": "x", "regex": ".*"}, {"contains": "x"}, {"exact": "x", "not": "y"}])
    return st.one_of(one, one, one, odd)


HEADERS = matches("exact", "prefix", "suffix", "regex", "present", values=VALUES, regexes=["", "x.*", "(?i)x", ".*"])
URIS = matches("exact", "prefix", "regex", values=PATHS | VALUES, regexes=["", "/x.*", ".*", "/.*y", "/|/x"])
OF_EVERY_REQUEST = {
    "method": matches("exact", "prefix", "regex", values=METHODS | VALUES, regexes=["", "GET|POST", "P.*"]),
    "scheme": matches("exact", "prefix", values=st.sampled_from(["", "http", "https"]), regexes=[]),
    "authority": matches("exact", "suffix", values=st.sampled_from(["", "a.io", "b.io", ".io"]), regexes=[]),
}
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "name": VALUES,
    "uri": URIS,
    **OF_EVERY_REQUEST,
    "headers": st.dictionaries(st.sampled_from("ab"), HEADERS, max_size=2),
    "withoutHeaders": st.dictionaries(st.sampled_from("ab"), HEADERS, max_size=2),
    "queryParams": st.dictionaries(
        st.sampled_from("pq"), matches("exact", "prefix", "regex", "present", values=VALUES, regexes=["", "x+"])
    ),
}
ENTRIES = st.builds(
    lambda chosen, ignores_case: chosen | ({"ignoreUriCase": True} if ignores_case else {}),
    st.sets(st.sampled_from(sorted(FIELDS)), max_size=2).flatmap(
        lambda names: st.fixed_dictionaries({name: FIELDS[name] for name in sorted(names)})
    ),
    st.booleans(),
)
UNASKABLE = st.sampled_from(
    [
        *({"sourceLabels": {"app": "x"}}, {"sourceNamespace": "test"}, {"gateways": ["mesh"]}, {"port": 80}),
        {"header": {"a": {"exact": "x"}}},
    ]
)
ALL_REQUESTS = [
    Request(method, path + query, scheme, authority, {name: text for name, text in headers.items() if text is not None})
    for method, path, query, (scheme, authority), headers in product(
        ["GET", "PUT", "P.T"],
        ["/", "/x", "/xy", "/x/y", "/X", "/y"],
        ["", "?p=x", "?q=xx&p", "?/y"],
        [("http", "a.io"), ("https", "b.io")],
        [{"a": a, "b": b} for a, b in product([None, "", "x", "xy"], [None, "x"])],
    )
]
REQUESTS = st.integers(0, 9).map(lambda start: ALL_REQUESTS[start::10])
"""A tenth of all, spread over what they have."""
LIMITS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "methods": st.just(["GET"]),
            "headers": st.just([{"name": "b", "value": "x"}]),
            "caseSensitive": st.booleans(),
        },
    ).flatmap(
        lambda matcher: st.sampled_from(
            [matcher | path for path in ({}, {"prefix": "/x"}, {"exact": "/x"}, {"regex": "/x.*"}, {"prefix": ""})]
        )
    ),
    max_size=2,
)


def ab_test(*entries: Json) -> Canary:
    """A canary with these entries; what rules refuse of them must not widen a route either."""
    analysis = {"interval": "10s", "threshold": 5, "iterations": 5, "match": list(entries)}
    return Canary.model_validate(canary_object(analysis=analysis))


def fronts(table: Json) -> list[Json]:
    return [route for route in table["spec"]["routes"] if route.get("name") in MATCH_ROUTES]


def limited(canary: Canary, matchers: list[Json], *, inherits: bool) -> tuple[Json, Json]:
    """The table of a canary whose main route was limited by its users, and that route."""
    table = stored(route_table(canary))
    main = table["spec"]["routes"][-1]
    main["matchers"] = deepcopy(matchers)
    main["inheritablePathMatchers"] = inherits
    table = apply_patch(table, route_patch(canary, table, Traffic(100), 1))
    return table, table["spec"]["routes"][-1]


@settings(deadline=None, max_examples=300)
@given(st.lists(ENTRIES, min_size=1, max_size=2), LIMITS, st.sampled_from(["inherits", "paths"]), REQUESTS)
def test_a_route_in_front_takes_only_what_entries_and_main_route_ask_for(
    entries: list[Json], limits: list[Json], way: str, requests: list[Request]
) -> None:
    table, main = limited(ab_test(*entries), limits, inherits=way == "inherits")
    assert read_traffic(ab_test(*entries), table) == Traffic(100)
    for request in requests:
        if any(takes(route, request) for route in fronts(table)):
            event("taken")
            assert any(asks_for(entry, request) for entry in entries)
            assert takes(main, request)


@settings(deadline=None)
@given(ENTRIES, UNASKABLE, REQUESTS)
def test_a_condition_that_cannot_be_asked_makes_its_entry_one_for_nobody(
    entry: Json, unaskable: Json, requests: list[Request]
) -> None:
    (route,) = fronts(route_table(ab_test(entry | unaskable), Traffic(100)))
    assert not any(takes(route, request) for request in requests)


SOUND = st.sampled_from(["exact", "prefix", "suffix", "regex"]).flatmap(
    lambda way: st.fixed_dictionaries({way: st.sampled_from(["x", "xy", "y"])})
)
SOUND_ENTRIES = st.fixed_dictionaries(
    {"headers": st.dictionaries(st.sampled_from("ab"), SOUND, min_size=1, max_size=1)},
    optional={
        "uri": st.sampled_from([{"exact": "/x"}, {"prefix": "/x"}, {"regex": "/x.*"}]),
        "ignoreUriCase": st.booleans(),
        "method": st.sampled_from([{"exact": "GET"}, {"exact": "P.T"}, {"regex": "GET|POST"}]),
        "scheme": st.just({"exact": "https"}),
        "authority": st.sampled_from([{"exact": "a.io"}, {"suffix": ".io"}]),
        "withoutHeaders": st.dictionaries(st.sampled_from("ab"), SOUND),
        "queryParams": st.just({"p": {"exact": "x"}}),
    },
)


@settings(deadline=None)
@given(st.lists(SOUND_ENTRIES, min_size=1, max_size=2), REQUESTS)
def test_what_can_be_asked_is_asked_exactly(entries: list[Json], requests: list[Request]) -> None:
    routes = fronts(route_table(ab_test(*entries), Traffic(100)))
    for request in requests:
        assert any(takes(route, request) for route in routes) is any(asks_for(entry, request) for entry in entries)


@pytest.mark.parametrize(
    "entry",
    [
        {"authority": {"exact": "a.io"}},
        {"scheme": {"exact": "https"}},
        {"method": {"regex": "GET|POST"}},
    ],
)
def test_what_envoy_knows_of_every_request_is_asked_as_a_header(entry: Json) -> None:
    ((field, match),) = entry.items()
    (route,) = fronts(route_table(ab_test(entry), Traffic(100)))
    way = {"value": match["exact"]} if "exact" in match else {"value": match["regex"], "regex": True}
    assert route["matchers"] == [{"headers": [{"name": f":{field}", **way}]}]


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"headers": {}},
        {"uri": {}},
        {"uri": {"prefix": ""}, "headers": {"a": {"exact": "x"}}},
        {"method": {}},
        {"headers": {"a": {"contains": "x"}}},
        {"headers": {"a": {"exact": "x", "regex": "x.*"}}},
        {"queryParams": {"p": {"contains": "x"}}},
        {"withoutHeaders": {"a": {"contains": "x"}}},
    ],
    ids=str,
)
def test_what_says_nothing_clear_is_for_nobody(entry: Json) -> None:
    (route,) = fronts(route_table(ab_test(entry), Traffic(100)))
    assert not any(takes(route, request) for request in ALL_REQUESTS)


def test_paths_of_a_main_route_that_inherits_its_path_do_not_count() -> None:
    table, _ = limited(ab_test({"uri": {"exact": "/y"}}), [{"prefix": "/x", "methods": ["GET"]}], inherits=True)
    (route,) = fronts(table)
    assert route["matchers"] == [{"exact": "/y", "methods": ["GET"]}]

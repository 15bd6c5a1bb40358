"""Routes in front, mirrors, cookies and options, on tables as users may have left them."""

from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.run.traffic import ALL_TO_PRIMARY, Traffic
from canary.run.wire import MOVE_ANNOTATION, OWNED_ANNOTATION
from render.objects import UnusableObjectError
from render.route_place import FRONT_ROUTES
from render.route_table import (
    Exposure,
    read_exposure,
    read_traffic,
    route_patch,
    route_table,
    served_port,
)
from tests.support import gloo_cases
from tests.support.front_routes import SERVICES, STRATEGIES, Json, canary, is_ours, main_of, names_of, ours
from tests.support.json_patch import PatchRefused, apply_patch
from tests.support.podinfo import podinfo_canary, stored

FOREIGN = [
    {"matchers": [{"prefix": "/admin"}], "redirectAction": {"hostRedirect": "example.com"}},
    {"name": "theirs", "routeAction": {"single": {"upstream": {"name": "x", "namespace": "test"}}}},
    {"delegateAction": {"ref": {"name": "other", "namespace": "test"}}},
]
FOREIGN_ROUTES = st.lists(st.sampled_from(FOREIGN), max_size=2)


@st.composite
def enriched(draw: st.DrawFn, table: Json) -> Json:
    """The table with what users may add to it: routes, fields and options, a destination, another order of ours."""
    table = deepcopy(table)
    before, after = draw(FOREIGN_ROUTES), draw(FOREIGN_ROUTES)
    main = main_of(table)
    if draw(st.booleans()):
        main["optionsConfigRefs"] = {"delegateOptions": [{"name": "auth", "namespace": "test"}]}
    if draw(st.booleans()):
        main.setdefault("options", {})["extauth"] = {"disable": True}
    if draw(st.booleans()):
        added = [{"header": {"key": "Set-Cookie", "value": "theirs=1"}, "append": True}]
        destination = main["routeAction"]["multi"]["destinations"][1]
        manipulation = destination.setdefault("options", {}).setdefault("headerManipulation", {})
        manipulation["responseHeadersToAdd"] = [*added, *manipulation.get("responseHeadersToAdd", [])]
    if draw(st.booleans()):
        main["routeAction"]["multi"]["destinations"].reverse()
    if draw(st.booleans()):
        other = {"destination": {"upstream": {"name": "third", "namespace": "test"}}, "weight": 0}
        main["routeAction"]["multi"]["destinations"].append(other)
    table["spec"]["routes"] = [*before, *table["spec"]["routes"], *after]
    return table


def foreign_fields(table: Json) -> Json:
    """What is not ours of our main route, and all of the routes of others, each where it stands to ours."""
    main = main_of(table)
    kept: Json = {key: value for key, value in main.items() if key not in {"routeAction", "options"}}
    kept["options"] = {key: value for key, value in main.get("options", {}).items() if key == "extauth"}
    cookies = []
    for destination in main["routeAction"]["multi"]["destinations"]:
        added = destination.get("options", {}).get("headerManipulation", {}).get("responseHeadersToAdd", [])
        cookies += [entry for entry in added if entry["header"]["value"] == "theirs=1"]
    names = [entry["destination"]["upstream"]["name"] for entry in main["routeAction"]["multi"]["destinations"]]
    routes = [route if not is_ours(route) else "main" for route in table["spec"]["routes"]]
    order = [route for position, route in enumerate(routes) if route != "main" or "main" not in routes[:position]]
    return {"main": kept, "cookies": cookies, "names": names, "order": order}


def a_split(strategy: str) -> st.SearchStrategy[Traffic]:
    weights = st.integers(0, 100)
    if strategy == "blue/green":
        return st.builds(Traffic, weights, st.sampled_from([0, 50]))
    if "sticky" in strategy:
        cookies = st.sampled_from(["", "c=one", "c=two"])
        return st.builds(lambda weight, cookie: Traffic(weight, 0, cookie), weights, cookies)
    if strategy.startswith("A/B") or strategy == "weights by match":
        return st.builds(
            lambda weight, is_everyone: Traffic(weight, includes_unmatched=is_everyone and weight > 0),
            weights,
            st.booleans(),
        )
    return weights.map(Traffic)


@settings(deadline=None)
@given(st.data(), st.sampled_from(sorted(STRATEGIES)))
def test_any_sequence_of_splits_is_read_back_and_keeps_what_is_not_ours(data: st.DataObject, strategy: str) -> None:
    said = canary(strategy)
    table = data.draw(enriched(stored(route_table(said))))
    kept = foreign_fields(table)
    for move, wanted in enumerate(data.draw(st.lists(a_split(strategy), min_size=1, max_size=5)), 1):
        table = apply_patch(table, route_patch(said, table, wanted, move))
        assert read_traffic(said, table) == wanted
        assert read_exposure(said, table) == Exposure(wanted)
        assert foreign_fields(table) == kept
        assert route_patch(said, table, wanted, move + 1) == []


@settings(deadline=None)
@given(st.data())
def test_any_edit_of_the_spec_ends_as_if_the_table_had_been_made_from_it(data: st.DataObject) -> None:
    """But for what users own, and for the cookie of a run that is over."""
    steps = data.draw(st.lists(st.tuples(st.sampled_from(sorted(STRATEGIES)), st.sampled_from(SERVICES)), max_size=4))
    table = stored(route_table(canary("weights")))
    for strategy, service in steps:
        said = canary(strategy, service)
        wanted = data.draw(a_split(strategy))
        table = apply_patch(table, route_patch(said, table, wanted, 1))
    last = canary("A/B", {"timeout": "7s"})
    table = apply_patch(table, route_patch(last, table, Traffic(100), 2))
    assert table["spec"] == route_table(last, Traffic(100))["spec"]


@settings(deadline=None)
@given(st.data(), st.sampled_from(["both sticky", "A/B"]))
def test_a_route_in_front_that_users_moved_or_changed_is_set_right(data: st.DataObject, strategy: str) -> None:
    said = canary(strategy)
    wanted = Traffic(50, 0, "c=one") if "sticky" in strategy else Traffic(100)
    table = stored(route_table(said, wanted))
    rendered = deepcopy(table["spec"])
    table["spec"]["routes"] = data.draw(st.permutations(table["spec"]["routes"]))
    for route in data.draw(st.lists(st.sampled_from(table["spec"]["routes"]), max_size=2, unique_by=id)):
        if route.get("name") in FRONT_ROUTES:
            change = data.draw(st.sampled_from(["lost", "twice", "weights", "matchers"]))
            if change == "lost":
                table["spec"]["routes"].remove(route)
            elif change == "twice":
                table["spec"]["routes"].append(deepcopy(route))
            elif change == "weights":
                for destination in route["routeAction"]["multi"]["destinations"]:
                    destination["weight"] = 7
            else:
                route["matchers"] = []
    table = apply_patch(table, route_patch(said, table, wanted, 1))
    assert table["spec"] == rendered


@pytest.mark.parametrize(
    ("case", "match"),
    [
        (
            "ab-two-matchers-then-default",
            [
                {"headers": {"x-canary": {"exact": "insider"}}},
                {"headers": {"cookie": {"regex": "^(.*?;)?(canary=always)(;.*)?$"}}},
            ],
        ),
        ("ab-methods-and-query", [{"method": {"exact": "GET"}, "queryParams": {"beta": {"exact": "1"}}}]),
        (
            "header-invert-and-present",
            [{"headers": {"x-canary": {"present": True}}, "withoutHeaders": {"x-bot": {"exact": "true"}}}],
        ),
    ],
)
def test_matchers_are_spelt_as_in_the_recorded_cases(case: str, match: list[Json]) -> None:
    said = podinfo_canary(analysis={"interval": "10s", "threshold": 1, "iterations": 2, "match": match})
    rendered = [matcher for route in ours(route_table(said))[:-1] for matcher in route["matchers"]]
    (table,) = (obj for obj in gloo_cases.objects(case) if obj["kind"] == "RouteTable")
    for recorded in table["spec"]["routes"][0]["matchers"]:
        plain = {key: value for key, value in recorded.items() if key != "prefix"}
        if "methods" in plain:
            plain["methods"] = plain["methods"][:1]  # an entry has one
        assert plain in rendered


def test_edits_of_the_match_list_are_followed_at_the_weights_of_the_run() -> None:
    table = stored(route_table(canary("A/B by header"), Traffic(100)))
    table["spec"]["routes"][0]["optionsConfigRefs"] = {"theirs": True}
    edited = canary("A/B")
    seen = read_traffic(edited, table)
    assert seen == Traffic(100)
    table = apply_patch(table, route_patch(edited, table, seen, 3))
    assert names_of(table) == ["serin-match", "serin-match-path", "main"]
    assert table["spec"]["routes"][0]["matchers"] == [{"headers": [{"name": "x-a", "value": "1"}]}]
    assert table["spec"]["routes"][0]["optionsConfigRefs"] == {"theirs": True}
    assert read_traffic(edited, table) == Traffic(100)
    assert main_of(table)["routeAction"]["multi"]["destinations"][1]["weight"] == 0


def test_an_ab_test_for_everyone_sends_those_who_match_nothing_too_and_ends_with_its_weights() -> None:
    said = canary("A/B")
    everyone = Traffic(100, includes_unmatched=True)
    table = stored(route_table(said, Traffic(100)))
    table = apply_patch(table, route_patch(said, table, everyone, 1))
    weights = [entry["weight"] for entry in main_of(table)["routeAction"]["multi"]["destinations"]]
    assert weights == [0, 100]
    assert read_exposure(said, table) == Exposure(everyone)
    # Somebody who gets no more than some of the requests is a stray route, not everyone.
    main_of(table)["routeAction"]["multi"]["destinations"][1]["weight"] = 20
    assert read_traffic(said, table) == Traffic(100)
    table = apply_patch(table, route_patch(said, table, ALL_TO_PRIMARY, 2))
    assert read_exposure(said, table) == Exposure(ALL_TO_PRIMARY)


def test_options_of_the_spec_are_followed_and_those_of_users_stay() -> None:
    table = stored(route_table(canary("A/B", {"timeout": "5s", "retries": {"attempts": 2}})))
    main_of(table)["options"]["extauth"] = {"disable": True}
    edited = canary("A/B", {"timeout": "6s"})
    table = apply_patch(table, route_patch(edited, table, ALL_TO_PRIMARY, 1))
    assert [route["options"] for route in ours(table)] == [{"timeout": "6s", "extauth": {"disable": True}}] * 3
    plain = canary("A/B")
    table = apply_patch(table, route_patch(plain, table, ALL_TO_PRIMARY, 1))
    assert [route["options"] for route in ours(table)] == [{"extauth": {"disable": True}}] * 3
    del main_of(table)["options"]
    table = apply_patch(table, route_patch(plain, table, ALL_TO_PRIMARY, 1))
    assert ["options" in route for route in ours(table)] == [False] * 3


def test_an_option_that_the_spec_never_set_is_not_taken_away() -> None:
    table = stored(route_table(canary("weights")))
    main_of(table)["options"] = {"timeout": "3s"}
    assert route_patch(canary("weights"), table, ALL_TO_PRIMARY, 1) == []


def test_labels_and_annotations_of_the_apex_are_followed_and_those_of_users_stay() -> None:
    table = stored(route_table(canary("weights", {"apex": {"labels": {"a": "1"}, "annotations": {"n": "1"}}})))
    table["metadata"]["labels"]["theirs"] = "x"
    edited = canary("weights", {"apex": {"labels": {"b": "2"}}})
    table = apply_patch(table, route_patch(edited, table, ALL_TO_PRIMARY, 0))
    assert table["metadata"]["labels"] == {"theirs": "x", "b": "2"}
    assert "n" not in table["metadata"]["annotations"]
    assert route_patch(edited, table, ALL_TO_PRIMARY, 0) == []


@pytest.mark.parametrize("note", ["", "no JSON", "[]", '{"options": 7}', '{"options": null}'])
def test_a_note_that_cannot_be_read_says_that_nothing_is_ours(note: str) -> None:
    table = stored(route_table(canary("weights", {"timeout": "5s"})))
    table["metadata"]["annotations"][OWNED_ANNOTATION] = note
    plain = canary("weights")
    table = apply_patch(table, route_patch(plain, table, ALL_TO_PRIMARY, 0))
    assert main_of(table)["options"] == {"timeout": "5s"}
    assert route_patch(plain, table, ALL_TO_PRIMARY, 0) == []


def test_more_than_weights_is_written_only_on_the_very_table_that_was_seen() -> None:
    said = canary("sticky")
    seen = stored(route_table(said))
    touched = seen | {"metadata": seen["metadata"] | {"resourceVersion": "8"}}
    weights, more = (route_patch(said, seen, Traffic(10, 0, cookie), 1) for cookie in ("", "c=one"))
    assert read_traffic(said, apply_patch(touched, weights)) == Traffic(10)
    with pytest.raises(PatchRefused):
        apply_patch(touched, more)


def test_a_mirror_of_users_is_not_run_over() -> None:
    said = canary("blue/green")
    table = stored(route_table(said))
    theirs = {"shadowing": {"upstream": {"name": "theirs", "namespace": "test"}, "percentage": 5}}
    main_of(table)["options"] = theirs
    assert read_traffic(said, table) == ALL_TO_PRIMARY
    with pytest.raises(UnusableObjectError, match=r"RouteTable test/podinfo spec.routes\[0\].options.shadowing: found"):
        route_patch(said, table, Traffic(0, 50), 1)
    table = apply_patch(table, route_patch(said, table, Traffic(100), 1))
    assert main_of(table)["options"] == theirs


def test_a_cookie_of_an_earlier_name_is_replaced_and_later_forgotten() -> None:
    renamed = podinfo_canary(analysis=STRATEGIES["sticky"] | {"sessionAffinity": {"cookieName": "d"}, "interval": "1s"})
    table = stored(route_table(canary("sticky"), Traffic(10, 0, "c=one")))
    table = apply_patch(table, route_patch(renamed, table, Traffic(20, 0, "d=two"), 1))
    assert read_traffic(renamed, table) == Traffic(20, 0, "d=two")
    assert "c=one" not in str(table["spec"])
    table = apply_patch(table, route_patch(renamed, table, ALL_TO_PRIMARY, 2))
    assert "d=two; Max-Age=-1" in str(table["spec"]["routes"][0]["options"])
    table = apply_patch(table, route_patch(canary("weights"), table, ALL_TO_PRIMARY, 3))
    assert table["spec"] == route_table(canary("weights"))["spec"]


@pytest.mark.parametrize("strategy", ["weights", "A/B", "both sticky", "blue/green"])
def test_another_port_is_taken_in_place_by_all_of_our_routes(strategy: str) -> None:
    splits = {"both sticky": Traffic(30, 0, "c=one"), "blue/green": Traffic(0, 50)}
    wanted = splits.get(strategy, Traffic(100))
    table = stored(route_table(canary(strategy), wanted))
    main_of(table)["optionsConfigRefs"] = {"theirs": True}
    table = apply_patch(table, route_patch(canary(strategy), table, wanted, 1))
    moved = canary(strategy, {"port": 8080})
    assert (served_port(moved, table), read_traffic(moved, table)) == (9898, wanted)
    assert route_patch(moved, table, wanted, 1, is_renaming=False) == []
    table = apply_patch(table, route_patch(moved, table, wanted, 1))
    assert (served_port(moved, table), read_traffic(moved, table)) == (8080, wanted)
    expected = route_table(moved, wanted)["spec"]
    main_of({"spec": expected})["optionsConfigRefs"] = {"theirs": True}
    for route in expected["routes"][:-1]:
        route["optionsConfigRefs"] = {"theirs": True}
    assert table["spec"] == expected
    assert "9898" not in str(table["spec"])


def test_the_route_of_the_present_port_goes_before_one_that_was_left_behind_it() -> None:
    table = stored(route_table(canary("weights", {"port": 8080}), Traffic(30)))
    left = route_table(canary("weights"), Traffic())["spec"]["routes"]
    table["spec"]["routes"] += left
    moved = canary("weights", {"port": 8080})
    assert (served_port(moved, table), read_traffic(moved, table)) == (8080, Traffic(30))
    table = apply_patch(table, route_patch(moved, table, Traffic(40), 1))
    assert table["spec"]["routes"][1:] == left


def test_weights_are_set_while_the_other_port_is_awaited() -> None:
    table = stored(route_table(canary("weights"), Traffic(30)))
    moved = canary("weights", {"port": 8080})
    table = apply_patch(table, route_patch(moved, table, Traffic(40), 5, is_renaming=False))
    assert (served_port(moved, table), read_traffic(moved, table)) == (9898, Traffic(40))
    assert table["metadata"]["annotations"][MOVE_ANNOTATION] == "canary-uid/5"


@pytest.mark.parametrize(
    ("before", "split", "after"),
    [
        ("A/B", Traffic(100), "weights"),
        ("A/B", Traffic(100), "blue/green"),
        ("weights", Traffic(60), "A/B"),
        ("sticky", Traffic(10, 0, "c=one"), "A/B"),
    ],
)
def test_requests_that_still_reach_the_canary_by_an_older_strategy_are_seen(
    before: str, split: Traffic, after: str
) -> None:
    table = stored(route_table(canary(before), split))
    said = canary(after)
    exposure = read_exposure(said, table)
    assert exposure is not None
    assert exposure.traffic.canary_percent >= split.canary_percent
    kept = read_traffic(said, table)
    assert kept is not None
    assert kept.canary_percent == 0  # what the routes of the present strategy do is no more than this
    table = apply_patch(table, route_patch(said, table, ALL_TO_PRIMARY, 1))
    assert read_exposure(said, table) == Exposure(ALL_TO_PRIMARY)


def test_a_sticky_route_that_was_given_its_weight_back_is_seen() -> None:
    said = canary("sticky")
    table = stored(route_table(said, Traffic(10, 0, "c=one")))
    table = apply_patch(table, route_patch(said, table, ALL_TO_PRIMARY, 1))
    table["spec"]["routes"][0]["routeAction"]["multi"]["destinations"][1]["weight"] = 100
    assert read_traffic(said, table) == ALL_TO_PRIMARY
    assert read_exposure(said, table) == Exposure(Traffic(50)), "half of those who send the cookie"

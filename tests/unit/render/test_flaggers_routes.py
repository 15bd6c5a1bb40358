"""Tables as Flagger leaves them: the first write makes them ours."""

from canary.run.traffic import ALL_TO_PRIMARY, Traffic
from canary.run.wire import MOVE_ANNOTATION, OWNED_ANNOTATION
from render.route_table import route_patch, route_table
from tests.support.front_routes import Json, canary, main_of, names_of, ours
from tests.support.json_patch import apply_patch
from tests.support.podinfo import stored


def flaggers_table(matchers: list[Json]) -> Json:
    """A table as Flagger leaves it: one route, and no note of ours on it."""
    table = stored(route_table(canary("weights")))
    for annotation in (OWNED_ANNOTATION, MOVE_ANNOTATION):
        del table["metadata"]["annotations"][annotation]
    (route,) = table["spec"]["routes"]
    return table | {"spec": {"routes": [route | ({"matchers": matchers} if matchers else {})]}}


def test_flaggers_merged_matcher_goes_and_each_entry_gets_its_own() -> None:
    merged = [{"headers": [{"name": "x-a", "value": "1"}], "prefix": "/v2"}]
    table = flaggers_table(merged)
    taken = apply_patch(table, route_patch(canary("A/B"), table, ALL_TO_PRIMARY, 1))
    assert names_of(taken) == ["serin-match", "serin-match-path", "main"]
    assert "matchers" not in main_of(taken), "everyone else would get 404"
    assert merged[0] not in [matcher for route in ours(taken) for matcher in route.get("matchers", [])]


def test_matchers_that_users_give_to_a_table_of_ours_stay() -> None:
    theirs = [{"headers": [{"name": "x-tenant", "value": "1"}]}]
    table = flaggers_table([])
    taken = stored(apply_patch(table, route_patch(canary("weights"), table, ALL_TO_PRIMARY, 1)))
    main_of(taken)["matchers"] = theirs
    patch = route_patch(canary("weights"), taken, Traffic(10), 2)
    assert main_of(apply_patch(taken, patch))["matchers"] == theirs


def test_a_table_of_flaggers_is_taken_over_by_the_first_write_whatever_that_is() -> None:
    table = flaggers_table([])
    assert route_patch(canary("weights"), table, ALL_TO_PRIMARY, 0), "nobody would know that it is ours now"

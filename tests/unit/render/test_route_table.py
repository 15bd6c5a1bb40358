"""The RouteTable and the patches on its weights, held to the shapes that a real Gloo was recorded with."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.api.canary import Canary
from canary.api.names import Names, Side
from canary.run.traffic import ALL_TO_PRIMARY, Traffic
from canary.run.wire import MOVE_ANNOTATION, OWNED_ANNOTATION
from render.route_table import read_sequence, read_traffic, route_patch, route_table
from render.upstreams import upstream
from tests.support import gloo_cases
from tests.support.json_patch import PatchRefused, apply_patch
from tests.support.podinfo import canary_object, podinfo_canary, podinfo_deployment, stored

FLUX = {"kustomize.toolkit.fluxcd.io/reconcile": "disabled", "helm.toolkit.fluxcd.io/driftDetection": "disabled"}

WEIGHT_CASES = {
    "weight-100-0": Traffic(),
    "weight-95-5": Traffic(5),
    "weight-50-50": Traffic(50),
    "weight-0-100": Traffic(100),
}


def recorded_canary() -> Canary:
    """A canary with the names of the recorded cases: app in namespace conf."""
    obj = canary_object(targetRef={"apiVersion": "apps/v1", "kind": "Deployment", "name": "app"})
    return Canary.model_validate(obj | {"metadata": obj["metadata"] | {"name": "app", "namespace": "conf"}})


def recorded_table(case: str) -> dict[str, Any]:
    """The case's RouteTable `app`, as stored."""
    (table,) = (
        obj for obj in gloo_cases.objects(case) if obj["kind"] == "RouteTable" and obj["metadata"]["name"] == "app"
    )
    return stored(table)


@pytest.mark.parametrize("case", WEIGHT_CASES)
def test_rendered_table_has_the_shape_of_the_recorded_case(case: str) -> None:
    rendered = route_table(recorded_canary(), WEIGHT_CASES[case])
    recorded = recorded_table(case)
    assert rendered["spec"] == recorded["spec"]
    assert (rendered["apiVersion"], rendered["kind"]) == (recorded["apiVersion"], recorded["kind"])


@pytest.mark.parametrize("side", Side)
def test_rendered_upstream_has_the_shape_of_the_recorded_one(side: Side) -> None:
    target = podinfo_deployment()
    target["spec"]["selector"]["matchLabels"] = {"app": "app"}
    recorded = gloo_cases.kube_upstream(side)
    rendered = upstream(recorded_canary(), target, side)
    assert rendered["metadata"]["name"] == recorded["metadata"]["name"]
    assert rendered["spec"]["kube"] | {"selector": {}} == recorded["spec"]["kube"] | {"selector": {}}


def test_new_table_belongs_to_the_canary_and_sends_all_to_the_primary() -> None:
    table = route_table(podinfo_canary(service={"apex": {"labels": {"team": "a"}, "annotations": {"note": "x"}}}))
    metadata = table["metadata"]
    assert (metadata["name"], metadata["namespace"]) == ("podinfo", "test")
    assert metadata["labels"] == {"team": "a"}
    owned = '{"labels":["team"],"annotations":["note"]}'
    assert metadata["annotations"] == {"note": "x", MOVE_ANNOTATION: "canary-uid/0", OWNED_ANNOTATION: owned} | FLUX
    assert metadata["ownerReferences"][0]["uid"] == "canary-uid"


@pytest.mark.parametrize("key", ["serin.dev/owned", "serin.dev/move", "serin.dev/any", "flagger.app/any"])
def test_a_users_metadata_under_our_keys_is_left_out_and_the_table_comes_to_rest(key: str) -> None:
    plain, forged = (
        podinfo_canary(service={"apex": {"labels": {"team": "a"} | more, "annotations": {"note": "x"} | more}})
        for more in ({}, {key: "x"})
    )
    table = route_table(forged)
    assert table == route_table(plain)
    assert route_patch(forged, table, ALL_TO_PRIMARY, 1) == []
    assert read_traffic(podinfo_canary(), table) == ALL_TO_PRIMARY


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        *WEIGHT_CASES.items(),
        ("weight-omitted", Traffic()),
        ("zero-total-weight", Traffic()),
        ("retries-timeout-rewrite-headers-cors", Traffic(10)),
        ("session-affinity", Traffic(10)),
        ("ab-two-matchers-then-default", Traffic()),
        ("two-route-tables-by-selector", Traffic(30)),
        ("single-destination", None),
        ("kube-destinations", None),
        ("missing-canary-upstream", None),
    ],
)
def test_weights_are_read_from_the_recorded_cases(case: str, expected: Traffic | None) -> None:
    assert read_traffic(recorded_canary(), recorded_table(case)) == expected


def test_route_is_found_by_namespace_too() -> None:
    table = recorded_table("weight-95-5")
    for destination in table["spec"]["routes"][0]["routeAction"]["multi"]["destinations"]:
        destination["destination"]["upstream"]["namespace"] = "elsewhere"
    assert read_traffic(recorded_canary(), table) is None


FOREIGN_ROUTES = st.sampled_from(
    [
        {"matchers": [{"prefix": "/admin"}], "redirectAction": {"hostRedirect": "example.com"}},
        {"matchers": [{"prefix": "/one"}], "routeAction": {"single": {"upstream": {"name": "x", "namespace": "conf"}}}},
        {"delegateAction": {"ref": {"name": "other", "namespace": "conf"}}},
        {"routeAction": {"multi": {"destinations": [{"destination": {"kube": {"port": 1}}, "weight": 1}]}}},
        {"routeAction": {}},
    ]
)
PERCENT = st.integers(0, 100)
WEIGHTS = PERCENT.map(Traffic)


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    """Our table as users and other controllers may have left it: routes around ours, order, fields and weights."""
    table = stored(route_table(recorded_canary()))
    (ours,) = table["spec"]["routes"]
    for destination in ours["routeAction"]["multi"]["destinations"]:
        destination["weight"] = draw(PERCENT)
    ours["options"] = {"timeout": "3s"}
    ours["optionsConfigRefs"] = {"delegateOptions": [{"name": "auth", "namespace": "conf"}]}
    destinations = draw(st.permutations(ours["routeAction"]["multi"]["destinations"]))
    for destination in destinations:
        if destination["weight"] == 0 and draw(st.booleans()):
            del destination["weight"]
    if draw(st.booleans()):
        other = {"destination": {"upstream": {"name": "third", "namespace": "conf"}}, "weight": 1}
        destinations.insert(draw(st.integers(0, 2)), other)
    ours["routeAction"]["multi"]["destinations"] = destinations
    before, after = draw(st.lists(FOREIGN_ROUTES, max_size=3)), draw(st.lists(FOREIGN_ROUTES, max_size=3))
    table["spec"] = {"weight": 3, "routes": [*before, ours, *after]}
    return table


def without_weights(table: dict[str, Any]) -> list[Any]:
    """What must survive a change of our weights."""
    names = Names.of(recorded_canary())
    ours = {names.primary_upstream, names.canary_upstream}
    bookkeeping = {MOVE_ANNOTATION, OWNED_ANNOTATION}
    annotations = {key: value for key, value in table["metadata"]["annotations"].items() if key not in bookkeeping}
    kept: list[Any] = [table["metadata"] | {"annotations": annotations}, table["spec"]["weight"]]
    for route in table["spec"]["routes"]:
        destinations = route.get("routeAction", {}).get("multi", {}).get("destinations", [])
        kept.append({key: value for key, value in route.items() if key != "routeAction" or not destinations})
        for destination in destinations:
            is_ours = destination["destination"].get("upstream", {}).get("name") in ours
            kept.append({key: value for key, value in destination.items() if not is_ours or key != "weight"})
    return kept


@settings(deadline=None)
@given(tables(), WEIGHTS)
def test_patched_table_has_the_wanted_weights_and_everything_else_as_before(
    table: dict[str, Any], wanted: Traffic
) -> None:
    patched = apply_patch(table, route_patch(recorded_canary(), table, wanted, 7))
    assert read_traffic(recorded_canary(), patched) == wanted
    assert without_weights(patched) == without_weights(table)
    assert route_patch(recorded_canary(), patched, wanted, 7) == []
    assert read_sequence(patched, recorded_canary()) == (7 if patched != table else 0)


@settings(deadline=None)
@given(tables(), tables(), WEIGHTS)
def test_patch_on_a_table_that_was_changed_in_between_never_leaves_other_weights_than_wanted(
    seen: dict[str, Any], changed: dict[str, Any], wanted: Traffic
) -> None:
    changed["metadata"]["resourceVersion"] = "8"
    operations = route_patch(recorded_canary(), seen, wanted, 7)
    try:
        patched = apply_patch(changed, operations)
    except PatchRefused:
        return
    assert not operations or read_traffic(recorded_canary(), patched) == wanted
    assert without_weights(patched) == without_weights(changed)


@pytest.mark.parametrize("omitted", ["primary", "canary", "neither"])
def test_patch_is_refused_when_the_weights_were_changed_since(omitted: str) -> None:
    seen = recorded_table("weight-omitted" if omitted == "canary" else "weight-100-0")
    if omitted == "primary":
        seen = recorded_table("weight-0-100")
        del seen["spec"]["routes"][0]["routeAction"]["multi"]["destinations"][0]["weight"]
    operations = route_patch(recorded_canary(), seen, Traffic(20), 7)
    changed = recorded_table("weight-50-50")
    changed["metadata"]["resourceVersion"] = "8"
    with pytest.raises(PatchRefused):
        apply_patch(changed, operations)


def test_patch_is_refused_when_the_routes_were_reordered_since() -> None:
    seen = recorded_table("weight-95-5")
    changed = recorded_table("weight-95-5")
    changed["spec"]["routes"].insert(0, {"matchers": [{"prefix": "/new"}], "directResponseAction": {"status": 200}})
    with pytest.raises(PatchRefused):
        apply_patch(changed, route_patch(recorded_canary(), seen, Traffic(10), 7))


def test_patch_is_refused_when_the_destinations_changed_places_since() -> None:
    seen, changed = recorded_table("weight-50-50"), recorded_table("weight-50-50")
    changed["spec"]["routes"][0]["routeAction"]["multi"]["destinations"].reverse()
    with pytest.raises(PatchRefused):
        apply_patch(changed, route_patch(recorded_canary(), seen, Traffic(), 7))


@pytest.mark.parametrize(
    "spec", [None, {}, {"routes": []}, {"weight": 2, "routes": [{"matchers": [{"prefix": "/a"}]}]}]
)
def test_table_without_our_route_gets_it_behind_the_routes_of_others(spec: dict[str, Any] | None) -> None:
    table = stored(route_table(recorded_canary()))
    del table["spec"]
    if spec is not None:
        table["spec"] = spec
    operations = route_patch(recorded_canary(), table, Traffic(10), 7)
    patched = apply_patch(table, operations)
    assert read_traffic(recorded_canary(), patched) == Traffic(10)
    assert patched["spec"]["routes"][:-1] == (spec or {}).get("routes", [])
    with pytest.raises(PatchRefused):
        apply_patch(patched | {"metadata": patched["metadata"] | {"resourceVersion": "8"}}, operations)


def test_a_move_is_written_with_its_weights_and_refused_when_another_came_between() -> None:
    canary = podinfo_canary()
    table = stored(route_table(canary))
    assert read_sequence(table, canary) == 0
    written = apply_patch(table, route_patch(canary, table, Traffic(10), 7))
    assert read_sequence(written, canary) == 7
    back = apply_patch(written, route_patch(canary, written, ALL_TO_PRIMARY, 8))
    with pytest.raises(PatchRefused):  # the weights are those that were seen, the move is not
        apply_patch(back, route_patch(canary, table, Traffic(10), 7))


def test_a_table_of_users_is_fenced_by_its_version_until_it_carries_a_move() -> None:
    canary = podinfo_canary()
    table = stored(route_table(canary))
    del table["metadata"]["annotations"], table["metadata"]["ownerReferences"]
    assert read_sequence(table, canary) == 0
    patch = route_patch(canary, table, Traffic(10), 7)
    assert read_sequence(apply_patch(table, patch), canary) == 7
    table["metadata"]["resourceVersion"] = "newer"
    with pytest.raises(PatchRefused):
        apply_patch(table, patch)


def test_a_move_of_another_canary_of_the_same_name_does_not_count() -> None:
    canary = podinfo_canary()
    table = stored(route_table(canary))
    table["metadata"]["annotations"][MOVE_ANNOTATION] = "another-uid/99"
    assert read_sequence(table, canary) == 0

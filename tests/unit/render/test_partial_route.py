"""The route of a canary whose spec can't be read: its traffic can be pulled, and nothing else of it changes."""

from typing import Any

import pytest

from canary.api.partial import parse_partial
from canary.run.traffic import ALL_TO_PRIMARY, Traffic
from render.route_table import read_traffic, route_patch, route_table
from tests.support.json_patch import apply_patch
from tests.support.podinfo import canary_object, podinfo_canary, stored

SERVICE: dict[str, Any] = {
    "timeout": "15s",
    "headers": {"request": {"set": {"x-tenant": "shop"}, "remove": ["x-internal"]}},
    "corsPolicy": {"allowOrigin": ["https://shop.example.com"]},
    "apex": {"labels": {"team": "shop"}, "annotations": {"example.com/owner": "shop"}},
}
ANALYSES: list[dict[str, Any]] = [
    {"stepWeight": 20},
    {"iterations": 3, "match": [{"headers": {"x-a": {"exact": "1"}}}]},
    {"stepWeight": 20, "sessionAffinity": {"cookieName": "side"}},
]


def traffic_of(analysis: dict[str, Any]) -> Traffic:
    return Traffic(40, cookie="side=abc") if "sessionAffinity" in analysis else Traffic(40)


@pytest.mark.parametrize("analysis", ANALYSES, ids=["weights", "match", "cookie"])
def test_a_pull_leaves_options_and_metadata_as_they_stand(analysis: dict[str, Any]) -> None:
    table = stored(route_table(podinfo_canary(service=SERVICE, analysis=analysis), traffic_of(analysis)))
    refused = canary_object(service={"headers": {"request": {"set": {"x": "%FOO%"}}}}, analysis=analysis)
    partial = parse_partial(refused)
    assert partial is not None
    pulled = apply_patch(table, route_patch(partial, table, ALL_TO_PRIMARY, 2))
    (main,) = [route for route in pulled["spec"]["routes"] if "name" not in route]
    before = table["spec"]["routes"][-1]
    assert main["options"] == before["options"]
    assert read_traffic(partial, pulled) == ALL_TO_PRIMARY
    assert pulled["metadata"]["labels"] == {"team": "shop"}
    assert pulled["metadata"]["annotations"]["example.com/owner"] == "shop"
    assert "%FOO%" not in str(pulled)


def test_once_it_can_be_read_again_what_is_wanted_no_longer_goes() -> None:
    table = stored(route_table(podinfo_canary(service=SERVICE, analysis=ANALYSES[0]), Traffic(40)))
    partial = parse_partial(canary_object())
    assert partial is not None
    pulled = apply_patch(table, route_patch(partial, table, ALL_TO_PRIMARY, 2))
    mended = podinfo_canary(service={"timeout": "20s"}, analysis=ANALYSES[0])
    after = apply_patch(pulled, route_patch(mended, pulled, ALL_TO_PRIMARY, 3))
    assert after["spec"]["routes"][-1]["options"] == {"timeout": "20s"}
    assert "team" not in after["metadata"].get("labels", {})
    assert "example.com/owner" not in after["metadata"]["annotations"]


def test_with_nothing_to_pull_nothing_is_written() -> None:
    table = stored(route_table(podinfo_canary(service=SERVICE, analysis=ANALYSES[0])))
    partial = parse_partial(canary_object())
    assert partial is not None
    assert route_patch(partial, table, ALL_TO_PRIMARY, 2) == []

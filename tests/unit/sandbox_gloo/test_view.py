"""The late view on the cluster. Times are seconds on a made-up clock."""

from typing import Any

import pytest

from sandbox.gloo.delays import REAL, SLOW, Delays, delays_of
from sandbox.gloo.view import ENDPOINT_SLICES, ROUTE_TABLES, DelayedView

Json = dict[str, Any]
KEY = ("conf", "app")


def route_table(weight: int, **rest: Any) -> Json:
    return {"metadata": {"name": "app", "namespace": "conf", "labels": {}}, "spec": {"weight": weight}} | rest


def endpoint_slice(*addresses: str) -> Json:
    return {"metadata": {}, "ports": [], "endpoints": [{"addresses": [address]} for address in addresses]}


def test_a_change_is_seen_after_its_delay_and_not_before() -> None:
    view = DelayedView()
    view.take_all({ROUTE_TABLES: {KEY: route_table(1)}})
    view.observe({ROUTE_TABLES: {KEY: route_table(2)}}, 10.0, REAL)
    assert view.next_due_s() == 10.0 + REAL.routes_s
    assert view.release(10.0 + REAL.routes_s - 0.01) == set()
    assert view.snapshot().route_tables[KEY]["spec"]["weight"] == 1
    assert view.release(10.0 + REAL.routes_s) == {(ROUTE_TABLES, KEY)}
    assert view.snapshot().route_tables[KEY]["spec"]["weight"] == 2
    assert view.next_due_s() is None


def test_a_status_write_is_no_change() -> None:
    view = DelayedView()
    view.take_all({ROUTE_TABLES: {KEY: route_table(1)}})
    written = route_table(1, status={"statuses": {}})
    written["metadata"] |= {"resourceVersion": "7", "generation": 7, "managedFields": [{}]}
    view.observe({ROUTE_TABLES: {KEY: written}}, 10.0, REAL)
    assert view.next_due_s() is None


def test_a_deletion_is_late_too() -> None:
    view = DelayedView()
    view.take_all({ROUTE_TABLES: {KEY: route_table(1)}})
    view.observe({ROUTE_TABLES: {}}, 10.0, REAL)
    assert KEY in view.snapshot().route_tables
    view.release(11.0)
    assert KEY not in view.snapshot().route_tables


def test_an_endpoint_goes_later_than_one_comes() -> None:
    view = DelayedView()
    view.take_all({ENDPOINT_SLICES: {KEY: endpoint_slice("10.0.0.1")}})
    view.observe({ENDPOINT_SLICES: {KEY: endpoint_slice("10.0.0.1", "10.0.0.2")}}, 0.0, REAL)
    assert view.next_due_s() == REAL.endpoint_ready_s
    view.release(1.0)
    view.observe({ENDPOINT_SLICES: {KEY: endpoint_slice("10.0.0.1")}}, 2.0, REAL)
    assert view.next_due_s() == 2.0 + REAL.endpoint_gone_s


def test_a_fast_change_does_not_overtake_a_slow_one_of_the_same_object() -> None:
    view = DelayedView()
    view.take_all({ENDPOINT_SLICES: {KEY: endpoint_slice("10.0.0.1")}})
    view.observe({ENDPOINT_SLICES: {KEY: endpoint_slice()}}, 0.0, REAL)
    view.observe({ENDPOINT_SLICES: {KEY: endpoint_slice("10.0.0.9")}}, 0.01, REAL)
    view.release(REAL.endpoint_gone_s)
    view.release(5.0)
    assert view.snapshot().endpoint_slices[KEY]["endpoints"] == [{"addresses": ["10.0.0.9"]}]


def test_what_is_observed_at_once_keeps_the_order_of_its_writes() -> None:
    """As after a pause of the program: the endpoint was ready a second before anybody was routed to it."""
    ready, routed = endpoint_slice("10.0.0.1"), route_table(2)
    ready["metadata"]["resourceVersion"], routed["metadata"]["resourceVersion"] = "9", "10"
    view = DelayedView()
    view.take_all({ENDPOINT_SLICES: {KEY: endpoint_slice()}, ROUTE_TABLES: {KEY: route_table(1)}})
    view.observe({ROUTE_TABLES: {KEY: routed}, ENDPOINT_SLICES: {KEY: ready}}, 10.0, REAL)
    assert view.release(10.0 + REAL.endpoint_ready_s - 0.01) == set()
    assert view.release(10.0 + REAL.endpoint_ready_s) == {(ENDPOINT_SLICES, KEY), (ROUTE_TABLES, KEY)}


def test_the_order_is_kept_to_an_endpoint_that_is_itself_held_back_by_one_that_goes() -> None:
    gone, ready, routed = endpoint_slice(), endpoint_slice("10.0.0.9"), route_table(2)
    ready["metadata"]["resourceVersion"], routed["metadata"]["resourceVersion"] = "9", "10"
    view = DelayedView()
    view.take_all({ENDPOINT_SLICES: {KEY: endpoint_slice("10.0.0.1")}, ROUTE_TABLES: {KEY: route_table(1)}})
    view.observe({ENDPOINT_SLICES: {KEY: gone}}, 10.0, REAL)
    view.observe({ROUTE_TABLES: {KEY: routed}, ENDPOINT_SLICES: {KEY: ready}}, 10.05, REAL)
    assert view.release(10.0 + REAL.endpoint_gone_s - 0.01) == set()
    assert view.release(10.0 + REAL.endpoint_gone_s) == {(ENDPOINT_SLICES, KEY), (ROUTE_TABLES, KEY)}


def test_a_route_does_not_wait_for_endpoints_that_go() -> None:
    gone, routed = endpoint_slice(), route_table(2)
    gone["metadata"]["resourceVersion"], routed["metadata"]["resourceVersion"] = "9", "10"
    view = DelayedView()
    view.take_all({ENDPOINT_SLICES: {KEY: endpoint_slice("10.0.0.1")}, ROUTE_TABLES: {KEY: route_table(1)}})
    view.observe({ROUTE_TABLES: {KEY: routed}, ENDPOINT_SLICES: {KEY: gone}}, 10.0, REAL)
    assert view.release(10.0 + REAL.routes_s) == {(ROUTE_TABLES, KEY)}


def test_a_route_written_before_an_endpoints_change_does_not_wait_for_it() -> None:
    ready, routed = endpoint_slice("10.0.0.1"), route_table(2)
    ready["metadata"]["resourceVersion"], routed["metadata"]["resourceVersion"] = "10", "9"
    view = DelayedView()
    view.take_all({ENDPOINT_SLICES: {KEY: endpoint_slice()}, ROUTE_TABLES: {KEY: route_table(1)}})
    view.observe({ROUTE_TABLES: {KEY: routed}, ENDPOINT_SLICES: {KEY: ready}}, 10.0, REAL)
    assert view.release(10.0 + REAL.routes_s) == {(ROUTE_TABLES, KEY)}


@pytest.mark.parametrize(("word", "expected"), [("real", REAL), ("slow", SLOW), ("nonsense", REAL), ("", REAL)])
def test_the_switch(word: str, expected: Delays) -> None:
    assert delays_of({"data": {"delays": word}}) == expected


def test_the_switch_stops() -> None:
    assert delays_of({"data": {"delays": "stopped"}}).is_stopped
    assert not delays_of(None).is_stopped

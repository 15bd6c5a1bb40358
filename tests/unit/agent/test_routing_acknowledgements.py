"""Which writes Gloo has acknowledged; the times are those that were recorded of a real one."""

from typing import Any

from agent.providers.routing.acknowledgements import Acknowledgements
from kube.store import Key

TABLE = Key("test", "podinfo")


def table(proxy: dict[str, Any]) -> dict[str, Any]:
    entry = {"state": "Accepted", "subresourceStatuses": {"*v1.Proxy.gateway-proxy_gloo-system": proxy}}
    return {"metadata": {}, "status": {"statuses": {"gloo-system": entry}}}


def test_a_write_is_acknowledged_when_its_entry_was_emptied_and_filled_again() -> None:
    found = Acknowledgements()
    found.expect(TABLE, 100.0, None)
    found.note(TABLE, table({"state": "Accepted"}), 100.1)  # our own write: the status is still that of before
    assert found.is_pending(TABLE, 101.0)
    found.note(TABLE, table({}), 100.6)
    assert found.is_pending(TABLE, 101.0)
    found.note(TABLE, table({"state": "Accepted"}), 101.6)
    assert found.is_pending(TABLE, 102.0)  # the VirtualService's status comes a moment later
    assert not found.is_pending(TABLE, 102.2)


def test_a_write_that_gloo_never_acknowledges_is_not_awaited_for_ever() -> None:
    found = Acknowledgements()
    found.expect(TABLE, 100.0, None)
    assert found.is_pending(TABLE, 104.9)
    assert not found.is_pending(TABLE, 105.0)


def test_a_port_is_left_once_the_gateway_has_followed() -> None:
    found = Acknowledgements()
    assert found.left_port(TABLE, 100.0) is None
    found.expect(TABLE, 100.0, 9898)
    assert found.left_port(TABLE, 101.0) == 9898
    found.note(TABLE, table({}), 100.6)
    found.note(TABLE, table({"state": "Accepted"}), 101.6)
    assert found.left_port(TABLE, 101.6) is None


def test_writes_are_forgotten_with_their_table_and_when_they_are_settled() -> None:
    found = Acknowledgements()
    found.expect(TABLE, 100.0, 9898)
    found.note(TABLE, None, 101.0)
    assert not found.is_pending(TABLE, 101.0)
    for number in range(1000):
        found.expect(Key("test", f"table-{number}"), 100.0 + number, None)
        found.take_missing(Key("test", f"table-{number - 5}"), 100.0 + number)
    assert sum(found.is_pending(Key("test", f"table-{number}"), 1099.0) for number in range(1000)) == 5
    assert len(found) == 6


def test_a_write_that_nobody_asks_about_is_forgotten_too() -> None:
    found = Acknowledgements()
    for number in range(1000):
        found.expect(Key("test", f"table-{number}"), 100.0 + number, None)
    assert len(found) < 700


def test_a_missing_acknowledgement_is_reported_once_for_each_write() -> None:
    found = Acknowledgements()
    for written_s in (100.0, 200.0):
        found.expect(TABLE, written_s, None)
        found.expect(Key("test", "other"), written_s + 6, None)
        missing = [found.take_missing(TABLE, written_s + later_s) for later_s in (4.9, 6.0, 7.0)]
        assert missing == [False, True, False]


def test_an_acknowledgement_that_came_is_not_missing() -> None:
    found = Acknowledgements()
    found.expect(TABLE, 100.0, None)
    found.note(TABLE, table({}), 100.6)
    found.note(TABLE, table({"state": "Accepted"}), 107.0)
    assert not found.take_missing(TABLE, 108.0)

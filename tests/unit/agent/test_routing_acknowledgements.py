"""Which routes Gloo has acknowledged; the times are those that were recorded of a real one."""

from typing import Any

import pytest

from agent.providers.routing.acknowledgements import Acknowledgement, Acknowledgements
from agent.status_times import keep_status_times
from kube.store import Key
from render.gloo_status import GlooState, ProxyEntry

TABLE = Key("test", "podinfo")
PROXY = "*v1.Proxy.gateway-proxy_gloo-system"
ACCEPTED: dict[str, Any] = {PROXY: {"state": "Accepted"}}
EMPTIED: dict[str, Any] = {PROXY: {}}
GIVEN, AWAITED, MISSING = Acknowledgement.GIVEN, Acknowledgement.AWAITED, Acknowledgement.MISSING


def table(proxies: dict[str, Any] | None, weight: int = 10, **times: Any) -> dict[str, Any]:
    """Return a table; `serin`, `flagger` and `gloo` say when each wrote it, in seconds after 12 o'clock."""
    fields = {"serin": "f:spec", "flagger": "f:spec", "gloo": "f:status"}
    managed = [
        {"manager": name, "time": f"2026-01-01T12:00:{second}Z", "fieldsV1": {fields[name]: {}}}
        for name, second in times.items()
    ]
    entry = {"state": "Accepted"} | ({} if proxies is None else {"subresourceStatuses": proxies})
    return keep_status_times(
        {
            "metadata": {"managedFields": managed},
            "spec": {"routes": [{"weight": weight}]},
            "status": {"statuses": {"gloo-system": entry}},
        }
    )


def written(weight: int = 20, at_s: float = 100.0) -> Acknowledgements:
    """Return what is remembered of a table that was acknowledged before, and then written."""
    found = Acknowledgements()
    for proxies, seen_at_s in ((None, 90.0), (EMPTIED, 90.6), (ACCEPTED, 91.6)):
        found.note(TABLE, table(proxies), seen_at_s)
    found.note(TABLE, table(ACCEPTED, weight), at_s)
    return found


def test_a_write_is_acknowledged_when_its_entry_was_emptied_and_filled_again() -> None:
    found, obj = written(), table(ACCEPTED, 20)
    assert found.of(TABLE, obj, 100.1) is AWAITED  # the status is still that of before
    found.note(TABLE, table(EMPTIED, 20), 100.6)
    assert found.of(TABLE, table(EMPTIED, 20), 101.0) is AWAITED
    found.note(TABLE, obj, 101.6)
    assert found.of(TABLE, obj, 102.0) is AWAITED  # the VirtualService's status comes a moment later
    assert found.of(TABLE, obj, 102.2) is GIVEN


def test_time_alone_acknowledges_nothing() -> None:
    found, obj = written(), table(ACCEPTED, 20)
    assert found.of(TABLE, obj, 104.9) is AWAITED
    assert found.of(TABLE, obj, 105.0) is MISSING
    assert found.of(TABLE, obj, 1_000_000.0) is MISSING
    found.note(TABLE, table(EMPTIED, 20), 1_000_000.6)
    found.note(TABLE, obj, 1_000_001.6)
    assert found.of(TABLE, obj, 1_000_003.0) is GIVEN


def test_a_clock_that_steps_back_does_not_make_it_wait_for_as_long() -> None:
    found, obj = written(at_s=5000.0), table(ACCEPTED, 20)
    assert found.of(TABLE, obj, 1400.0) is AWAITED
    assert found.of(TABLE, obj, 1405.0) is MISSING


def test_what_was_acknowledged_stays_so_while_others_empty_the_entry() -> None:
    found = written(weight=10)
    for now_s in (200.0, 300.0):
        found.note(TABLE, table(EMPTIED), now_s)
        assert found.of(TABLE, table(EMPTIED), now_s + 100) is GIVEN


def test_an_entry_that_was_emptied_for_a_neighbour_acknowledges_nothing_of_ours() -> None:
    found = written(weight=10)
    found.note(TABLE, table(EMPTIED), 99.9)
    found.note(TABLE, table(EMPTIED, 20), 100.0)  # our write, into an entry that is empty
    found.note(TABLE, table(EMPTIED, 20), 100.1)
    found.note(TABLE, table(ACCEPTED, 20), 100.9)
    assert found.of(TABLE, table(ACCEPTED, 20), 104.0) is AWAITED
    found.note(TABLE, table(EMPTIED, 20), 101.5)
    found.note(TABLE, table(ACCEPTED, 20), 102.5)
    assert found.of(TABLE, table(ACCEPTED, 20), 103.5) is GIVEN


def test_an_edit_of_the_routes_by_anybody_waits_for_its_acknowledgement() -> None:
    found = written(weight=10)
    assert found.of(TABLE, table(ACCEPTED, 33), 100.0) is AWAITED
    assert found.of(TABLE, table(ACCEPTED, 33), 106.0) is MISSING


def test_a_write_that_was_never_stored_is_not_waited_for() -> None:
    found = written(weight=10)
    found.leave(TABLE, 9898)
    assert found.of(TABLE, table(ACCEPTED), 200.0) is GIVEN
    assert found.left_port(TABLE, table(ACCEPTED), 200.0) is None


def test_a_gloo_that_restarts_empties_the_entries_by_leaving_them_out() -> None:
    found = written()
    found.note(TABLE, table(None, 20), 110.0)
    assert found.of(TABLE, table(None, 20), 110.1) is MISSING
    found.note(TABLE, table(ACCEPTED, 20), 111.0)
    assert found.of(TABLE, table(ACCEPTED, 20), 112.0) is GIVEN


def test_the_first_entry_of_a_new_table_is_its_acknowledgement() -> None:
    found = Acknowledgements()
    found.note(TABLE, {"metadata": {}, "spec": {"routes": []}}, 100.0)
    filled = {"metadata": {}, "spec": {"routes": []}, "status": table(ACCEPTED)["status"]}
    found.note(TABLE, filled, 101.0)
    assert found.of(TABLE, filled, 102.0) is GIVEN


def test_routes_that_were_there_before_may_be_known_to_gloo_already() -> None:
    """A weight that was written and taken back while it was away changes nothing for it."""
    found = written(weight=20)
    assert not found.may_be_known(TABLE), "Gloo never saw these"
    found.note(TABLE, table(ACCEPTED, 10), 103.0)
    assert found.may_be_known(TABLE), "these it acknowledged before"
    found.note(TABLE, table(ACCEPTED, 30), 104.0)
    found.note(TABLE, table(ACCEPTED, 20), 105.0)
    assert found.may_be_known(TABLE), "these it may have served meanwhile"
    found.note(TABLE, table(EMPTIED, 20), 106.0)
    found.note(TABLE, table(ACCEPTED, 20), 107.0)
    found.note(TABLE, table(ACCEPTED, 10), 110.0)
    assert not found.may_be_known(TABLE), "since then it has others"


def test_of_routes_that_were_there_first_nothing_is_known() -> None:
    found = Acknowledgements()
    found.note(TABLE, table(ACCEPTED), 100.0)
    assert found.may_be_known(TABLE)


NOON_S = 1767268800.0  # 2026-01-01T12:00:00Z


@pytest.mark.parametrize(
    ("proxies", "times", "seconds_later", "is_given"),
    [
        (ACCEPTED, {"serin": "10", "gloo": "11"}, 14, True),  # and nothing more to say for 3 s
        (ACCEPTED, {"serin": "10", "gloo": "11"}, 13, False),
        (ACCEPTED, {"serin": "10", "gloo": "13"}, 13, True),  # of a neighbour's change, long after ours
        (ACCEPTED, {"serin": "10", "gloo": "10"}, 59, False),  # of a change before ours: Gloo is silent since
        (ACCEPTED, {"serin": "10", "gloo": "09"}, 59, False),
        (EMPTIED, {"serin": "10", "gloo": "11"}, 59, False),
        (ACCEPTED, {"flagger": "10", "gloo": "11"}, 59, True),  # taken over
        (ACCEPTED, {"flagger": "10", "gloo": "10"}, 59, False),
        (ACCEPTED, {"flagger": "30", "serin": "10", "gloo": "11"}, 59, True),  # somebody's edit since
        (ACCEPTED, {"gloo": "09"}, 59, False),
        (ACCEPTED, {}, 59, False),
    ],
)
def test_an_agent_that_has_just_started_reads_it_from_the_times_of_the_writes(
    proxies: dict[str, Any], times: dict[str, Any], seconds_later: int, *, is_given: bool
) -> None:
    found, obj = Acknowledgements(), table(proxies, **times)
    found.note(TABLE, obj, NOON_S + seconds_later)
    assert (found.of(TABLE, obj, NOON_S + seconds_later) is GIVEN) == is_given


def test_what_the_proxies_said_last_is_kept_while_their_entries_are_empty() -> None:
    found = written(weight=10)
    rejected = table({PROXY: {"state": "Rejected", "reason": "no"}})
    found.note(TABLE, rejected, 110.0)
    found.note(TABLE, table(EMPTIED), 120.0)
    assert found.proxies(TABLE) == (ProxyEntry(GlooState.REJECTED, "no"),)
    found.note(TABLE, table(ACCEPTED), 121.0)
    assert found.proxies(TABLE) == (ProxyEntry(GlooState.ACCEPTED),)


def test_a_port_is_left_once_the_gateway_has_followed() -> None:
    found = written(weight=10)
    found.leave(TABLE, 9898)
    found.note(TABLE, table(ACCEPTED, 20), 100.0)
    obj = table(ACCEPTED, 20)
    assert found.left_port(TABLE, obj, 100.5) == 9898
    assert found.left_port(TABLE, obj, 9000.0) == 9898
    found.note(TABLE, table(EMPTIED, 20), 9000.6)
    found.note(TABLE, obj, 9001.6)
    assert found.left_port(TABLE, obj, 9003.0) is None


def test_a_table_that_is_gone_is_forgotten() -> None:
    found = written()
    found.note(TABLE, None, 101.0)
    assert len(found) == 0

"""Events are written in order, repeats are counted, and nothing that fails reaches the caller."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from kube.client import Client
from kube.events import EventRecorder
from kube.pace import Pace
from tests.support.patience import PATIENCE_S
from tests.unit.kube.apiserver import Answer, ApiServer, ManualTime, hang, no, ok, reset

POD_INFO = {
    "apiVersion": "flagger.app/v1beta1",
    "kind": "Canary",
    "metadata": {"name": "podinfo", "namespace": "test", "uid": "u1"},
}
START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


class Calendar:
    """Each look at it is a second later."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        at = self.at
        self.at += timedelta(seconds=1)
        return at


async def test_an_event_names_its_object_and_who_tells(api: ApiServer, client: Client) -> None:
    api.will(ok({}, 201))
    async with EventRecorder(client, instance="serin-0", now=Calendar().now, drain_s=PATIENCE_S) as recorder:
        recorder.record(POD_INFO, "Warning", "Synced", "Halt podinfo.test advancement")
    event = api.seen[0].body
    assert api.seen[0].path == "/api/v1/namespaces/test/events"
    assert event["involvedObject"] == {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "Canary",
        "namespace": "test",
        "name": "podinfo",
        "uid": "u1",
    }
    assert (event["type"], event["reason"], event["message"]) == ("Warning", "Synced", "Halt podinfo.test advancement")
    assert event["firstTimestamp"] == event["lastTimestamp"] == "2026-03-01T12:00:00Z"
    assert event["source"] == {"component": "serin"}
    assert (event["reportingComponent"], event["reportingInstance"]) == ("serin", "serin-0")
    assert event["metadata"]["name"].startswith("podinfo.")


async def test_a_repeat_counts_up_the_event_and_other_messages_are_new_ones(api: ApiServer, client: Client) -> None:
    api.will(ok({}, 201), ok({}), ok({}, 201), ok({}))
    async with EventRecorder(client, now=Calendar().now, drain_s=PATIENCE_S) as recorder:
        for message in ("same", "same", "other", "same"):
            recorder.record(POD_INFO, "Normal", "Synced", message)
    assert [seen.method for seen in api.seen] == ["POST", "PATCH", "POST", "PATCH"]
    name = api.seen[0].body["metadata"]["name"]
    assert api.seen[1].path == api.seen[3].path == f"/api/v1/namespaces/test/events/{name}"
    assert api.seen[1].body == {"count": 2, "lastTimestamp": "2026-03-01T12:00:01Z"}
    assert api.seen[3].body == {"count": 3, "lastTimestamp": "2026-03-01T12:00:03Z"}
    assert api.seen[2].body["metadata"]["name"] != name


async def test_a_repeat_of_an_event_that_expired_is_a_new_one(api: ApiServer, client: Client) -> None:
    api.will(ok({}, 201), no(404, "NotFound", name="x"), ok({}, 201))
    async with EventRecorder(client, drain_s=PATIENCE_S) as recorder:
        recorder.record(POD_INFO, "Normal", "Synced", "same")
        recorder.record(POD_INFO, "Normal", "Synced", "same")
    assert [seen.method for seen in api.seen] == ["POST", "PATCH", "POST"]
    assert api.seen[2].body["count"] == 1


async def test_an_event_that_can_not_be_written_is_logged_and_the_next_one_is_written(
    api: ApiServer, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    api.will(no(403, "Forbidden", "namespace is being terminated"), ok({}, 201))
    async with EventRecorder(client, drain_s=PATIENCE_S) as recorder:
        recorder.record(POD_INFO, "Normal", "Synced", "first")
        recorder.record(POD_INFO, "Normal", "Synced", "second")
    assert [seen.body["message"] for seen in api.seen] == ["first", "second"]
    assert "being terminated" in caplog.text


# A quota that somebody else counts up at the same moment refuses a create by a conflict.
@pytest.mark.parametrize("fault", [no(503), no(429), no(409, "Conflict"), reset()])
async def test_an_event_that_can_not_be_written_now_is_written_later_under_its_name(
    api: ApiServer, client: Client, time: ManualTime, fault: Answer
) -> None:
    api.will(*[fault] * 9, no(409, "AlreadyExists"), ok({}, 201))
    async with EventRecorder(client, drain_s=PATIENCE_S, clock=time.clock, sleep=time.sleep) as recorder:
        first = recorder.record(POD_INFO, "Normal", "Synced", "first")
        second = recorder.record(POD_INFO, "Normal", "Synced", "second", once="podinfo.2")
        await second.wait()
        assert first.is_set()
    assert [seen.body["message"] for seen in api.seen] == ["first"] * 10 + ["second"]
    assert len({seen.body["metadata"]["name"] for seen in api.seen[:10]}) == 1
    assert max(time.slept_s) <= 10.0


async def test_an_event_that_can_not_be_written_for_minutes_is_lost_and_told(
    api: ApiServer, client: Client, time: ManualTime, caplog: pytest.LogCaptureFixture
) -> None:
    api.otherwise, started_s = no(503), time.now_s
    async with EventRecorder(client, drain_s=PATIENCE_S, clock=time.clock, sleep=time.sleep) as recorder:
        await recorder.record(POD_INFO, "Normal", "Synced", "first").wait()
    assert 590.0 <= time.now_s - started_s <= 600.0
    assert "event lost, tried for 600 s" in caplog.text


async def test_an_event_is_not_lost_where_somebody_asks_to_wait_longer_than_it_is_kept(
    api: ApiServer, client: Client, time: ManualTime
) -> None:
    api.will(no(503, "ServiceUnavailable", headers={"Retry-After": "3600"}), ok({}, 201))
    # The pace leaves the server alone for as long: by the same clock.
    client.connection.pace = Pace(clock=time.clock)
    async with EventRecorder(client.once(10.0), drain_s=PATIENCE_S, clock=time.clock, sleep=time.sleep) as recorder:
        await recorder.record(POD_INFO, "Normal", "Synced", "first").wait()
    assert [seen.body["message"] for seen in api.seen] == ["first", "first"]
    assert 60.0 in time.slept_s


async def test_events_that_hang_hold_up_neither_other_objects_nor_the_order_of_one(
    api: ApiServer, client: Client
) -> None:
    api.will(hang(), ok({}, 201), ok({}, 201))
    other = POD_INFO | {"metadata": {"name": "other", "namespace": "test", "uid": "u2"}}
    async with EventRecorder(client, drain_s=0.0) as recorder:
        recorder.record(POD_INFO, "Normal", "Synced", "hangs")
        recorder.record(POD_INFO, "Normal", "Synced", "waits for it")
        await api.wait_seen(1)
        for message in ("one", "two"):
            recorder.record(other, "Normal", "Synced", message)
        await api.wait_seen(3)
    assert [seen.body["message"] for seen in api.seen] == ["hangs", "one", "two"]


async def test_a_full_queue_loses_a_remark_and_never_waits_and_loses_no_named_event(
    api: ApiServer, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    api.will(*[ok({}, 201)] * 3)
    async with EventRecorder(client, capacity=2, drain_s=PATIENCE_S) as recorder:
        for message in ("first", "second", "third"):
            recorder.record(POD_INFO, "Normal", "Synced", message)
        recorder.record(POD_INFO, "Normal", "Synced", "fourth", once="podinfo.4")
    assert [seen.body["message"] for seen in api.seen] == ["first", "second", "fourth"]
    assert "third" in caplog.text


async def test_the_events_of_one_namespace_leave_room_for_those_of_another(api: ApiServer, client: Client) -> None:
    api.will(*[ok({}, 201)] * 3)
    other = POD_INFO | {"metadata": {"name": "other", "namespace": "shop", "uid": "u2"}}
    async with EventRecorder(client, capacity=2, drain_s=PATIENCE_S) as recorder:
        for message in ("first", "second", "third"):
            recorder.record(POD_INFO, "Normal", "Synced", message)
        recorder.record(other, "Normal", "Synced", "of another namespace")
    assert sorted(seen.body["message"] for seen in api.seen) == ["first", "of another namespace", "second"]
    assert not recorder._unwritten_of, "what is remembered of namespaces grows"


async def test_closing_waits_for_a_bounded_time_only(
    api: ApiServer, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    api.will(hang())
    async with EventRecorder(client, drain_s=0.05) as recorder:
        recorder.record(POD_INFO, "Normal", "Synced", "first")
        recorder.record(POD_INFO, "Normal", "Synced", "second")
    assert "2 events were not written" in caplog.text


async def test_events_about_objects_of_the_cluster_go_to_default_and_long_names_are_cut(
    api: ApiServer, client: Client
) -> None:
    api.will(ok({}, 201))
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n" * 253}}
    async with EventRecorder(client, drain_s=PATIENCE_S) as recorder:
        recorder.record(namespace, "Normal", "Synced", "hello")
    assert api.seen[0].path == "/api/v1/namespaces/default/events"
    assert len(api.seen[0].body["metadata"]["name"]) == 253


async def test_a_message_without_an_end_is_cut_and_counted_up_where_only_the_rest_differs(
    api: ApiServer, client: Client
) -> None:
    api.will(ok({}, 201), ok({}))
    async with EventRecorder(client, drain_s=PATIENCE_S) as recorder:
        for number in range(2):
            recorder.record(POD_INFO, "Warning", "Synced", "x" * 2000 + str(number))
    assert api.seen[0].body["message"] == "x" * 1021 + "..."
    assert (api.seen[1].method, api.seen[1].body["count"]) == ("PATCH", 2)

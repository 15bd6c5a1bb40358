"""A holder of a Lease stops being one before anybody else can be."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from time import monotonic
from typing import Any

import pytest
from aiohttp import web

from kube.client import Client
from kube.leadership import Timing
from kube.lease import LeaseHolder
from tests.unit.kube.apiserver import Answer, ApiServer, ManualTime, hang, no, ok


def lease(holder: str, version: str) -> dict[str, Any]:
    return {
        "metadata": {"name": "serin", "namespace": "n", "resourceVersion": version},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": 12},
    }


def holder(client: Client, time: ManualTime, *, look_s: float = 1.0) -> LeaseHolder:
    return LeaseHolder(
        client,
        namespace="n",
        name="serin",
        identity="me",
        timing=Timing(look_s=look_s),
        clock=time.clock,
        sleep=time.sleep,
    )


async def test_a_lease_is_made_held_by_writes_alone_and_given_back(
    api: ApiServer, client: Client, time: ManualTime
) -> None:
    api.will(no(404, "NotFound", name="serin"), ok(lease("me", "1"), 201), ok(lease("me", "2")))
    async with holder(client, time) as held:
        assert not held.is_leader
        await held.wait_acquired()
        assert held.is_leader
        await api.wait_seen(4)
        api.will(ok(lease("", "9")))
    assert not held.is_leader
    assert [seen.method for seen in api.seen] == ["GET", "POST", "PUT", "PUT", "PUT"]
    assert api.seen[3].body["metadata"]["resourceVersion"] == "2"
    assert api.seen[4].body["spec"]["holderIdentity"] == ""


async def test_nobody_waits_longer_than_the_duration_for_a_holder_that_is_gone(
    api: ApiServer, client: Client, time: ManualTime, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    started_s = time.now_s
    # Killed right after it was seen to have renewed; a look each 5 s, and one when the Lease has run out.
    api.will(*[ok(lease("other", "1"))] * 4)
    api.otherwise = ok(lease("me", "2"))
    async with holder(client, time, look_s=5.0) as held:
        tenure = await held.wait_acquired()
        assert tenure.is_on
        assert sum(time.slept_s[:3]) == 12.0
        assert time.now_s - started_s <= 12.0 + 2.0
    assert [seen.method for seen in api.seen[:5]] == ["GET", "GET", "GET", "GET", "PUT"]
    assert api.seen[4].body["metadata"]["resourceVersion"] == "1"
    assert [line for line in caplog.messages if "held by" in line] == ["lease n/serin: held by other"]


async def test_what_is_given_back_is_taken_at_the_next_look(api: ApiServer, client: Client, time: ManualTime) -> None:
    api.will(ok(lease("other", "1")), ok(lease("", "2")), ok(lease("me", "3")))
    async with holder(client, time) as held:
        await held.wait_acquired()
        assert time.slept_s[0] == 1.0
        assert [seen.method for seen in api.seen[:3]] == ["GET", "GET", "PUT"]


@pytest.mark.parametrize(("now_of", "writes"), [("me", ["7", "8"]), ("other", ["7"])])
async def test_what_a_renewal_under_way_has_changed_is_given_back_all_the_same_and_nobody_elses(
    api: ApiServer, client: Client, time: ManualTime, now_of: str, writes: list[str]
) -> None:
    api.will(ok(lease("", "1")), ok(lease("me", "7")))
    async with holder(client, time) as held:
        await held.wait_acquired()
        await api.wait_seen(3)  # the renewal: its answer is never read
        api.will(no(409, "Conflict"), ok(lease(now_of, "8")), ok(lease("", "9")))
    given_back = [seen.body for seen in api.seen[3:] if seen.method == "PUT"]
    assert [body["metadata"]["resourceVersion"] for body in given_back] == writes
    assert {body["spec"]["holderIdentity"] for body in given_back} == {""}


async def test_leadership_ends_in_time_when_the_server_only_fails(
    api: ApiServer, client: Client, time: ManualTime
) -> None:
    api.will(ok(lease("", "1")), ok(lease("me", "2")))
    api.otherwise = no(500)
    async with holder(client, time) as held:
        tenure = await held.wait_acquired()
        acquired_s = time.now_s
        await tenure.wait_over()
        assert not held.is_leader
        assert time.now_s - acquired_s <= 9.0


def slowly(time: ManualTime, took_s: float, answer: Answer) -> Answer:
    """Answer when so much time has passed."""

    async def answered(request: web.Request) -> web.StreamResponse:
        time.now_s += took_s
        return await answer(request)

    return answered


async def test_a_tenure_is_counted_from_the_start_of_the_request_that_made_it_and_not_from_its_answer(
    api: ApiServer, client: Client, time: ManualTime
) -> None:
    # It may have been carried out at once: from then on others count how long it is not renewed.
    started_s = time.now_s
    api.will(ok(lease("", "1")), slowly(time, 4.0, ok(lease("me", "2"))))
    api.otherwise = no(500)
    async with holder(client, time) as held:
        tenure = await held.wait_acquired()
        await tenure.wait_over()
        assert time.now_s - started_s <= 9.0


async def test_a_lease_of_our_own_that_is_not_wanted_runs_out(api: ApiServer, client: Client, time: ManualTime) -> None:
    api.otherwise = ok(lease("me", "1"))
    made = LeaseHolder(
        client,
        namespace="n",
        name="serin",
        identity="me",
        patience_s=lambda: math.inf,
        clock=time.clock,
        sleep=time.sleep,
    )
    async with made as unwanted:
        await api.wait_seen(20)
        assert not unwanted.is_leader
    assert {seen.method for seen in api.seen} == {"GET"}


async def test_who_was_stopped_for_a_while_is_no_leader_when_it_wakes(
    api: ApiServer, client: Client, time: ManualTime
) -> None:
    api.will(ok(lease("", "1")), ok(lease("me", "2")))
    async with holder(client, time) as held:
        await held.wait_acquired()
        time.now_s += 9
        assert not held.is_leader


async def test_another_holder_ends_the_leadership_at_once(api: ApiServer, client: Client, time: ManualTime) -> None:
    api.will(ok(lease("", "1")), ok(lease("me", "2")), no(409, "Conflict"), ok(lease("other", "3")))
    async with holder(client, time) as held:
        tenure = await held.wait_acquired()
        acquired_s = time.now_s
        await tenure.wait_over()
        assert time.now_s - acquired_s < 5
        assert not held.is_leader


async def test_two_claims_at_once_give_one_leader(api: ApiServer, client: Client, time: ManualTime) -> None:
    api.will(ok(lease("", "1")), no(409, "Conflict"), ok(lease("other", "2")))
    async with holder(client, time) as held:
        await api.wait_seen(4)
        assert not held.is_leader
        acquired = asyncio.ensure_future(held.wait_acquired())
        assert not acquired.done()
        acquired.cancel()


async def test_a_lease_that_nobody_took_is_had_again_as_another_tenure(
    api: ApiServer, client: Client, time: ManualTime
) -> None:
    api.will(ok(lease("", "1")), ok(lease("me", "2")), *[no(500)] * 40)
    api.otherwise = ok(lease("me", "2"))
    async with holder(client, time) as held:
        first = await held.wait_acquired()
        await first.wait_over()
        second = await held.wait_acquired()
        assert (first.is_on, second.is_on) == (False, True)


async def test_a_tenure_that_lapsed_unnoticed_is_over_even_if_the_lease_is_renewed(
    api: ApiServer, client: Client, time: ManualTime
) -> None:
    api.will(ok(lease("", "1")), ok(lease("me", "2")))
    api.otherwise = ok(lease("me", "3"))
    async with holder(client, time) as held:
        first = await held.wait_acquired()
        time.now_s += 9  # the process stood still, and no task of it has run since
        await first.wait_over()
        second = await held.wait_acquired()
        assert (first.is_on, second.is_on) == (False, True)


async def test_a_renewal_that_hangs_leaves_time_for_another(api: ApiServer, client: Client) -> None:
    timing = Timing(duration_s=60.0, renew_within_s=2.0, retry_s=0.01)
    api.will(ok(lease("", "1")), ok(lease("me", "2")), hang())
    api.otherwise = ok(lease("me", "3"))
    client = replace(client, clock=monotonic, sleep=asyncio.sleep)
    async with LeaseHolder(client, namespace="n", name="serin", identity="me", timing=timing) as held:
        tenure = await held.wait_acquired()
        await api.wait_seen(6)
        assert tenure.is_on

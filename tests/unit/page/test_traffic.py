"""Primary against canary: asked of Prometheus while somebody looks, a few at once, each answer for all who look."""

import asyncio
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.support.eventually import eventually
from tests.support.page import SmallCluster, serving_page, stored
from tests.support.web import Handler, serving

NOW_S = 1796050817.0
END = 1796050800
START = END - 1800

Json = dict[str, Any]


def matrix(*series: Json) -> Json:
    return {"status": "success", "data": {"resultType": "matrix", "result": list(series)}}


async def look(handler: Handler, *paths: str, cluster: SmallCluster | None = None) -> list[tuple[int, Any]]:
    """What the page answers, all asked at once."""
    if cluster is None:
        cluster = SmallCluster()
        cluster.put(stored())
    async with (
        serving(handler) as prometheus,
        serving_page(cluster, prometheus=prometheus, now_s=lambda: NOW_S) as url,
        aiohttp.ClientSession() as http,
    ):

        async def get(path: str) -> tuple[int, Any]:
            async with http.get(f"{url}/api/canaries/{path}/traffic") as answer:
                is_json = answer.content_type == "application/json"
                return answer.status, await (answer.json() if is_json else answer.text())

        return await asyncio.gather(*(get(path) for path in paths or ("test/podinfo",)))


async def test_both_sides_are_told_over_the_last_half_an_hour() -> None:
    asked: list[Json] = []

    async def handle(request: web.Request) -> web.Response:
        assert request.path == "/api/v1/query_range"
        form = dict(await request.post())
        asked.append(form)
        query = str(form["query"])
        is_canary = "canaryupstream" in query
        if "histogram_quantile(0.99" in query:
            values = [[START - 30, "1"], [END - 30, "NaN"], [END + 30, "1"], [END, "250.5" if is_canary else "180"]]
            return web.json_response(matrix({"metric": {}, "values": values}))
        bad = {"metric": {"envoy_response_code": "503"}, "values": [[END, "10"]]}
        good = {"metric": {"envoy_response_code": "200"}, "values": [[END - 30, "0"], [END, "90"]]}
        return web.json_response(matrix(good, bad) if is_canary else matrix(good))

    [(status, found)] = await look(handle)
    assert status == 200
    assert found == {
        "start": START,
        "end": END,
        "window": 60,
        "primary": {"success": [[END, 100.0]], "duration": [[END, 180.0]]},
        "canary": {"success": [[END, 90.0]], "duration": [[END, 250.5]]},
        "error": "",
    }
    assert len(asked) == 4
    assert {(form["start"], form["end"], form["step"]) for form in asked} == {(str(START), str(END), "30")}
    clusters = {
        side: sum(f"test-podinfo-{side}upstream-9898" in form["query"] for form in asked)
        for side in ("primary", "canary")
    }
    assert clusters == {"primary": 2, "canary": 2}


async def test_all_who_look_at_a_canary_share_one_answer() -> None:
    count = 0

    async def handle(request: web.Request) -> web.Response:
        nonlocal count
        count += 1
        return web.json_response(matrix())

    answers = await look(handle, *["test/podinfo"] * 10)
    assert [status for status, _ in answers] == [200] * 10
    assert count == 4


async def test_a_slow_prometheus_is_asked_about_a_few_canaries_at_once() -> None:
    cluster, released, begun = SmallCluster(), asyncio.Event(), 0
    for number in range(6):
        cluster.put(stored(f"shop-{number}"))

    async def handle(request: web.Request) -> web.Response:
        nonlocal begun
        begun += 1
        await released.wait()
        return web.json_response(matrix())

    async def release() -> None:
        await eventually(lambda: begun, lambda count: count == 8)  # two sides of four canaries
        released.set()

    answers, _ = await asyncio.gather(
        look(handle, *(f"test/shop-{number}" for number in range(6)), cluster=cluster), release()
    )
    assert sorted(status for status, _ in answers) == [200] * 4 + [503] * 2


async def test_a_tenants_slow_prometheus_keeps_no_other_tenant_waiting() -> None:
    cluster, released = SmallCluster(), asyncio.Event()
    paths = [*(f"team-a/shop-{number}" for number in range(5)), "team-b/shop"]
    for path in paths:
        namespace, name = path.split("/")
        cluster.put(stored(name, namespace))

    async def handle(request: web.Request) -> web.Response:
        if "team-b" in str((await request.post())["query"]):
            released.set()
        await released.wait()
        return web.json_response(matrix())

    answers = await look(handle, *paths, cluster=cluster)
    assert sorted(status for status, _ in answers[:5]) == [200] * 4 + [503]
    assert answers[5][0] == 200


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (web.Response(status=502), "HTTP 502"),
        (web.Response(text="<html>"), "HTTP 200, not JSON"),
        (web.json_response({"status": "success", "data": {"resultType": "vector", "result": []}}), "not an answer of"),
        (web.json_response(matrix({"metric": {}, "values": [["x", "y"]]})), "not an answer of Prometheus"),
        (web.json_response(matrix({"values": [[1, 2, 3]]})), "not an answer of Prometheus"),
        (web.json_response(matrix({"values": [[END, "1"]] * 62})), "more points than were asked for; allowed: 61 of"),
        (web.json_response(matrix(*[{"values": []}] * 21)), "the query gives 21 series; allowed: 20"),
        (web.Response(text=" " * 65_537), "the answer is longer than 65536 bytes"),
        (web.json_response({"status": "error", "errorType": "bad_data", "error": "no"}, status=400), "bad_data: no"),
    ],
)
async def test_what_goes_wrong_is_said(answer: web.Response, text: str) -> None:
    async def handle(request: web.Request) -> web.Response:
        return web.Response(status=answer.status, body=answer.body, content_type=answer.content_type)

    [(status, found)] = await look(handle)
    assert status == 200
    assert text in found["error"]
    assert found["primary"] == {"success": [], "duration": []}


@pytest.mark.parametrize("name", [None, 'x"} or vector(1) or foo{a="'])
async def test_a_canary_whose_spec_is_refused_is_not_asked_about(name: str | None) -> None:
    cluster, obj = SmallCluster(), stored()
    if name is None:
        obj["spec"] = {}
    else:
        obj["spec"]["service"]["name"] = name
    cluster.put(obj)

    async def handle(request: web.Request) -> web.Response:
        raise AssertionError("nothing is asked")

    assert await look(handle, cluster=cluster) == [(409, "the spec can't be read, so nobody knows what to ask for\n")]

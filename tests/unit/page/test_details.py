"""What the page tells of one canary."""

from typing import Any

import aiohttp
import pytest

from tests.support.page import AT, SmallCluster, stored

NEVER_ASKED: dict[str, Any] = {
    "min": None,
    "max": None,
    "unit": "",
    "samples": [],
    "reason": "",
    "dry": False,
    "needs": 1,
    "evidence": None,
}

# What `.status.serin` of a canary has, and what the page is given of it.
OURS = {
    "notBefore": "2026-11-30T15:00:10.000Z",
    "run": {"startedAt": "2026-11-30T14:58:00Z"},
    "checks": [
        {
            "name": "request-success-rate",
            "min": 99,
            "unit": "%",
            "samples": [
                {"at": "2026-11-30T14:59:50Z", "value": 98.5, "verdict": "fail"},
                {"at": "2026-11-30T15:00:00Z", "value": None, "verdict": "noData"},
            ],
            "reason": "success rate 98.50% < 99%",
        },
        {"name": "former", "max": 3, "dryRun": True, "consecutiveFailures": 3, "samples": []},
    ],
    "history": [
        {
            "revision": "a1b2c3d4e5f60718",
            "change": "podinfod image 5.9.0 -> 6.0.0",
            "by": "bob",
            "startedAt": "2026-11-29T15:00:00Z",
            "endedAt": "2026-11-29T15:20:00Z",
            "outcome": "promoted",
        }
    ],
    "request": {
        "verb": "abort",
        "revision": "ffffff",
        "result": "refused",
        "at": "2026-11-30T14:00:00Z",
        "claim": "x",
        "why": "it is another one",
        "by": "bob",
    },
}

SHOWN = {
    "began": "2026-11-30T14:58:00Z",
    "interval": "10s",
    "steps": [
        {"text": f"{percent} %", "weight": percent, "state": state}
        for percent, state in zip(range(5, 55, 5), ["done"] * 3 + ["now"] + ["next"] * 6, strict=True)
    ],
    "has_more_steps": False,
    "next_check": 1796050810,
    "lasts_until": 0,
    "checks": [
        {
            "name": "request-success-rate",
            "min": 99.0,
            "max": None,
            "unit": "%",
            "samples": [
                {"at": "2026-11-30T14:59:50Z", "value": 98.5, "verdict": "fail"},
                {"at": "2026-11-30T15:00:00Z", "value": None, "verdict": "noData"},
            ],
            "reason": "success rate 98.50% < 99%",
            "dry": False,
            "needs": 1,
            "evidence": None,
        },
        NEVER_ASKED | {"name": "request-duration", "max": 500.0, "unit": "ms"},
        NEVER_ASKED | {"name": "former", "max": 3.0, "dry": True, "needs": 3},
    ],
    "runs": [
        {
            "revision": "a1b2c3d4e5f60718",
            "change": "podinfod image 5.9.0 -> 6.0.0",
            "by": "bob",
            "started": "2026-11-29T15:00:00Z",
            "ended": "2026-11-29T15:20:00Z",
            "outcome": "promoted",
            "reason": "",
        }
    ],
    "messages": [{"at": 1796050800, "warning": False, "text": "Advance podinfo.test canary weight 20"}],
    "weights": [[1796050740, 15], [1796050800, 20]],
    "asked": "abort@ffffff by bob, refused: it is another one",
}


async def test_all_of_one_canary(cluster: SmallCluster, url: str, http: aiohttp.ClientSession) -> None:
    cluster.put(stored(weight=15, ours={"storedAt": "2026-11-30T14:59:00Z", "sequence": 6, "news": []}))
    cluster.put(
        stored(
            weight=20,
            ours=OURS,
        )
    )
    async with http.get(f"{url}/api/canaries/test/podinfo") as answer:
        assert answer.content_type == "application/json"
        found = await answer.json()
    assert found.pop("row")["weight"] == 20
    commands = found.pop("commands")
    assert found == SHOWN
    assert [command["text"] for command in commands if command["useful"]] == [
        "serin status podinfo -n test",
        "serin abort podinfo -n test",
        "serin pause podinfo -n test",
        "serin promote podinfo -n test",
        "serin skip podinfo -n test",
        "serin history podinfo -n test",
        "serin events podinfo -n test",
    ]


@pytest.mark.parametrize(
    ("obj", "verbs"),
    [
        (stored(phase="Failed", weight=0), {"status", "retry", "undo", "history", "events"}),
        (stored(phase="Succeeded", weight=0), {"status", "undo", "history", "events"}),
        (stored(phase="Promoting"), {"status", "history", "events"}),
        (
            stored(ours={"paused": True}),
            {"status", "abort", "resume", "promote", "skip", "history", "events"},
        ),
    ],
)
async def test_what_to_type_is_what_does_something_now(
    cluster: SmallCluster, url: str, http: aiohttp.ClientSession, obj: dict[str, Any], verbs: set[str]
) -> None:
    cluster.put(obj)
    async with http.get(f"{url}/api/canaries/test/podinfo") as answer:
        commands = (await answer.json())["commands"]
    assert {command["text"].split()[1] for command in commands if command["useful"]} == verbs


LISTED = [
    {"weight": 5},
    {"weight": 20, "duration": "10m"},
    {"weight": 20, "pause": {}},
    {"weight": 50, "duration": "1h"},
]


@pytest.mark.parametrize(
    ("weight", "ours", "states", "until"),
    [
        (0, {}, ["next", "next", "next", "next", "next"], 0),
        (5, {"step": 1, "stepServedAt": AT}, ["now", "next", "next", "next", "next"], 0),
        (20, {"step": 2}, ["done", "now", "next", "next", "next"], 0),
        (20, {"step": 2, "stepServedAt": AT}, ["done", "now", "next", "next", "next"], 600),
        (20, {"step": 3, "stepServedAt": AT}, ["done", "done", "now", "next", "next"], 0),
        (50, {"step": 4, "stepServedAt": AT}, ["done", "done", "done", "now", "next"], 3600),
        (50, {"step": 4, "bakeStartedAt": AT}, ["done", "done", "done", "done", "now"], 1800),
    ],
)
async def test_steps_with_times_of_their_own_and_a_bake(
    cluster: SmallCluster,
    url: str,
    http: aiohttp.ClientSession,
    weight: int,
    ours: dict[str, Any],
    states: list[str],
    until: int,
) -> None:
    obj = stored(weight=weight, ours=ours)
    del obj["spec"]["analysis"]["stepWeight"], obj["spec"]["analysis"]["maxWeight"]
    obj["spec"]["analysis"] |= {"steps": LISTED, "bake": "30m"}
    cluster.put(obj)
    async with http.get(f"{url}/api/canaries/test/podinfo") as answer:
        found = await answer.json()
    texts = ["5 %", "20 %, 10m", "20 %, until resumed", "50 %, 1h", "bake for 30m"]
    assert [step["text"] for step in found["steps"]] == texts
    assert [step["state"] for step in found["steps"]] == states
    assert found["lasts_until"] == (1796050800 + until if until else 0)


async def test_of_a_hundred_thousand_iterations_the_first_hundred_are_planned(
    cluster: SmallCluster, url: str, http: aiohttp.ClientSession
) -> None:
    obj = stored(weight=100, ours={"strategy": "ab-testing"}, iterations=3)
    del obj["spec"]["analysis"]["stepWeight"], obj["spec"]["analysis"]["maxWeight"]
    obj["spec"]["analysis"] |= {"iterations": 100_000, "match": [{"headers": {"x": {"exact": "y"}}}]}
    cluster.put(obj)
    async with http.get(f"{url}/api/canaries/test/podinfo") as answer:
        found = await answer.json()
    assert (len(found["steps"]), found["has_more_steps"]) == (100, True)
    assert found["steps"][2] == {"text": "iteration 3", "weight": 100, "state": "now"}


@pytest.mark.parametrize(
    "change",
    [{"spec": None}, {"spec": {"analysis": 7}}, {"status": {"phase": "Unheard"}}, {"status": "x"}, {"status": None}],
)
async def test_a_canary_that_cant_be_read_is_shown_with_gaps(
    cluster: SmallCluster, url: str, http: aiohttp.ClientSession, change: dict[str, Any]
) -> None:
    cluster.put(stored() | change)
    async with http.get(f"{url}/api/canaries/test/podinfo") as answer:
        assert answer.status == 200
        assert (await answer.json())["row"]["name"] == "podinfo"
    async with http.get(f"{url}/api/canaries/test/podinfo/traffic") as answer:
        assert answer.status in {200, 409}


@pytest.mark.parametrize(
    ("phase", "weight", "states"),
    [
        ("Progressing", 0, {"next"}),
        ("Succeeded", 0, {"done"}),
        ("Promoting", 50, {"done"}),
        ("Failed", 0, {"next"}),
        ("Initialized", 50, {"next"}),
    ],
)
async def test_steps_outside_of_an_analysis(
    cluster: SmallCluster, url: str, http: aiohttp.ClientSession, phase: str, weight: int, states: set[str]
) -> None:
    cluster.put(stored(phase=phase, weight=weight))
    async with http.get(f"{url}/api/canaries/test/podinfo") as answer:
        steps = (await answer.json())["steps"]
    assert (len(steps), {step["state"] for step in steps}) == (10, states)


async def test_a_check_that_is_judged_by_evidence_shows_where_it_stands(
    cluster: SmallCluster, url: str, http: aiohttp.ClientSession
) -> None:
    text = "canary fails 0.1 % of 50 requests: e-value 110 against 11 %, well at 20"
    evidence = {"name": "request-duration", "answer": "well", "text": text, "bar": -1.0}
    cluster.put(stored(ours={"evidence": [evidence, {"name": "request-success-rate", "answer": "no such"}]}))
    async with http.get(f"{url}/api/canaries/test/podinfo") as answer:
        found = await answer.json()
    assert [check["evidence"] for check in found["checks"]] == [None, {"answer": "well", "text": text, "bar": -1.0}]

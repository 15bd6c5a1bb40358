"""`serin events` and `serin history`."""

import json
import time
from typing import Any

import pytest

from tests.unit.cli.cluster_api import ClusterApi, Object
from tests.unit.cli.cluster_objects import NEW, OLD, canary
from tests.unit.cli.conftest import Ran, Serin

RUNS = [
    {
        "revision": NEW,
        "change": "podinfod image 6.0.0 -> 6.0.1",
        "by": "alice",
        "startedAt": "2026-11-30T14:00:00Z",
        "endedAt": "2026-11-30T14:09:05Z",
        "outcome": "rolledBack",
        "reason": "request-success-rate 97.25% < 99%",
    },
    {
        "revision": OLD,
        "startedAt": "2026-11-28T14:08:45Z",
        "endedAt": "2026-11-28T14:09:05Z",
        "outcome": "promoted",
        "reason": "bootstrap",
    },
]


def event(number: int, text: str, about: str = "podinfo", kind: str = "Canary", **more: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"e{9 - number}"},
        "involvedObject": {"kind": kind, "namespace": "test", "name": about},
        "type": "Normal",
        "message": text,
        "lastTimestamp": f"2026-11-30T14:00:0{number}Z",
        **more,
    }


def test_the_last_runs_are_told_with_who_and_why(
    api: ClusterApi, serin: Serin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_796_112_545.0)  # 18 h after 14:09:05
    api.put("canaries", canary(serin={"history": RUNS}))
    assert serin("history", "podinfo").stdout.splitlines() == [
        "REVISION          OUTCOME      ENDED      TOOK  CHANGE                         BY     REASON",
        f"{NEW}  rolled back  18h ago    9m5s  podinfod image 6.0.0 -> 6.0.1  alice  request-success-rate 97.25% < 99%",
        f"{OLD}  promoted     2d18h ago  20s   -                              -      bootstrap",
    ]
    assert json.loads(serin("history", "podinfo", "-o", "json").stdout)["runs"][1] == RUNS[1]


def test_no_run_at_all_is_told(api: ClusterApi, serin: Serin) -> None:
    api.put("canaries", canary())
    assert serin("history", "podinfo") == Ran(0, "", "serin: found no run of podinfo that has ended\n")


def test_events_are_told_in_their_order_and_those_of_others_left_out(api: ClusterApi, serin: Serin) -> None:
    api.put("canaries", canary())
    api.put("events", event(2, "Halt advancement", type="Warning", count=3))
    api.put("events", event(1, "Advance podinfo.test canary \x1b[2Jweight 10"))
    api.put("events", event(3, "Scaled up", kind="Deployment"))
    api.put("events", event(4, "Synced", about="w\x1b[2Jeb"))
    one = [
        "2026-11-30T14:00:01Z  Normal   Advance podinfo.test canary �[2Jweight 10",
        "2026-11-30T14:00:02Z  Warning  Halt advancement (x3)",
    ]
    ran = serin("events", "podinfo")
    assert ran.stdout.splitlines() == one
    assert serin("events", "-A").stdout.splitlines()[-1] == "2026-11-30T14:00:04Z  Normal   test/w�[2Jeb  Synced"
    assert serin("events", "podinfo", "--types", "warning").stdout == one[1] + "\n"
    found = json.loads(serin("events", "-A", "-o", "json").stdout)["items"]
    assert [obj["message"] for obj in found[1:]] == ["Halt advancement", "Synced"]


def test_events_of_one_second_are_told_as_they_were_written(api: ClusterApi, serin: Serin) -> None:
    api.put("canaries", canary())
    for text in ("Starting canary analysis", "Advance"):
        api.put("events", {**event(1, text), "metadata": {"name": text.lower()[:3]}})
    texts = [line.split("  ")[-1].strip() for line in serin("events", "podinfo").stdout.splitlines()]
    assert texts == ["Starting canary analysis", "Advance"]


def test_a_type_that_no_event_has_is_told(api: ClusterApi, serin: Serin) -> None:
    line = "--types: found 'Bogus'; allowed: Normal, Warning, or both with a comma between"
    assert serin("events", "--types", "Warning,Bogus") == Ran(2, "", f"serin: {line}\n")


def test_no_events_at_all_are_told(api: ClusterApi, serin: Serin) -> None:
    assert serin("events") == Ran(0, "", "serin: found no events; the API server keeps them for an hour\n")

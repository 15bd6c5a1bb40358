"""`python -m tests.support.page_pictures`: take the pictures of docs/images in a real Chromium."""

import asyncio
import math
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import typer
from aiohttp import web

from tests.support.chromium import Tab, chromium
from tests.support.cluster import REPOSITORY
from tests.support.page import SmallCluster, serving_page, stored
from tests.support.web import serving

_NAMES: Final = (
    *("auth", "cart", "catalog", "checkout", "gateway", "inventory"),
    *("mailer", "payments", "profile", "reviews", "search", "shipping"),
)
_PHASES: Final = {
    "checkout": "WaitingPromotion",
    "inventory": "Succeeded",
    "payments": "Progressing",
    "search": "Failed",
}
_PEOPLE: Final = ("alice", "bob", "system:serviceaccount:ci:deployer")
_IMAGES: Final = REPOSITORY / "docs" / "images"
_MINUTE_S: Final = 60

Json = dict[str, Any]


def main(folder: Path = _IMAGES) -> None:
    """Write the list in light and dark, and one canary."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in asyncio.run(_take()).items():
        (folder / name).write_bytes(picture)
        print(f"{folder / name}: {len(picture) // 1024} KiB")


async def _take() -> dict[str, bytes]:
    cluster = SmallCluster()
    now_s = time.time()
    for position, namespace in enumerate(("shop", "core")):
        for number, name in enumerate(_NAMES):
            _put(cluster, name, namespace, now_s, position * len(_NAMES) + number)
    async with (
        serving(_answer) as prometheus,
        serving_page(cluster, prometheus=prometheus) as url,
        chromium() as browser,
    ):
        for step, weight in enumerate((0, 5, 10, 15, 20, 25)):
            cluster.put(_podinfo(now_s, step, weight))
        cluster.put_pods("test", "podinfo", 2, 2)
        cluster.put_pods("test", "podinfo-primary", 3, 3)
        tab = await browser()
        await tab.size(1280, 640)
        await tab.open(url)
        await tab.wait("document.querySelectorAll('#canaries tbody tr').length", lambda count: count == 25)
        light = await _picture(tab)
        await tab.prefer("dark")
        dark = await _picture(tab)
        await tab.prefer("light")
        await tab.size(1280, 1100)
        await tab.look("location.hash = '#/test/podinfo'")
        await tab.wait("document.querySelectorAll('#detail svg').length", lambda count: count >= 5)
        return {"page-list-light.png": light, "page-list-dark.png": dark, "page-canary.png": await _picture(tab)}


async def _picture(tab: Tab) -> bytes:
    await tab.look("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return await tab.picture()


def _put(cluster: SmallCluster, name: str, namespace: str, now_s: float, number: int) -> None:
    phase = _PHASES.get(name, "Succeeded") if namespace == "shop" else "Progressing" if name == "auth" else "Succeeded"
    weight = {"Progressing": 15 + number, "WaitingPromotion": 50}.get(phase, 0)
    is_lost = (name, namespace) == ("inventory", "shop")
    ready = ("False", "TargetNotFound", "Deployment shop/inventory does not exist")
    obj = stored(
        name,
        namespace,
        phase=phase,
        weight=weight,
        **({"ready": ready} if is_lost else {}),
        ours={
            "change": {
                "revision": "r",
                "what": f"{name} image 1.{number}.0 -> 1.{number + 1}.0",
                "by": _PEOPLE[number % len(_PEOPLE)],
            },
            **({"waitingFor": ["confirm-promotion/lead"]} if phase == "WaitingPromotion" else {}),
        },
        failedChecks=5 if phase == "Failed" else 0,
        lastTransitionTime=_at(now_s - 47 - 997 * number * number),
    )
    cluster.put(obj)
    cluster.put_pods(namespace, name, 2 if weight else 0, 2 if weight else 0)
    cluster.put_pods(namespace, f"{name}-primary", 3, 3)


def _podinfo(now_s: float, step: int, weight: int) -> Json:
    text = (
        "Halt podinfo.test advancement success rate 98.60% < 99%"
        if weight == 20
        else "Advance podinfo.test canary weight"
    )
    samples = [(now_s - _MINUTE_S * back, 98.6 if back == 5 else 99.1 + 0.08 * back) for back in range(9, 0, -1)]
    durations = [(now_s - _MINUTE_S * back, 260 + 9 * back) for back in range(9, 0, -1)]
    return stored(
        weight=weight,
        lastTransitionTime=_at(now_s - 90),
        ours={
            "storedAt": _at(now_s - 15 * _MINUTE_S + step * 150),
            "sequence": step + 1,
            "notBefore": _at(now_s + 8),
            "run": {"startedAt": _at(now_s - 15 * _MINUTE_S)},
            "checks": [
                _check("request-success-rate", {"min": 99, "unit": "%"}, samples, "success rate 98.60% < 99%"),
                _check("request-duration", {"max": 500, "unit": "ms"}, durations, ""),
            ],
            "news": [
                {"type": "Warning", "text": text} if weight == 20 else {"type": "Normal", "text": f"{text} {weight}"}
            ],
        },
    )


def _check(name: str, bounds: Json, samples: Sequence[tuple[float, float]], reason: str) -> Json:
    low = bounds.get("min", 0)
    told = [{"at": _at(at_s), "value": value, "verdict": "fail" if value < low else "pass"} for at_s, value in samples]
    return {"name": name, **bounds, "samples": told, "reason": reason}


async def _answer(request: web.Request) -> web.Response:
    """Answer as Prometheus would: a canary that is a little slower, and errs a little more."""
    asked = await request.post()
    query, end = str(asked["query"]), int(str(asked["end"]))
    is_canary = "canaryupstream" in query
    moments = range(end - (900 if is_canary else 1800), end + 1, 30)
    series: list[Json]
    if "histogram_quantile" in query:
        series = [
            {"metric": {}, "values": [[at, str((260 if is_canary else 190) + 40 * _rough(at))] for at in moments]}
        ]
    else:
        bad = [[at, str((7 if is_canary else 2) * _rough(at))] for at in moments]
        series = [
            {"metric": {"envoy_response_code": "200"}, "values": [[at, "900"] for at in moments]},
            {"metric": {"envoy_response_code": "503"}, "values": bad},
        ]
    return web.json_response({"status": "success", "data": {"resultType": "matrix", "result": series}})


def _rough(at_s: int) -> float:
    """Between 0 and 1, and never twice the same."""
    return math.sin(at_s % 10_007) * 43_758.5453 % 1


def _at(moment_s: float) -> str:
    return datetime.fromtimestamp(moment_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


if __name__ == "__main__":
    typer.run(main)

"""The agent alone, a process as it is shipped, against a replayed API server and a metrics server.

What is measured is the agent: it has one core, the replay another. All canaries are applied at once; then, after a time
of rest, the images of all of them are changed at once, up to MOST_CHANGED.

    python -m benchmarks.scale.replayed 100 300

AGENT_PYTHON has further flags of the agent's Python, such as `-m cProfile -o build/agent.prof`.
"""

import asyncio
import json
import os
import re
import socket
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final
from urllib.request import urlopen

import orjson
import typer
import uvloop
from aiohttp import web

from benchmarks.paths import REPOSITORY
from benchmarks.proc import cpu_s, memory_mib, stat
from benchmarks.quantiles import quantile
from benchmarks.scale.replay import objects
from benchmarks.scale.replay.controllers import Controllers
from canary.api.parts import mapping_of
from tests.support.stored_api.server import StoredApi, serving_api
from tests.support.stored_api.store import Object, Place, Store
from tests.support.web import serving_bare

MOST_CHANGED: Final = 1_000
"""Images changed at once: that many at the most, however many canaries there are."""

_IDLE_S: Final = 60.0
_SETTLE_S: Final = 5.0
_STEP_TIMEOUT_S: Final = 3_600.0
_LOOK_EVERY_S: Final = 0.1

_Key = tuple[str, str]

_LAGS: Final = re.compile(rb'^serin_tick_lag_seconds_bucket\{le="(\S+)"\} (\S+)', re.MULTILINE)


@dataclass(frozen=True)
class Measured:
    """The row of so many canaries: seconds, cores, requests a second and MiB. `details` are for whoever works on it."""

    row: dict[str, object]
    details: dict[str, object]


def measure(canaries: int) -> dict[str, object]:
    """Return the row of so many canaries."""
    return uvloop.run(_measure(canaries, _IDLE_S)).row


@dataclass
class Course:
    """When what happened to each canary, in seconds of one clock; a canary is known by its namespace and name."""

    phases: dict[_Key, str] = field(default_factory=dict)
    changed_at_s: dict[_Key, float] = field(default_factory=dict)
    available_at_s: dict[_Key, float] = field(default_factory=dict)
    detected_at_s: dict[_Key, float] = field(default_factory=dict)
    weighted_at_s: dict[_Key, float] = field(default_factory=dict)
    finished_at_s: dict[_Key, float] = field(default_factory=dict)

    def note_write(self, place: Place, before: Object, after: Object) -> None:
        """Note what the agent writes."""
        (plural, *_), key, now_s = place, _key(place), time.monotonic()
        if plural == "canaries":
            phase = (after.get("status") or {}).get("phase", "")
            if phase != (before.get("status") or {}).get("phase", ""):
                self.phases[key] = phase
            if key not in self.changed_at_s:
                return
            if phase == "Progressing":
                self.detected_at_s.setdefault(key, now_s)
            if phase == "Succeeded" and key in self.detected_at_s:
                self.finished_at_s.setdefault(key, now_s)
        elif plural == "routetables" and key in self.changed_at_s and _canary_weight(after):
            self.weighted_at_s.setdefault(key, now_s)

    def note_available(self, target: Place) -> None:
        """Note that a target's pods are ready."""
        key = _key(target)
        if key in self.detected_at_s:
            self.available_at_s.setdefault(key, time.monotonic())


def _key(place: Place) -> _Key:
    """Return the canary of an object, all of whose objects have its name."""
    return place.namespace, place.name


def _canary_weight(table: Object) -> int:
    """Return the weight of the last destination, which is the canary side's."""
    routes = (mapping_of(mapping_of(route, "routeAction"), "multi") for route in table["spec"]["routes"])
    destinations = [one for multi in routes for one in multi.get("destinations") or ()]
    return int(destinations[-1].get("weight", 0)) if destinations else 0


async def _measure(canaries: int, idle_s: float) -> Measured:
    course, store = Course(), Store()
    Controllers(store, course.note_available).start()
    api = StoredApi(store, course.note_write, unkept=frozenset({"events"}))
    for number in range(canaries):
        for plural, made in (
            ("deployments", objects.deployment(number)),
            ("virtualservices", objects.virtual_service(number)),
        ):
            store.create(plural, objects.applied(made))
    await asyncio.sleep(_SETTLE_S)
    with TemporaryDirectory() as folder, _on_another_core() as core:
        async with (
            serving_api(api) as url,
            _metrics_server() as metrics_server,
            running_agent(Path(folder), url, metrics_server, core) as agent,
        ):
            return await _play(canaries, idle_s, api, course, agent)


async def _play(canaries: int, idle_s: float, api: StoredApi, course: Course, agent: "Agent") -> Measured:
    keys = [(objects.namespace_of(number), objects.name_of(number)) for number in range(canaries)]
    started = agent.look()
    for number in range(canaries):
        api.store.create("canaries", objects.applied(objects.canary(number)))
    await _until(lambda: list(course.phases.values()).count("Initialized") == canaries, "all initialised")
    initialised = agent.look()
    await asyncio.sleep(_SETTLE_S)

    rested, asked = agent.look(), _requests(api)
    await asyncio.sleep(idle_s)
    idle, idle_requests = agent.look() - rested, _requests(api) - asked

    changed, before, lag_before = keys[:MOST_CHANGED], agent.look(), await agent.tick_lag()
    counted = api.requests.copy()
    for key in changed:
        api.store.edit(Place("deployments", *key), lambda target: objects.set_image(target, "3.1.1"))
        course.changed_at_s[key] = time.monotonic()
    await _until(lambda: len(course.finished_at_s) == len(changed), "all promoted")
    busy, lag_after = agent.look() - before, await agent.tick_lag()
    lag = {bound: number - lag_before[bound] for bound, number in lag_after.items()}
    spent = _requests(api) - counted
    detected_s = [course.detected_at_s[key] - course.changed_at_s[key] for key in changed]
    weighted_s = [course.weighted_at_s[key] - course.available_at_s[key] for key in changed]
    ran_s = [course.finished_at_s[key] - course.changed_at_s[key] for key in changed]
    row = {
        "canaries": canaries,
        "idle_cpu_cores": round(idle.cpu_s / idle.at_s, 5),
        "idle_requests_s": round(idle_requests.total() / idle.at_s, 2),
        "busy_cpu_cores": round(busy.cpu_s / busy.at_s, 3),
        "rss_mib": round(agent.rss_mib(), 1),
        "detect_s": _quantiles(detected_s, p50=0.5, p95=0.95) | {"max": round(max(detected_s), 2)},
        "first_weight_s": round(quantile(weighted_s, 0.5), 2),
        "tick_lag_s": {"p50": lag_quantile(lag, 0.5), "p99": lag_quantile(lag, 0.99)},
        "cpu_s_per_finished": round(busy.cpu_s / len(changed), 4),
        "initialised_s": round(initialised.at_s - started.at_s, 1),
        "run_s": round(quantile(ran_s, 0.5), 1),
    }
    requests = {kind: round(number / len(changed), 2) for kind, number in sorted(spent.items())}
    initialise_cpu_s = round((initialised.cpu_s - started.cpu_s) / canaries, 4)
    details = {"changed_at_once": len(changed), "initialise_cpu_s": initialise_cpu_s, "requests_per_finished": requests}
    return Measured(row, details)


def _requests(api: StoredApi) -> Counter[str]:
    return Counter({kind: number for kind, number in api.requests.items() if not kind.startswith("WATCH")})


def _quantiles(samples: list[float], **shares: float) -> dict[str, float]:
    return {name: round(quantile(samples, share), 2) for name, share in shares.items()}


def lag_quantile(buckets: Mapping[float, float], share: float) -> float:
    """Return the bound below which this share of a histogram's samples is: cumulative counts by their bounds."""
    whole = max(buckets.values(), default=0.0)
    return next((bound for bound, number in sorted(buckets.items()) if number >= share * whole), 0.0)


async def _until(is_so: Callable[[], bool], what: str) -> None:
    give_up_at_s = time.monotonic() + _STEP_TIMEOUT_S
    while not is_so():
        assert time.monotonic() < give_up_at_s, f"not within {_STEP_TIMEOUT_S:g} s: {what}"
        await asyncio.sleep(_LOOK_EVERY_S)


@dataclass(frozen=True, slots=True)
class Look:
    """The time, and the CPU time that the agent had by then."""

    at_s: float
    cpu_s: float

    def __sub__(self, earlier: "Look") -> "Look":
        return Look(self.at_s - earlier.at_s, self.cpu_s - earlier.cpu_s)


@dataclass(frozen=True)
class Agent:
    """The agent under measurement."""

    process_id: int
    port: int

    def look(self) -> Look:
        """Look at the clock, and at its CPU time."""
        return Look(time.monotonic(), cpu_s(stat(self.process_id)))

    def rss_mib(self) -> float:
        """Return its resident memory."""
        return memory_mib(self.process_id)["VmRSS"]

    async def tick_lag(self) -> dict[float, float]:
        """Return the histogram of how late its ticks were: cumulative counts by their bounds."""
        text = await asyncio.to_thread(_read, self.port, "metrics")
        return {float(bound): float(number) for bound, number in _LAGS.findall(text)}


@contextmanager
def _on_another_core() -> Iterator[int]:
    """Leave the first core that we may use to the agent; gives its number."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, allowed - {min(allowed)} or allowed)
    try:
        yield min(allowed)
    finally:
        os.sched_setaffinity(0, allowed)


@asynccontextmanager
async def running_agent(folder: Path, url: str, metrics_server: str, core: int) -> AsyncIterator[Agent]:
    """Run an agent as it is shipped, on one core."""
    kubeconfig, port = folder / "kubeconfig", _free_port()
    kubeconfig.write_bytes(
        orjson.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "c", "cluster": {"server": url}}],
                "users": [{"name": "u", "user": {"token": "t"}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "x",
            }
        )
    )
    flags = [f"--kubeconfig={kubeconfig}", f"--port={port}", f"--metrics-server={metrics_server}", "--page-port=0"]
    command = [sys.executable, *os.environ.get("AGENT_PYTHON", "").split(), "-m", "agent", *flags]
    with (folder / "agent.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, cwd=REPOSITORY, stderr=log, stdout=log)
        try:
            os.sched_setaffinity(process.pid, {core})
            print(f"the agent is process {process.pid}", file=sys.stderr, flush=True)
            while not await asyncio.to_thread(_read, port, "readyz"):  # noqa: ASYNC110  another process
                await asyncio.sleep(_LOOK_EVERY_S)
            yield Agent(process.pid, port)
        finally:
            process.terminate()
            await process.wait()


def _read(port: int, path: str) -> bytes:
    """Return what the agent answers, empty when it does not, or not well."""
    with suppress(OSError), urlopen(f"http://127.0.0.1:{port}/{path}") as answer:
        text: bytes = answer.read()
        return text
    return b""


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@asynccontextmanager
async def _metrics_server() -> AsyncIterator[str]:
    """Serve a Prometheus that has 1,000 good answers of each revision, and no request of what drains."""

    async def answer(request: web.BaseRequest) -> web.Response:
        query = str((await request.post()).get("query", ""))
        value, labels = ("1000", {"envoy_response_code": "200"}) if "envoy_response_code" in query else ("0", {})
        result = [{"metric": labels, "value": [time.time(), value]}]
        found = {"status": "success", "data": {"resultType": "vector", "result": result}}
        return web.Response(body=orjson.dumps(found), content_type="application/json")

    async with serving_bare(web.Server(answer, access_log=None)) as url:
        yield url


def main(
    canaries: Annotated[list[int], typer.Argument(help="How many; a measurement for each.")], idle_s: float = _IDLE_S
) -> None:
    """Measure the agent alone, and print the figures."""
    for number in canaries:
        measured = uvloop.run(_measure(number, idle_s))
        print(json.dumps(measured.row | measured.details))


if __name__ == "__main__":
    typer.run(main)

"""One row of figures, measured on a sandbox of its own: a real control plane, hollow pods, one agent as shipped."""

import asyncio
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.kubectl import kubectl
from benchmarks.paths import BUILD
from benchmarks.quantiles import quantile
from benchmarks.sandbox import sandbox
from benchmarks.scale.following import Follower, following
from benchmarks.scale.lives import Life
from benchmarks.scale.objects import NAMESPACE, applied, events_of, image, names
from benchmarks.scale.processes import AGENT, cpu_s, memory_mib
from benchmarks.scale.series import Scrape, quantile_between, scrape
from benchmarks.scale.storm import set_images
from kube.client import Client
from kube.resource import EVENTS

_SETTLED_S: Final = 20.0
_IDLE_S: Final = 60.0
_EVENTS_WITHIN_S: Final = 60.0

# The steps alone take 50 s. Nobody waits for ever for what is stuck: then the row says how many were.
_INITIALISED_WITHIN_S: Final = 300.0
_PROMOTED_WITHIN_S: Final = 300.0
_FOR_EACH_S: Final = 1.5

_LAG: Final = "serin_tick_lag_seconds"
_DETECTED: Final = "serin_revision_detected_seconds"
_REQUESTS: Final = "serin_api_requests_total"

_LEAST_SHOWN_S: Final = 0.1
_AGENT_PODS: Final = "app.kubernetes.io/name=serin-agent"


def measure(canaries: int) -> dict[str, Any]:
    """Return the figures of so many canaries."""
    state = BUILD / "bench-scale"
    with sandbox(state, is_as_shipped=True) as kubeconfig:
        return asyncio.run(_measure(Bench(state, kubeconfig, canaries)))


@dataclass(frozen=True)
class Bench:
    """One cluster and the number of its canaries."""

    state: Path
    kubeconfig: Path
    canaries: int

    def agent(self) -> Scrape:
        """Read the agent's series."""
        return scrape(json.loads((self.state / "endpoints.json").read_text())["agent"])

    def cpu_s(self) -> dict[str, float]:
        """Return the CPU seconds of each part of the cluster, and those of the users: of this process."""
        return cpu_s(self.state) | {"bench": time.process_time()}

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run one command of the cluster's administrator."""
        return kubectl(self.kubeconfig, *arguments, stdin=stdin)

    async def apply(self, namespace: str) -> float:
        """Apply all objects by one kubectl, as a user or a pipeline does; return how long that took."""
        listed = {"apiVersion": "v1", "kind": "List", "items": applied(self.canaries, namespace)}
        started_s = time.monotonic()
        await asyncio.to_thread(self.kubectl, "apply", "-f", "-", stdin=json.dumps(listed))
        return time.monotonic() - started_s


async def _measure(bench: Bench) -> dict[str, Any]:
    async with (
        Client.connect(kubeconfig=bench.kubeconfig, user_agent="bench/1") as client,
        following(client) as follower,
    ):
        row: dict[str, Any] = {"canaries": bench.canaries}
        row |= await _initialise(bench, follower)
        row |= await _idle(bench)
        row |= await _run(bench, client, follower)
        row |= await _without_serin(bench, client)
        row["storm_ratio"] = round(row["storm_s"] / row["storm_without_s"], 2)
        return row


async def _initialise(bench: Bench, follower: Follower) -> dict[str, Any]:
    """Apply everything and wait until all canaries are Initialized."""
    started_s, before = time.monotonic(), bench.cpu_s()
    applied_s = await bench.apply(NAMESPACE)
    within_s = _INITIALISED_WITHIN_S + _FOR_EACH_S * bench.canaries
    are_all = await follower.until_all_are("Initialized", bench.canaries, within_s)
    assert are_all, f"after {within_s:g} s: {follower.counts()}"
    took_s = time.monotonic() - started_s
    spent = _spent(before, bench.cpu_s())
    return {
        "applied_s": round(applied_s, 1),
        "initialised_s": round(took_s, 1),
        "cpu_s_per_initialised": round(spent[AGENT] / bench.canaries, 3),
        "initialising_cpu_s": spent,
    }


async def _idle(bench: Bench) -> dict[str, Any]:
    """Look at an agent that has nothing to do."""
    await asyncio.sleep(_SETTLED_S)
    before, spent = bench.agent(), bench.cpu_s()
    started_s = time.monotonic()
    await asyncio.sleep(_IDLE_S)
    after, took_s = bench.agent(), time.monotonic() - started_s
    used_s = bench.cpu_s()[AGENT] - spent[AGENT]
    return {
        "idle_cpu_cores": round(used_s / took_s, 4),
        "idle_requests_s": round((after.total(_REQUESTS) - before.total(_REQUESTS)) / took_s, 2),
        "idle_rss_mib": round(memory_mib(bench.state, AGENT)["VmRSS"], 1),
    }


async def _run(bench: Bench, client: Client, follower: Follower) -> dict[str, Any]:
    """Change all images at once and follow every run to its end."""
    life, scraped, before = Life.of(bench.kubectl), bench.agent(), bench.cpu_s()
    follower.begin(image(1))
    began_s = time.monotonic()
    set_at_s = await set_images(client, names(bench.canaries), image(1))
    storm_s = time.monotonic() - began_s

    def is_over() -> bool:
        return all(follower.of(name).ended_at_s for name in set_at_s)

    await follower.until(is_over, _PROMOTED_WITHIN_S + _FOR_EACH_S * bench.canaries)
    busy_s, spent = time.monotonic() - began_s, _spent(before, bench.cpu_s())
    memory = memory_mib(bench.state, AGENT)
    after = bench.agent()
    seen = {name: follower.of(name) for name in set_at_s}
    phases = follower.counts()
    detected = [one.detected_at_s - set_at_s[name] for name, one in seen.items() if one.detected_at_s]
    weighted = [one.weighted_at_s - one.available_at_s for one in seen.values() if one.weighted_at_s]
    from_change = [one.weighted_at_s - set_at_s[name] for name, one in seen.items() if one.weighted_at_s]
    ended = [one.ended_at_s - set_at_s[name] for name, one in seen.items() if one.ended_at_s]
    available = [one.available_at_s - one.detected_at_s for one in seen.values() if one.available_at_s]
    return {
        "busy_cpu_cores": round(spent[AGENT] / busy_s, 3),
        "rss_mib": round(memory["VmRSS"], 1),
        "rss_most_mib": round(memory["VmHWM"], 1),
        "detect_s": _shares(detected, p50=0.5, p95=0.95, max=1.0),
        "detect_by_series_s": {
            "p50": round(quantile_between(scraped, after, _DETECTED, 0.5), 2),
            "p95": round(quantile_between(scraped, after, _DETECTED, 0.95), 2),
        },
        "available_s": _shares(available, p50=0.5),
        "first_weight_s": _shares(weighted, p50=0.5)["p50"],
        "first_weight_p95_s": _shares(weighted, p95=0.95)["p95"],
        "first_weight_after_change_s": _shares(from_change, p50=0.5)["p50"],
        "tick_lag_s": {
            "p50": round(quantile_between(scraped, after, _LAG, 0.5), 3),
            "p99": round(quantile_between(scraped, after, _LAG, 0.99), 3),
        },
        "cpu_s_per_finished": round(spent[AGENT] / max(len(ended), 1), 3),
        "run_s": _shares(ended, p50=0.5)["p50"],
        "run_p95_s": _shares(ended, p95=0.95)["p95"],
        "all_ended_s": round(busy_s, 1),
        "promoted": phases.get("Succeeded", 0),
        "not_promoted": bench.canaries - phases.get("Succeeded", 0),
        **Life.of(bench.kubectl).losses_since(life),
        "dropped_events": await _dropped_events(client, set_at_s),
        "requests_per_run": round((after.total(_REQUESTS) - scraped.total(_REQUESTS)) / bench.canaries, 1),
        "busy_cpu_s": spent,
        "storm_s": round(storm_s, 2),
    }


async def _dropped_events(client: Client, names: dict[str, float]) -> int:
    """Count the events of whole runs that are not there; the last ones may come some seconds late."""
    expected = {name: events_of(name) for name in names}
    give_up_at_s = time.monotonic() + _EVENTS_WITHIN_S
    while True:
        missing = {name: set(texts) for name, texts in expected.items()}
        for event in await client.list(EVENTS, NAMESPACE):
            left = missing.get(event["involvedObject"].get("name", ""), set())
            left -= {text for text in left if event["message"].startswith(text)}
        dropped = sum(map(len, missing.values()))
        if not dropped or time.monotonic() > give_up_at_s:
            return dropped
        await asyncio.sleep(1.0)


async def _without_serin(bench: Bench, client: Client) -> dict[str, Any]:
    """Change all images again without the agent, and once more without the webhook; then apply everything without both.

    The canary sides have no pods now, as they had none before: what differs is what Serin does.
    """
    agent = ("-n", "gloo-system")
    bench.kubectl(*agent, "scale", "deployment/serin-agent", "--replicas=0")
    bench.kubectl(*agent, "wait", "pod", "-l", _AGENT_PODS, "--for=delete", "--timeout=300s")
    webhook_s = await _settled_storm(bench, client, 2)
    for kind in ("mutatingwebhookconfiguration", "validatingwebhookconfiguration"):
        bench.kubectl("delete", kind, "serin-webhook")
    without_s = await _settled_storm(bench, client, 3)
    applied_s = await bench.apply(f"{NAMESPACE}-bare")
    return {
        "storm_webhook_alone_s": round(webhook_s, 2),
        "storm_without_s": round(without_s, 2),
        "applied_without_s": round(applied_s, 1),
    }


async def _settled_storm(bench: Bench, client: Client, tag: int) -> float:
    """Let the cluster come to rest, change all images, and return how long that took."""
    await asyncio.sleep(_SETTLED_S)
    began_s = time.monotonic()
    await set_images(client, names(bench.canaries), image(tag))
    return time.monotonic() - began_s


def _spent(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """Return the CPU seconds that each part used meanwhile, the most first; what used next to nothing is left out."""
    used = {part: round(spent_s - before.get(part, 0.0), 1) for part, spent_s in after.items()}
    shown = {part: spent_s for part, spent_s in used.items() if spent_s >= _LEAST_SHOWN_S or part == AGENT}
    return dict(sorted(shown.items(), key=lambda item: -item[1]))


def _shares(samples: list[float], **shares: float) -> dict[str, float]:
    return {name: round(quantile(samples, share), 2) if samples else 0.0 for name, share in shares.items()}

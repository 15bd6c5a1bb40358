"""Everything behind `/metrics` of the agent: the series of canaries, and those of the agent itself."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, get_args

from aioprometheus.collectors import Counter, Gauge, Histogram, Registry
from aioprometheus.renderer import render

from agent.leadership import Fence
from agent.series.calls import OTHER, CallSeries
from agent.series.canaries import CanarySeries
from agent.series.runs import RunSeries
from agent.shards.assignment import shard_of
from canary.api.alert_provider import AlertProviderType
from kube.resource import Object

_INF: Final = float("inf")
_TICK_S: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, _INF)
_LOOP_LAG_S: Final = (0.01, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0, _INF)
_TICK_LAG_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, _INF)

_EVENT_OUTCOMES: Final = ("sent", "failed", "lost")
_ALERT_OUTCOMES: Final = (*_EVENT_OUTCOMES, "delayed")
_CHATS: Final = frozenset(get_args(AlertProviderType))


class AgentMetrics:
    """The series of one agent. `fence` is asked at each scrape: canaries are shown by who leads them.

    `canaries` returns them as they are stored, see `show_canaries`. `runs` and `calls` measure what their names say.
    """

    def __init__(
        self,
        version: str,
        fence: Fence | None = None,
        canaries: Callable[[], Iterable[Object]] = lambda: (),
    ) -> None:
        self._registry = registry = Registry()
        self._fence = fence or Fence(leading={0: lambda: True})
        self._lengths: Mapping[str, Callable[[], int]] = {}
        self.canaries = CanarySeries(canaries)
        self.runs = RunSeries(registry)
        self.calls = CallSeries(registry)
        info = Gauge("flagger_info", "Flagger version and mesh provider information", registry=registry)
        info.set({"version": version, "mesh_provider": "gloo"}, 1)
        self._leading = Gauge(
            "serin_agent_leading", "1 if this agent holds the Lease, or one of them", registry=registry
        )
        self._leaders = Gauge("serin_shard_leader", "1 if this agent leads the shard", registry=registry)
        self._ticks = Histogram(
            "serin_tick_seconds",
            "Seconds from a canary's wake-up to its next sleep",
            registry=registry,
            buckets=_TICK_S,
        )
        self._tick_lag = Histogram(
            "serin_tick_lag_seconds",
            "Seconds from the time at which a canary's tick was due, or something woke it, to the tick's beginning",
            registry=registry,
            buckets=_TICK_LAG_S,
        )
        self._lag = Histogram(
            "serin_event_loop_lag_seconds",
            "Seconds by which the agent's event loop was late",
            registry=registry,
            buckets=_LOOP_LAG_S,
        )
        self._errors = Counter("serin_tick_errors_total", "Ticks that ended in an error", registry=registry)
        self._alerts = Counter("serin_alerts_total", "Alerts by type of chat and outcome", registry=registry)
        self._events = Counter("serin_event_hook_events_total", "Events for hooks by outcome", registry=registry)
        for outcome in _EVENT_OUTCOMES:
            self._events.add({"outcome": outcome}, 0)
        for outcome in _ALERT_OUTCOMES:
            for provider_type in _CHATS:
                self._alerts.add({"provider_type": provider_type, "outcome": outcome}, 0)
        self._queues = Gauge(
            "serin_queue_length",
            "Canaries that wait for their turn or their run, checks that wait to be asked, messages to be sent",
            registry=registry,
        )

    def show_canaries(self, stored: Callable[[], Iterable[Object]]) -> None:
        """Show the Canaries that `stored` returns at each scrape: an object that is the same one has not changed."""
        self.canaries.stored = stored

    def show_queues(self, lengths: Mapping[str, Callable[[], int]]) -> None:
        """Show how much waits in each queue, asked at each scrape."""
        self._lengths = lengths

    def render(self, accepted: list[str]) -> tuple[bytes, dict[str, str]]:
        """Return body and headers of `/metrics` for the client's Accept headers, all at once."""
        own, headers = self._render_own(accepted)
        return own + "".join(self._pieces()).encode(), headers

    async def render_in_pieces(self, accepted: list[str]) -> tuple[bytes, dict[str, str]]:
        """Return the same, and let others have the event loop meanwhile: a thousand canaries take some time."""
        pieces: list[str] = []
        for piece in self._pieces():
            pieces.append(piece)
            await asyncio.sleep(0)
        own, headers = self._render_own(accepted)
        return own + "".join(pieces).encode(), headers

    def _pieces(self) -> Iterator[str]:
        led, shards = frozenset(self._fence.led()), self._fence.shards
        return self.canaries.pieces(lambda namespace: shard_of(namespace, shards) in led if namespace else bool(led))

    def _render_own(self, accepted: list[str]) -> tuple[bytes, dict[str, str]]:
        self._leading.set({}, int(self._fence.is_open()))
        for shard in range(self._fence.shards):
            self._leaders.set({"shard": str(shard)}, int(self._fence.leads(shard)))
        for queue, length in self._lengths.items():
            self._queues.set({"queue": queue}, length())
        body, headers = render(self._registry, accepted)
        return body, headers

    def observe_tick(self, seconds: float) -> None:
        """Record how long a wake-up took."""
        self._ticks.observe({}, seconds)

    def observe_tick_lag(self, seconds: float) -> None:
        """Record how late a canary's tick began."""
        self._tick_lag.observe({}, max(seconds, 0.0))

    def observe_loop_lag(self, seconds: float) -> None:
        """Record how late the event loop was."""
        self._lag.observe({}, seconds)

    def count_alert(self, provider_type: str, outcome: str) -> None:
        """Count an alert that was sent, failed or was lost, or was put off because its chat failed."""
        known = provider_type if provider_type in _CHATS else OTHER
        self._alerts.inc({"provider_type": known, "outcome": outcome})

    def count_event(self, outcome: str) -> None:
        """Count an event that was sent to a hook, failed or was lost."""
        self._events.inc({"outcome": outcome})

    def count_error(self, kind: str) -> None:
        """Count a tick that ended in an error of a class."""
        self._errors.inc({"error": kind})

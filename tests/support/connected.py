"""What the loops of an agent share, on one session and without anybody behind it."""

import time

import aiohttp

from agent.caches import Caches
from agent.main import connect_services
from agent.providers.alerts.delivery import Delivery
from agent.providers.alerts.destinations import Destinations
from agent.providers.alerts.dispatcher import AlertDispatcher
from agent.providers.hooks import Hooks
from agent.reporting.event_hooks import EventHooks
from agent.series.agent_metrics import AgentMetrics
from agent.services import AgentServices
from agent.settings import Settings
from kube.client import Client
from kube.events import EventRecorder

SETTINGS = Settings(metrics_server="http://127.0.0.1:1")


def connected(
    client: Client,
    caches: Caches,
    session: aiohttp.ClientSession,
    metrics: AgentMetrics,
    *,
    recorder: EventRecorder | None = None,
    settings: Settings = SETTINGS,
) -> AgentServices:
    """Return the services of an agent; nothing of them is at work, but a recorder that is given may be."""
    recorder, hooks = recorder or EventRecorder(client, instance="test"), Hooks(session=session)
    destinations, delivery = Destinations(client, caches, None), Delivery(session=session)
    return connect_services(
        settings,
        client,
        caches,
        queries=session,
        hooks=hooks,
        recorder=recorder,
        alerts=AlertDispatcher(destinations, delivery, recorder, metrics.count_alert),
        event_hooks=EventHooks(hooks, metrics.count_event, time.time),
        metrics=metrics,
    )

"""Putting the agent together: every lifetime is a context manager, started in order and ended in reverse."""

import asyncio
import gc
import logging
import secrets
import socket
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Final

import aiohttp

from agent.applied_objects import AppliedObjects
from agent.apply import Applier
from agent.ask import Asker
from agent.caches import Caches
from agent.fault_injection import FaultInjection
from agent.flagger import FlaggerWatch
from agent.flagger_pods import cache_pods
from agent.leadership import Fence
from agent.limits.runs import RunQueue
from agent.loop_lag import watch_loop_lag
from agent.managed_objects import ManagedObjects
from agent.observe import Observer
from agent.page.opening import open_page
from agent.providers.alerts.delivery import Delivery
from agent.providers.alerts.destinations import Destinations, own_chat
from agent.providers.alerts.dispatcher import AlertDispatcher
from agent.providers.cloud.identities import Identities
from agent.providers.hooks import Hooks
from agent.providers.metrics.checks import MetricChecks
from agent.providers.metrics.sources import Sources
from agent.providers.routing.gloo import GlooRouting
from agent.providers.web.addresses import AddressRules
from agent.providers.web.sessions import environment_proxies, open_sessions
from agent.reporting.event_hooks import EventHooks
from agent.resources import CANARIES
from agent.series.agent_metrics import AgentMetrics
from agent.services import AgentServices
from agent.settings import ConfigTracking, Judge, Settings
from agent.shards.leading import lead
from agent.tracking.fingerprints import load_fingerprints
from agent.turns import Turns
from kube.backoff import Backoff
from kube.client import Client
from kube.errors import KubeError
from kube.events import EventRecorder
from kube.own_time import own_s
from kube.resource import DEPLOYMENTS, LEASES
from service.endpoint import serve_health
from service.lifetime import running, stop_on_signals, wait_until_stopped
from service.version import serin_version

_log = logging.getLogger(__name__)

# For each turn and each event that may be under way, and for the watches.
_CONNECTIONS: Final = 128

# For each Lease: one renews, and one may still hang.
_LEASE_CONNECTIONS: Final = 2

# What tenants' metrics ask the API server for may hang behind it: that takes no connection from writes and watches.
_CHECK_CONNECTIONS: Final = 16

_KEY_BACKOFF: Final = Backoff(first_s=0.5, max_s=10.0)


async def run(settings: Settings) -> None:
    """Run the agent until SIGTERM or SIGINT.

    Raises:
        kube.errors.ConfigError: no way to the API server is known.
    """
    stopped = stop_on_signals()
    agent_version = serin_version()
    fence = Fence(settings.shards)
    metrics = AgentMetrics(agent_version, fence)
    async with AsyncExitStack() as stack:
        connect = partial(Client.connect, kubeconfig=settings.kubeconfig, user_agent=f"serin/{agent_version}")
        observe = metrics.calls.observe_request
        client = await stack.enter_async_context(connect(max_connections=_CONNECTIONS, observe=observe))
        # A renewal must wait for nobody's connection: hundreds of writes may wait for the others.
        connections = _LEASE_CONNECTIONS * settings.shards
        lease_client = await stack.enter_async_context(connect(max_connections=connections, observe=observe))
        checks_client = await stack.enter_async_context(connect(max_connections=_CHECK_CONNECTIONS))
        _ = await stack.enter_async_context(running(watch_loop_lag(metrics.observe_loop_lag), "loop lag"))
        caches = Caches(
            client,
            settings.namespace,
            tracking=settings.config_tracking,
            config_reads_s=settings.config_reads_s,
            allows_across=settings.allows_across,
            lends_identity_to=settings.lends_identity_to,
            labels=settings.labels,
        )
        rules = AddressRules.read(
            settings.allowed_address_ranges, api_server=client.host, proxies=environment_proxies()
        )
        metrics.show_canaries(caches.of(CANARIES).items)
        await stack.enter_async_context(serve_health(settings.port, metrics.render_in_pieces, caches.stale))
        await stack.enter_async_context(open_page(settings, client, caches, rules, fence))
        async with running(_load_fingerprints(client, caches, settings), "fingerprints") as loading:
            await wait_until_stopped(stopped, loading)
        if stopped.is_set():
            return
        vital = [
            await stack.enter_async_context(running(caches.follow(cache), f"cache {cache.resource.plural}"))
            for cache in caches.all()
        ]
        services = await _open_services(stack, settings, client, checks_client, caches, rules, metrics, fence)
        _ = await stack.enter_async_context(running(freeze_once_synced(caches), "freezing"))
        leading = await stack.enter_async_context(running(lead(settings, lease_client, services, fence), "agent"))
        await wait_until_stopped(stopped, leading, *vital)


async def freeze_once_synced(caches: Caches) -> None:
    """Keep the garbage collector from looking again and again at what was imported, and at what the caches hold.

    Both stay. Each full collection would look at all of it, and hold up every canary's tick meanwhile; the lists make
    it collect most of all.
    """
    gc.freeze()
    await caches.wait_synced()
    gc.collect()
    gc.freeze()


async def _open_services(
    stack: AsyncExitStack,
    settings: Settings,
    client: Client,
    checks_client: Client,
    caches: Caches,
    rules: AddressRules,
    metrics: AgentMetrics,
    fence: Fence,
) -> AgentServices:
    """Open what has a lifetime of its own, ended by `stack`, and build what the loops share from it."""
    users = await stack.enter_async_context(open_sessions(rules))
    own = await stack.enter_async_context(open_sessions(None))
    recorder = await stack.enter_async_context(EventRecorder(client, instance=socket.gethostname()))
    delivery = Delivery(session=users.posts, own_session=own.posts, key=settings.hook_key)
    destinations = Destinations(client, caches, own_chat(settings))
    alerts = await stack.enter_async_context(
        AlertDispatcher(destinations, delivery, recorder, metrics.count_alert, cluster_name=settings.cluster_name)
    )
    hooks = Hooks(session=users.posts, key=settings.hook_key, observe=metrics.calls.observe_hook)
    event_hooks = await stack.enter_async_context(
        EventHooks(
            hooks,
            metrics.count_event,
            time.time,
            own_url=settings.event_webhook,
            own_hooks=Hooks(session=own.posts, key=settings.hook_key, observe=metrics.calls.observe_hook),
        )
    )
    services = connect_services(
        settings,
        client.guarded(fence.check),
        caches,
        checks_client=checks_client.guarded(lambda _: fence.check()),
        queries=users.queries,
        own_queries=own.queries,
        hooks=hooks,
        recorder=recorder,
        alerts=alerts,
        event_hooks=event_hooks,
        metrics=metrics,
    )
    return replace(services, is_leader=fence.is_open)


async def _load_fingerprints(client: Client, caches: Caches, settings: Settings) -> None:
    """Wait for the key of the fingerprints: what is read before it is there would seem to be another revision."""
    if settings.config_tracking is ConfigTracking.OFF:
        return
    key_namespace = settings.pod_namespace or settings.leader_election_namespace
    for failures in count(1):
        try:
            await load_fingerprints(
                client, caches.fingerprints, key_namespace=key_namespace, namespace=settings.namespace
            )
        except KubeError as error:
            delay_s = _KEY_BACKOFF.delay_s(failures)
            _log.warning("fingerprints: another try in %.1f s: %s", delay_s, error)
            await asyncio.sleep(delay_s)
        else:
            return


def connect_services(
    settings: Settings,
    client: Client,
    caches: Caches,
    *,
    checks_client: Client | None = None,
    queries: aiohttp.ClientSession,
    own_queries: aiohttp.ClientSession | None = None,
    hooks: Hooks,
    recorder: EventRecorder,
    alerts: AlertDispatcher,
    event_hooks: EventHooks,
    metrics: AgentMetrics,
) -> AgentServices:
    """Build what the loops of all canaries share from what has a lifetime of its own."""
    applied = AppliedObjects(client, caches)
    routing = GlooRouting(client, caches, applied, time.time)
    managed = ManagedObjects(caches, applied, routing)
    flagger = FlaggerWatch(
        caches.of(LEASES),
        caches.of(DEPLOYMENTS),
        partial(cache_pods, client),
        trusted=settings.trusts_flaggers_of,
    )
    sources = _connect_sources(
        settings, checks_client or client, caches, queries=queries, own_queries=own_queries, metrics=metrics
    )
    checks = MetricChecks(sources)
    turns, runs = Turns(client.pace, own_s), RunQueue(settings.run_limits)
    caches.of(CANARIES).subscribe(runs.follow)
    metrics.show_queues(
        {
            "ticks": lambda: turns.waiting,
            "runs": lambda: runs.waiting,
            "queries": lambda: checks.waiting,
            "alerts": lambda: alerts.waiting,
            "events": lambda: recorder.waiting,
            "eventHooks": lambda: event_hooks.waiting,
        }
    )
    return AgentServices(
        client=client,
        caches=caches,
        managed=managed,
        observer=Observer(caches, managed, routing, flagger, runs, now_s=time.time),
        routing=routing,
        asker=Asker(checks, hooks),
        applier=Applier(client, caches, managed, routing),
        recorder=recorder,
        alerts=alerts,
        event_hooks=event_hooks,
        flagger=flagger,
        metrics=metrics,
        faults=FaultInjection.from_environment(),
        process=f"{socket.gethostname()}_{secrets.token_hex(4)}",
        now_s=time.time,
        turns=turns,
        runs=runs,
        judges_by_evidence=settings.judge is Judge.EVIDENCE,
    )


def _connect_sources(
    settings: Settings,
    client: Client,
    caches: Caches,
    *,
    queries: aiohttp.ClientSession,
    own_queries: aiohttp.ClientSession | None,
    metrics: AgentMetrics,
) -> Sources:
    """Build what checks ask: `own_queries` reaches the agent's own server, and what lends it an identity."""
    return Sources(
        queries,
        client,
        caches,
        metrics_server=settings.metrics_server,
        timeout_s=settings.query_timeout_s,
        own_session=own_queries,
        gateways=settings.gateway_namespaces,
        identities=Identities(own_queries or queries, settings.lends_identity_to),
        observe=metrics.calls.observe_provider,
    )

"""Opening the page: a port of its own, and what it reads from."""

import logging
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from agent.caches import Caches
from agent.leadership import Fence
from agent.page.access import Access, LoopbackAccess, TokenAccess
from agent.page.feed import Feed
from agent.page.recent import Recent
from agent.page.reviews import Reviews
from agent.page.server import Page
from agent.page.traffic import TrafficReader
from agent.providers.metrics.sources import Sources
from agent.providers.web.addresses import AddressRules
from agent.providers.web.sessions import open_session
from agent.settings import PageAuth, Settings
from kube.client import Client
from service.endpoint import listen, serving
from service.version import serin_version

_log = logging.getLogger(__name__)

_QUERY_TIMEOUT_S: Final = 5.0


@asynccontextmanager
async def open_page(
    settings: Settings, client: Client, caches: Caches, rules: AddressRules, fence: Fence
) -> AsyncIterator[int | None]:
    """Serve the page until the block ends; yield its port, None where there is no page.

    `rules`: which addresses of users are asked.
    Canaries need no page: a port that is taken is told in the log, and nothing else.
    """
    if settings.page_port is None:
        yield None
        return
    try:
        listener = _listen(settings.page_port, settings.page_auth)
    except OSError as error:
        _log.warning("--page-port=%d: no page is served: %s", settings.page_port, error)
        yield None
        return
    async with AsyncExitStack() as stack:
        stack.callback(listener.close)
        # Sessions of its own: who looks takes no connection from a run.
        sources = Sources(
            await stack.enter_async_context(open_session(rules)),
            client,
            caches,
            metrics_server=settings.metrics_server,
            timeout_s=_QUERY_TIMEOUT_S,
            own_session=await stack.enter_async_context(open_session()),
            gateways=settings.gateway_namespaces,
        )
        traffic = TrafficReader(sources.builtin_source)
        stack.push_async_callback(traffic.close)
        agent = {
            "version": serin_version(),
            "host": socket.gethostname(),
            "login": settings.page_auth is PageAuth.TOKEN,
        }
        recent = Recent()
        feed = Feed(caches, recent, lambda: {**agent, **_led_by(fence), "stale": caches.stale()})
        stack.enter_context(feed.following())
        access: Access = LoopbackAccess()
        if settings.page_auth is PageAuth.TOKEN:
            access = TokenAccess(Reviews(client))
        page = Page(access=access, caches=caches, feed=feed, recent=recent, traffic=traffic)
        await stack.enter_async_context(serving(page.runner(), listener))
        yield listener.getsockname()[1]


def _led_by(fence: Fence) -> dict[str, object]:
    """Return whether this agent leads, and which shards, in words: none where one agent leads all canaries."""
    led = ", ".join(map(str, fence.led()))
    shards = f"shard {led} of {fence.shards} (0 to {fence.shards - 1})" if led and fence.shards > 1 else ""
    return {"leader": bool(led), "shards": shards}


def _listen(port: int, auth: PageAuth) -> socket.socket:
    """Open the port: on loopback, which a forwarded port reaches and nobody else, or with tokens on all addresses."""
    if auth is PageAuth.TOKEN:
        return listen(port)
    return socket.create_server(("127.0.0.1", port))

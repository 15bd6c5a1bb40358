"""HTTP sessions of the agent: for addresses that users name, and for those of its own command line."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.request import getproxies

import aiohttp

from agent.providers.web.addresses import AddressRules
from canary.api.bounds import MOST_CONNECTIONS

# The keys of `getproxies` are the beginnings of all variables that end in `_proxy`, such as the `no` of NO_PROXY.
_SCHEMES: Final = ("http", "https")


@dataclass(frozen=True, slots=True)
class Sessions:
    """`queries` keeps its connections where they are the operator's own; `posts` keeps none.

    For one that ends while it is used loses an answer.
    """

    queries: aiohttp.ClientSession
    posts: aiohttp.ClientSession


@asynccontextmanager
async def open_sessions(rules: AddressRules | None) -> AsyncIterator[Sessions]:
    """Open sessions for as long as the block lasts. `rules`: which addresses are asked, None for all of them."""
    # What one tenant made of a connection must not reach the next one's question: theirs are used once.
    is_own = rules is None
    async with open_session(rules, is_kept=is_own) as queries, open_session(rules, is_kept=False) as posts:
        yield Sessions(queries, posts)


def open_session(rules: AddressRules | None = None, *, is_kept: bool = True) -> aiohttp.ClientSession:
    """Open a session that heeds HTTP_PROXY and NO_PROXY; the caller closes it.

    `rules`: which addresses it asks, None for all: only the operator's own may be anything. `is_kept`: connections are
    used again. A namespace's share is kept by `agent.providers.web.shares`; here is the bound for all together.
    """
    make_socket = None if rules is None else rules.make_socket
    connector = aiohttp.TCPConnector(limit=MOST_CONNECTIONS, force_close=not is_kept, socket_factory=make_socket)

    async def check(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        # A proxy would be asked to connect, and no socket of ours would ever see the address.
        if rules is not None:
            rules.check_url(str(request.url))
        return await handler(request)

    # Else each request looks for a proxy and for a ~/.netrc, and that in a thread.
    has_proxy = bool(getproxies())
    return aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=has_proxy, middlewares=(check,)
    )


def environment_proxies() -> list[str]:
    """Return the URLs of the proxies that the sessions use: those of HTTP_PROXY and HTTPS_PROXY."""
    proxies = getproxies()
    return [proxies[scheme] for scheme in _SCHEMES if scheme in proxies]

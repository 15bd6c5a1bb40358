"""A namespace has so many requests under way at once, and no more; others are not in its way."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from agent.providers.web.shares import Shares, ShareUsedUp


async def test_one_more_waits_until_one_has_ended_and_another_namespace_does_not() -> None:
    shares = Shares(2)
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(AsyncExitStack())
        for holder in (first, stack):
            await holder.enter_async_context(shares.of("evil", 60.0))
        waiting = asyncio.create_task(stack.enter_async_context(shares.of("evil", 60.0)), name="third")
        await asyncio.sleep(0)
        assert not waiting.done()
        async with shares.of("shop", 60.0):
            pass
        await first.aclose()
        await waiting
    assert (shares._slots, shares._users) == ({}, {}), "what is remembered of namespaces grows"


async def test_whoever_waits_too_long_is_told_why() -> None:
    shares = Shares(1)
    async with shares.of("evil", 60.0):
        with pytest.raises(ShareUsedUp, match="namespace evil has 1 other requests under way"):
            async with shares.of("evil", 0.001):
                pass
    async with shares.of("evil", 60.0):
        pass

"""Work that goes on behind the block that owns it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def running(works: Mapping[str, Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run coroutines, by name, for as long as the block lasts.

    None of them ends by itself. An error in one is a bug: it ends the block, as an ExceptionGroup.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work, name=name) for name, work in works.items()]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()

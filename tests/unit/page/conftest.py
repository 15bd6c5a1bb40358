"""A page that is served, over a small cluster."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.support.page import SmallCluster, serving_page
from tests.support.patience import PATIENCE_S


@pytest.fixture
def cluster() -> SmallCluster:
    return SmallCluster()


@pytest.fixture
async def url(cluster: SmallCluster) -> AsyncIterator[str]:
    async with serving_page(cluster) as url:
        yield url


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE_S)) as session:
        yield session

"""Fixtures of the tests of kube/."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kube.client import Client
from tests.unit.kube.apiserver import ApiServer, ManualTime, client_of, running_api_server


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[ApiServer]:
    async with running_api_server(tmp_path) as server:
        yield server


@pytest.fixture
def time() -> ManualTime:
    return ManualTime()


@pytest.fixture
async def client(api: ApiServer, time: ManualTime) -> AsyncIterator[Client]:
    async with client_of(api, time) as client:
        yield client

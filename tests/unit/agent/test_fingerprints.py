"""The key of fingerprints: made once, everybody's after that, and no upgrade starts a run."""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from agent.main import run
from agent.settings import Settings
from agent.tracking.fingerprints import load_fingerprints
from kube.client import Client
from kube.errors import KubeError, Unavailable
from render.configs import Fingerprints, content_of
from tests.unit.kube.apiserver import ApiServer, ManualTime, client_of, no, ok, running_api_server, write_kubeconfig

KEY_PATH = "/api/v1/namespaces/serin/secrets/serin-fingerprints"
SECRETS_PATH = "/api/v1/namespaces/serin/secrets"
CANARIES_PATH = "/apis/flagger.app/v1beta1/canaries"
CONFIG = {"kind": "Secret", "metadata": {"name": "pin", "namespace": "test"}, "data": {"pin": "NDcxMQ=="}}
OTHER = CONFIG | {"data": {"pin": "NDcxMg=="}}


class Cluster:
    """A cluster with the key or without, and with canaries whose statuses have these fingerprints."""

    def __init__(self, server: ApiServer, client: Client) -> None:
        self.client = client
        self.key: dict[str, Any] | None = None
        self.made = 0
        self.status = 200
        self.key_status = 200
        self.tracked: list[Any] = []
        server.otherwise = self._answer

    async def load(self) -> Fingerprints:
        """Start an agent."""
        fingerprints = Fingerprints()
        await load_fingerprints(self.client, fingerprints, key_namespace="serin", namespace="")
        return fingerprints

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        status = self.key_status if request.path == KEY_PATH else self.status
        if status != 200:
            return await no(status, "Forbidden")(request)
        if request.path == CANARIES_PATH:
            items = [{"metadata": {"name": "a"}, "status": status} for status in self.tracked]
            return await ok({"kind": "CanaryList", "metadata": {"resourceVersion": "1"}, "items": items})(request)
        if request.method == "POST" and request.path == SECRETS_PATH:
            self.made += 1
            if self.key is not None:
                return await no(409, "AlreadyExists")(request)
            self.key = await request.json()
        assert request.path in {KEY_PATH, SECRETS_PATH}
        return await (no(404, "NotFound") if self.key is None else ok(self.key))(request)


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with running_api_server(tmp_path) as server, client_of(server, ManualTime()) as client:
        yield Cluster(server, client)


async def test_the_key_is_made_once_and_is_every_agents(cluster: Cluster) -> None:
    first, second = await cluster.load(), await cluster.load()
    assert first.of(CONFIG) == second.of(CONFIG)
    assert cluster.made == 1
    assert cluster.key is not None
    assert len(base64.b64decode(cluster.key["data"]["key"])) == 32
    assert cluster.key["type"] == "serin.dev/fingerprints", "a MetricTemplate could send it somewhere"


async def test_what_a_secret_holds_can_not_be_tried_out_from_its_fingerprint(cluster: Cluster) -> None:
    shown = (await cluster.load()).of(CONFIG)
    assert len(shown) == 16
    guesses = ({"data": {"pin": base64.b64encode(f"{guess:04}".encode()).decode()}} for guess in range(10_000))
    assert shown not in {content_of(guess) for guess in guesses}


async def test_what_was_stored_before_there_was_a_key_stays_until_the_content_changes(cluster: Cluster) -> None:
    cluster.tracked = [{"trackedConfigs": {"secret/pin": content_of(CONFIG)}}, {"trackedConfigs": 5}, {}, None]
    fingerprints = await cluster.load()
    assert fingerprints.of(CONFIG) == content_of(CONFIG), "an upgrade would run every canary"
    assert fingerprints.of(OTHER) != content_of(OTHER)


async def test_a_changed_content_that_comes_back_after_a_restart_is_keyed(cluster: Cluster) -> None:
    changed = (await cluster.load()).of(OTHER)
    cluster.tracked = [{"trackedConfigs": {"secret/pin": changed}}]
    again = await cluster.load()
    assert (again.of(OTHER), again.of(CONFIG) == content_of(CONFIG)) == (changed, False)


async def test_two_agents_that_start_together_have_one_key(cluster: Cluster) -> None:
    first, second = await asyncio.gather(cluster.load(), cluster.load())
    assert first.of(CONFIG) == second.of(CONFIG) != content_of(CONFIG)


async def test_without_the_right_to_the_key_it_goes_on_as_before_and_says_so(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.key_status = 403
    cluster.tracked = [{"trackedConfigs": {"secret/pin": content_of(CONFIG)}}]
    assert (await cluster.load()).of(CONFIG) == content_of(CONFIG)
    assert "Secret serin/serin-fingerprints" in caplog.text
    assert "allowed: the rights to get and create it" in caplog.text


@pytest.mark.parametrize("data", [{}, {"key": "c2hvcnQ="}, {"key": "?"}, {"key": 5}])
async def test_a_key_that_is_none_is_not_used(
    cluster: Cluster, data: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    cluster.key = {"metadata": {"name": "serin-fingerprints", "namespace": "serin"}, "data": data}
    assert (await cluster.load()).of(CONFIG) == content_of(CONFIG)
    assert "bytes; allowed: 32 or more" in caplog.text


async def test_a_key_that_was_used_before_is_waited_for_where_it_is_refused(cluster: Cluster) -> None:
    """Plain fingerprints would be other revisions: one refused read would run every canary with a configuration."""
    keyed = (await cluster.load()).of(CONFIG)
    cluster.tracked = [{"trackedConfigs": {"secret/other": content_of(OTHER), "secret/pin": keyed}}]
    cluster.key_status = 403
    with pytest.raises(
        KubeError, match=r"allowed: the rights to get and create it\. Fingerprints in statuses are keyed"
    ):
        await cluster.load()
    cluster.key_status = 200
    assert (await cluster.load()).of(CONFIG) == keyed


async def test_the_wait_for_the_key_ends_with_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_kubeconfig(tmp_path / "kubeconfig", "http://127.0.0.1:1")
    stopped, asked = asyncio.Event(), asyncio.Event()

    async def load(*_: Any, **__: Any) -> None:
        asked.set()
        raise Unavailable("no")

    monkeypatch.setattr("agent.main.load_fingerprints", load)
    monkeypatch.setattr("agent.main.stop_on_signals", lambda: stopped)
    settings = Settings(metrics_server="http://127.0.0.1:1", kubeconfig=tmp_path / "kubeconfig", port=0)
    agent = asyncio.create_task(run(settings))
    await asked.wait()
    assert not agent.done()
    stopped.set()
    await asyncio.wait_for(agent, 60.0)


async def test_an_api_server_that_is_away_is_waited_for(cluster: Cluster) -> None:
    cluster.status = cluster.key_status = 503
    with pytest.raises(KubeError):
        await cluster.load()

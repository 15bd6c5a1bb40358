"""Every chat from an AlertProvider and its Secret: what is rotated is taken, what is missing is named and mended."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from agent.caches import Caches
from agent.providers.alerts.delivery import Delivery, NoDestination
from agent.providers.alerts.destinations import Destinations
from agent.providers.alerts.message import Message
from agent.providers.errors import ProviderRefused
from agent.resources import ALERT_PROVIDERS
from tests.support.canaries import canary
from tests.support.chat import Chat, ChatProtocol, chatting
from tests.support.chat_protocols import PROTOCOLS
from tests.support.patience import PATIENCE_S
from tests.support.secrets_api import Secrets, serving_secrets

MESSAGE = Message("podinfo.test", "error", "Failed checks threshold reached 5")
ALERTS = {"alerts": [{"name": "on-call", "providerRef": {"name": "chat"}}]}


@pytest.fixture(params=PROTOCOLS, ids=lambda protocol: protocol.name)
def protocol(request: pytest.FixtureRequest) -> ChatProtocol:
    found: ChatProtocol = request.param
    return found


@dataclass
class Alerting:
    """Sends to the AlertProvider `chat`. `mend` is what somebody does while the agent waits for its next attempt."""

    destinations: Destinations
    session: aiohttp.ClientSession
    secrets: Secrets
    mend: Callable[[], None] = lambda: None
    waits: list[float] = field(default_factory=list)

    async def send(self) -> None:
        (recipient,) = self.destinations.recipients(canary(ALERTS), "error")
        delivery = Delivery(session=self.session, timeout_s=PATIENCE_S, connect_timeout_s=PATIENCE_S, sleep=self.sleep)
        await delivery.deliver(MESSAGE, lambda: self.destinations.find(recipient))

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.mend()


@asynccontextmanager
async def alerting(path: Path, protocol: ChatProtocol, chat: Chat) -> AsyncIterator[Alerting]:
    """Have an AlertProvider whose Secret is `hook`, and no such Secret yet."""
    secrets: Secrets = {}
    async with serving_secrets(path, secrets) as client, aiohttp.ClientSession() as session:
        caches = Caches(client, "")
        spec = {"type": protocol.type, "secretRef": {"name": "hook"}, "proxy": chat.destination.proxy}
        metadata = {"name": "chat", "namespace": "test", "uid": "uid-1", "resourceVersion": "1"}
        caches.of(ALERT_PROVIDERS).remember({"metadata": metadata, "spec": spec})
        yield Alerting(Destinations(client, caches, None), session, secrets)


def content(chat: Chat) -> dict[str, str]:
    return {"address": chat.destination.address, "token": chat.protocol.token}


async def test_a_secret_that_is_rotated_is_taken_with_the_next_alert(protocol: ChatProtocol, tmp_path: Path) -> None:
    async with (
        chatting(protocol) as before,
        chatting(protocol) as after,
        alerting(tmp_path, protocol, before) as alerts,
    ):
        alerts.secrets["test/hook"] = content(before)
        await alerts.send()
        if not protocol.host:
            alerts.secrets["test/hook"] = content(after)
            await alerts.send()
            assert len(after.posted) == 1
        assert len(before.posted) == 1


MISSING: dict[str, tuple[dict[str, str] | None, str]] = {
    "no secret": (None, "AlertProvider test/chat spec.secretRef.name: found 'hook'; allowed: the name of a Secret"),
    "no key": ({"token": "x"}, "Secret test/hook data.address: found nothing; allowed: a URL"),
    "no url": ({"address": "chat.example"}, "Secret test/hook data.address: found 12 characters that are none; allow"),
}


@pytest.mark.parametrize(("data", "told"), MISSING.values(), ids=MISSING)
async def test_what_is_missing_is_named_and_sent_once_it_is_mended(
    protocol: ChatProtocol, tmp_path: Path, data: dict[str, str] | None, told: str
) -> None:
    async with chatting(protocol) as chat, alerting(tmp_path, protocol, chat) as alerts:
        if data is not None:
            alerts.secrets["test/hook"] = data
        with pytest.raises(NoDestination) as refused:
            await alerts.send()
        assert str(refused.value).startswith(told)
        assert chat.attempts == 0
        alerts.mend = lambda: alerts.secrets.update({"test/hook": content(chat)})
        alerts.waits.clear()
        await alerts.send()
        assert (len(chat.posted), len(alerts.waits)) == (1, 1)


async def test_a_token_that_is_missing_is_the_chats_to_refuse(protocol: ChatProtocol, tmp_path: Path) -> None:
    if not protocol.token:
        return
    async with chatting(protocol) as chat, alerting(tmp_path, protocol, chat) as alerts:
        alerts.secrets["test/hook"] = {"address": chat.destination.address}
        with pytest.raises(ProviderRefused, match="400"):
            await alerts.send()
    assert chat.posted == []

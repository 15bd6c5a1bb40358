"""From `analysis.alerts` to an address: who is sent an alert, and what a reference that leads nowhere reports."""

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.caches import Caches
from agent.providers.alerts.destinations import Destinations, own_chat
from agent.providers.alerts.port import Destination
from agent.providers.errors import ProviderRefused, ProviderUnavailable
from agent.resources import ALERT_PROVIDERS
from agent.settings import Settings
from tests.support.canaries import canary
from tests.support.secrets_api import Secrets, serving_secrets

ADDRESS = "https://hooks.slack.example/services/T/B/x"
OWN = Destination(name="--slack-url", type="slack", address=ADDRESS)


def provider(namespace: str = "test", **spec: Any) -> dict[str, Any]:
    metadata = {"name": "chat", "namespace": namespace, "uid": namespace, "resourceVersion": "1"}
    return {"metadata": metadata, "spec": {"type": "slack"} | spec}


def alert(severity: str = "", name: str = "chat", namespace: str = "") -> dict[str, Any]:
    return {"name": name, "severity": severity, "providerRef": {"name": name, "namespace": namespace}}


@pytest.fixture
def secrets() -> Secrets:
    """`namespace/name` to data, or to the code that the API server answers with."""
    return {}


@pytest.fixture
async def known(tmp_path: Path, secrets: Secrets) -> AsyncIterator[Callable[..., Destinations]]:
    """Destinations on a cluster with these AlertProviders and `secrets`."""

    async with serving_secrets(tmp_path, secrets) as client:

        def made(*providers: dict[str, Any], own: Destination | None = None) -> Destinations:
            caches = Caches(client, "")
            for obj in providers:
                caches.of(ALERT_PROVIDERS).remember(obj)
            return Destinations(client, caches, own)

        yield made


async def found(destinations: Destinations, **reference: str) -> Destination:
    (recipient,) = destinations.recipients(canary({"alerts": [alert(**reference)]}), "info")
    return await destinations.find(recipient)


async def test_an_address_in_the_spec_comes_with_flaggers_defaults(known: Callable[..., Destinations]) -> None:
    destination = await found(known(provider(address=ADDRESS)))
    assert destination == Destination(name="AlertProvider test/chat", namespace="test", type="slack", address=ADDRESS)
    assert (destination.channel, destination.username) == ("general", "flagger")


async def test_what_the_provider_says_is_taken(known: Callable[..., Destinations]) -> None:
    spec = {"address": ADDRESS, "channel": "alerts", "username": "serin", "proxy": "http://proxy.example:3128"}
    destination = await found(known(provider(**spec)))
    assert (destination.channel, destination.username) == ("alerts", "serin")
    assert destination.proxy == "http://proxy.example:3128"


async def test_a_secrets_address_and_token_replace_the_specs(
    known: Callable[..., Destinations], secrets: Secrets
) -> None:
    secrets["test/hook"] = {"address": f"{ADDRESS}\n", "token": "xoxb-1\n"}
    destination = await found(known(provider(address="https://other.example/", secretRef={"name": "hook"})))
    assert (destination.address, destination.token) == (ADDRESS, "xoxb-1")


async def test_a_provider_of_another_namespace_brings_its_own_secret(
    known: Callable[..., Destinations], secrets: Secrets
) -> None:
    secrets["ops/hook"] = {"address": ADDRESS}
    secrets["test/hook"] = {"address": "https://wrong.example/"}
    destination = await found(known(provider("ops", secretRef={"name": "hook"})), namespace="ops")
    assert (destination.name, destination.address) == ("AlertProvider ops/chat", ADDRESS)


@pytest.mark.parametrize(
    ("spec", "data", "message"),
    [
        (
            None,
            None,
            "Canary test/podinfo spec.analysis.alerts[0].providerRef.name: found 'chat'; allowed: the name of an Alert",
        ),
        (
            {"type": "pigeon", "address": ADDRESS},
            None,
            "AlertProvider test/chat: spec.type: found 'pigeon'; allowed: one of 'slack', 'msteams', 'discord', 'rock",
        ),
        ({}, None, "AlertProvider test/chat: spec.address: found nothing; allowed: a URL"),
        (
            {"secretRef": {"name": "hook"}},
            None,
            "AlertProvider test/chat spec.secretRef.name: found 'hook'; allowed: the name of a Secret in namespace",
        ),
        ({"secretRef": {"name": "hook"}}, {}, "Secret test/hook data.address: found nothing; allowed: a URL"),
        (
            {"secretRef": {"name": "hook"}},
            {"address": "hooks.slack.example/x"},
            "Secret test/hook data.address: found 21 characters that are none; allowed: a URL",
        ),
        ({"secretRef": {"name": "hook"}}, 403, "AlertProvider test/chat spec.secretRef: Secret test/hook:"),
    ],
)
async def test_a_reference_that_leads_nowhere_names_object_path_found_and_allowed(
    known: Callable[..., Destinations],
    secrets: Secrets,
    spec: dict[str, Any] | None,
    data: dict[str, str] | int | None,
    message: str,
) -> None:
    if data is not None:
        secrets["test/hook"] = data
    destinations = known() if spec is None else known(provider(**spec))
    with pytest.raises(ProviderRefused, match=re.escape(message)):
        await found(destinations)


async def test_a_secret_that_can_not_be_read_now_may_be_later(
    known: Callable[..., Destinations], secrets: Secrets
) -> None:
    secrets["test/hook"] = 503
    with pytest.raises(ProviderUnavailable, match=r"AlertProvider test/chat spec\.secretRef: Secret test/hook"):
        await found(known(provider(secretRef={"name": "hook"})))


async def test_each_alert_of_the_canary_is_asked_for_its_severity(known: Callable[..., Destinations]) -> None:
    alerts = {"alerts": [alert("error", "pager"), alert("", "chat"), alert("warn", "log", "ops")]}
    destinations = known(own=OWN)

    def recipients(severity: str) -> list[str]:
        return [str(recipient.provider) for recipient in destinations.recipients(canary(alerts), severity)]

    assert [key.partition("name=")[2] for key in recipients("info")] == ["'chat')"]
    assert [key.partition("name=")[2] for key in recipients("warn")] == ["'chat')", "'log')"]
    assert [key.partition("name=")[2] for key in recipients("error")] == ["'pager')", "'chat')", "'log')"]


def test_teams_goes_before_slack_as_in_flagger() -> None:
    slack = Settings(
        metrics_server="", slack_url=ADDRESS, slack_token="xoxb-1", slack_proxy_url="http://p/", slack_channel="ops"
    )
    assert own_chat(slack) == Destination(
        name="--slack-url", type="slack", address=ADDRESS, token="xoxb-1", proxy="http://p/", channel="ops"
    )
    teams = replace(slack, msteams_url="https://a.logic.azure.com/x", msteams_proxy_url="http://q/")
    assert own_chat(teams) == Destination(
        name="--msteams-url", type="msteams", address="https://a.logic.azure.com/x", proxy="http://q/"
    )
    assert own_chat(Settings(metrics_server="")) is None


async def test_a_canary_without_alerts_is_reported_to_the_agents_own_chat(known: Callable[..., Destinations]) -> None:
    destinations = known(own=OWN)
    (recipient,) = destinations.recipients(canary(), "info")
    assert await destinations.find(recipient) is OWN
    assert known().recipients(canary(), "info") == []

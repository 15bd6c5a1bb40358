"""Slack's format: what a channel shows, and what Slack's answers mean. tests/contract/alerts does the sending."""

import pytest

from agent.providers.alerts.chats.slack import Slack
from agent.providers.alerts.message import Field, Message, message_of
from agent.providers.alerts.port import Destination
from agent.providers.errors import ProviderError, ProviderRefused, ProviderUnavailable
from canary.run.mark import Mark
from canary.run.messages import Alert, Severity
from tests.support.canaries import canary

HOOK = Destination(name="AlertProvider test/slack", type="slack", address="https://hooks.slack.example/T/B/x")


def test_a_payload_looks_as_flaggers_does() -> None:
    message = Message("podinfo.test", "info", "promotion finished.", (Field("Target", "Deployment/podinfo.test"),))
    assert Slack().payload(message, HOOK) == {
        "channel": "general",
        "username": "flagger",
        "icon_emoji": ":rocket:",
        "attachments": [
            {
                "color": "good",
                "author_name": "podinfo.test",
                "text": "promotion finished.",
                "mrkdwn_in": ["text"],
                "fields": [{"title": "Target", "value": "Deployment/podinfo.test", "short": False}],
            }
        ],
    }


@pytest.mark.parametrize(("severity", "color"), [("info", "good"), ("warn", "good"), ("error", "danger")])
def test_only_errors_are_red(severity: Severity, color: str) -> None:
    payload = Slack().payload(Message("podinfo.test", severity, "x"), HOOK)
    assert payload["attachments"][0]["color"] == color


def test_what_slack_would_read_as_markup_is_escaped() -> None:
    message = Message("podinfo.test", "error", "a & b", (Field("Reason", "success rate 69.17% < 99%"),))
    attachment = Slack().payload(message, HOOK)["attachments"][0]
    assert attachment["text"] == "a &amp; b"
    assert attachment["fields"][0]["value"] == "success rate 69.17% &lt; 99%"


def test_only_a_token_makes_a_header() -> None:
    bot = Destination(name="x", type="slack", address="https://slack.example/api/chat.postMessage", token="xoxb-1")
    assert Slack().headers(HOOK) == {}
    assert Slack().headers(bot) == {"Authorization": "Bearer xoxb-1"}


@pytest.mark.parametrize("body", [b"ok", b'{"ok": true, "ts": "1.2"}', b"", b"[]"])
def test_an_answer_without_an_error_is_a_success(body: bytes) -> None:
    Slack().check_answer(body)


@pytest.mark.parametrize(
    ("error", "expected"), [("channel_not_found", ProviderRefused), ("ratelimited", ProviderUnavailable)]
)
def test_an_answer_that_is_not_ok_names_its_error(error: str, expected: type[ProviderError]) -> None:
    with pytest.raises(expected, match=error):
        Slack().check_answer(f'{{"ok": false, "error": "{error}"}}'.encode())


def fields(**analysis: object) -> dict[str, str]:
    alert = Alert("info", "New revision detected, progressing canary analysis.", has_settings=True)
    return {field.name: field.value for field in message_of(canary(analysis), alert, "").fields}


def test_settings_are_shown_as_flagger_shows_them() -> None:
    assert fields() == {
        "Target": "Deployment/podinfo.test",
        "Failed checks threshold": "5",
        "Progress deadline": "600s",
        "Traffic routing": "Weight step: 5 max: 50",
    }


@pytest.mark.parametrize(
    ("analysis", "routing"),
    [
        ({"stepWeight": None, "maxWeight": None, "stepWeights": [1, 10, 80]}, "Weight steps: 1,10,80 max: 80"),
        (
            {"stepWeight": None, "maxWeight": None, "steps": [{"weight": 5, "duration": "10m"}, {"weight": 50}]},
            "Weight steps: 5,50 max: 50",
        ),
        ({"stepWeight": None, "maxWeight": None, "iterations": 5}, "Blue/Green"),
        (
            {"stepWeight": None, "maxWeight": None, "iterations": 5, "match": [{"headers": {"x": {"exact": "1"}}}]},
            "A/B Testing",
        ),
    ],
)
def test_the_strategy_is_named(analysis: dict[str, object], routing: str) -> None:
    assert fields(**analysis)["Traffic routing"] == routing


def test_who_changed_what_comes_before_the_settings() -> None:
    change = Mark("rev-2", "podinfod image 3.1.0 -> 3.1.1", "alice")
    message = message_of(canary(), Alert("info", "New revision detected", has_settings=True, change=change), "")
    assert message.fields[:2] == (Field("Change", "podinfod image 3.1.0 -> 3.1.1"), Field("Applied by", "alice"))
    assert message.fields[2].name == "Target"
    created = message_of(canary(), Alert("info", "New revision detected", change=Mark("rev-2")), "")
    assert created.fields == ()


def test_cluster_and_reason_come_first() -> None:
    message = message_of(canary(), Alert("error", "Failed checks threshold reached 5", "success rate 1% < 99%"), "blue")
    assert message.fields == (Field("Cluster", "blue"), Field("Reason", "success rate 1% < 99%"))

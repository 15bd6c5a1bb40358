"""What each chat is sent, word by word; Slack's is in test_slack. tests/contract/alerts does the sending."""

import re
from dataclasses import replace
from typing import Any

import pytest

from agent.providers.alerts.message import Field, Message, message_of
from agent.providers.alerts.port import Destination
from agent.providers.alerts.registry import CHAT_FORMATS
from agent.providers.errors import ProviderError, ProviderRefused, ProviderUnavailable
from canary.run.mark import Mark
from canary.run.messages import Alert
from tests.support.canaries import canary

MESSAGE = Message(
    "podinfo.test",
    "error",
    "Failed checks threshold reached 5",
    (Field("Reason", "success rate 69.17% < 99%"), Field("Revision", "rev-2")),
)
WORKFLOW = "https://prod-12.westeurope.logic.azure.com:443/workflows/1/triggers/manual/paths/invoke?sig=x"
CONNECTOR = "https://contoso.webhook.office.com/webhookb2/1@2/IncomingWebhook/3/4"
DISCORD = "https://discord.com/api/webhooks/1/token"


def to(type_: str, address: str, **more: str) -> Destination:
    return Destination(name="AlertProvider test/on-call", type=type_, address=address, **more)


def sent(type_: str, address: str, message: Message = MESSAGE) -> dict[str, Any]:
    return CHAT_FORMATS[type_].payload(message, to(type_, address))


def test_a_workflow_of_teams_gets_an_adaptive_card() -> None:
    assert sent("msteams", WORKFLOW) == {
        "type": "message",
        "attachments": [
            {
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": None,
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.2",
                    "msteams": {"width": "Full"},
                    "body": [
                        {
                            "type": "RichTextBlock",
                            "inlines": [
                                {
                                    "type": "TextRun",
                                    "text": "podinfo.test",
                                    "weight": "bolder",
                                    "size": "medium",
                                    "color": "attention",
                                }
                            ],
                        },
                        {
                            "type": "RichTextBlock",
                            "inlines": [{"type": "TextRun", "text": "Failed checks threshold reached 5"}],
                        },
                        {
                            "type": "RichTextBlock",
                            "inlines": [
                                {"type": "TextRun", "text": "Reason: ", "weight": "bolder"},
                                {"type": "TextRun", "text": "success rate 69.17% < 99%"},
                            ],
                        },
                        {
                            "type": "RichTextBlock",
                            "inlines": [
                                {"type": "TextRun", "text": "Revision: ", "weight": "bolder"},
                                {"type": "TextRun", "text": "rev-2"},
                            ],
                        },
                    ],
                },
            }
        ],
    }


@pytest.mark.parametrize(
    "address", [CONNECTOR, "https://outlook.office.com/webhook/1", "https://outlook.office365.com/webhook/1"]
)
def test_a_connector_of_teams_gets_flaggers_card(address: str) -> None:
    assert sent("msteams", address) == {
        "@type": "MessageCard",
        "@context": "http://schema.org/extensions",
        "themeColor": "FF0000",
        "summary": "podinfo.test",
        "sections": [
            {
                "activityTitle": "Failed checks threshold reached 5",
                "activitySubtitle": "podinfo.test",
                "markdown": False,
                "facts": [
                    {"name": "Reason", "value": "success rate 69.17% &lt; 99%"},
                    {"name": "Revision", "value": "rev-2"},
                ],
            }
        ],
    }
    assert sent("msteams", address, replace(MESSAGE, severity="warn"))["themeColor"] == "0076D7"


def test_a_host_that_only_looks_like_a_connectors_gets_an_adaptive_card() -> None:
    assert sent("msteams", "https://webhook.office.com.example.org/x")["type"] == "message"


def test_discord_gets_an_embed_that_mentions_nobody() -> None:
    assert sent("discord", DISCORD) == {
        "username": "flagger",
        "allowed_mentions": {"parse": []},
        "embeds": [
            {
                "author": {"name": "podinfo.test"},
                "description": "Failed checks threshold reached 5",
                "color": 0xFF0000,
                "fields": [
                    {"name": "Reason", "value": r"success rate 69.17% \< 99%", "inline": False},
                    {"name": "Revision", "value": "rev-2", "inline": False},
                ],
            }
        ],
    }


def test_discord_is_asked_to_wait_until_it_knows_whether_the_message_is_kept() -> None:
    discord = CHAT_FORMATS["discord"]
    assert discord.address(to("discord", DISCORD)) == f"{DISCORD}?wait=true"
    assert discord.address(to("discord", f"{DISCORD}?thread_id=7")) == f"{DISCORD}?thread_id=7&wait=true"
    assert discord.address(to("discord", f"{DISCORD}?wait=false")) == f"{DISCORD}?wait=false"


def test_discord_gets_flaggers_payload_where_the_address_says_slack() -> None:
    assert sent("discord", f"{DISCORD}/slack") == {
        "channel": "general",
        "username": "flagger",
        "icon_emoji": ":rocket:",
        "attachments": [
            {
                "color": "danger",
                "author_name": "podinfo.test",
                "text": "Failed checks threshold reached 5",
                "mrkdwn_in": ["text"],
                "fields": [
                    {"title": "Reason", "value": r"success rate 69.17% \< 99%", "short": False},
                    {"title": "Revision", "value": "rev-2", "short": False},
                ],
            }
        ],
    }


def test_rocket_gets_flaggers_payload() -> None:
    assert sent("rocket", "https://rocket.example/hooks/1/2") == {
        "channel": "general",
        "username": "flagger",
        "icon_emoji": ":rocket:",
        "attachments": [
            {
                "color": "#FF0000",
                "author_name": "podinfo.test",
                "text": "Failed checks threshold reached 5",
                "mrkdwn_in": ["text"],
                "fields": [
                    {"title": "Reason", "value": "success rate 69.17% < 99%", "short": False},
                    {"title": "Revision", "value": "rev-2", "short": False},
                ],
            }
        ],
    }


def test_google_chat_gets_a_card_in_a_thread_of_its_own() -> None:
    address = "https://chat.googleapis.com/v1/spaces/A/messages?key=k&token=t&threadKey=theirs"
    assert CHAT_FORMATS["gchat"].address(to("gchat", address)) == address
    assert sent("gchat", address) == {
        "fallbackText": "podinfo.test: Failed checks threshold reached 5",
        "cardsV2": [
            {
                "cardId": "alert",
                "card": {
                    "header": {"title": "podinfo.test", "subtitle": "Serin"},
                    "sections": [
                        {
                            "widgets": [
                                {
                                    "textParagraph": {
                                        "text": '<font color="#d93025"><b>Failed checks threshold reached 5</b></font>'
                                    }
                                },
                                {
                                    "decoratedText": {
                                        "topLabel": "Reason",
                                        "text": "success rate 69.17% &lt; 99%",
                                        "wrapText": True,
                                    }
                                },
                                {"decoratedText": {"topLabel": "Revision", "text": "rev-2", "wrapText": True}},
                            ]
                        }
                    ],
                },
            }
        ],
    }


def test_a_plain_webhook_gets_everything() -> None:
    alert = Alert(
        "error",
        "Failed checks threshold reached 5",
        "success rate 69.17% < 99%",
        change=Mark("rev-2", "podinfod image 3.1.0 -> 3.1.1", "alice"),
        revision="rev-2",
        id="12.1",
        at_s=1_700_000_000.0,
    )
    message = message_of(canary(), alert, "blue", "uid-1")
    assert sent("webhook", "https://receiver.example/", message) == {
        "id": "uid-1.12.1",
        "time": "2023-11-14T22:13:20Z",
        "cluster": "blue",
        "namespace": "test",
        "name": "podinfo",
        "target": "Deployment/podinfo",
        "severity": "error",
        "text": "Failed checks threshold reached 5",
        "reason": "success rate 69.17% < 99%",
        "revision": "rev-2",
        "change": "podinfod image 3.1.0 -> 3.1.1",
        "appliedBy": "alice",
        "channel": "general",
        "fields": [
            {"name": "Cluster", "value": "blue"},
            {"name": "Reason", "value": "success rate 69.17% < 99%"},
            {"name": "Revision", "value": "rev-2"},
            {"name": "Change", "value": "podinfod image 3.1.0 -> 3.1.1"},
            {"name": "Applied by", "value": "alice"},
        ],
    }


def test_only_those_with_a_token_get_a_header() -> None:
    for type_, chat in CHAT_FORMATS.items():
        headers = chat.headers(to(type_, "https://a/", token="t-1"))
        assert headers == ({"Authorization": "Bearer t-1"} if type_ in {"slack", "webhook"} else {})
        assert chat.headers(to(type_, "https://a/")) == {}


MARKUP = "<b>x</b> *y* [z](https://evil.example) & <@everyone>"


@pytest.mark.parametrize(
    ("type_", "address", "shown"),
    [
        ("msteams", WORKFLOW, MARKUP),
        ("msteams", CONNECTOR, "&lt;b&gt;x&lt;/b&gt; *y* [z](https://evil.example) &amp; &lt;@everyone&gt;"),
        ("discord", DISCORD, r"\<b\>x\</b\> \*y\* \[z\]\(https://evil.example\) & \<@everyone\>"),
        ("rocket", "https://a/", "<b>x</b> \\*y\\* [z]\N{ZERO WIDTH SPACE}(https://evil.example) & <@everyone>"),
        ("gchat", "https://a/", "&lt;b&gt;x&lt;/b&gt; *y* [z](https://evil.example) &amp; &lt;@everyone&gt;"),
        ("webhook", "https://a/", MARKUP),
    ],
)
def test_what_a_chat_would_read_as_markup_is_escaped(type_: str, address: str, shown: str) -> None:
    """Runs of text in an Adaptive Card, and programs, read none."""
    body = sent(type_, address, Message("podinfo.test", "error", MARKUP, (Field("Reason", MARKUP),)))
    assert len(re.findall(re.escape(repr(shown)[1:-1]), repr(body))) >= 2


LINK = "<evil.example|click> ||y|| <t:1630360800:R>"


@pytest.mark.parametrize(
    ("type_", "address", "shown"),
    [
        ("msteams", WORKFLOW, LINK),
        ("msteams", CONNECTOR, "&lt;evil.example|click&gt; ||y|| &lt;t:1630360800:R&gt;"),
        ("discord", DISCORD, r"\<evil.example\|click\> \|\|y\|\| \<t:1630360800:R\>"),
        ("discord", f"{DISCORD}/slack", r"\<evil.example\|click\> \|\|y\|\| \<t:1630360800:R\>"),
        ("slack", "https://a/", "&lt;evil.example|click&gt; ||y|| &lt;t:1630360800:R&gt;"),
        (
            "rocket",
            "https://a/",
            "< evil.example|click> |\N{ZERO WIDTH SPACE}|y|\N{ZERO WIDTH SPACE}| < \N{ZERO WIDTH SPACE}t:1630360800:R>",
        ),
        ("gchat", "https://a/", "&lt;evil.example|click&gt; ||y|| &lt;t:1630360800:R&gt;"),
        ("webhook", "https://a/", LINK),
    ],
)
def test_no_link_is_shown_under_another_name(type_: str, address: str, shown: str) -> None:
    """Slack and Rocket.Chat read `<address|name>` so; Rocket.Chat takes a zero-width space for a part of a host."""
    body = sent(type_, address, Message("podinfo.test", "error", LINK, (Field("Reason", LINK),)))
    assert len(re.findall(re.escape(repr(shown)[1:-1]), repr(body))) >= 2


@pytest.mark.parametrize(
    ("status", "kind"), [(429, ProviderUnavailable), (503, ProviderUnavailable), (413, ProviderRefused)]
)
def test_a_connector_that_says_yes_and_means_no_is_understood(status: int, kind: type[ProviderError]) -> None:
    said = f"Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error {status} with x"
    with pytest.raises(kind, match=f"not delivered to Teams: {status}"):
        CHAT_FORMATS["msteams"].check_answer(said.encode())


def test_rocket_that_says_yes_and_means_no_is_understood() -> None:
    with pytest.raises(ProviderRefused, match="invalid-channel"):
        CHAT_FORMATS["rocket"].check_answer(b'{"success": false, "error": "invalid-channel"}')


GARBAGE = [b"", b"ok", b"[]", b"[1]", b'{"error": 1}', b'{"error": {"code": ["x"], "status": 7}}', b"\xff\xfe", b"{"]


def test_answers_of_any_shape_are_read_without_a_fault() -> None:
    for chat in CHAT_FORMATS.values():
        for body in GARBAGE:
            chat.check_answer(body)
            assert chat.word(body) in {"", "ok"}
            assert chat.retry_after_s(body) == 0.0

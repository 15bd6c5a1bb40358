"""Microsoft Teams: the hook of a workflow, which takes Adaptive Cards, or that of an Office 365 connector.

Microsoft has retired the connectors. Flagger 1.44 (`pkg/notifier/teams.go`) sends MessageCards, which are theirs. Which
of the two an address is, its host tells. Sources: Microsoft's documentation of workflows ("Post to a channel when
a webhook request is received"), of Adaptive Cards 1.2, of connector cards, and of their size (28 KB).
"""

import re
from typing import Any, Final
from urllib.parse import urlsplit

from agent.providers.alerts.markup import as_it_is, escape_html, json_bytes, within
from agent.providers.alerts.message import Field, Message
from agent.providers.alerts.port import ChatFormat, Destination, json_object
from agent.providers.errors import ProviderRefused, ProviderUnavailable

_CONNECTOR_HOSTS: Final = ("webhook.office.com", "outlook.office.com", "outlook.office365.com")

_MOST_TEXT_BYTES: Final = 4_000
_MOST_VALUE_BYTES: Final = 1_800
_MOST_FIELDS: Final = 10

_CARD_SCHEMA: Final = "http://adaptivecards.io/schemas/adaptive-card.json"
_COLORS: Final = {"info": "good", "warn": "warning", "error": "attention"}

_WORD: Final = re.compile(r"[A-Za-z]{1,40}")

# What a connector answers with code 200 where Teams took nothing.
_NOT_DELIVERED: Final = b"Webhook message delivery failed"
_STATUS: Final = re.compile(rb"HTTP error (\d{3})\b")
_TOO_MANY_REQUESTS: Final = 429
_SERVER_ERROR: Final = 500


class MSTeams(ChatFormat):
    """Implements `ChatFormat`."""

    def payload(self, message: Message, destination: Destination) -> dict[str, Any]:
        """See `ChatFormat`."""
        return _message_card(message) if _is_connector(destination.address) else _adaptive_card(message)

    def word(self, body: bytes) -> str:
        """See `ChatFormat`. A workflow answers `{"error": {"code": "WorkflowTriggerIsNotEnabled", ...}}`."""
        error = json_object(body).get("error")
        code = error.get("code") if isinstance(error, dict) else None
        return code if isinstance(code, str) and _WORD.fullmatch(code) else ""

    def check_answer(self, body: bytes) -> None:
        """See `ChatFormat`. A workflow answers 202; a connector 200 and `1`, or 200 and what failed."""
        if not body.startswith(_NOT_DELIVERED):
            return
        found = _STATUS.search(body)
        status = int(found[1]) if found else 0
        may_help = status == _TOO_MANY_REQUESTS or status >= _SERVER_ERROR
        text = f"not delivered to Teams: {status}" if found else "not delivered to Teams"
        raise (ProviderUnavailable if may_help else ProviderRefused)(text)


def _is_connector(address: str) -> bool:
    host = (urlsplit(address).hostname or "").lower()
    return any(host == known or host.endswith(f".{known}") for known in _CONNECTOR_HOSTS)


def _adaptive_card(message: Message) -> dict[str, Any]:
    """Return a message of one card. Runs of text know no Markdown, so nothing in them has to be escaped."""
    card = {
        "$schema": _CARD_SCHEMA,
        "type": "AdaptiveCard",
        "version": "1.2",
        "msteams": {"width": "Full"},
        "body": [
            _block({"text": message.canary, "weight": "bolder", "size": "medium", "color": _COLORS[message.severity]}),
            _block({"text": within(message.text, _MOST_TEXT_BYTES, size=json_bytes)}),
            *map(_line, message.fields[:_MOST_FIELDS]),
        ],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _block(*runs: dict[str, str]) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", **run} for run in runs]}


def _line(field: Field) -> dict[str, Any]:
    value = within(field.value, _MOST_VALUE_BYTES, as_it_is, json_bytes)
    return _block({"text": f"{field.name}: ", "weight": "bolder"}, {"text": value})


def _message_card(message: Message) -> dict[str, Any]:
    """Return Flagger's card, but with its texts shown as they are: tags are escaped, and Markdown is off."""
    facts = [
        {"name": field.name, "value": within(field.value, _MOST_VALUE_BYTES, escape_html, json_bytes)}
        for field in message.fields[:_MOST_FIELDS]
    ]
    section = {
        "activityTitle": within(message.text, _MOST_TEXT_BYTES, escape_html, json_bytes),
        "activitySubtitle": message.canary,
        "markdown": False,
        "facts": facts,
    }
    return {
        "@type": "MessageCard",
        "@context": "http://schema.org/extensions",
        "themeColor": "FF0000" if message.severity == "error" else "0076D7",
        "summary": message.canary,
        "sections": [section],
    }

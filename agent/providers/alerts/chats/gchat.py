"""Google Chat: the webhook of a space, which takes cards.

Flagger 1.44 (`pkg/notifier/gchat.go`) sends cards of version 1, which Google has deprecated; these are of version 2 and
show the same. Source: Google's documentation of webhooks, cards and messages (32,000 bytes each). A message begins a
thread of its own: an answer in an old thread notifies nobody but those who follow it. Whoever wants threads writes
`threadKey` and `messageReplyOption` into the address, which is used as it is.
"""

import re
from typing import Any, Final

from agent.providers.alerts.markup import escape_html, json_bytes, within
from agent.providers.alerts.message import Field, Message
from agent.providers.alerts.port import ChatFormat, Destination, json_object

_MOST_TEXT_BYTES: Final = 4_000
_MOST_VALUE_BYTES: Final = 1_800
_MOST_FALLBACK_BYTES: Final = 500
_MOST_FIELDS: Final = 10

_COLORS: Final = {"info": "#188038", "warn": "#e37400", "error": "#d93025"}

_WORD: Final = re.compile(r"[A-Z_]{1,40}")


class GChat(ChatFormat):
    """Implements `ChatFormat`."""

    def payload(self, message: Message, destination: Destination) -> dict[str, Any]:  # noqa: ARG002  the port's
        """See `ChatFormat`."""
        text = within(message.text, _MOST_TEXT_BYTES, escape_html, json_bytes)
        paragraph = {"textParagraph": {"text": f'<font color="{_COLORS[message.severity]}"><b>{text}</b></font>'}}
        widgets = [paragraph, *map(_line, message.fields[:_MOST_FIELDS])]
        card = {"header": {"title": message.canary, "subtitle": "Serin"}, "sections": [{"widgets": widgets}]}
        return {
            "fallbackText": within(f"{message.canary}: {message.text}", _MOST_FALLBACK_BYTES, size=json_bytes),
            "cardsV2": [{"cardId": "alert", "card": card}],
        }

    def word(self, body: bytes) -> str:
        """See `ChatFormat`. Google answers `{"error": {"code": 404, "status": "NOT_FOUND", ...}}`."""
        error = json_object(body).get("error")
        status = error.get("status") if isinstance(error, dict) else None
        return status if isinstance(status, str) and _WORD.fullmatch(status) else ""


def _line(field: Field) -> dict[str, Any]:
    value = within(field.value, _MOST_VALUE_BYTES, escape_html, json_bytes)
    return {"decoratedText": {"topLabel": field.name, "text": value, "wrapText": True}}

"""Rocket.Chat: an incoming integration, which takes Slack's payload.

Source of the payload: Flagger 1.44, `pkg/notifier/rocket.go`. Source of the answers, of the rate limit's sentence and
of what a backslash escapes: Rocket.Chat's documentation of integrations and its message parser. A server's
`Message_MaxAllowedSize` is 5,000 characters unless somebody changed it.
"""

import re
from typing import Any, Final

from agent.providers.alerts.chats.slack import slacks_payload
from agent.providers.alerts.markup import within
from agent.providers.alerts.message import Message
from agent.providers.alerts.port import ChatFormat, Destination, json_object
from agent.providers.errors import ProviderRefused

_MOST_TEXT_CHARS: Final = 2_000
_MOST_VALUE_CHARS: Final = 1_000

_MARKUP: Final = re.compile(r"[*_~`#]")

_PARTED: Final = (
    ("](", "]\N{ZERO WIDTH SPACE}("),
    ("<t:", "<\N{ZERO WIDTH SPACE}t:"),
    ("||", "|\N{ZERO WIDTH SPACE}|"),
)

_WORD: Final = re.compile(r"(?:.{0,200}\[)?([a-z-]{1,40})\]?")
_WAIT: Final = re.compile(r"\bwait (\d{1,5}) seconds\b")


class Rocket(ChatFormat):
    """Implements `ChatFormat`."""

    def payload(self, message: Message, destination: Destination) -> dict[str, Any]:
        """See `ChatFormat`."""
        return slacks_payload(
            message,
            destination,
            "#FF0000" if message.severity == "error" else "#0076D7",
            text=lambda text: within(text, _MOST_TEXT_CHARS, _escaped),
            value=lambda value: within(value, _MOST_VALUE_CHARS, _escaped),
        )

    def word(self, body: bytes) -> str:
        """See `ChatFormat`. It answers `{"success": false, "error": "invalid-channel"}`, or a sentence that ends so."""
        error = json_object(body).get("error")
        found = _WORD.fullmatch(error) if isinstance(error, str) else None
        return found[1] if found else ""

    def retry_after_s(self, body: bytes) -> float:
        """See `ChatFormat`. The limit's error is a sentence: `... You must wait 42 seconds before trying ...`."""
        error = json_object(body).get("error")
        found = _WAIT.search(error[:500]) if isinstance(error, str) else None
        return float(found[1]) if found else 0.0

    def check_answer(self, body: bytes) -> None:
        """See `ChatFormat`."""
        if json_object(body).get("success", True) is False:
            raise ProviderRefused(self.word(body) or "not posted")


def _escaped(text: str) -> str:
    """Escape what its parser knows an escape for, and part what would be a link under another name, a date, or hidden.

    `<` before an address and `|` is parted by a space that one sees: the parser takes others for a part of the address.
    """
    escaped = _MARKUP.sub(lambda found: f"\\{found[0]}", text)
    for found, parted in _PARTED:
        escaped = escaped.replace(found, parted)
    return escaped.replace("<", "< ") if "|" in text else escaped

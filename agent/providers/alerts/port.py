"""The port to the chats: each is one format of one POST. Which there are stands in `registry`."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from agent.providers.alerts.message import Message

DEFAULT_CHANNEL = "general"
DEFAULT_USERNAME = "flagger"

_SHORTEST_SECRET_CHARS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where messages go. `name` is how logs and events call it: address, token and proxy are secrets.

    `namespace` is that of the AlertProvider, empty for the agent's own chat. `type` is a key of the registry. The
    defaults are Flagger's.
    """

    name: str
    namespace: str = ""
    type: str
    address: str = field(repr=False)
    token: str = field(default="", repr=False)
    proxy: str = field(default="", repr=False)
    channel: str = DEFAULT_CHANNEL
    username: str = DEFAULT_USERNAME

    def without_secrets(self, text: str) -> str:
        """Return a text without what lets its reader post here: address, path of the address, token and proxy."""
        path = self.address.partition("://")[2].partition("/")[2]
        for secret in (self.address, path, self.token, self.proxy):
            if len(secret) >= _SHORTEST_SECRET_CHARS:
                text = text.replace(secret, "***")
        return text


class ChatFormat(Protocol):
    """How alerts are written for one type of chat. Pure: the POST itself is `delivery`'s."""

    def headers(self, destination: Destination) -> dict[str, str]:
        """Return the headers besides the content's type."""

    def payload(self, message: Message, destination: Destination) -> dict[str, Any]:
        """Return the JSON body."""

    def check_answer(self, body: bytes) -> None:
        """Look into the body of an answer with a code of success.

        Raises:
            ProviderUnavailable: nothing was posted, try again.
            ProviderRefused: nothing was posted, and nothing will be.
        """

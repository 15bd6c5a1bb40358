"""The port to the chats: each is one format of one POST. Which there are stands in `registry`."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

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


class ChatFormat(ABC):
    """How alerts are written for one type of chat. Pure: the POST itself is `delivery`'s.

    `is_signed`: the body is signed as hooks' calls are. An address may be anybody's: of an answer no more is told than
    a word where this type of chat has its errors' names.
    """

    is_signed: bool = False

    def address(self, destination: Destination) -> str:
        """Return the URL that is posted to."""
        return destination.address

    def headers(self, destination: Destination) -> dict[str, str]:  # noqa: ARG002  most chats' addresses are their keys
        """Return the headers besides the content's type."""
        return {}

    @abstractmethod
    def payload(self, message: Message, destination: Destination) -> dict[str, Any]:
        """Return the JSON body."""

    def word(self, body: bytes) -> str:  # noqa: ARG002  some say nothing
        """Return the chat's own name for why it refused a message, empty where it says none."""
        return ""

    def retry_after_s(self, body: bytes) -> float:  # noqa: ARG002  most say it in the header
        """Return for how long a chat that limits the rate asks to wait, in the body of its answer; 0 if it does not."""
        return 0.0

    def check_answer(self, body: bytes) -> None:  # noqa: B027  most say it by the status
        """Look into the body of an answer with a code of success.

        Raises:
            ProviderUnavailable: nothing was posted, try again.
            ProviderRefused: nothing was posted, and nothing will be.
        """


_NOTHING: Final[dict[str, Any]] = {}


def json_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object that an answer is, an empty one if it is something else."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _NOTHING
    return found if isinstance(found, dict) else _NOTHING

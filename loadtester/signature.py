"""Who calls: Serin's agent signs its calls, with a key for the namespace of the canary that it calls for.

Without a signature the name and the namespace in a payload are what the caller wrote, who may be anybody.
"""

import hashlib
import hmac
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

from loadtester.payload import Canary

SIGNATURE_HEADER = "Serin-Signature"

_SIGNATURE = re.compile(r"t=(\d{1,12}),v1=([0-9a-f]{64})")

# Clocks differ, and a call may wait for its connection; a call that was listened to is of no use after that.
_VALID_S = 300.0


class NotSigned(Exception):  # noqa: N818  reads as what is the matter
    """A call is neither signed by the agent nor made by somebody who has the key."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What calls are held against: the key of one namespace, or the agent's own; with neither all are taken.

    A namespace's key is made of the agent's (see `namespace_key`), so who knows one namespace's can sign for no other.
    `now_s` returns seconds since the epoch.
    """

    own: str = field(default="", repr=False)
    agents: str = field(default="", repr=False)
    now_s: Callable[[], float] = time.time

    def check(self, request: web.Request, body: bytes, canary: Canary) -> None:
        """Let the agent's calls pass, and people's with the header `Authorization: Bearer {key of the namespace}`.

        Raises:
            NotSigned: it is another's call.
        """
        if not self.own and not self.agents:
            return
        key = self.own or namespace_key(self.agents, canary.namespace)
        shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if hmac.compare_digest(shown.encode(errors="replace"), key.encode()) or self._is_signed(request, body, key):
            return
        raise NotSigned(
            f"{SIGNATURE_HEADER}: found none that is valid for namespace {canary.namespace!r}; allowed: that of "
            "Serin's agent, or the namespace's key in Authorization"
        )

    def _is_signed(self, request: web.Request, body: bytes, key: str) -> bool:
        found = _SIGNATURE.fullmatch(request.headers.get(SIGNATURE_HEADER, ""))
        if found is None or abs(self.now_s() - int(found[1])) > _VALID_S:
            return False
        return hmac.compare_digest(found[2], _hmac(key, found[1].encode() + b"." + body))


def namespace_key(agents: str, namespace: str) -> str:
    """Return the key of a namespace, as `printf shop | openssl dgst -sha256 -hmac "$KEY"` makes it of the agent's."""
    return _hmac(agents, namespace.encode(errors="replace"))


def _hmac(key: str, text: bytes) -> str:
    return hmac.new(key.encode(errors="replace"), text, hashlib.sha256).hexdigest()

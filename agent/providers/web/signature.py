"""Signing what hooks are sent: a service that knows its namespace's key can tell the agent's calls from others'.

The key itself is sent to nobody: a hook's address may be anybody's.
"""

import hashlib
import hmac
from typing import Final

SIGNATURE_HEADER: Final = "Serin-Signature"


def signature(key: str, namespace: str, body: bytes, now_s: float) -> dict[str, str]:
    """Return the header of a call for a canary of a namespace; none without a key.

    `t={seconds since the epoch},v1={HMAC-SHA256}` of `{t}.{body}`, with the namespace's key: the HMAC of its name with
    the agent's own key, in hexadecimal digits. Whoever has one namespace's can sign for no other.
    """
    if not key:
        return {}
    stamp = str(int(now_s))
    signed = _hmac(_hmac(key, namespace.encode()), stamp.encode() + b"." + body)
    return {SIGNATURE_HEADER: f"t={stamp},v1={signed}"}


def _hmac(key: str, text: bytes) -> str:
    return hmac.new(key.encode(), text, hashlib.sha256).hexdigest()

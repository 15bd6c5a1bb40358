"""Envoy's variables in header values, `%REQ(x-user):10%`: which ones a Canary may use, and how each is written.

Envoy refuses its whole configuration for a variable that it does not know or that is written otherwise, and with it the
routes of everybody; and some would show what is the gateway's own. So only what is listed here is let through: what
every Envoy since 1.26 reads (Gloo 1.15), without ENVIRONMENT, FILE_CONTENT, SECRET and CEL. tests/contract/gloo has the
shipped Envoy read all of them. Source: Envoy's documentation of access log operators.
"""

import re
from typing import Final

_HEADERS: Final = ("REQ", "RESP", "TRAILER")
_TIMES: Final = (
    *("START_TIME", "DOWNSTREAM_PEER_CERT_V_START", "DOWNSTREAM_PEER_CERT_V_END", "UPSTREAM_PEER_CERT_V_START"),
    "UPSTREAM_PEER_CERT_V_END",
)
_METADATA: Final = ("DYNAMIC_METADATA", "CLUSTER_METADATA", "UPSTREAM_METADATA")

_DOWNSTREAM_ENDS: Final = ("LOCAL", "REMOTE", "DIRECT_REMOTE")
_ADDRESSES: Final = tuple(
    f"{side}_{part}"
    for side in (*("UPSTREAM_LOCAL", "UPSTREAM_REMOTE"), *(f"DOWNSTREAM_{end}" for end in _DOWNSTREAM_ENDS))
    for part in ("ADDRESS", "ADDRESS_WITHOUT_PORT", "PORT")
)
_CERTIFICATES: Final = (
    *(f"{side}_{part}" for side in ("DOWNSTREAM_PEER", "DOWNSTREAM_LOCAL") for part in ("URI_SAN", "SUBJECT")),
    *(f"DOWNSTREAM_PEER_{part}" for part in ("FINGERPRINT_256", "FINGERPRINT_1", "SERIAL", "ISSUER", "CERT")),
    *(f"{side}_TLS_{part}" for side in ("DOWNSTREAM", "UPSTREAM") for part in ("SESSION_ID", "CIPHER", "VERSION")),
    *("UPSTREAM_PEER_SUBJECT", "UPSTREAM_PEER_ISSUER", "UPSTREAM_PEER_CERT"),
)
_SIZES: Final = (
    *(f"{what}_HEADERS_BYTES" for what in ("REQUEST", "RESPONSE")),
    *("RESPONSE_TRAILERS_BYTES", "BYTES_RECEIVED", "BYTES_SENT"),
    *(
        f"{side}_{what}_BYTES_{way}"
        for side in ("UPSTREAM", "DOWNSTREAM")
        for what in ("WIRE", "HEADER")
        for way in ("SENT", "RECEIVED")
    ),
)
_DURATIONS: Final = (
    *("DURATION", "REQUEST_DURATION", "REQUEST_TX_DURATION", "RESPONSE_DURATION", "RESPONSE_TX_DURATION"),
)
_OTHERS: Final = (
    *("PROTOCOL", "UPSTREAM_PROTOCOL", "RESPONSE_CODE", "RESPONSE_CODE_DETAILS", "RESPONSE_FLAGS"),
    *("CONNECTION_TERMINATION_DETAILS", "UPSTREAM_TRANSPORT_FAILURE_REASON", "UPSTREAM_REQUEST_ATTEMPT_COUNT"),
    *("GRPC_STATUS", "GRPC_STATUS_NUMBER", "UPSTREAM_HOST", "UPSTREAM_CLUSTER", "CONNECTION_ID", "HOSTNAME"),
    *("FILTER_CHAIN_NAME", "VIRTUAL_CLUSTER_NAME", "ROUTE_NAME", "REQUESTED_SERVER_NAME"),
)
PLAIN_VARIABLES: Final = (*_OTHERS, *_ADDRESSES, *_CERTIFICATES, *_SIZES, *_DURATIONS, *_TIMES)
"""Those that are written without parentheses, as in `%PROTOCOL%`."""

_LENGTH: Final = r"(?::[0-9]{1,9})?"
_HEADER: Final = r":?[!#$&'*+\-.^_`|~0-9A-Za-z]+"
# A conversion that gives a line break (%n, %En) is refused by Envoy.
_TIME: Final = r"(?:[A-Za-z0-9 :.,/_+\-]|%(?:[1-9]f|[A-DF-NP-Za-mo-z]))+"
_KEY: Final = r"[A-Za-z0-9_.\-/]+"
_KEYS: Final = rf'(?:{_KEY}(?::{_KEY})*|\["{_KEY}"(?:, ?"{_KEY}")*\])'
_FORMS: Final = (
    "|".join(PLAIN_VARIABLES),
    rf"(?:{'|'.join(_HEADERS)})\({_HEADER}(?:\?{_HEADER})?\){_LENGTH}",
    rf"(?:{'|'.join(_TIMES)})\({_TIME}\)",
    rf"(?:{'|'.join(_METADATA)})\({_KEYS}\)",
    rf"DYNAMIC_METADATA\({_KEYS}\){_LENGTH}",
    rf"FILTER_STATE\({_KEY}(?::PLAIN|:TYPED)?\){_LENGTH}",
    rf"PER_REQUEST_STATE\({_KEY}\)",
    r"GRPC_STATUS\((?:CAMEL_STRING|SNAKE_STRING|NUMBER)\)",
)
_VARIABLE: Final = re.compile(rf"%(?:{'|'.join(_FORMS)})%|%%")

ALLOWED_VARIABLES: Final = (
    "%% for each percent sign, or one of Envoy's variables as it documents them: %REQ(x-user)%, %PROTOCOL%, "
    "%START_TIME(%s)%, ...; not ENVIRONMENT, FILE_CONTENT or CEL, which show what is the gateway's own, and none that "
    "Envoy 1.26 does not know"
)


def find_fault(value: str) -> int | None:
    """Return the place of the first percent sign that begins nothing of the list; None where all do."""
    place = value.find("%")
    while place >= 0:
        variable = _VARIABLE.match(value, place)
        if variable is None:
            return place
        place = value.find("%", variable.end())
    return None

"""What counts as an address that can be asked, and what is shown of one."""

import re
from urllib.parse import urlsplit

HTTP_URL = "a URL that starts with http:// or https:// and names a host"
CLEAN_URL = f"{HTTP_URL}, without spaces and control characters"
BASE_URL = "the server's address up to its API, such as http://prometheus.monitoring:9090"

_MOST_OF_A_HOST = 2_048
"""Characters that scheme and host stand in. `urlsplit` keeps what it has read, so it is not given whole long texts."""

_SCHEME = r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)?"
_ADDRESS = re.compile(rf"{_SCHEME}(?P<user>[^/?#@]*@)?(?P<host>[^/?#@]*)(?P<rest>.*)", re.DOTALL)
_HOST = re.compile(r"[a-z0-9.-]+(:[0-9]*)?")

_HOST_NAME = re.compile(r"[^\W_](?:[\w-]*[^\W_])?(?:\.[^\W_](?:[\w-]*[^\W_])?)*\.?")
"""A name, or an IPv4 address. Letters of other alphabets are sent in punycode; an underscore is in names of old."""
_IPV6 = re.compile(r"[0-9a-fA-F:.]+(?:%[\w.~-]+)?")
_NOT_SENT = re.compile(r"[\s\x00-\x1f\x7f]")
_USER = re.compile(r"https?://[^/?#]*@")


def is_http_url(text: str) -> bool:
    try:
        url = urlsplit(text[:_MOST_OF_A_HOST])
        is_host = bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:  # a port that is no number, an IPv6 address that is none
        return False
    return url.scheme in {"http", "https"} and is_host and not any(letter.isspace() for letter in url.netloc)


def is_clean_http_url(text: str) -> bool:
    """Return whether every client would send a request there as it is written: a host that can be one, no spaces."""
    if not is_http_url(text) or _NOT_SENT.search(text) is not None:
        return False
    host = urlsplit(text[:_MOST_OF_A_HOST]).hostname or ""
    return (_IPV6 if ":" in host else _HOST_NAME).fullmatch(host) is not None


def has_user(text: str) -> bool:
    """Return whether an address has a user, or a user and a password, before its host."""
    return _USER.match(text) is not None


def shown_address(text: str) -> str:
    """Return scheme and host of an address, and `…` for the rest: the path of a chat's address is its key.

    A text without a scheme that can't begin with a host either may be the key itself, and nothing of it is shown.
    """
    found = _ADDRESS.fullmatch(text.lstrip())
    assert found is not None, "each part may be empty, and the last is whatever is left"
    scheme, host, rest = found["scheme"] or "", found["host"], found["rest"]
    if not scheme and not _HOST.fullmatch(host):
        return "…" if text else ""
    user = "…@" if found["user"] else ""
    space = text[: len(text) - len(text.lstrip())]
    return f"{space}{scheme}{user}{host}{rest if rest in {'', '/'} else '/…'}"

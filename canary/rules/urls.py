"""What counts as an address that can be asked, and what is shown of one."""

import re
from urllib.parse import urlsplit

HTTP_URL = "a URL that starts with http:// or https:// and names a host"


_MOST_OF_A_HOST = 2_048
"""Characters that scheme and host stand in. `urlsplit` keeps what it has read, so it is not given whole long texts."""

_SCHEME = r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)?"
_ADDRESS = re.compile(rf"{_SCHEME}(?P<user>[^/?#@]*@)?(?P<host>[^/?#@]*)(?P<rest>.*)", re.DOTALL)
_HOST = re.compile(r"[a-z0-9.-]+(:[0-9]*)?")


def is_http_url(text: str) -> bool:
    try:
        url = urlsplit(text[:_MOST_OF_A_HOST])
        is_host = bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:  # a port that is no number, an IPv6 address that is none
        return False
    return url.scheme in {"http", "https"} and is_host and not any(letter.isspace() for letter in url.netloc)


def shown_address(text: str) -> str:
    """Return scheme and host of an address, and `…` for the rest: the path of a chat's address is its key.

    A text without a scheme that can't begin with a host either may be the key itself, and nothing of it is shown.
    """
    found = _ADDRESS.fullmatch(text)
    assert found is not None, "each part may be empty, and the last is whatever is left"
    scheme, host, rest = found["scheme"] or "", found["host"], found["rest"]
    if not scheme and not _HOST.fullmatch(host):
        return "…" if text else ""
    user = "…@" if found["user"] else ""
    return f"{scheme}{user}{host}{rest if rest in {'', '/'} else '/…'}"

"""What counts as an address that can be asked."""

from urllib.parse import urlsplit

HTTP_URL = "a URL that starts with http:// or https:// and names a host"


_MOST_OF_A_HOST = 2_048
"""Characters that scheme and host stand in. `urlsplit` keeps what it has read, so it is not given whole long texts."""


def is_http_url(text: str) -> bool:
    try:
        url = urlsplit(text[:_MOST_OF_A_HOST])
        is_host = bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:  # a port that is no number, an IPv6 address that is none
        return False
    return url.scheme in {"http", "https"} and is_host and not any(letter.isspace() for letter in url.netloc)

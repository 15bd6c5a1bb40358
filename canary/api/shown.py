"""What is shown of text from outside: in events, conditions, alerts and logs it is one line, and keeps secrets.

Metric names, addresses and answers come from whoever writes a Canary, or a service that it names. A terminal obeys
escape sequences, a line break forges a log line, and an address may have a password or a token in it.
"""

import re
import unicodedata
from typing import Final
from urllib.parse import urlsplit

MOST_SHOWN_CHARS: Final = 4096
"""Of one message. An Event takes 1024; a condition has room for the problems of a whole spec."""

_MOST_OF_A_HOST: Final = 2_048
"""Characters of a URL that are read. `urlsplit` keeps what it has read, so it is not given whole long texts."""

# Whoever wrote `user:password@` wrote it before the first slash, and no white space or quote is in it.
_USER: Final = re.compile(r"(?<=://)[^\s/?#'\"]{1,1024}@")
_QUERY: Final = re.compile(r"(?<=://)([^\s?#'\"]{1,2048}\?)([^\s#'\"]+)")
_VALUE: Final = re.compile(r"=[^&;]*")

_HIDDEN: Final = "…"

# Line breaks of any kind, and what moves the cursor, colours, reverses or hides text.
_SPACES: Final = frozenset("\t\n\v\f\r\x85\u2028\u2029")
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


def shown(text: str, most_chars: int = MOST_SHOWN_CHARS) -> str:
    """Return a text as it may be shown anywhere: printable, in one line, of bounded length, without credentials.

    User and password of addresses are hidden, and so are the values of their queries. Shown again it stays the same.
    """
    # Nothing of what comes that much later is shown, and hiding takes time.
    seen = printable(text[: 4 * most_chars])
    # A credential may come within reach of the patterns by what is hidden or cut beside it. Each round hides or cuts
    # more than the one before, so this ends.
    while (less := _cut(_hide(seen), most_chars)) != seen:
        seen = less
    return seen


def shown_url(url: str) -> str:
    """Return scheme, host and path of a URL: no user, no password, no query, which may all be secret."""
    try:
        parts = urlsplit(url[:_MOST_OF_A_HOST])
    except ValueError:
        return "its url"
    return shown(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}", _MOST_OF_A_HOST)


def _hide(text: str) -> str:
    if "://" not in text:
        return text
    text = _USER.sub(f"{_HIDDEN}@", text)
    return _QUERY.sub(lambda found: found[1] + _VALUE.sub(f"={_HIDDEN}", found[2]), text)


def _cut(text: str, most_chars: int) -> str:
    return text if len(text) <= most_chars else text[: most_chars - 1] + _HIDDEN


def printable(text: str) -> str:
    """Return a text in one line, without what a terminal obeys; nothing else is hidden or cut."""
    return text if text.isprintable() else "".join(map(_printable_char, text))


def _printable_char(char: str) -> str:
    if char.isprintable():
        return char
    if char in _SPACES:
        return " "
    return "\N{REPLACEMENT CHARACTER}" if unicodedata.category(char) in _UNSEEN else " "

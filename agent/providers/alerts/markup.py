r"""What chats would take for markup, escaped; and texts cut to the length that a chat allows.

Names and reasons come from whoever writes a Canary, or a service that it names: they must not mention a whole channel,
lead somewhere under another name, or end a tag.
"""

import re
from collections.abc import Callable
from typing import Final

import orjson

_MARKDOWN: Final = re.compile(r"[\\`*_{}\[\]()<>#~|]")
_HTML: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})

_CUT: Final = "…"


def as_it_is(text: str) -> str:
    """Return the text: for chats that interpret nothing in it."""
    return text


def escape_markdown(text: str) -> str:
    """Return a text that Markdown shows as it is, where a backslash takes the meaning from any punctuation."""
    return _MARKDOWN.sub(lambda found: f"\\{found[0]}", text)


def escape_html(text: str) -> str:
    """Return a text that is shown as it is where tags and entities have a meaning."""
    return text.translate(_HTML)


def json_bytes(text: str) -> int:
    """Return how many bytes a text takes in a JSON body."""
    return len(orjson.dumps(text)) - 2


def within(text: str, most: int, escape: Callable[[str], str] = as_it_is, size: Callable[[str], int] = len) -> str:
    """Return the escaped text, cut so that it is no longer than `most`; no escape is cut in two."""
    if size(escape(text)) <= most:
        return escape(text)
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if size(escape(text[:middle]) + _CUT) <= most:
            low = middle
        else:
            high = middle - 1
    return escape(text[:low]) + _CUT

"""JSON from outside as Python's values, whatever is nested in it.

Kubernetes stores objects that are nested 10,000 deep. orjson reads 1,024 levels and writes 254, and Python can't
compare or copy more than some hundred: one such object would end the reading of all. What is deeper than any object of
a user's or of ours is left out here, once and for all.
"""

import re
from typing import Any, Final

import orjson

KEPT_DEPTH: Final = 200
"""Objects and lists in each other. `canary.api.bounds` allows far fewer in a spec, so that what was cut is refused."""

# So many orjson writes; what has no more braces and brackets than that is not deeper.
_WRITTEN_DEPTH: Final = 254

_TOO_DEEP: Final = "depth limit"
_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[{]|[\]}]', re.DOTALL)


def loads(text: bytes) -> Any:
    """Read JSON; what is nested deeper than 254 levels is cut off at KEPT_DEPTH and is null.

    Raises:
        orjson.JSONDecodeError: it is no JSON.
    """
    try:
        parsed = orjson.loads(text)
        if text.count(b"{") + text.count(b"[") > _WRITTEN_DEPTH:
            orjson.dumps(parsed)  # the cheapest way to see how deep it is
    except orjson.JSONDecodeError as error:
        if _TOO_DEEP not in str(error):
            raise
    except orjson.JSONEncodeError:
        pass
    else:
        return parsed
    return orjson.loads(_cut(text))


def _cut(text: bytes) -> bytes:
    """Return the text with null in place of each object and list that is too deep."""
    kept: list[bytes] = []
    depth = end = 0
    for token in _TOKEN.finditer(text):
        mark = token[0][:1]
        if mark in b"[{":
            depth += 1
            if depth == KEPT_DEPTH + 1:
                kept.append(text[end : token.start()])
        elif mark in b"]}":
            if depth == KEPT_DEPTH + 1:
                kept.append(b"null")
                end = token.end()
            depth -= 1
    return b"".join([*kept, text[end:]])

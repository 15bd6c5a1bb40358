"""How an input is changed: mostly a value somewhere in its JSON, or nearly every input would end in the parser."""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from tests.support.long_values import LONG

MutateBytes = Callable[[bytes, int], bytes]

_VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        101,
        1.5,
        2**53,
        -(2**63),
        "",
        "a",
        "\x00",
        "ö" * 300,
        "0s",
        "1h1m",
        "-5s",
        "9" * 400,
    ),
    *(
        1e308,
        -1e308,
        2**64,
        1e15,
        "NaN",
        "1e999",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00",
        "9999-12-31T23:59:59",
        "2023-11-14T22:13:20.5Z",
    ),
    *(
        "http://[",
        "https://a.b/c",
        "{{ interval }}",
        "{{ variables.x }}",
        "sum(",
        "(?=a)",
        "a" * 5000,
        "../x",
        "x/y:1@z",
    ),
    *(
        [],
        {},
        [None],
        [[]],
        [{}],
        {"": None},
        {"a": {"b": [1, "2"]}},
        {"name": "podinfo"},
        {"exact": "1", "regex": "("},
    ),
    *(
        "CREATE",
        "UPDATE",
        "DELETE",
        "Deployment",
        "Canary",
        "podinfo",
        "podinfo-primary",
        "gloo",
        "istio",
        "Progressing",
    ),
)

_SHARE_OF_LONG = 0.1
_SHARE_OF_BYTES = 0.1
_SHARE_OF_LOSSES = 0.2


def mutate(body: bytes, max_size: int, seed: int, mutate_bytes: MutateBytes) -> bytes:
    """Change a value somewhere in the JSON; now and then, and where there is no JSON, some bytes."""
    chance = random.Random(seed)  # noqa: S311  libFuzzer's own seed: a run can be repeated
    try:
        tree = {"": json.loads(body)}
    except (ValueError, RecursionError):
        tree = {}
    if not tree or chance.random() < _SHARE_OF_BYTES:
        return mutate_bytes(body, max_size)
    holder, key = chance.choice(list(_places(tree)))
    if chance.random() < _SHARE_OF_LOSSES and key != "":
        del holder[key]
    else:
        holder[key] = chance.choice(LONG if chance.random() < _SHARE_OF_LONG else _VALUES)
    return json.dumps(tree[""]).encode()[:max_size]


def _places(holder: Any) -> Iterator[tuple[Any, Any]]:
    """Return every place of a value, as its holder and its key or position."""
    entries = holder.items() if isinstance(holder, dict) else enumerate(holder)
    for key, value in entries:
        yield holder, key
        if isinstance(value, dict | list):
            yield from _places(value)

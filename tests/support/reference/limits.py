"""What admission says is allowed: each field of a Canary is given a value that it can't have."""

import re
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any, Final

from canary.rules.shape import canary_problems
from tests.support.canaries import canary_object

# Of each type one too large and one that is none at all, as somebody may write them.
_ABSURD: Final[Mapping[str, tuple[object, ...]]] = {
    "number": (2_000_000_000, -1),
    "integer": (2_000_000_000, -1),
    "string": ("soon \n", "x" * 300),
}

_OF_THIS_VALUE: Final = re.compile(r"this one|\bsoon\b|another spelling|nothing without")

_OF_ITS_METRIC: Final = "spec.analysis.metrics[].thresholdRange"
"""What a range may be is told by the metric that it is of."""


def told_by_admission(fields: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[tuple[str, str]]:
    """Find what is allowed in each field, by its path, where a rule says so of one of the absurd values."""
    for path, schema in fields:
        if "{}" in path or schema.get("enum") or path.startswith(_OF_ITS_METRIC):
            continue
        told = [problem for value in _ABSURD.get(str(schema.get("type")), ()) for problem in _problems(path, value)]
        texts = dict.fromkeys(text.partition("; ")[0] for text in told if not _OF_THIS_VALUE.search(text))
        if texts:
            yield path, ", ".join(texts)


def _problems(path: str, value: object) -> Iterator[str]:
    concrete = path.replace("[]", "[0]")
    obj = deepcopy(canary_object({"sessionAffinity": {"cookieName": "side"}, "match": [{"uri": {"prefix": "/"}}]}))
    _put(obj, re.findall(r"\w+", concrete), value)
    for problem in canary_problems(obj):
        if problem.path == concrete:
            yield problem.allowed


def _put(obj: Any, steps: list[str], value: object) -> None:
    for step, following in zip(steps, [*steps[1:], ""], strict=True):
        key: Any = int(step) if step.isdigit() else step
        if not following:
            _set(obj, key, value)
            return
        if isinstance(obj, list):
            obj.extend({} for _ in range(key + 1 - len(obj)))
        elif key not in obj:
            obj[key] = [] if following.isdigit() else {}
        obj = obj[key]


def _set(obj: Any, key: Any, value: object) -> None:
    if isinstance(obj, list):
        obj.append(value)
    else:
        obj[key] = value

"""Prometheus' answer to an instant query, as the agent and the command line read it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

NOT_PROMETHEUS: Final = "not an answer of Prometheus"


@dataclass(frozen=True, slots=True)
class Element:
    """One element of an answer, which may be NaN or Inf; a scalar has no labels."""

    labels: Mapping[str, str]
    value: float


class NotAnAnswer(ValueError):  # noqa: N818  reads as what was found
    """It has no elements; the text says what it is instead, in words of our own."""


def read_elements(data: object) -> list[Element]:
    """Read `data` of an answer.

    Raises:
        NotAnAnswer: it is none of Prometheus', or one to another kind of query.
    """
    found: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
    kind, result = found.get("resultType"), found.get("result")
    if kind not in ("vector", "scalar") or not isinstance(result, list):
        kind = kind if kind in ("matrix", "string") else "something else"
        raise NotAnAnswer(f"the query gives a {kind}; allowed: a vector or a scalar")
    try:
        if kind == "scalar":
            return [Element({}, float(result[1]))]
        return [Element(item.get("metric") or {}, float(item["value"][1])) for item in result]
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise NotAnAnswer(NOT_PROMETHEUS) from error

"""The scalar types that Flagger's CRD speaks of.

Example: `stepWeight: 5.0` reads as 5 and `stepWeight: "5"` is refused, for so do the API server and Flagger together.
"""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StrictBool
from pydantic_core import PydanticCustomError

from canary.api.bounds import LEAST_INTERVAL_S
from canary.api.duration import parse_duration_s, window_in_gos_words


def refusal(allowed: str) -> PydanticCustomError:
    """Return the error of a value that a validator refuses; `allowed` describes what it accepts."""
    return PydanticCustomError("not_allowed", "{allowed}", {"allowed": allowed})


def _integral(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _duration(text: Any) -> str:
    return _duration_of_at_least(text, 0, "a duration such as 30s or 1m30s")


def _window(text: Any) -> str:
    written = _duration(window_in_gos_words(text) if isinstance(text, str) else text)
    return text if written else ""


def _interval(text: Any) -> str:
    return _duration_of_at_least(
        text, LEAST_INTERVAL_S, f"a duration such as 30s or 1m30s, at least {LEAST_INTERVAL_S}s"
    )


def _duration_of_at_least(text: Any, least_s: float, allowed: str) -> str:
    if not isinstance(text, str):
        raise refusal(allowed)
    try:
        is_long_enough = text == "" or parse_duration_s(text) >= least_s
    except ValueError:
        is_long_enough = False
    if not is_long_enough:
        raise refusal(allowed)
    return text


def _int_or_string(value: Any) -> Any:
    value = _integral(value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise refusal("a port number or a port name")
    return value


Switch = StrictBool
Whole = Annotated[int, Field(strict=True), BeforeValidator(_integral)]
Count = Annotated[int, Field(strict=True, ge=0), BeforeValidator(_integral)]
Number = Annotated[float, Field(strict=True)]
Duration = Annotated[str, BeforeValidator(_duration)]
"""Kept as written; empty means absent. Properties with the suffix `_s` give it in seconds."""
Window = Annotated[str, BeforeValidator(_window)]
"""A Duration that may have Graphite's words for its units, too: `1min`."""
Interval = Annotated[str, BeforeValidator(_interval)]
"""A Duration between two ticks of a run."""
PortNumberOrName = Annotated[Any, BeforeValidator(_int_or_string)]
StringMap = dict[str, str]
OpenObject = dict[str, Any]

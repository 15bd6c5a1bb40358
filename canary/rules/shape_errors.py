"""Pydantic's errors as problems: the field's path, the value found, and what is allowed."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from canary.api.problems import Problem, field_path

_ALLOWED = {
    "missing": "a value, for it is required",
    "string_type": "a text",
    "string_unicode": "a text of Unicode characters",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "tuple_type": "a list",
    "invalid_key": "a field name that is a text",
}

_REQUIRED: Final[Mapping[tuple[str, str], str]] = {
    ("Canary", "spec"): "an object with targetRef, service and analysis",
    ("Canary", "spec.targetRef"): "the workload to release: its apiVersion, kind (Deployment or DaemonSet) and name",
    ("Canary", "spec.targetRef.name"): "the name of the workload to release",
    ("Canary", "spec.analysis.steps[].weight"): "a weight from 0 to 100, as in {weight: 20}",
    ("MetricTemplate", "spec"): "an object with provider and query",
    ("MetricTemplate", "spec.provider"): "an object with the type of a metrics server, and its address",
    ("MetricTemplate", "spec.query"): "a query in the language of the provider",
    ("AlertProvider", "spec"): "an object with the type of a chat, and its address or a secretRef",
}
"""What belongs into a required field, by kind and path; of others their name says enough."""

_INDEX: Final = re.compile(r"\[\d+\]")

STAND_IN: Final = "serin-stand-in"
"""A name for what lacks one, so that the rest can be checked."""

Location = tuple[str | int, ...]


def read_problems(error: ValidationError) -> tuple[Problem, ...]:
    """Return every error as a Problem, in the order of the object."""
    return tuple(_problem(error.title, details) for details in error.errors(include_url=False))


def location(details: ErrorDetails) -> Location:
    """Return where the value stands in the object; pydantic's marker for a faulty key is no part of it."""
    return tuple(part for part in details["loc"] if part != "[key]")


def prune(obj: Any, details: ErrorDetails) -> bool:
    """Take the faulty value out of the object (in place), so that the rest can be checked. Return whether it was.

    What lacks a required field goes with it, and a list goes whole: without an entry the others' paths would be wrong.
    """
    at = location(details)
    if details["type"] == "missing":
        at = at[:-1]
    while at and isinstance(at[-1], int):
        at = at[:-1]
    holder = obj
    for part in at[:-1]:
        if part not in holder and not isinstance(part, int):
            return False
        holder = holder[part]
    return bool(at) and holder.pop(at[-1], None) is not None


def fill(obj: Any, details: ErrorDetails, filled: set[Location]) -> bool:
    """Fill in (in place) where a required field is missing, once for each; return whether it was.

    What lacks a name is there all the same: rules that ask whether it is are not to say that it is missing, too.
    """
    at = location(details)
    if details["type"] != "missing" or at in filled:
        return False
    holder = obj
    for part in at[:-1]:
        if isinstance(holder, dict) and part not in holder:
            return False  # taken out meanwhile, with what was beside it
        holder = holder[part]
    filled.add(at)
    holder[at[-1]] = STAND_IN
    return True


def _problem(kind: str, details: ErrorDetails) -> Problem:
    path, allowed = field_path(*location(details)), _allowed(details)
    if details["type"] == "missing":
        allowed = _REQUIRED.get((kind, _INDEX.sub("[]", path)), allowed)
    return Problem(path=path, found=_found(details), allowed=allowed)


def _found(details: ErrorDetails) -> object:
    return None if details["type"] == "missing" else details["input"]


def _allowed(details: ErrorDetails) -> str:
    context: Mapping[str, Any] = details.get("ctx", {})
    match details["type"]:
        case "string_type" if isinstance(details["input"], int | float):
            return f'a text, in quotes: "{json.dumps(details["input"])}"'
        case "not_allowed":
            return str(context["allowed"])
        case "literal_error":
            return f"one of {context['expected']}"
        case "greater_than_equal":
            return f"{context['ge']} or more"
        case known:
            return _ALLOWED.get(known, "a value of another kind")

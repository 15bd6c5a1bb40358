"""Faults of Canaries, each with the one answer that admission gives to it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from canary.api.problems import InvalidObject
from canary.rules.shape import parse_canary
from tests.support.reviews import request
from tests.support.rule_cases import good_canary_with
from webhook.canary_index import CanaryIndex
from webhook.context import AdmissionContext
from webhook.review import Answer
from webhook.validating import validate_canary

NOWHERE = AdmissionContext(CanaryIndex())

OBJECT_NAME = (
    "an object's name: lower-case letters, digits, '-' and '.', with a letter or digit at both ends (RFC 1123)"
)
NO_REFERENCE = "the name of an object, or no reference at all"


class Fault(NamedTuple):
    """`changes` of the good Canary, and what is told: `error: ...` or `warning: ...`.

    `spares_stored`: it refuses what is applied, and an object that was stored with it runs on.
    """

    changes: Mapping[str, object]
    told: str
    spares_stored: bool

    def __str__(self) -> str:
        return self.told.partition(";")[0]


def fault(changes: Mapping[str, object], told: str) -> Fault:
    """Return one whose answer begins with `error: `, with `applied: ` (refused as it is applied), or `warning: `."""
    return Fault(changes, told.replace("applied: ", "error: ", 1), not told.startswith("error: "))


def hook(**fields: object) -> Mapping[str, object]:
    """Return the change of the good Canary's first hook."""
    return {f"analysis/webhooks/0/{field}": value for field, value in fields.items()}


def validate(obj: dict[str, Any], old: dict[str, Any] | None = None) -> Answer:
    """Return what is answered to a Canary where there is nothing else."""
    return validate_canary(request(obj, old), NOWHERE)


def answers(changes: Mapping[str, object]) -> list[str]:
    """Return all that is told of the good Canary with these changes."""
    answer = validate(good_canary_with(changes))
    causes = answer.refusal.causes if answer.refusal is not None else ()
    return [
        *(f"error: {cause.field}: {cause.message}" for cause in causes),
        *(f"warning: {warning}" for warning in answer.warnings),
    ]


def check_stored(fault: Fault) -> None:
    """Check that an object that was stored with a fault runs on where it is spared, and stays editable in any case."""
    stored = good_canary_with(fault.changes)
    if fault.spares_stored:
        assert parse_canary(stored).name == "podinfo"
    else:
        with pytest.raises(InvalidObject):
            parse_canary(stored)
    assert validate(stored | {"spec": stored["spec"] | {"suspend": True}}, stored).is_allowed

"""No rule without a case."""

from importlib import import_module
from pathlib import Path

from canary.api.canary import Canary
from canary.rules.canary import RULES, Rule
from canary.rules.unknown_fields import UNKNOWN_FIELD_RULES
from tests.support.rule_cases import good_canary_with

TESTS = Path(__file__).parents[1]


def test_every_rule_has_a_case() -> None:
    """In the CASES of a file test_rules_*.py here, or among the FAULTS of tests/unit/webhook/test_faulty_*.py."""
    assert set(RULES) - {*UNKNOWN_FIELD_RULES} - _rules_of_cases() - _rules_of_faults() == set()


def _rules_of_cases() -> set[Rule]:
    files = sorted((TESTS / "canary_api").glob("test_rules_*.py"))
    cases = [case for file in files for case in import_module(f"tests.unit.canary_api.{file.stem}").CASES]
    return {rule for rule, *_ in cases}


def _rules_of_faults() -> set[Rule]:
    faults = [
        fault
        for file in ("test_faulty_canaries", "test_faulty_checks")
        for fault in import_module(f"tests.unit.webhook.{file}").FAULTS
    ]
    canaries = [Canary.model_validate(good_canary_with(fault.changes)) for fault in faults]
    return {rule for rule in RULES for canary in canaries if tuple(rule(canary))}

"""A short run of the coverage-guided fuzzer over each target; `make fuzz` goes on for an hour."""

from pathlib import Path

import pytest

from tests.fuzz.__main__ import fuzz
from tests.fuzz.seeds import SEEDS

pytest.importorskip("atheris", reason="atheris has no wheel for this Python or machine")


@pytest.mark.parametrize(("target", "runs"), [("reviews", 300), ("stored", 300), ("answers", 1_000)])
def test_no_input_ends_in_an_exception_or_takes_long(target: str, runs: int, tmp_path: Path) -> None:
    figures = fuzz(target, tmp_path, f"-runs={runs}", "-seed=1")
    assert figures["runs"] >= runs
    assert figures["inputs"] >= len(SEEDS[target]())

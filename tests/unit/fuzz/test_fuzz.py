"""A short run of the coverage-guided fuzzer over each target; `make fuzz` goes on for an hour."""

from pathlib import Path

import pytest

from tests.fuzz.__main__ import fuzz
from tests.fuzz.seeds import SEEDS

pytest.importorskip("atheris", reason="atheris has no wheel for this Python or machine")


# One of them always: each takes seconds to start, for all that it imports is instrumented.
@pytest.mark.parametrize(
    ("target", "runs"),
    [
        ("reviews", 300),
        pytest.param("stored", 300, marks=pytest.mark.long),
        pytest.param("answers", 1_000, marks=pytest.mark.long),
    ],
)
def test_no_input_ends_in_an_exception_or_takes_long(target: str, runs: int, tmp_path: Path) -> None:
    figures = fuzz(target, tmp_path, f"-runs={runs}", "-seed=1")
    assert figures["runs"] >= runs
    assert figures["inputs"] >= len(SEEDS[target]())

"""docs/cli.md: each example prints what the page says."""

from pathlib import Path

import pytest

from tests.support.cli_pages import Example, examples, play
from tests.support.cluster import REPOSITORY

EXAMPLES = list(examples(REPOSITORY / "docs" / "cli.md"))


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_an_example_of_the_page_prints_what_the_page_says(example: Example, tmp_path: Path) -> None:
    assert play(example, tmp_path) == example.text


def test_the_page_has_examples_of_every_verb() -> None:
    commands = [command for example in EXAMPLES for command in example.commands]
    assert {verb for verb in ("lint", "plan", "render") if any(f"serin {verb} " in one for one in commands)} == {
        "lint",
        "plan",
        "render",
    }

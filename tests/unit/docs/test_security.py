"""docs/security.md: each threat has an answer, and each answer a test that exists."""

import re

import pytest

from tests.support.compatibility import LINK, REPOSITORY

PAGE = (REPOSITORY / "docs" / "security.md").read_text()
HEAD = "| asset | who | how | answer | test |"
ROWS = [line for line in PAGE.partition(HEAD)[2].splitlines()[2:] if line.startswith("| ")]


def test_there_is_one_table_of_threats() -> None:
    assert PAGE.count(HEAD) == 1
    assert len(ROWS) > 15
    assert len(set(ROWS)) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[2:40])
def test_every_threat_has_an_answer_and_a_test_that_exists(row: str) -> None:
    cells = row.removeprefix("| ").removesuffix(" |").split(" | ")
    assert len(cells) == 5
    assert all(cells)
    assert LINK.sub("", cells[4]).strip(", ") == "", "something that is no link to a test"
    for name, path in LINK.findall(cells[4]):
        source = (REPOSITORY / path).read_text()
        assert re.search(rf"^(async )?def {name}\(", source, re.MULTILINE), f"{path} has no {name}"


def test_the_page_leads_to_where_a_vulnerability_is_reported() -> None:
    assert "[SECURITY](../SECURITY.md)" in PAGE

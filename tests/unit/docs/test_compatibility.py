"""docs/compatibility.md has a line for everything of Flagger's, and each line a test that exists, or a reason."""

import re
from collections import Counter
from pathlib import Path

import pytest

from canary.api.hooks import HOOK_TYPES
from canary.run.phase import Phase
from tests.support.compatibility import DOCUMENT, LINK, REPOSITORY, Mutation, Row, mutations, read_rows

FIELDS = REPOSITORY / "tests" / "unit" / "canary_api" / "flagger_fields.txt"
WORDS = Path(__file__).parent / "flagger_words.txt"

FIELD_SECTIONS = re.compile(r"Canary: |MetricTemplate|AlertProvider")
REASON = re.compile(r"not (there|needed|reported): .{20}")


ROWS = list(read_rows())


def keys(section: str) -> set[str]:
    return {row.key for row in ROWS if row.section == section}


def words(kind: str) -> set[str]:
    return {line.removeprefix(f"{kind} ") for line in WORDS.read_text().splitlines() if line.startswith(f"{kind} ")}


def fields() -> list[str]:
    return [line.split(" ")[0] for line in FIELDS.read_text().splitlines() if not line.startswith("#")]


def test_every_field_of_flaggers_crds_has_one_row_and_every_row_a_field() -> None:
    about = [row for row in ROWS if FIELD_SECTIONS.match(row.section)]
    found = {field: [row.key for row in about if row.is_about(field)] for field in fields()}
    assert len(found) > 300
    assert {field: keys for field, keys in found.items() if len(keys) != 1} == {}
    assert {row.key for row in about} - found.keys() == set()


def test_every_phase_and_hook_has_a_row() -> None:
    assert keys("Phases") == {str(phase) for phase in Phase}
    assert keys("Hooks") == set(HOOK_TYPES)


@pytest.mark.parametrize(
    ("section", "kind"), [("Events", "event"), ("Alerts", "alert"), ("Series", "series"), ("Flags", "flag")]
)
def test_every_word_of_flaggers_has_a_row(section: str, kind: str) -> None:
    assert len(words(kind)) > 5
    assert keys(section) == words(kind)


def test_the_series_are_those_that_the_agent_has() -> None:
    source = "".join(path.read_text() for path in (REPOSITORY / "agent" / "series").glob("*.py"))
    assert set(re.findall(r'"(flagger_\w+)"', source)) == keys("Series")


def test_no_row_stands_twice() -> None:
    assert [key for key, count in Counter((row.section, row.key) for row in ROWS).items() if count > 1] == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)
def test_every_row_has_a_test_that_exists_or_a_reason(row: Row) -> None:
    proofs = row.proofs
    if row.proof == "—":
        assert REASON.match(row.here), "neither a test nor a reason"
        return
    assert proofs
    assert LINK.sub("", row.proof).strip(", ") == "", "something that is no link to a test"
    for name, path in proofs:
        source = (REPOSITORY / path).read_text()
        assert re.search(rf"^(async )?def {name}\(", source, re.MULTILINE), f"{path} has no {name}"


def test_every_test_that_is_linked_anywhere_on_the_page_exists() -> None:
    """Those of the charts stand in rows without a key of their own."""
    links = LINK.findall(DOCUMENT.read_text())
    assert len(links) > len([proof for row in ROWS for proof in row.proofs])
    assert [link for link in links if f"def {link[0]}(" not in (REPOSITORY / link[1]).read_text()] == []


def test_the_fact_of_every_row_with_a_test_is_made_untrue_once() -> None:
    """`make long` does it: tests/long/test_compatibility_mutations.py."""
    made = [(mutation.section, mutation.key) for mutation in mutations()]
    assert sorted(made) == sorted((row.section, row.key) for row in ROWS if row.proofs)


@pytest.mark.parametrize("mutation", mutations(), ids=lambda mutation: f"{mutation.section}: {mutation.key}")
def test_what_is_made_untrue_stands_once_in_its_file(mutation: Mutation) -> None:
    assert mutation.before != mutation.after
    assert (REPOSITORY / mutation.file).read_text().count(mutation.before) == 1

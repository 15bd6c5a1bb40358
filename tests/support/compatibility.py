"""docs/compatibility.md as values: its rows with their proofs, and how the fact of each is made untrue."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).parents[2]
DOCUMENT = REPOSITORY / "docs" / "compatibility.md"
MUTATIONS = REPOSITORY / "tests" / "long" / "mutations"

LINK = re.compile(r"\[`(test_\w+)`\]\(\.\./(tests/[\w/]+\.py)\)")

# What needs no cluster, and so can be run for each row.
_QUICK = ("tests/unit/", "tests/contract/")


class Proof(NamedTuple):
    """A test that a row names."""

    name: str
    path: str

    @property
    def is_quick(self) -> bool:
        """Return whether it needs no cluster."""
        return self.path.startswith(_QUICK)


@dataclass(frozen=True)
class Row:
    """A line of a table. `has_more`: it speaks of everything below its key, too. `proof` is the cell's text."""

    section: str
    key: str
    has_more: bool
    here: str
    proof: str

    @property
    def proofs(self) -> list[Proof]:
        """Return the tests that it names."""
        return [Proof(*found) for found in LINK.findall(self.proof)]

    def is_about(self, field: str) -> bool:
        """Return whether it speaks of a field of Flagger's CRDs."""
        return field == self.key or (self.has_more and field.startswith(tuple(self.key + mark for mark in ".[{")))


@dataclass(frozen=True)
class Mutation:
    """The fact of a row made untrue: `before` stands once in `file`, and `proof` fails with `after` in its place."""

    section: str
    key: str
    file: str
    before: str
    after: str
    proof: str


def read_rows() -> Iterator[Row]:
    """Return the rows of all tables."""
    section = ""
    for line in DOCUMENT.read_text().splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        elif line.startswith("| `"):
            key, here, proof = re.split(r" (?<!\\)\| ", line.removeprefix("| ").removesuffix(" |"))
            yield Row(section, key.split("`")[1], key.endswith("and below"), here, proof)


@cache
def mutations() -> list[Mutation]:
    """Return all mutations; one that names no test is meant for the first quick one of its row."""
    rows = {(row.section, row.key): row for row in read_rows()}
    found = []
    for path in sorted(MUTATIONS.glob("*.toml")):
        table = tomllib.loads(path.read_text())
        section = table["section"]
        for key, entry in table["rows"].items():
            quick = {proof.name: proof for proof in rows[section, key].proofs if proof.is_quick}
            proof = quick[entry["test"]] if "test" in entry else next(iter(quick.values()))
            node = f"{proof.path}::{proof.name}"
            found.append(Mutation(section, key, entry["file"], entry["before"], entry["after"], node))
    return found

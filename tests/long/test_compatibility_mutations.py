"""The proofs of docs/compatibility.md: each fact is made untrue once, in a copy of the tree, and its test must fail.

The mutations are in tests/long/mutations; that each row has one that can be made is in tests/unit/docs.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.compatibility import REPOSITORY, Mutation, mutations

# What pytest ends with when tests failed; a mutation that keeps them from being collected proves nothing.
_FAILED = 1

_NOT_COPIED = (".git", ".venv", ".sandbox", "build", ".*_cache", "__pycache__", ".hypothesis", "benchmarks")

pytestmark = [pytest.mark.long]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree in which every named test passes, before anything is made untrue."""
    tree = tmp_path_factory.mktemp("mutated") / "tree"
    shutil.copytree(REPOSITORY, tree, ignore=shutil.ignore_patterns(*_NOT_COPIED), symlinks=True)
    proofs = sorted({mutation.proof for mutation in mutations()})
    assert run(tree, "--numprocesses=2", *proofs) == (0, "")
    return tree


@pytest.mark.timeout(900)
@pytest.mark.parametrize("mutation", mutations(), ids=lambda mutation: f"{mutation.section}: {mutation.key}")
def test_the_proof_of_a_row_fails_when_its_fact_is_made_untrue(mutation: Mutation, tree: Path) -> None:
    with_mutation = mutated(tree, mutation)
    next(with_mutation)
    try:
        code, output = run(tree, "--exitfirst", mutation.proof)
    finally:
        next(with_mutation, None)
    assert code == _FAILED, f"{mutation.proof} passes, or does not run, with {mutation.after!r}:\n{output}"


def mutated(tree: Path, mutation: Mutation) -> Iterator[None]:
    """Make the fact untrue until the next step."""
    path = tree / mutation.file
    text = path.read_text()
    assert text.count(mutation.before) == 1
    path.write_text(text.replace(mutation.before, mutation.after))
    yield
    path.write_text(text)


def run(tree: Path, *arguments: str) -> tuple[int, str]:
    """Return how pytest ended in the tree, and what it said where that was not well."""
    pytest_command = (sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments)
    ended = subprocess.run(pytest_command, cwd=tree, capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout + ended.stderr if ended.returncode else ""

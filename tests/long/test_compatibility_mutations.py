"""The proofs of docs/compatibility.md: each fact is made untrue once, in a copy of the tree, and its test must fail.

The mutations are in tests/long/mutations; that each row has one that can be made is in tests/unit/docs.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import forks
from tests.support.compatibility import REPOSITORY, Mutation, mutations

# What pytest ends with when tests failed; a mutation that keeps them from being collected proves nothing.
_PASSED, _FAILED = 0, 1

_NOT_COPIED = (".git", ".venv", ".sandbox", "build", ".*_cache", "__pycache__", ".hypothesis", "benchmarks")

pytestmark = [pytest.mark.long]


@dataclass(frozen=True)
class Copy:
    """A copy of the tree at `root`, and a process in it that runs tests."""

    root: Path
    process: "subprocess.Popen[str]"

    def run(self, *arguments: str) -> tuple[int, str]:
        """Return how pytest ended, and what it said."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(["-q", "-p", "no:cacheprovider", *arguments]) + "\n")
        self.process.stdin.flush()
        code, output = json.loads(self.process.stdout.readline())
        return code, output

    @contextmanager
    def mutated(self, mutation: Mutation) -> Iterator[None]:
        """Make a fact untrue for as long as the block lasts."""
        path = self.root / mutation.file
        text = path.read_text()
        assert text.count(mutation.before) == 1
        path.write_text(text.replace(mutation.before, mutation.after))
        try:
            yield
        finally:
            path.write_text(text)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    """A copy in which every named test passes before anything is made untrue."""
    root = tmp_path_factory.mktemp("mutated") / "tree"
    shutil.copytree(REPOSITORY, root, ignore=shutil.ignore_patterns(*_NOT_COPIED), symlinks=True)
    command = [sys.executable, "-B", "-m", forks.__name__]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        made = Copy(root, process)
        code, output = made.run(*sorted({mutation.proof for mutation in mutations()}))
        assert code == _PASSED, output
        yield made
        process.terminate()


@pytest.mark.timeout(1800)  # the first one waits for all tests of the fixture
@pytest.mark.parametrize("mutation", mutations(), ids=lambda mutation: f"{mutation.section}: {mutation.key}")
def test_the_proof_of_a_row_fails_when_its_fact_is_made_untrue(mutation: Mutation, copy: Copy) -> None:
    with copy.mutated(mutation):
        code, output = copy.run("--exitfirst", mutation.proof)
    assert code == _FAILED, f"{mutation.proof} passes, or can't be run, with {mutation.after!r}:\n{output}"

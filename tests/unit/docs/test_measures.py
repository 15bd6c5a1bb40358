"""No file and no function is longer than CONTRIBUTING.md says: what is longer is about more than one thing."""

import ast
from collections.abc import Iterator

import pytest

from tests.support.cluster import REPOSITORY

MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 60

FOLDERS = [*sorted(path.parent.name for path in REPOSITORY.glob("*/__init__.py")), "tests"]

# Path of a longer file, or `path:function` of a longer function -> why it is. There is none.
LONGER: dict[str, str] = {}


def long_functions(source: str) -> Iterator[tuple[str, int]]:
    """Return the functions that are too long, with their lines.

    Signatures don't count: where each parameter is a flag, as typer has it, they are a table of the flags.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.body[0].lineno + 1
            if lines > MOST_LINES_OF_A_FUNCTION:
                yield node.name, lines


@pytest.mark.parametrize("folder", FOLDERS)
def test_files_and_functions_are_as_long_as_they_may_be(folder: str) -> None:
    long = {}
    for path in sorted((REPOSITORY / folder).rglob("*")):
        if path.suffix not in {".py", ".js", ".css"}:
            continue
        source, name = path.read_text(), str(path.relative_to(REPOSITORY))
        if (lines := len(source.splitlines())) > MOST_LINES_OF_A_FILE:
            long[name] = lines
        if path.suffix == ".py":
            long |= {f"{name}:{function}": lines for function, lines in long_functions(source)}
    assert {name: lines for name, lines in long.items() if name not in LONGER} == {}


def test_every_package_is_looked_at() -> None:
    assert {"agent", "benchmarks", "canary", "cli", "kube", "render", "sandbox", "tests", "webhook"} <= set(FOLDERS)


def test_a_function_is_measured_without_its_signature() -> None:
    parameters = "\n".join(f"    p{number}: int," for number in range(90))
    body = "\n".join("    pass" for _ in range(60))
    assert list(long_functions(f"def fine(\n{parameters}\n) -> None:\n{body}\n")) == []
    assert list(long_functions(f"async def long() -> None:\n{body}\n    pass\n")) == [("long", 61)]

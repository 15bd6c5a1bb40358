"""Each docstring of a function or a method begins with a verb in the imperative: "Return ...", "Raise ...".

Rule: properties too say "Return ...", and yes/no functions "Return whether ..."; classes and modules are free.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster import REPOSITORY

# The packages whose docstrings are swept; a package that is added here stays so.
PACKAGES = ("agent", "canary", "certs", "kube", "loadtester", "render", "service", "webhook")

# What a docstring may begin with. ruff's D401 is no substitute: it skips properties, and lets nouns pass. Nor would a
# list of refused words find each noun ("Connections as ..."). A verb that is missing is added to the file; another part
# of speech, or a verb in the third person ("Returns"), is not.
VERBS = frozenset(Path(__file__).with_name("docstring_verbs.txt").read_text().split())


def docstrings(source: str) -> Iterator[tuple[str, int, str]]:
    """The name, line and docstring of each function and method that has one, nested and private ones too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (text := ast.get_docstring(node)):
            yield node.name, node.lineno, text


def first_word(text: str) -> str:
    return text.split(maxsplit=1)[0].rstrip(".,:;")


@pytest.mark.parametrize("package", PACKAGES)
def test_every_docstring_of_a_function_begins_with_a_verb_in_the_imperative(package: str) -> None:
    files = sorted((REPOSITORY / package).rglob("*.py"))
    found = [(file, *parts) for file in files for parts in docstrings(file.read_text())]
    assert found
    assert [
        f"{file.relative_to(REPOSITORY)}:{line} {name}: {text.splitlines()[0]}"
        for file, name, line, text in found
        if first_word(text) not in VERBS
    ] == []


@pytest.mark.parametrize(
    "begin",
    [
        "Returns the name.",
        "Is it open?",
        "Whether it is open.",
        "The name.",
        "`a` as ours.",
        "Gives the name.",
        "From b.",
    ],
)
@pytest.mark.parametrize(
    "function",
    ["def f():\n", "async def f():\n", "class A:\n    @property\n    def f(self):\n    ", "def g():\n  def f():\n  "],
)
def test_another_begin_is_found_wherever_it_stands(begin: str, function: str) -> None:
    found = list(docstrings(f'{function}    """{begin}"""\n'))
    assert [(name, first_word(text) in VERBS) for name, _, text in found] == [("f", False)]


@pytest.mark.parametrize("begin", ["Return the name.", "Return whether it is open.", "Wait.", "Raise, where none is."])
def test_a_verb_in_the_imperative_is_taken(begin: str) -> None:
    assert [first_word(text) in VERBS for *_, text in docstrings(f'def f():\n    """{begin}"""\n')] == [True]

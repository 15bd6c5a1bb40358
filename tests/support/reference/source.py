"""What the code says of itself: texts of constants, functions and their docstrings, read without running it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Final

from tests.support.cluster import REPOSITORY

_ONLY_AT_ADMISSION: Final = "AlertProviderNotFound"
"""A reason that only a warning of the webhook has: an alert without a provider holds nothing up."""

_Texts = dict[str, str]


@dataclass(frozen=True)
class Constant:
    """A named text with what is said below it."""

    name: str
    value: str
    doc: str


def tree_of(path: str) -> ast.Module:
    """Return a file of the repository, parsed."""
    return ast.parse((REPOSITORY / path).read_text())


def constants(path: str) -> Iterator[Constant]:
    """Find the texts that a module names at its top level, with the docstring that follows each."""
    body = tree_of(path).body
    for node, following in zip(body, [*body[1:], None], strict=True):
        if (
            isinstance(node, ast.AnnAssign)
            and isinstance(node.target, ast.Name)
            and isinstance(node.value, ast.Constant)
        ):
            yield Constant(node.target.id, str(node.value.value), _text(following))


def docs_of_names(path: str) -> dict[str, str]:
    """Return what is said below each name that a module declares, whatever its value is."""
    body = tree_of(path).body
    return {
        node.target.id: _text(following)
        for node, following in pairwise(body)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }


def _text(node: ast.AST | None) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return node.value.value
    return ""


def first_paragraph(doc: str | None) -> str:
    """Return the first paragraph of a docstring as one line."""
    return " ".join((doc or "").strip().split("\n\n")[0].split())


@cache
def ready_reasons() -> frozenset[str]:
    """Find every reason of the condition `Ready`.

    Where it is False, that is the first argument of a Blocker, or the `reason` of an object that can't be used, which
    becomes one. Where it is True, the second of the three texts that the condition is made of.
    """
    paths = [path for folder in ("canary", "agent", "render") for path in sorted((REPOSITORY / folder).rglob("*.py"))]
    trees = [ast.parse(path.read_text()) for path in paths]
    named = {name: value for tree in trees for name, value in _named(tree)}
    return frozenset(reason for tree in trees for reason in _reasons_in(tree, named)) - {_ONLY_AT_ADMISSION}


def _named(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and _text_of(node.value, {}):
            yield node.target.id, _text_of(node.value, {})


def _reasons_in(tree: ast.Module, named: _Texts) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name("Blocker"), args=[first, *_]):
                yield from filter(None, [_text_of(first, named)])
            case ast.Call(func=ast.Name("UnusableObjectError")):
                given = (_text_of(keyword.value, named) for keyword in node.keywords if keyword.arg == "reason")
                yield from filter(None, given)
            case ast.Assign(targets=[ast.Subscript(slice=ast.Name("READY"))], value=ast.Tuple(elts=[_, second, _])):
                yield from filter(None, [_text_of(second, named)])
            case ast.ClassDef(name="Reason"):
                yield from (_text_of(inner.value, {}) for inner in node.body if isinstance(inner, ast.Assign))
            case ast.ClassDef(name="UnusableObjectError"):
                yield from _default_of_reason(node)
            case _:
                pass


def _default_of_reason(node: ast.ClassDef) -> Iterator[str]:
    for inner in node.body:
        if isinstance(inner, ast.FunctionDef):
            for argument, default in zip(inner.args.kwonlyargs, inner.args.kw_defaults, strict=True):
                if argument.arg == "reason":
                    yield _text_of(default, {})


def _text_of(node: ast.AST | None, named: _Texts) -> str:
    """Return the text that an expression is, empty where only a run tells."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Name(name):
            return named.get(name, "")
        case _:
            return ""

"""Where a query stops being PromQL: the parser says what is wrong with it, but not where.

A beginning of the query is sound if something can follow it that makes it PromQL. The fault is at the first word that
no such thing can follow.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final, NamedTuple

import promql_parser

_MOST_WORDS: Final = 1_000
_CHARS_AROUND: Final = 45

_WORD: Final = re.compile(
    r"""
    (?P<blank>\s+|\#[^\n]*)
    |(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)
    |[A-Za-z_:][\w:]*
    |(?:\d|\.\d)[\w.]*
    |=~|!~|!=|==|>=|<=
    |.
    """,
    re.VERBOSE | re.DOTALL,
)
_CLOSING: Final = {"(": ")", "[": "]", "{": "}"}

# What may follow a beginning, inside of its innermost bracket or behind all of them. Then the brackets are closed, and
# behind a list of labels (`by (a`) stands what they are about.
_CONTINUATIONS: Final = (
    *("", " x", " 1m", ' "b"', " (x)", ' a="b"', '="b"', " (a)", " (a) x", " (a) (x)", " by (a) (x)", " 1, x", ", x"),
    *(" x[1m]", ":1m", " 1m:1m", ", 1", " = 1", "()"),
)
_BEHIND: Final = ("", " x", " (x)", " x)")

# The words of the grammar's refusal, and of the texts that end too early; the parser says other things of queries whose
# shape it took: of types, functions and patterns.
_SHAPELESS: Final = re.compile(r"invalid promql|unexpected|unclosed|unterminated|bad number|\bexpect\b|^$")


class Position(NamedTuple):
    """A place in a text: `line` and `column` count from 1, `word` is what stands there, empty at the end."""

    offset: int
    line: int
    column: int
    word: str

    def describe(self, text: str) -> str:
        """Say where it is, with what is around it."""
        what = f"at {self.word!r}" if self.word else "at its end"
        return f"{_around(text, self.offset)!r} (line {self.line}, column {self.column}, {what})"


def find_fault(text: str, error: str) -> Position | None:
    """Return where the fault of a query is that the parser refuses with `error`; None where that is not known."""
    words = list(_words(text))
    if not _SHAPELESS.search(error) or not words or len(words) > _MOST_WORDS:
        return None
    count = bisect_left(range(1, len(words) + 1), 1, key=lambda taken: 0 if _is_beginning(text, words[:taken]) else 1)
    if count < len(words):
        return _position(text, words[count].start(), words[count].group())
    opened = _open_brackets(words)
    if opened:
        return _position(text, opened[-1].start(), opened[-1].group())
    return _position(text, len(text.rstrip()), "")


def _words(text: str) -> Iterator[re.Match[str]]:
    return (match for match in _WORD.finditer(text) if match["blank"] is None)


def _is_beginning(text: str, words: list[re.Match[str]]) -> bool:
    """Return whether something can follow these first words."""
    opened = [_CLOSING[word.group()] for word in _open_brackets(words)]
    inner, outer = "".join(opened[-1:]), "".join(reversed(opened[:-1]))
    begun = text[: words[-1].end()]
    return any(
        _has_shape(f"{begun}{continuation}{inner}{behind}{outer}")
        for behind in (_BEHIND if opened else _BEHIND[:1])
        for continuation in _CONTINUATIONS
    )


def _has_shape(text: str) -> bool:
    try:
        promql_parser.parse(text)
    except ValueError as error:
        return not _SHAPELESS.search(str(error))
    return True


def _open_brackets(words: list[re.Match[str]]) -> list[re.Match[str]]:
    opened: list[re.Match[str]] = []
    for word in words:
        if word.group() in _CLOSING:
            opened.append(word)
        elif opened and word.group() == _CLOSING[opened[-1].group()]:
            opened.pop()
    return opened


def _position(text: str, offset: int, word: str) -> Position:
    before = text[:offset]
    return Position(offset, before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1, word)


def _around(text: str, offset: int) -> str:
    start, end = max(0, offset - _CHARS_AROUND), min(len(text), offset + _CHARS_AROUND)
    return f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}"

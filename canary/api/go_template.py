"""A strict subset of Go's text/template: what it accepts is read as Go reads it, everything else is refused.

Text, comments, trim markers, `if`/`else if`/`else`/`end`, pipes, parentheses, strings, whole numbers, true and false,
and functions that the caller knows. No variables, fields of the data, loops or nested templates. What values come to is
in `canary.api.query_template`. Source: Go's documentation of text/template, and its lexer for markers and comments.
"""

import itertools
import re
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from canary.api.bounds import MOST_TEMPLATE_ACTIONS, MOST_TEMPLATE_NESTING

_SPACE: Final = " \t\r\n"

_OPEN: Final = re.compile(r"\{\{(?P<trim>-(?=[ \t\r\n]))?")
_CLOSE: Final = re.compile(r"(?P<trim>[ \t\r\n]-)?\}\}")
_TOKEN: Final = re.compile(
    r"""(?P<text>"(?:\\.|[^"\\\n])*"|`[^`]*`)|(?P<number>[+-]?(?:0|[1-9][0-9]{0,17})(?![\w.]))|(?P<field>\.[^\W\d]\w*)"""
    r"""|(?P<word>[^\W\d]\w*)|(?P<mark>[|()])"""
)
_ESCAPE: Final = re.compile(r"\\(?:([abfnrtv\\\"])|x([0-7][0-9a-fA-F])|u((?![dD][89a-fA-F])[0-9a-fA-F]{4})|(.))")
_ESCAPED: Final = dict(zip('abfnrtv\\"', '\a\b\f\n\r\t\v\\"', strict=True))


class GoTemplateError(ValueError):
    """A template that is refused: from `start` to `end` it has what is not allowed."""

    def __init__(self, start: int, end: int, allowed: str) -> None:
        self.start = start
        self.end = end
        self.allowed = allowed
        super().__init__(f"characters {start} to {end}; allowed: {allowed}")


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, a whole number, true or false."""

    value: str | int | bool


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments; `field` is what is taken of its result (`variables.x`), empty for all of it.

    `piped` is what a pipe before it gives it as one more argument, the last.
    """

    name: str
    arguments: "tuple[Value, ...]" = ()
    field: str = ""
    piped: "Value | None" = None


Value = Literal | Call


@dataclass(frozen=True, slots=True)
class Output:
    """A value that is printed; the action stands at `start` to `end`."""

    value: Value
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class If:
    """One of two parts, by a condition that stands at `start` to `end`."""

    condition: Value
    start: int
    end: int
    then: "tuple[Node, ...]"
    otherwise: "tuple[Node, ...]"


Node = str | Output | If
"""A str is text outside of braces."""


class _Token(NamedTuple):
    """`is_apart`: it follows on space, a bracket or a pipe."""

    kind: str
    text: str
    is_apart: bool


class _Action(NamedTuple):
    start: int
    end: int
    tokens: list[_Token]

    def refused(self, allowed: str) -> GoTemplateError:
        return GoTemplateError(self.start, self.end, allowed)


def parse(template: str, functions: Collection[str], allowed: str) -> tuple[Node, ...]:
    """Read a template that calls only these functions; `allowed` says what may stand between braces.

    Raises:
        GoTemplateError: Go would refuse it too, or it is not of this subset.
    """
    reader = _Reader(list(_split(template, allowed)), functions, allowed)
    nodes, end = reader.read(depth=0)
    if end is not None:
        raise end.refused("an if before it")
    return nodes


def calls(nodes: tuple[Node, ...]) -> Iterator[Call]:
    """Return every call, at any depth."""
    waiting: list[Node | Value] = list(nodes)
    while waiting:
        match waiting.pop():
            case Output(value=value):
                waiting.append(value)
            case If(condition=condition, then=then, otherwise=otherwise):
                waiting += [condition, *then, *otherwise]
            case Call() as call:
                yield call
                waiting += [*call.arguments, *([call.piped] if call.piped is not None else ())]
            case _:
                pass


def _split(template: str, allowed: str) -> Iterator[str | _Action]:
    """Return texts, trimmed, and actions. Comments are gone."""
    at, trims = 0, False
    for count in itertools.count():
        opened = _OPEN.search(template, at)
        text = template[at : opened.start() if opened else len(template)]
        text = text.lstrip(_SPACE) if trims else text
        if opened is None:
            yield text
            return
        yield text.rstrip(_SPACE) if opened["trim"] else text
        if count >= MOST_TEMPLATE_ACTIONS:
            raise GoTemplateError(opened.start(), opened.end(), f"at most {MOST_TEMPLATE_ACTIONS} pairs of braces")
        after = opened.end() + (1 if opened["trim"] else 0)
        if template.startswith("/*", after):
            end = template.find("*/", after + 2)
            closed = _CLOSE.match(template, end + 2) if end >= 0 else None
            if closed is None:
                raise GoTemplateError(opened.start(), len(template), "a comment with */}} or */ -}} at its end")
        else:
            tokens, closed = _read_tokens(template, opened, allowed)
            yield _Action(opened.start(), closed.end(), tokens)
        at, trims = closed.end(), bool(closed["trim"])


def _read_tokens(template: str, opened: re.Match[str], allowed: str) -> tuple[list[_Token], re.Match[str]]:
    tokens: list[_Token] = []
    at, is_apart = opened.end(), True
    while True:
        if closed := _CLOSE.match(template, at):
            return tokens, closed
        if at >= len(template):
            raise GoTemplateError(opened.start(), at, "braces that are closed by }}")
        if template[at] in _SPACE:
            at, is_apart = at + 1, True
            continue
        found = _TOKEN.match(template, at)
        if found is None or found.lastgroup is None:
            end = template.find("}}", at)
            raise GoTemplateError(opened.start(), end + 2 if end >= 0 else len(template), allowed)
        tokens.append(_Token(found.lastgroup, found[0], is_apart))
        at, is_apart = found.end(), found.lastgroup == "mark"


class _Reader:
    """Recursive descent over texts and actions."""

    def __init__(self, parts: list[str | _Action], functions: Collection[str], allowed: str) -> None:
        self._parts = iter(parts)
        self._functions = functions
        self._allowed = allowed

    def read(self, depth: int) -> tuple[tuple[Node, ...], _Action | None]:
        """Return the nodes up to an `else` or `end`, and that; None at the end of the template."""
        nodes: list[Node] = []
        for part in self._parts:
            if isinstance(part, str):
                nodes += [part] if part else []
                continue
            word = part.tokens[0].text if part.tokens else ""
            if word in {"else", "end"}:
                return tuple(nodes), part
            if word == "if":
                nodes.append(self._read_if(part, 1, depth + 1))
            else:
                nodes.append(Output(self._value(part), part.start, part.end))
        return tuple(nodes), None

    def _read_if(self, action: _Action, keywords: int, depth: int) -> If:
        if depth > MOST_TEMPLATE_NESTING:
            raise action.refused(f"at most {MOST_TEMPLATE_NESTING} conditions in each other")
        condition = self._value(action, keywords)
        then, end = self.read(depth)
        otherwise: tuple[Node, ...] = ()
        words = [token.text for token in end.tokens] if end is not None else []
        if end is not None and words[:2] == ["else", "if"]:
            return If(condition, action.start, action.end, then, (self._read_if(end, 2, depth + 1),))
        if words == ["else"]:
            otherwise, end = self.read(depth)
            words = [token.text for token in end.tokens] if end is not None else []
        if end is None:
            raise action.refused("an if that has an end")
        if words != ["end"]:
            raise end.refused("the end of the if, which had its else already" if words[0] == "else" else "{{ end }}")
        return If(condition, action.start, action.end, then, otherwise)

    def _value(self, action: _Action, skipping: int = 0) -> Value:
        """Read the pipeline that an action has behind its keywords."""
        ahead = deque(action.tokens[skipping:])
        value = self._pipeline(action, ahead, 0)
        if ahead:
            raise action.refused(self._allowed)
        return value

    def _pipeline(self, action: _Action, ahead: deque[_Token], depth: int) -> Value:
        """Read commands between pipes; each gets the value of the one before it as its last argument."""
        value: Value | None = None
        for _ in range(MOST_TEMPLATE_NESTING):
            operands: list[tuple[_Token, Value]] = []
            while ahead and ahead[0].text not in {"|", ")"}:
                operands.append((ahead[0], self._operand(action, ahead, depth)))
            if not operands or not all(first.is_apart for first, _ in operands):
                raise action.refused(self._allowed)
            (first, head), arguments = operands[0], tuple(operand for _, operand in operands[1:])
            if arguments or value is not None:
                if first.kind != "word" or not isinstance(head, Call) or head.field:
                    raise action.refused(f"a function where there are arguments, and {first.text} is none")
                value = Call(head.name, arguments, piped=value)
            else:
                value = head
            if not ahead or ahead[0].text == ")":
                return value
            ahead.popleft()
        raise action.refused(f"at most {MOST_TEMPLATE_NESTING} pipes in one")

    def _operand(self, action: _Action, ahead: deque[_Token], depth: int) -> Value:
        token = ahead.popleft()
        match token.kind:
            case "text":
                return Literal(_unquoted(action, token.text))
            case "number":
                return Literal(int(token.text))
            case "word" if token.text in {"true", "false"}:
                return Literal(token.text == "true")
            case "word" if token.text in self._functions:
                has_field = bool(ahead) and ahead[0].kind == "field" and not ahead[0].is_apart
                return Call(token.text, field=ahead.popleft().text[1:] if has_field else "")
            case "mark" if token.text == "(" and depth < MOST_TEMPLATE_NESTING:
                value = self._pipeline(action, ahead, depth + 1)
                if ahead:
                    ahead.popleft()
                    return value
        raise action.refused(self._allowed)


def _unquoted(action: _Action, text: str) -> str:
    """Return what a string of Go says."""
    if text[0] == "`":
        return text[1:-1].replace("\r", "")

    def char(match: re.Match[str]) -> str:
        simple, byte, unicode, other = match.groups()
        if other:
            raise action.refused(rf"strings with \n, \", \\, \x41 and the like, and {match[0]} is no such escape")
        return _ESCAPED[simple] if simple else chr(int(byte or unicode, 16))

    return _ESCAPE.sub(char, text[1:-1])

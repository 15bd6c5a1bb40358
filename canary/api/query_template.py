"""The part of Go's templates that metric queries are written in.

Names: name, namespace, target, service, ingress, route, interval, and the user's own `variables`, as `variables.x` or
`index variables "x"` (Flagger 1.44, `pkg/metrics/observers/render.go`). Functions: printf with %s, %d, %q, %v and %%,
eq, ne, and, or, not. The syntax is in `canary.api.go_template`. Anything else of Go's template language is refused by
name and place rather than sent to the metrics server as it stands.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from canary.api.bounds import MOST_QUERY_BYTES
from canary.api.canary import Canary
from canary.api.go_template import Call, GoTemplateError, If, Literal, Node, Output, Value, calls, parse
from canary.api.problems import Described
from canary.api.query_text import NotAWord, Piece, QueryWriter, Text, TooLong, pieces_of

_NAMES: Final = ("name", "namespace", "target", "service", "ingress", "route", "interval")
_VARIABLES: Final = "variables"
_ALLOWED: Final = (
    f'between the braces, {", ".join(_NAMES)}, variables.NAME, index variables "NAME", printf, eq, ne, and, or, not, '
    "if, else, end"
)
_VERBS: Final = re.compile(r"%(.?)", re.DOTALL)
_MOST_SHOWN: Final = 80

Result = str | int | bool


class TemplateError(ValueError):
    """A query template with something that can't be filled in: `found` is it, with its braces and its place."""

    def __init__(self, query: str, start: int, end: int, allowed: str) -> None:
        line = query.count("\n", 0, start) + 1
        column = start - (query.rfind("\n", 0, start) + 1) + 1
        piece = query[start:end]
        piece = piece if len(piece) <= _MOST_SHOWN else piece[: _MOST_SHOWN - 1] + "…"
        self.found = Described(f"{piece!r} (line {line}, column {column})")
        self.allowed = allowed
        super().__init__(f"found {self.found.text}; allowed: {allowed}")


class UnknownVariable(TemplateError):  # noqa: N818  what it is, and a fault of who fills in
    """A variable that nothing sets."""


class QueryTooLong(TemplateError):  # noqa: N818  what it is
    """A query that is too long once it is filled in."""

    def __init__(self) -> None:
        self.found = Described(f"more than {MOST_QUERY_BYTES} bytes, once it is filled in")
        self.allowed = f"at most {MOST_QUERY_BYTES} bytes"
        ValueError.__init__(self, f"found {self.found.text}; allowed: {self.allowed}")


class _Unfit(Exception):  # noqa: N818  never leaves this module
    """A value that is not what a function or a place takes."""

    def __init__(self, allowed: str, error: type[TemplateError] = TemplateError) -> None:
        self.error = error
        super().__init__(allowed)


@dataclass(frozen=True)
class QueryTemplate:
    """A query that was read; `nodes` are its parts."""

    query: str
    nodes: tuple[Node, ...]

    @classmethod
    def read(cls, query: str) -> "QueryTemplate":
        """Read a query.

        Raises:
            TemplateError: an unknown name, or other Go template syntax.
        """
        try:
            nodes = parse(query, (*_NAMES, _VARIABLES, "index", "and", "or", *_FUNCTIONS), _ALLOWED)
        except GoTemplateError as error:
            raise TemplateError(query, error.start, error.end, error.allowed) from error
        template = cls(query, nodes)
        template._check()
        return template

    def _check(self) -> None:
        """See that every value can be had, also those of parts that a condition may leave out."""
        samples = dict.fromkeys(self.variables, "x")
        waiting = list(self.nodes)
        while waiting:
            node = waiting.pop()
            if isinstance(node, If):
                waiting += [*node.then, *node.otherwise]
            if not isinstance(node, str):
                self._value_of(node, dict.fromkeys(_NAMES, "x"), samples)

    def _value_of(self, node: Output | If, names: Mapping[str, str], variables: Mapping[str, str]) -> Result:
        try:
            return _value(node.value if isinstance(node, Output) else node.condition, names, variables)
        except _Unfit as unfit:
            raise unfit.error(self.query, node.start, node.end, str(unfit)) from unfit

    @property
    def variables(self) -> frozenset[str]:
        """Return the names of the variables that it asks for."""
        found: set[str] = set()
        for call in calls(self.nodes):
            match call:
                case Call(name="variables", field=field) if field:
                    found.add(field)
                case Call(name="index", arguments=(Call(name="variables"), Literal(value=str() as key))):
                    found.add(key)
                case Call(name="index", arguments=(Call(name="variables"),), piped=Literal(value=str() as key)):
                    found.add(key)
                case _:
                    pass
        return frozenset(found)

    @property
    def has_conditions(self) -> bool:
        """Return whether some of its parts are left out for some values."""
        return any(isinstance(node, If) for node in self.nodes)

    def filled(
        self, names: Mapping[str, str], variables: Mapping[str, str], *, is_trusted: bool = True, is_promql: bool = True
    ) -> str:
        """Fill it in. What a Canary sets stays within the quotes that are around it; see `canary.api.query_text`.

        `is_trusted`: outside of quotes it may be any piece of a query. `is_promql`: the language is PromQL.

        Raises:
            UnknownVariable: a variable that is not among `variables`.
            QueryTooLong: the query is.
            TemplateError: a value that a function or its place does not take.
        """
        writer = QueryWriter(is_trusted=is_trusted, is_promql=is_promql)
        try:
            self._write(writer, self.nodes, names, variables)
            return writer.text()
        except TooLong as error:
            raise QueryTooLong from error

    def _write(
        self, writer: QueryWriter, nodes: tuple[Node, ...], names: Mapping[str, str], variables: Mapping[str, str]
    ) -> None:
        for node in nodes:
            if isinstance(node, str):
                writer.write(Piece(node))
                continue
            value = self._value_of(node, names, variables)
            if isinstance(node, If):
                self._write(writer, node.then if value else node.otherwise, names, variables)
                continue
            try:
                for piece in pieces_of(_printed(value)):
                    writer.write(piece)
            except NotAWord as error:
                raise TemplateError(self.query, node.start, node.end, str(error)) from error


def render_query(
    query: str,
    names: Mapping[str, str],
    variables: Mapping[str, str],
    *,
    is_trusted: bool = True,
    is_promql: bool = True,
) -> str:
    """Fill in a query. Errors as of `QueryTemplate.read` and `QueryTemplate.filled`."""
    return QueryTemplate.read(query).filled(names, variables, is_trusted=is_trusted, is_promql=is_promql)


def used_variables(query: str) -> frozenset[str]:
    """Return the names of the variables that a query asks for. Errors as of `QueryTemplate.read`."""
    return QueryTemplate.read(query).variables


def has_conditions(query: str) -> bool:
    """Return whether a query has parts that are left out for some values. Errors as of `QueryTemplate.read`."""
    return QueryTemplate.read(query).has_conditions


def query_names(canary: Canary, interval: str) -> dict[str, str]:
    """Return the values of the template's names for one metric. `interval` is a duration such as `1m`: its window."""
    ingress = canary.spec.ingress_ref
    route = canary.spec.route_ref
    target = canary.spec.target_ref.name
    return {
        "name": canary.name,
        "namespace": canary.namespace,
        "target": target,
        "service": canary.apex_name,
        "ingress": target if ingress is None else ingress.name,
        "route": target if route is None else route.name,
        "interval": interval,
    }


def _value(value: Value, names: Mapping[str, str], variables: Mapping[str, str]) -> Result:
    if isinstance(value, Literal):
        return value.value
    name, arguments = value.name, value.arguments
    if value.piped is not None:  # it is had before all else, whatever the function makes of its arguments
        arguments = (*arguments, Literal(_value(value.piped, names, variables)))
    if name == "index":
        return _indexed(arguments, names, variables)
    if name == _VARIABLES:
        return _variable(value, variables)
    if name in {"and", "or"}:  # the arguments behind the one that decides are not looked at
        return _first(arguments, names, variables, is_or=name == "or")
    results = _values(arguments, names, variables)
    if name in names:
        if results or value.field:
            raise _Unfit(f"{name} alone; it is a text and takes no arguments")
        return _set(names[name])
    if value.field:
        raise _Unfit(f"{name} without .{value.field}")
    return _FUNCTIONS[name](results)


def _values(arguments: tuple[Value, ...], names: Mapping[str, str], variables: Mapping[str, str]) -> list[Result]:
    results: list[Result] = []
    length = 0
    for argument in arguments:
        result = _value(argument, names, variables)
        length += len(result) if isinstance(result, str) else 0
        if length > MOST_QUERY_BYTES:
            raise TooLong
        results.append(result)
    return results


def _variable(call: Call, variables: Mapping[str, str]) -> str:
    if not call.field or call.arguments or call.piped is not None:
        raise _Unfit('variables.NAME or index variables "NAME"')
    if call.field not in variables:
        known = ", ".join(sorted(variables)) or "none, for templateVariables sets none"
        raise _Unfit(f"the variables {known}", UnknownVariable)
    return _set(variables[call.field])


def _indexed(arguments: tuple[Value, ...], names: Mapping[str, str], variables: Mapping[str, str]) -> str:
    """Return a variable by its name; one that nothing sets is empty, as in Go."""
    match arguments:
        case (Call(name="variables", arguments=(), field=""), key):
            found = _value(key, names, variables)
            if isinstance(found, str):
                return _set(variables.get(found, ""))
        case _:
            pass
    raise _Unfit('index variables "NAME"')


def _first(
    arguments: tuple[Value, ...], names: Mapping[str, str], variables: Mapping[str, str], *, is_or: bool
) -> Result:
    if not arguments:
        raise _Unfit("at least one argument of and, or")
    result: Result = ""
    for argument in arguments:
        result = _value(argument, names, variables)
        if bool(result) is is_or:
            break
    return result


def _equal(results: list[Result]) -> bool:
    """Return whether the first is equal to one of the others."""
    if len(results) < 2:  # noqa: PLR2004  one to compare, and what with
        raise _Unfit("eq with two or more arguments")
    first, *others = results
    if any(_kind(other) is not _kind(first) for other in others):
        raise _Unfit("two texts, two numbers, or two of true and false in a comparison")
    return first in others


def _set(text: str) -> Text:
    """Return a text as one that the Canary sets."""
    return Text((Piece(text, is_set=True),))


def _kind(value: Result) -> type[Result]:
    return str if isinstance(value, str) else type(value)


def _unequal(results: list[Result]) -> bool:
    if len(results) != 2:  # noqa: PLR2004  as in Go
        raise _Unfit("ne with two arguments")
    return not _equal(results)


def _not(results: list[Result]) -> bool:
    if len(results) != 1:
        raise _Unfit("not with one argument")
    return not results[0]


def _printf(results: list[Result]) -> str:
    match results:
        case [str() as pattern, *rest]:
            pass
        case _:
            raise _Unfit("printf with a text first")
    waiting = iter(rest)
    pieces: list[Piece] = []
    length = place = 0
    for verb in _VERBS.finditer(pattern):
        filled = (Piece(pattern[place : verb.start()]), *_filled_verb(verb[1], waiting))
        length += sum(len(piece.text) for piece in filled)
        if length > MOST_QUERY_BYTES:
            raise TooLong
        pieces += filled
        place = verb.end()
    if next(waiting, None) is not None:
        raise _Unfit("as many verbs in the text of printf as it has arguments behind it")
    is_pattern_set = any(piece.is_set for piece in pieces_of(pattern))
    made = (*pieces, Piece(pattern[place:]))
    return Text(tuple(piece._replace(is_set=piece.is_set or is_pattern_set) for piece in made))


def _filled_verb(verb: str, waiting: Iterator[Result]) -> tuple[Piece, ...]:
    if verb == "%":
        return (Piece("%"),)
    value = next(waiting, None)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if verb == "v" and value is not None:
        return pieces_of(_printed(value))
    if verb == "d" and is_number:
        return (Piece(str(value)),)
    if verb == "s" and isinstance(value, str):
        return pieces_of(value)
    if verb == "q" and isinstance(value, str):
        return (Piece(_quoted(value), any(piece.is_set for piece in pieces_of(value)), is_quoted=True),)
    raise _Unfit("printf with %s or %q for each text, %d for each number, %v for either, and %% for a percent sign")


def _printed(value: Result) -> str:
    if isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def _quoted(text: str) -> str:
    """Return a text in quotes, as Go's %q makes it."""
    escaped = {"\a": r"\a", "\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t", "\v": r"\v"}
    escaped |= {"\\": r"\\", '"': r"\""}
    return '"' + "".join(escaped.get(char) or _shown(char) for char in text) + '"'


def _shown(char: str) -> str:
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004  Go's bounds


_FUNCTIONS: Final[Mapping[str, Callable[[list[Result]], Result]]] = {
    "printf": _printf,
    "eq": _equal,
    "ne": _unequal,
    "not": _not,
}

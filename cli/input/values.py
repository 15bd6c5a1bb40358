"""YAML as kubectl reads it, first as nodes that know their line and column, then as the values of JSON.

kubectl turns YAML into JSON: a date stays a text and `1:30` is one, `yes` is true and `1e3` a number. PyYAML's own
constructors do otherwise, so its nodes are read here. Source: the resolver of go-yaml 2, which sigs.k8s.io/yaml has.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import yaml

from canary.api.problems import field_path
from cli.input.errors import NotYaml

MOST_VALUES: Final = 1_000_000
"""Of one document with its aliases written out: a handful of them, nested, could stand for more than fits in memory."""
_MOST_DEEP: Final = 200
_MOST_MERGED: Final = 5
"""Maps that are merged into maps that are merged; nobody writes more, and each may double what there is."""

_TAG: Final = "tag:yaml.org,2002:"
_MERGE: Final = f"{_TAG}merge"
_RESOLVED: Final = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF", list("tTfFyYnNoO")),
    ("int", r"[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|[1-9][0-9_]*|0)", list("-+0123456789")),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", list("-+0123456789.")),
    ("float", r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", list("-+.")),
    ("merge", r"<<", ["<"]),
)
_TRUE: Final = frozenset({"true", "yes", "on"})


def resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """Return what a plain scalar is, by its first character, in the shape that PyYAML has for it."""
    found: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    for name, pattern, firsts in _RESOLVED:
        for first in firsts:
            found.setdefault(first, []).append((f"{_TAG}{name}", re.compile(rf"(?:{pattern})\Z")))
    return found


# libyaml's parser takes a tenth of the time, where PyYAML was built with it.
_PARSER: Final[Any] = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
_LOADER: Final[Any] = type("_Loader", (_PARSER,), {"yaml_implicit_resolvers": resolvers()})


def compose(text: str, source: str) -> Iterator[yaml.Node]:
    """Return the root of each document.

    Raises:
        NotYaml: where the text stops being YAML.
    """
    documents = yaml.compose_all(text, Loader=_LOADER)
    while True:
        with _told(source):
            node = next(documents, None)
        if node is None:
            return
        yield node


@contextmanager
def _told(source: str) -> Iterator[None]:
    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (1, 1) if mark is None else (mark.line + 1, mark.column + 1)
        why = " ".join(filter(None, [error.context, error.problem]))
        raise NotYaml(source, line, column, f"this is no YAML: {why}") from error
    except yaml.YAMLError as error:
        raise NotYaml(source, 1, 1, f"this is no YAML: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise NotYaml(source, 1, 1, "this is nested too deeply to be an object") from error


class Repeated:
    """A key that stands in a map twice: `path` as problems name it, where it is, and the line of the first one."""

    __slots__ = ("first_line", "key", "path")

    def __init__(self, path: str, key: yaml.Node, first_line: int) -> None:
        self.path = path
        self.key = key
        self.first_line = first_line


class Values:
    """The values of one document's nodes. `repeated` collects the keys that stand in a map twice, the last counts."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._left = MOST_VALUES
        self.repeated: list[Repeated] = []

    def read(self, node: yaml.Node, path: str = "", depth: int = 0) -> Any:
        """Read a node with all that is below it.

        Raises:
            NotYaml: too many values, too deep, or keys that JSON has none of.
        """
        self._left -= 1
        if self._left < 0 or depth > _MOST_DEEP:
            limit = f"{MOST_VALUES} values" if self._left < 0 else f"{_MOST_DEEP} levels"
            raise self._refusal(node, f"this has more than {limit}, its aliases written out")
        match node:
            case yaml.MappingNode():
                return self._read_mapping(node, path, depth)
            case yaml.SequenceNode():
                return [self.read(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(node.value)]
            case _:
                return self._read_scalar(node)

    def _read_mapping(self, node: yaml.MappingNode, path: str, depth: int) -> dict[str, Any]:
        read: dict[str, Any] = {}
        own: dict[str, yaml.Node] = {}
        merged = {id(key_node) for key_node, _ in _merged(node, 0)}
        for key_node, value_node in _entries(node):
            key, is_own = self._key(key_node), id(key_node) not in merged
            below = field_path(path, key) if path else field_path(key)
            if is_own and key in own:
                self.repeated.append(Repeated(below, key_node, own[key].start_mark.line + 1))
            if is_own:
                own[key] = key_node
            read[key] = self.read(value_node, below, depth + 1)
        return read

    def _key(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise self._refusal(node, "found a list or a map as a key; allowed: a text")
        return key_text(node)

    def _read_scalar(self, node: yaml.Node) -> Any:
        text = node.value
        match node.tag.removeprefix(_TAG):
            case "null":
                return None
            case "bool":
                return text.lower() in _TRUE
            case "int":
                return _whole(text)
            case "float":
                return _number(text)
            case _:
                return text

    def _refusal(self, node: yaml.Node, why: str) -> NotYaml:
        return NotYaml(self._source, node.start_mark.line + 1, node.start_mark.column + 1, why)


def locate(root: yaml.Node, path: str) -> tuple[int, int]:
    """Return line and column of the field at a problem's path; of the nearest that is there, where it is not.

    Of an entry of a map it is its key.
    """
    node, at = root, root
    rest = path if path.startswith("[") else f".{path}"
    while rest:
        step = _step(node, rest)
        if step is None:
            break
        at, node, rest = step
    return at.start_mark.line + 1, at.start_mark.column + 1


def _step(node: yaml.Node, rest: str) -> tuple[yaml.Node, yaml.Node, str] | None:
    """Return what the next part of a path leads to: what marks it, its value and the rest of the path."""
    found: tuple[yaml.Node, yaml.Node, str] | None = None
    if isinstance(node, yaml.SequenceNode):
        index = re.match(r"\[(\d+)\]", rest)
        if index is None or int(index[1]) >= len(node.value):
            return None
        item = node.value[int(index[1])]
        return item, item, rest[index.end() :]
    if isinstance(node, yaml.MappingNode):
        for key, value in _entries(node):
            part = field_path("", key_text(key)) if isinstance(key, yaml.ScalarNode) else ""
            after = rest[len(part) :]
            is_shorter = found is None or len(after) <= len(found[2])
            if part and rest.startswith(part) and after[:1] in {"", ".", "["} and is_shorter:
                found = key, value, after
    return found


def key_text(node: yaml.ScalarNode) -> str:
    """Return a key as JSON has it: `on` is `true`, and 80 is `80`."""
    if node.tag == f"{_TAG}bool":
        return "true" if node.value.lower() in _TRUE else "false"
    return str(node.value)


def _entries(node: yaml.MappingNode, depth: int = 0) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    """Return keys and values, those that are merged in (`<<`) first: the map's own go before them."""
    yield from _merged(node, depth)
    yield from ((key, value) for key, value in node.value if key.tag != _MERGE)


def _merged(node: yaml.MappingNode, depth: int) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    for key, value in node.value if depth < _MOST_MERGED else ():
        if key.tag == _MERGE:
            parts = value.value if isinstance(value, yaml.SequenceNode) else [value]
            for part in reversed(parts):
                if isinstance(part, yaml.MappingNode):
                    yield from _entries(part, depth + 1)


def _whole(text: str) -> int:
    plain = text.replace("_", "")
    sign, digits = (-1, plain[1:]) if plain.startswith("-") else (1, plain.lstrip("+"))
    if digits.startswith("0") and digits[1:].isdigit():
        return sign * int(digits, 8)
    return sign * int(digits, 0)


def _number(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))

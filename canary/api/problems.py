"""What is wrong with an object of a user: where, what was found and what is allowed."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

FOUND_MAX_CHARS = 120
_CHARS_AROUND = 40

_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Described:
    """Something found that is no value of a field: it is shown as it stands, not quoted."""

    text: str


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of an object. `found` is the value as written, None when the field is absent.

    An error that `spares_stored` refuses what is applied now. What was stored before there was such a rule, or while
    the webhook was away, runs on: it means something, if hardly what was intended.
    """

    path: str
    found: object
    allowed: str
    is_warning: bool = False
    spares_stored: bool = False

    @property
    def stops_runs(self) -> bool:
        """Return whether a stored object that has it can't be used."""
        return not self.is_warning and not self.spares_stored

    def __str__(self) -> str:
        return f"{self.path}: found {_in_words(self.found)}; allowed: {self.allowed}"


class InvalidObject(Exception):  # noqa: N818  "invalid object" is what it is, and what the condition says
    """An object that can't run as written; carries every problem, not just the first."""

    def __init__(self, *, kind: str, namespace: str, name: str, problems: Iterable[Problem]) -> None:
        self.kind = kind
        self.namespace = namespace
        self.name = name
        self.problems = tuple(problems)
        super().__init__(f"{kind} {namespace}/{name}: " + "; ".join(str(problem) for problem in self.problems))


def field_path(root: str | int, *parts: str | int) -> str:
    """Join the parts as Kubernetes does: `spec.analysis.metrics[1].name`, `metadata.annotations[a.io/b]`.

    `root` may be a path already.
    """
    path = str(root)
    for part in parts:
        path += f".{part}" if isinstance(part, str) and _FIELD.fullmatch(part) else f"[{part}]"
    return path


def around(text: str, place: int) -> str | Described:
    """Return what is shown of a text with a fault at `place`: of a long one only the piece around that."""
    if len(repr(text)) <= FOUND_MAX_CHARS:
        return text
    start, end = max(0, place - _CHARS_AROUND), min(len(text), place + _CHARS_AROUND)
    piece = f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}"
    return Described(f"{piece!r} at character {place + 1}")


def _in_words(found: object) -> str:
    if found is None:
        return "nothing"
    if isinstance(found, Described):
        return found.text
    text = repr(found) if isinstance(found, str) else json.dumps(found, default=str, skipkeys=True, ensure_ascii=False)
    return text if len(text) <= FOUND_MAX_CHARS else text[: FOUND_MAX_CHARS - 1] + "…"

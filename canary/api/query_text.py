"""The text of a query while it is filled in: what a Canary sets can't leave the place that the template gives it.

Example: `x{app="{{ variables.app }}"}` with `a"} or y{b="c` is one label's value, not another query. It matters where a
template, with its server and credentials, is another team's.
"""

import re
from typing import Final, NamedTuple, Self

from canary.api.bounds import MOST_QUERY_BYTES


class Piece(NamedTuple):
    """A part of a text. `is_set`: the Canary sets it; the template's author wrote the rest.

    `is_quoted`: it is a whole text in quotes (printf's %q).
    """

    text: str
    is_set: bool = False
    is_quoted: bool = False


class Text(str):
    """A text that knows what it was made of."""

    __slots__ = ("pieces",)

    def __new__(cls, pieces: tuple[Piece, ...]) -> Self:
        """Join the pieces."""
        made = super().__new__(cls, "".join(piece.text for piece in pieces))
        made.pieces = pieces
        return made

    pieces: tuple[Piece, ...]


class TooLong(ValueError):  # noqa: N818  reads as what is the matter
    """The text is longer than `MOST_QUERY_BYTES`."""


class NotAWord(ValueError):  # noqa: N818  reads as what is the matter
    """Something that a Canary sets stands where it could be any piece of a query; the message says what is allowed."""


def pieces_of(value: str) -> tuple[Piece, ...]:
    """Return what a text was made of; a plain one is the author's."""
    return value.pieces if isinstance(value, Text) else (Piece(value),)


_PLAIN: Final = ""
_COMMENT: Final = "#"
_LINE_END: Final = re.compile(r"[\r\n]")
_BACKTICK: Final = re.compile("`")
_BEGIN: Final = re.compile(r"[\"'`#]")
_STRING_PART: Final = {quote: re.compile(rf"\\(?:.|\Z)|{quote}", re.DOTALL) for quote in "\"'"}
_UNSAFE: Final = {quote: re.compile(rf"\\(.|\Z)|{quote}|\n", re.DOTALL) for quote in "\"'"}

# A metric's or label's name, a number or a duration: one word of PromQL.
_WORD: Final = re.compile(r"-?[A-Za-z0-9_:.]*")
_WORD_IN_WORDS: Final = (
    "a name, a number or a duration there, for the template is another namespace's; quotes around the braces take "
    "any text"
)


# Of other languages. It ends no text in quotes in any of them, begins none, and is no comment (NRQL: --).
_PLAIN_WORD: Final = re.compile(r"[A-Za-z0-9_.]+(?:-[A-Za-z0-9_.]+)*")
_PLAIN_WORD_IN_WORDS: Final = (
    "a name, a number or a duration there (letters, digits, '_', '.', and single '-' between them), for the template "
    "is another namespace's"
)


class QueryWriter:
    """Writes a query piece by piece, and follows whether it stands within quotes. `is_trusted`: whose pieces are free.

    A Canary may put anything outside of quotes into a template of its own namespace, as with Flagger. `is_promql`
    False: what quotes are is not known. Then a Canary's own template takes anything, and another namespace's words.
    """

    def __init__(self, *, is_trusted: bool, is_promql: bool = True) -> None:
        self._is_trusted = is_trusted
        self._is_promql = is_promql
        self._texts: list[str] = []
        self._length = 0
        self._within = _PLAIN
        self._is_escaping = False

    def write(self, piece: Piece) -> None:
        """Add a piece.

        Raises:
            TooLong: the query is.
            NotAWord: the piece can't stand there.
        """
        text = self._fitted(piece) if piece.is_set else piece.text
        self._length += len(text)
        if self._length > MOST_QUERY_BYTES:
            raise TooLong
        self._texts.append(text)
        self._follow(text)

    def text(self) -> str:
        """Return what was written.

        Raises:
            TooLong: it is.
        """
        written = "".join(self._texts)
        if len(written.encode(errors="replace")) > MOST_QUERY_BYTES:
            raise TooLong
        return written

    def _fitted(self, piece: Piece) -> str:
        text = piece.text
        if not self._is_promql:
            if not self._is_trusted and _PLAIN_WORD.fullmatch(text) is None:
                raise NotAWord(_PLAIN_WORD_IN_WORDS)
            return text
        if self._within in _UNSAFE and not self._is_escaping:
            return _UNSAFE[self._within].sub(_escaped, text)
        if self._is_trusted:
            return text
        if self._within == _PLAIN:
            is_fit = piece.is_quoted or _WORD.fullmatch(text) is not None
        elif self._within == _COMMENT:
            is_fit = "\n" not in text and "\r" not in text
        else:  # text in backticks has no escapes, and none can be told behind a backslash of the author's
            is_fit = not self._is_escaping and "`" not in text
        if not is_fit:
            raise NotAWord(_WORD_IN_WORDS)
        return text

    def _follow(self, text: str) -> None:
        place = 0
        if self._is_escaping and text:
            place, self._is_escaping = 1, False
        while place < len(text):
            match self._within:
                case "":
                    found = _BEGIN.search(text, place)
                    self._within = "" if found is None else found.group()
                case "#":
                    found = _LINE_END.search(text, place)
                    self._within = "#" if found is None else ""
                case "`":
                    found = _BACKTICK.search(text, place)
                    self._within = "`" if found is None else ""
                case quote:
                    found = _STRING_PART[quote].search(text, place)
                    if found is not None and found.group() == quote:
                        self._within = ""
                    self._is_escaping = found is not None and found.group() == "\\"
            if found is None:
                return
            place = found.end()


def _escaped(found: re.Match[str]) -> str:
    """Escape what would end a text in quotes. What is escaped already is kept: variables hold regular expressions."""
    text = found.group()
    if text == "\n":
        return "\\n"
    if text.startswith("\\"):
        return "\\\\n" if text == "\\\n" else text if len(text) > 1 else "\\\\"
    return f"\\{text}"

"""What is printed: plain lines, with colours only in a terminal, and never with NO_COLOR."""

import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from canary.api.shown import printable

if TYPE_CHECKING:
    from rich.text import Text

Line = str | Sequence[tuple[str, str]]
"""A plain line, or pieces of one, each with a style of rich's (`bold red`, "" for none)."""


def show(lines: Iterable[Line]) -> None:
    """Print lines to stdout."""
    if not is_coloured():
        sys.stdout.write("".join(f"{plain(line)}\n" for line in lines))
        return
    from rich.console import Console  # noqa: PLC0415  what is piped need not wait for it

    console = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)
    for line in lines:
        console.print(styled(line))


def is_coloured() -> bool:
    """Return whether stdout is a terminal whose user does not mind colours. Source: no-color.org."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def plain(line: Line) -> str:
    """Return a line without its styles, and without what a terminal would obey."""
    return printable(line if isinstance(line, str) else "".join(text for text, _ in line))


def styled(line: Line) -> "Text":
    """Return a line with its styles; a terminal obeys these, and nothing that stands in its texts."""
    from rich.text import Text  # noqa: PLC0415  what is piped need not wait for it

    pieces = [(line, "")] if isinstance(line, str) else line
    return Text.assemble(*((printable(text), style) for text, style in pieces))


def complain(line: str) -> None:
    """Print a line to stderr."""
    sys.stderr.write(f"{printable(line)}\n")

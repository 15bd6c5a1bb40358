"""What is printed: a terminal obeys the styles of the command, and nothing that stands in a text."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest

from cli.cluster.failures import Failed
from cli.frames import draw, print_new
from cli.terminal import Line, complain, show

EVIL = "a\x1b[2J\x1b]0;pwned\x07\x9b1mb\r\nc"
HARMLESS = "a�[2J�]0;pwned��1mb  c"
LINES: list[Line] = [EVIL, [(EVIL, ""), (" x", "bold")]]
PLAIN = f"{HARMLESS}\n{HARMLESS} x\n"


async def frames() -> AsyncIterator[Sequence[Line]]:
    yield LINES


@pytest.mark.parametrize("is_coloured", [False, True])
def test_lines_are_printed_without_what_a_terminal_obeys(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *, is_coloured: bool
) -> None:
    monkeypatch.setattr("cli.terminal.is_coloured", lambda: is_coloured)
    show(LINES)
    assert capsys.readouterr().out.splitlines() == PLAIN.splitlines()


@pytest.mark.parametrize("follow", [draw, print_new])
async def test_what_is_followed_is_printed_without_what_a_terminal_obeys(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    follow: Callable[[AsyncIterator[Sequence[Line]]], Awaitable[None]],
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    await follow(frames())
    assert capsys.readouterr().out.splitlines() == PLAIN.splitlines()


def test_what_went_wrong_is_one_line_without_what_a_terminal_obeys(capsys: pytest.CaptureFixture[str]) -> None:
    complain(EVIL)
    assert capsys.readouterr().err == f"{HARMLESS}\n"
    assert str(Failed(EVIL)) == HARMLESS

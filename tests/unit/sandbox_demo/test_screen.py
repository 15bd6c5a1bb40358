"""The output as it is read in a file."""

import io

from rich.console import Console
from rich.text import Text

from sandbox.demo.figures import LIMITS
from sandbox.demo.screen import Screen, weight_bar


def _screen(width: int = 60) -> tuple[Screen, io.StringIO]:
    written = io.StringIO()
    return Screen(Console(file=written, width=width, highlight=False)), written


def test_a_moment_is_aligned_and_a_long_text_goes_on_below_itself() -> None:
    screen, written = _screen()
    screen.moment(3.14159, "event", Text("Advance podinfo.test canary weight 10"))
    screen.moment(123.4, "warning", Text("Halt advancement no values found for gloo metric request-duration"))
    assert written.getvalue().splitlines() == [
        "    3.14 s  event   Advance podinfo.test canary weight 10",
        "  123.40 s  warning Halt advancement no values found for",
        "                    gloo metric request-duration",
    ]


def test_a_brief_moment_is_one_line() -> None:
    screen, written = _screen()
    screen.moment(1.0, "warning", Text("x" * 100), is_brief=True)
    (line,) = written.getvalue().splitlines()
    assert len(line) == 60
    assert line.endswith("x…")


def test_output_of_commands_is_shown_as_it_is() -> None:
    screen, written = _screen()
    screen.output("a [bold] word\n" + "y" * 80)
    assert written.getvalue() == "    a [bold] word\n    " + "y" * 80 + "\n"


def test_the_weight_bar_shows_the_canarys_share_without_colours_too() -> None:
    assert weight_bar(0).plain == "primary 100  canary   0  " + "░" * 20
    assert weight_bar(10).plain == "primary  90  canary  10  " + "░" * 18 + "█" * 2
    assert weight_bar(100).plain == "primary   0  canary 100  " + "█" * 20


def test_a_figure_is_shown_with_its_limit() -> None:
    screen, written = _screen(width=120)
    screen.figures(dict.fromkeys(LIMITS) | {"ready_s": 41.0})
    lines = written.getvalue().splitlines()
    assert "ready_s" in lines[1]
    assert "✘" in lines[1]
    assert "41.00 s" in lines[1]
    assert "≤ 40 s" in lines[1]
    assert "not measured" in lines[2]

"""What the audience sees: a log that only grows, so that it reads the same in a terminal and in a file."""

import os
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from sandbox.demo.figures import LIMITS, Moment

_STYLES = {"event": "green", "warning": "yellow", "status": "magenta", "failed": "bold red"}
_MARKS = {True: "[bold green]✔[/]", False: "[bold red]✘[/]"}
_BAR_CELLS = 20

_is_file = not os.isatty(1) and "COLUMNS" not in os.environ
_console = Console(width=120 if _is_file else None, highlight=False)


def heading(text: str) -> None:
    """Begin a part of the demo."""
    _console.print()
    _console.rule(Text(text, style="bold"), align="left", style="dim")


def say(markup: str) -> None:
    """Print a line; `markup` may be styled as rich does it."""
    _console.print(f"  {markup}", soft_wrap=True)


def command(line: str) -> None:
    """Show a command as it is typed."""
    say(f"[dim]$[/] [bold]{escape(line)}[/]")


def output(line: str) -> None:
    """Show a line that a command has printed."""
    say(f"  [dim]{escape(line)}[/]")


def result(text: str, *, is_good: bool) -> None:
    """Print how something went."""
    say(f"{_MARKS[is_good]} {escape(text)}")


def moment(seen: Moment, since_s: float) -> None:
    """Print what was seen, with the seconds since `since_s`."""
    text = seen.text
    if seen.kind == "weight":
        percent = int(text)
        bar = "█" * round(percent * _BAR_CELLS / 100)
        text = f"primary {100 - percent:>3}  canary {percent:>3}  {bar:░>{_BAR_CELLS}}"
    style = _STYLES.get(seen.kind, "cyan")
    say(f"[dim]{seen.at_s - since_s:8.2f} s[/]  [{style}]{seen.kind:<8}[/] {escape(text)}")


def summary(acts: Sequence[Mapping[str, object]], figures: Mapping[str, float | None]) -> None:
    """Print a line for each act, and one for each figure: the worst of the run, its limit, and what it means."""
    for act in acts:
        result(f"{act['name']:<18}{act['seconds']:6.1f} s", is_good=bool(act["ok"]))
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    for title in ("", "figure", "worst", "limit", ""):
        table.add_column(title, justify="right" if title in {"worst", "limit"} else "left")
    for name, limit in LIMITS.items():
        value = figures[name]
        worst = "not measured" if value is None else f"{value:,g}{limit.unit}"
        table.add_row(f"  {_MARKS[limit.holds(value)]}", name, worst, str(limit), limit.meaning)
    _console.print(table)

"""What the audience sees: a log that only grows, so that it reads the same in a terminal and in a file."""

import asyncio
import os
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sandbox.demo.figures import LIMITS
from sandbox.demo.verdict import ActResult

_FILE_WIDTH = 120
_BAR_CELLS = 20
_NARROWEST = 20
_KIND_STYLES = {
    "event": "green",
    "warning": "yellow",
    "weight": "cyan",
    "status": "magenta",
    "check": "blue",
    "load": "cyan",
    "failed": "bold red",
}
_YES, _NO = Text("✔", style="bold green"), Text("✘", style="bold red")


class Screen:
    """Everything printed goes through here; who prints lines that belong together holds `floor` meanwhile."""

    def __init__(self, console: Console | None = None) -> None:
        self.floor = asyncio.Lock()
        is_wide = not os.isatty(1) and "COLUMNS" not in os.environ
        self._console = console or Console(width=_FILE_WIDTH if is_wide else None, highlight=False)

    def heading(self, text: str) -> None:
        """Begin a part of the demo."""
        self._console.print()
        self._console.rule(Text(text, style="bold"), align="left", style="dim")

    def say(self, text: str) -> None:
        """Tell something in a line of its own; may have rich markup."""
        self._console.print(f"  {text}")

    def command(self, line: str) -> None:
        """A command, as it is typed."""
        self._console.print(f"  [dim]$[/] [bold]{escape(line)}[/]", soft_wrap=True)

    def output(self, text: str) -> None:
        """What a command has printed."""
        for line in text.rstrip().splitlines():
            self._console.print(f"    [dim]{escape(line)}[/]", soft_wrap=True)

    def hint(self, what: str, line: str) -> None:
        """A line to copy."""
        self._console.print(f"  [dim]{what:<13}[/]{escape(line)}", soft_wrap=True)

    def failure(self, text: str) -> None:
        """Something that must not happen."""
        self._hang(Text("  "), Text(text, style="red"))

    def moment(self, seconds: float, kind: str, what: Text, *, is_brief: bool = False) -> None:
        """One line of the timeline, `seconds` after the act began; a long text goes on below, or is cut if brief."""
        lead = Text.assemble((f"{seconds:8.2f} s", "dim"), "  ", (f"{kind:<8}", _KIND_STYLES.get(kind, "")))
        if is_brief:
            what.truncate(self._console.width - len(lead), overflow="ellipsis")
        self._hang(lead, what)

    def act_ended(self, result: ActResult) -> None:
        """The act's verdict, and why when it went otherwise than it should."""
        if result.is_ok:
            self._console.print(f"  [bold green]✔ {result.name}[/]: as it should be, in {result.seconds:.1f} s")
            return
        self._console.print(f"  [bold red]✘ {result.name}[/]: not as it should be")
        for problem in result.problems:
            self._hang(Text("    · "), Text(problem, style="red"))
        self._console.print("    expected events:")
        for line in result.expected.events:
            self._hang(Text("      "), Text(str(line), style="dim"))

    def summary(self, results: Sequence[ActResult]) -> None:
        """A line for each act."""
        table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
        for title in ("act", "", "seconds", "canary weights"):
            table.add_column(title, justify="right" if title == "seconds" else "left")
        for result in results:
            weights = " ".join(str(weight) for weight in result.seen.weights) if result.is_played else "not played"
            table.add_row(result.name, _YES if result.is_ok else _NO, f"{result.seconds:.1f}", weights)
        self._console.print(Padding(table, (0, 0, 1, 2), expand=False))

    def figures(self, figures: Mapping[str, float | None]) -> None:
        """A line for each figure: the worst of the run, and its limit."""
        table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
        for title in ("figure", "", "worst", "limit"):
            table.add_column(title, justify="right" if title in {"worst", "limit"} else "left")
        table.add_column("", style="dim")
        for name, value in figures.items():
            limit = LIMITS[name]
            mark = _YES if limit.holds(value) else _NO
            table.add_row(name, mark, limit.text(value), str(limit), limit.meaning)
        self._console.print(Padding(table, (0, 0, 0, 2), expand=False))

    def mark(self, text: str, *, is_good: bool) -> None:
        """One thing that was looked at."""
        self._hang(Text("    ") + (_YES if is_good else _NO) + Text(" "), Text(text))

    def _hang(self, lead: Text, what: Text) -> None:
        """Print `what` behind `lead`, and what does not fit on the line below its own beginning."""
        first, *rest = what.wrap(self._console, max(self._console.width - len(lead), _NARROWEST)) or [Text()]
        for line in (lead + first, *(Text(" " * len(lead)) + line for line in rest)):
            line.rstrip()
            self._console.print(line, soft_wrap=True)


def weight_bar(canary_percent: int) -> Text:
    """Who gets how much of the traffic, in figures and as a bar."""
    cells = round(canary_percent * _BAR_CELLS / 100)
    text = Text(f"primary {100 - canary_percent:>3}  canary {canary_percent:>3}  ")
    return text.append("░" * (_BAR_CELLS - cells), style="dim").append("█" * cells, style="cyan")

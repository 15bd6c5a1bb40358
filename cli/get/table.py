"""Canaries as a table: one line each, whatever their number."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from cli.rollout.ages import ago
from cli.rollout.canary import CanaryView
from cli.rollout.styles import BAD, STRONG, phase_style, ready_style
from cli.terminal import Line

_READY_WORDS: Final = {True: "True", False: "False", None: "-"}
_GAP: Final = "  "
_SHORT_REVISION: Final = 16


class Cell(NamedTuple):
    """A text and its style."""

    text: str
    style: str = ""


class Column(NamedTuple):
    """A heading, and what stands under it at a moment."""

    heading: str
    cell: Callable[[CanaryView, float], Cell]


_NAMESPACE: Final = Column("NAMESPACE", lambda view, _: Cell(view.namespace))
_COLUMNS: Final = (
    Column("NAME", lambda view, _: Cell(view.name, STRONG)),
    Column("PHASE", lambda view, _: Cell(phase_text(view), phase_style(view))),
    Column("WEIGHT", lambda view, _: Cell(weight_text(view))),
    Column("FAILED", lambda view, _: Cell(failed_text(view), BAD if view.failed_checks and not view.is_idle else "")),
    Column("READY", lambda view, _: Cell(_READY_WORDS[view.is_ready], ready_style(view))),
    Column("REASON", lambda view, _: Cell(view.ready_reason or "-")),
    Column("REVISION", lambda view, _: Cell(view.analysed[:_SHORT_REVISION] or "-")),
    Column("CHANGED", lambda view, now_s: Cell(ago(view.moved_at_s, now_s))),
)
_WIDE: Final = (
    Column("TARGET", lambda view, _: Cell(f"{view.target_kind}/{view.target}")),
    Column("PROMOTED", lambda view, _: Cell(view.promoted[:_SHORT_REVISION] or "-")),
    Column("WAITS FOR", lambda view, _: Cell(", ".join(_waits(view)) or "-")),
    Column("CHANGE", lambda view, _: Cell(str(view.change) if view.change and str(view.change) else "-")),
)


def columns(*, across: bool, wide: bool) -> tuple[Column, ...]:
    """Return the columns; those `across` namespaces name them."""
    return ((_NAMESPACE,) if across else ()) + _COLUMNS + (_WIDE if wide else ())


def in_order(views: Iterable[CanaryView]) -> list[CanaryView]:
    """Return canaries by namespace and name."""
    return sorted(views, key=lambda view: (view.namespace, view.name))


def rows(views: Sequence[CanaryView], shown: Sequence[Column], now_s: float) -> list[list[Cell]]:
    """Return the cells of the table, the headings first."""
    return [[Cell(column.heading) for column in shown], *([c.cell(view, now_s) for c in shown] for view in views)]


def widths(cells: Sequence[Sequence[Cell]]) -> list[int]:
    """Return how wide each column is."""
    return [max(len(cell.text) for cell in column) for column in zip(*cells, strict=True)]


def lines(cells: Sequence[Sequence[Cell]], wide: Sequence[int]) -> list[Line]:
    """Return the rows, padded to the widths."""
    return [_line(row, wide) for row in cells]


def _line(row: Sequence[Cell], wide: Sequence[int]) -> Line:
    *first, last = row
    pieces = [(f"{cell.text:<{width}}{_GAP}", cell.style) for cell, width in zip(first, wide, strict=False)]
    return [*pieces, (last.text, last.style)]


def phase_text(view: CanaryView) -> str:
    """Return the phase, and what the run is held by."""
    word = view.phase_word
    if view.is_suspended:
        return f"{word} (suspended)"
    if view.queue:
        return f"{word} ({view.turn_text})"
    if view.paused_step:
        return f"{word} (paused at step {view.paused_step})"
    return f"{word} (paused)" if view.is_analysing and view.is_paused else word


def _waits(view: CanaryView) -> list[str]:
    return [*map(view.waiting_text, view.waiting_for), *(["its turn"] if view.queue else [])]


def weight_text(view: CanaryView) -> str:
    """Return the canary side's weight, and where the analysis leads to while there is one."""
    if view.all_iterations and view.is_analysing:
        return f"{view.weight} ({view.iterations}/{view.all_iterations})"
    return f"{view.weight}/{view.most_weight}" if view.is_analysing else str(view.weight)


def failed_text(view: CanaryView) -> str:
    """Return how many checks failed, and how many make a rollback."""
    return f"{view.failed_checks}/{view.threshold}" if view.threshold else str(view.failed_checks)

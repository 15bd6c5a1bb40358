"""`serin history`: the last runs of a canary, the newest first, as the status keeps them."""

import sys
import time
from typing import Final

from cli.cluster.access import Access
from cli.exit_codes import ExitCode
from cli.get.table import Cell, lines, widths
from cli.outputs import ValueOutput, as_text
from cli.rollout.ages import ago, moment, span
from cli.rollout.canary import CanaryView, Run
from cli.rollout.styles import BAD, GOOD, HELD, QUIET
from cli.terminal import show

_OUTCOMES: Final = {
    "promoted": ("promoted", GOOD),
    "rolledBack": ("rolled back", BAD),
    "superseded": ("superseded", HELD),
}
_HEADINGS: Final = ("REVISION", "OUTCOME", "ENDED", "TOOK", "CHANGE", "BY", "REASON")


async def history(access: Access, name: str, output: ValueOutput) -> ExitCode:
    """Print the runs that have ended."""
    view = CanaryView.read(await access.canary(name))
    if output in {ValueOutput.JSON, ValueOutput.YAML}:
        sys.stdout.write(as_text({"runs": list(map(_as_value, view.history))}, output))
    elif not view.history:
        sys.stderr.write(f"serin: found no run of {name} that has ended\n")
    else:
        now_s = time.time()
        cells = [[Cell(heading) for heading in _HEADINGS], *(_row(run, now_s) for run in view.history)]
        show(lines(cells, widths(cells)))
    return ExitCode.OK


def _row(run: Run, now_s: float) -> list[Cell]:
    word, style = _OUTCOMES.get(run.outcome, (run.outcome, ""))
    return [
        Cell(run.revision),
        Cell(word, style),
        Cell(f"{ago(run.ended_at_s, now_s)} ago" if run.ended_at_s is not None else "-", QUIET),
        Cell(_took(run)),
        Cell(run.change or "-"),
        Cell(run.by or "-"),
        Cell(run.reason or "-"),
    ]


def _took(run: Run) -> str:
    if run.started_at_s is None or run.ended_at_s is None:
        return "-"
    return span(run.ended_at_s - run.started_at_s)


def _as_value(run: Run) -> dict[str, object]:
    known: dict[str, object] = {
        "revision": run.revision,
        "outcome": run.outcome,
        "change": run.change,
        "by": run.by,
        "startedAt": moment(run.started_at_s) if run.started_at_s is not None else "",
        "endedAt": moment(run.ended_at_s) if run.ended_at_s is not None else "",
        "reason": run.reason,
    }
    return {key: value for key, value in known.items() if value}

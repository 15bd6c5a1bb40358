"""`serin history`: the last runs of a canary, the newest first, as the status keeps them."""

import sys
import time
from typing import Final

from canary.run.history import HistoryEntry, Outcome, write_history
from cli.cluster.access import Access
from cli.exit_codes import ExitCode
from cli.get.table import Cell, lines, widths
from cli.outputs import ValueOutput, as_text
from cli.rollout.ages import ago, span
from cli.rollout.canary import CanaryView
from cli.rollout.styles import BAD, GOOD, HELD, QUIET
from cli.terminal import show

_OUTCOMES: Final = {
    Outcome.PROMOTED: ("promoted", GOOD),
    Outcome.ROLLED_BACK: ("rolled back", BAD),
    Outcome.SUPERSEDED: ("superseded", HELD),
}
_HEADINGS: Final = ("REVISION", "OUTCOME", "ENDED", "TOOK", "CHANGE", "BY", "REASON")


async def history(access: Access, name: str, output: ValueOutput) -> ExitCode:
    """Print the runs that have ended."""
    view = CanaryView.read(await access.canary(name))
    if output in {ValueOutput.JSON, ValueOutput.YAML}:
        sys.stdout.write(as_text({"runs": write_history(view.history)}, output))
    elif not view.history:
        sys.stderr.write(f"serin: found no run of {name} that has ended\n")
    else:
        now_s = time.time()
        cells = [[Cell(heading) for heading in _HEADINGS], *(_row(run, now_s) for run in view.history)]
        show(lines(cells, widths(cells)))
    return ExitCode.OK


def _row(run: HistoryEntry, now_s: float) -> list[Cell]:
    word, style = _OUTCOMES[run.outcome]
    return [
        Cell(run.revision),
        Cell(word, style),
        Cell(f"{ago(run.ended_at_s, now_s)} ago", QUIET),
        Cell(span(run.ended_at_s - run.started_at_s)),
        Cell(run.change or "-"),
        Cell(run.by or "-"),
        Cell(run.reason or "-"),
    ]

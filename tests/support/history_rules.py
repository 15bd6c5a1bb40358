"""What must hold of the history in every stored state: one entry for each run that has ended, in their order."""

from dataclasses import dataclass, field

from canary.decide.takeover import is_foreign
from canary.run.phase import ANALYSING, IDLE, Phase
from canary.run.state import State

_UNDER_WAY = {*ANALYSING, Phase.PROMOTING}
_MOST_ENTRIES = 10


@dataclass
class HistoryRule:
    """Counts the runs by what is stored of phases and revisions, one state after the other."""

    seen: State | None = None
    ended: list[tuple[str, str]] = field(default_factory=list)
    is_open: bool = False

    def see(self, state: State) -> None:
        """Hold the history of a stored state against what was stored before it."""
        before, self.seen = self.seen, state
        if state is before:
            return
        if before is None:
            self.ended = [(entry.revision, str(entry.outcome)) for entry in state.history]
        elif is_foreign(state):
            # What Flagger, or a CRD of Flagger's, leaves of a status has no history, and its run is nobody's.
            self.ended, self.is_open = [], False
        elif not is_foreign(before):
            self._follow(before, state)
        found = [(entry.revision, str(entry.outcome)) for entry in state.history]
        assert found == self.ended[:_MOST_ENTRIES], "not one entry for each run that has ended"
        assert all(entry.started_at_s <= entry.ended_at_s for entry in state.history)

    def _follow(self, before: State, state: State) -> None:
        outcome, is_other = self._outcome(before, state), before.revisions.analysed != state.revisions.analysed
        if outcome and self.is_open:
            self.ended.insert(0, (before.revisions.analysed, outcome))
        if state.phase in IDLE or (outcome and state.phase is Phase.FINALISING):
            self.is_open = False
        elif state.phase in _UNDER_WAY:
            # Of a promotion that was begun by others nothing is known, until it is analysed here.
            begins = before.phase in IDLE or is_other or state.analysis.started_at_s is not None
            self.is_open = self.is_open or begins
        elif state.phase is Phase.INITIALIZING:
            self.is_open = self.is_open or before.phase is None or before.phase in IDLE or is_other

    def _outcome(self, before: State, state: State) -> str:
        if before.phase in IDLE or before.phase is None:
            return ""
        if state.phase is Phase.FAILED:
            return "rolledBack"
        if state.phase in {Phase.SUCCEEDED, Phase.INITIALIZED}:
            return "promoted"
        is_other = before.revisions.analysed != state.revisions.analysed
        return "superseded" if is_other and before.phase in _UNDER_WAY else ""

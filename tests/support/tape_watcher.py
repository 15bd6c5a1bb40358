"""Who stands before every effect of a tape, and holds it against the rules."""

import re
from dataclasses import dataclass, field

from canary.api.canary import Canary
from canary.run.phase import ANALYSING, Phase
from canary.run.request import Verb, split_claim
from canary.run.state import State
from tests.support.history_rules import HistoryRule
from tests.support.serving_rules import check_before_promote, check_before_traffic
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_parts import Crash


@dataclass
class Watcher:
    """Stands before every effect and holds it against the rules; it also plays the crashes of the tape."""

    cluster: SimulatedCluster
    crash_in: int = 0
    conflicts: int = 0
    is_size_new: bool = False
    failed: set[str] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)
    retried: set[str] = field(default_factory=set)
    phases: list[Phase | None] = field(default_factory=list)
    runs: HistoryRule = field(default_factory=HistoryRule)
    seen: tuple[Canary, State] | None = None

    def __call__(self, effect: str) -> None:
        cluster, state = self.cluster, self.cluster.state
        self._check_pause()
        self.crash(effect)
        if effect == "answers" and self.conflicts:
            self.conflicts -= 1
            cluster.writes_by_others += 1
        self._note_end(state)
        if effect.startswith("SetTraffic"):
            self._check_weights(effect)
            if not self.is_size_new:
                check_before_traffic(cluster)
        if effect == "ScaleTarget(replicas=0)":
            assert cluster.weights == (100, 0), "the canary side still has traffic"
            assert cluster.served == (100, 0), "the gateway may still send to the canary side"
            assert cluster.primary_revision is not None
            assert cluster.primary_readiness.has_available, "the last copy that serves is scaled down"
        if effect.startswith("Promote"):
            self._check_promote(effect)

    def _check_promote(self, effect: str) -> None:
        cluster, state = self.cluster, self.cluster.state
        is_promotion = state.phase in {Phase.INITIALIZING, Phase.PROMOTING, Phase.FINALISING}
        is_newer = state.phase is Phase.PROMOTING and cluster.revision != state.revisions.analysed
        is_given_up = state.phase is Phase.PROMOTING and state.analysis.is_given_up
        revision = state.revisions.analysed if is_promotion else state.revisions.promoted
        if is_given_up or (is_newer and f"'{state.revisions.promoted}'" in effect):
            revision = state.revisions.promoted
        assert f"'{revision}'" in effect
        assert revision not in self.failed - {state.revisions.promoted}, "a rolled-back revision is promoted"
        if revision == state.revisions.analysed and state.phase is Phase.PROMOTING:
            assert revision in cluster.passed | self.skipped, "what never passed is promoted"
        check_before_promote(cluster, effect)

    def _check_pause(self) -> None:
        """See that no run goes on behind a step's pause that nobody resumed, unless the spec was edited meanwhile."""
        before, self.seen = self.seen, (self.cluster.canary, self.cluster.state)
        state, analysis = self.cluster.state, self.cluster.canary.analysis
        if before is None or before[0] is not self.cluster.canary or analysis is None:
            return
        was = before[1]
        is_same = was.revisions.analysed == state.revisions.analysed
        if is_same and was.analysis.step.number > 0 and state.analysis.step.number > was.analysis.step.number:
            is_pause = analysis.steps[was.analysis.step.number - 1].is_pause
            assert not is_pause or was.analysis.step.is_resumed, "a pause ends, and nobody resumed it"

    def crash(self, _: str) -> None:
        """Die where the tape says so."""
        if self.crash_in:
            self.crash_in -= 1
            if self.crash_in == 0:
                raise Crash

    def _note_end(self, state: State) -> None:
        """Note what was rolled back, what somebody asked to be analysed again since, and what needs no analysis."""
        self.runs.see(state)
        # A status that is lost, even in the write of this, forgets why it is being promoted.
        if state.control.skips_analysis or self.cluster.canary.is_analysis_skipped:
            self.skipped.add(state.revisions.analysed)
        asked, _ = split_claim(self.cluster.request)
        if asked.startswith(Verb.PROMOTE):
            self.skipped.add(asked.partition("@")[2])
        if state.phase is Phase.FAILED:
            self.failed.add(state.revisions.analysed)
        elif state.control.request is not None and state.control.request.claim not in self.retried:
            self.retried.add(state.control.request.claim)
            if state.control.request.text.startswith(Verb.RETRY) and not state.control.request.why_refused:
                self.failed.discard(state.revisions.analysed)

    def _check_weights(self, effect: str) -> None:
        state = self.cluster.state
        found = re.fullmatch(
            r"SetTraffic\(traffic=Traffic\(canary_percent=(\d+), mirror_percent=(\d+), "
            r"cookie='(.*)', includes_unmatched=(\w+)\), sequence=\d+\)",
            effect,
        )
        assert found is not None
        share, mirrored = int(found[1]), int(found[2])
        assert share <= state.traffic.canary_percent, "more traffic than the stored intent allows"
        assert mirrored <= state.traffic.mirror_percent, "more copies than the stored intent allows"
        assert found[3] in {"", state.traffic.cookie}
        assert found[4] == "False" or state.traffic.includes_unmatched, (
            "more users on the canary than the stored intent allows"
        )
        if not (state.phase in ANALYSING and state.analysis.started_at_s is not None):
            assert mirrored == 0, "mirrored without an analysis"
        if share == 0:
            assert found[3] == "", "a cookie leads to a side that gets nothing"
        is_step = state.phase in ANALYSING and share > self.cluster.shares[1]
        if is_step and state.traffic.canary_percent == share:
            assert self.cluster.served == self.cluster.shares, "a step is taken before the one before it is served"
        if state.revisions.analysed in self.failed:
            assert share == mirrored == 0, "traffic returns to a canary that was pulled"

"""A simulated cluster whose Canary gets other names."""

from dataclasses import dataclass, field, replace

from canary.api.names import Identity
from canary.run.observation import Observation
from canary.run.state import State
from tests.support.simulated_cluster import SimulatedCluster

FULL = (100, 0)


@dataclass
class RenamedCluster(SimulatedCluster):
    """`spec_names` is what the spec names, None for what the objects are named after anyway.

    Names that are followed lead to objects of which none is there yet. `left` has, for each of the names before, the
    weights and the primary's revision as they were left.
    """

    spec_names: Identity | None = None
    has_new_target: bool = True
    left: list[tuple[Identity, tuple[int, int] | None, str | None]] = field(default_factory=list)

    def observe(self) -> Observation:
        """Show what the spec names as well."""
        made = self.state.identity
        renamed_to = None if self.spec_names == made or made is None else self.spec_names
        return replace(super().observe(), renamed_to=renamed_to, has_renamed_target=self.has_new_target)

    def _store(self, intent: State) -> None:
        before = self.state.identity
        super()._store(intent)
        after = self.state.identity
        if before is None or after is None or before == after:
            return
        assert self.weights in {None, FULL}, "the names moved before the traffic did"
        self.left.append((before, self.weights, self.primary_revision))
        self.weights, self.route_sequence, self.cookie, self.mirror_percent = None, 0, "", 0
        self.includes_unmatched = False
        self.parts.clear()
        if not before.has_target_of(after):
            self.primary_revision, self.revision, self.target_replicas = None, f"{after.target}-1", 2
            self.generation, self.is_target_gone = 1, False

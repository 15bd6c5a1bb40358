"""How large the sides of a simulated canary are, and what their autoscalers make of that."""

from dataclasses import dataclass

from canary.run.managed import ManagedObject


@dataclass
class SimulatedSizes:
    """`primary_limit` is the `maxReplicas` of the primary's autoscaler, None without one; it takes away what is idle.

    `floor`: the `minReplicas` that the primary's autoscaler was last applied with. `target_limit`: the target's
    autoscaler allows no more, by its spec; beyond `target_lasts` it takes away again, or there are no nodes.
    `has_room`: the cluster has room for more pods of the primary.
    """

    primary: int = 3
    primary_limit: int | None = None
    target_limit: int | None = None
    target_lasts: int = 100
    floor: int = 0
    has_room: bool = True

    def due(self, floor: int) -> set[ManagedObject]:
        """Return the primary's autoscaler where it was applied with another floor than this one."""
        return set() if self.primary_limit is None or self.floor == floor else {ManagedObject.PRIMARY_SCALER}

    def apply(self, part: ManagedObject, floor: int) -> None:
        """Apply the primary's autoscaler; it sees at once to it that there are as many as it asks for."""
        if part is not ManagedObject.PRIMARY_SCALER:
            return
        self.floor = floor
        if self.primary_limit is not None and self.has_room:
            self.primary = max(self.primary, min(floor, self.primary_limit))

    def shrink(self) -> None:
        """Let the primary's autoscaler take away everything that it may: the primary has next to nothing to do."""
        if self.primary_limit is not None:
            self.primary = max(1, min(self.floor, self.primary_limit))

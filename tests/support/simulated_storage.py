"""Where a simulated Canary's status is stored: as it was written, or as much of it as another CRD knows."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from agent.resources import CANARIES
from agent.status_read_back import StatusReadBack
from canary.run.messages import Message, warning
from canary.run.state import Blocker, State
from canary.run.status import write_status
from kube.errors import Lost
from tests.support.simulated_parts import Refused


@dataclass
class SimulatedStorage:
    """`prunes`: the CRD is Flagger's, which does not know `status.serin`. `writes` counts what was written.

    `told` has what the agent says of writes that were not stored, each once for as long as it says the same.
    """

    clock: Callable[[], float]
    prunes: bool = False
    writes: int = 0
    told: list[Message] = field(default_factory=list)
    read_back: StatusReadBack = field(init=False)

    def __post_init__(self) -> None:
        self.read_back = StatusReadBack(self.clock)

    @property
    def lost(self) -> Blocker | None:
        """What the agent knows to be lost."""
        return self.read_back.blocker

    def store(self, intent: State, before: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the status as it is written, and as it is stored."""
        self.writes += 1
        written = write_status(intent, before, target_kind="Deployment", generation=1)
        return written, {key: value for key, value in written.items() if key != "serin" or not self.prunes}

    def check(self, written: dict[str, Any], stored: dict[str, Any]) -> None:
        """Read back as the agent does.

        Raises:
            Refused: it is not stored as it was written.
        """
        obj = {"metadata": {"name": "podinfo", "namespace": "test"}, "status": stored}
        try:
            self.read_back.check(CANARIES, obj, written)
        except Lost as error:
            message = warning(str(error))
            if message not in self.told:
                self.told.append(message)
            raise Refused(str(error)) from error

"""Where a simulated Canary's status is stored, all of it or what another CRD knows; and what its agent remembers."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from agent.resources import CANARIES
from agent.status_read_back import StatusReadBack
from agent.trouble_watch import TroubleWatch
from canary.api.canary import Canary
from canary.decide import find_trouble
from canary.run.decision import Decision
from canary.run.messages import Message, warning
from canary.run.observation import Observation
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
    trouble: TroubleWatch = field(init=False)

    def __post_init__(self) -> None:
        self.read_back, self.trouble = StatusReadBack(self.clock), TroubleWatch(self.clock)

    def waits_s(self) -> list[float]:
        """Return the seconds until something of this is looked at again."""
        return [*self.read_back.waits_s(), *self.trouble.waits_s()]

    def note(self, canary: Canary, state: State, seen: Observation, decision: Decision) -> Decision:
        """Note what is wrong where a tick came to wait, as the agent does."""
        if decision.intent is not None or decision.actions:
            return decision
        self.trouble.note(find_trouble(canary, state, seen, decision))
        lasting, known = self.trouble.lasting(state.not_ready), seen.lasting
        is_news = (lasting and lasting.reason) != (known and known.reason)
        asked = [] if decision.wake_after_s is None else [decision.wake_after_s]
        return replace(decision, wake_after_s=0 if is_news else min([*self.waits_s(), *asked], default=None))

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

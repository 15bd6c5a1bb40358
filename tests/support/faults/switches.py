"""What may go wrong between the agent and a server that it asks, by switches: see `FaultProxy`."""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any


@dataclass(frozen=True)
class Switches:
    """Which faults are on; all of them may be at once.

    `is_down`: nobody listens, and what was open is cut. `retry_after_s`: all but Leases is answered 429 with that.
    `nth_write`: of the writes each so manieth is answered `write_code`, after it was carried out if `is_after`, with no
    answer at all if the code is 0. `is_silent`: watches, new ones too, say nothing any more and stay open.
    `is_compacted`: watches and further pages are answered 410. `is_forgotten`: watches are asked for from revision 1,
    so that the API server itself says so. `cuts_bodies`: answers end in their middle. `delay_s` comes before each
    answer. `value`: what a Prometheus says in place of every number.
    """

    is_down: bool = False
    retry_after_s: float | None = None
    nth_write: int = 0
    write_code: int = 500
    is_after: bool = False
    is_silent: bool = False
    is_compacted: bool = False
    is_forgotten: bool = False
    cuts_bodies: bool = False
    delay_s: float = 0.0
    value: str = ""

    def with_changes(self, changes: dict[str, Any]) -> "Switches":
        """Set some of them.

        Raises:
            ValueError: one of them is none.
        """
        known = {one.name for one in fields(self)}
        if unknown := changes.keys() - known:
            raise ValueError(f"found {sorted(unknown)}; allowed: {sorted(known)}")
        return replace(self, **changes)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


NONE = Switches()

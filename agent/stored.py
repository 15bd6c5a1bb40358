"""Reading a Canary as it is stored: its intent, its spec, and what blocks it if that can't be used."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent.canary_patch import has_finalizer
from canary.api.canary import GLOO, Canary
from canary.api.names import Identity
from canary.api.partial import parse_partial
from canary.api.parts import mapping_of
from canary.api.problems import InvalidObject
from canary.decide.takeover import is_foreign
from canary.rules.shape import parse_canary
from canary.rules.sizes import readable
from canary.run.phase import ANALYSING, IDLE, Phase
from canary.run.state import Blocker, State
from canary.run.status import UnknownPhase, read_state
from canary.run.wire import SERIN_STATUS
from kube.resource import Object

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCanary:
    """A Canary with what was read of it.

    `canary` is None where nothing may be done about it but to say why. `last_valid` is the newest spec that could be
    read. `blocker` is about the spec itself, None where it can be used. `renamed_to`: what the spec names, where that
    is not what the objects were made under; `canary` has the names of the objects.
    """

    obj: Object
    state: State
    canary: Canary | None
    last_valid: Canary | None
    blocker: Blocker | None = None
    renamed_to: Identity | None = None

    @property
    def is_spec_lost(self) -> bool:
        """Return whether the spec can't be read, and none that could be is remembered."""
        return self.blocker is not None and self.last_valid is None

    @property
    def is_before_first_step(self) -> bool:
        """Return whether no run is on, or one that has not exposed its revision to anybody yet."""
        phase = self.state.phase
        return phase in {None, *IDLE} or (phase in ANALYSING and self.state.analysis.started_at_s is None)


def is_gone(obj: Object) -> bool:
    """Return whether a Canary is being deleted, and does not wait for us."""
    return "deletionTimestamp" in obj["metadata"] and not has_finalizer(obj)


class SpecReader:
    """Reads the specs of one Canary's versions: while a spec stays as it is, so does the model that was made of it."""

    def __init__(self) -> None:
        self._read: tuple[Object, Canary] | None = None
        self._named: tuple[Canary, Identity, Canary] | None = None

    def parse(self, obj: Object) -> Canary:
        """Read a spec as `parse_canary` does."""
        wanted = readable(obj)
        is_known = self._read is not None and self._read[0] == wanted
        canary = self._read[1] if is_known and self._read is not None else parse_canary(obj)
        # The newest of equal ones, so that no version is kept that the cache keeps no more.
        self._read = (wanted, canary)
        return canary

    def as_named(self, canary: Canary | None, state: State) -> Canary | None:
        """Return the canary with the names that its objects have."""
        identity = state.identity
        if canary is None or identity is None:
            return canary
        if self._named is None or self._named[0] is not canary or self._named[1] != identity:
            self._named = (canary, identity, identity.applied_to(canary))
        return self._named[2]


def read_stored(obj: Object, last_valid: Canary | None, specs: SpecReader | None = None) -> StoredCanary:
    """Read a Canary; `last_valid` is its spec when it last could be read, and `specs` what reads it again and again.

    What is under way goes on as it was last meant: a typo must not freeze traffic on a bad canary.

    Raises:
        UnknownPhase: `status.phase` is none that this version knows.
    """
    state, specs = read_intent(obj), specs or SpecReader()
    try:
        canary = specs.parse(obj)
    except InvalidObject as error:
        partial = parse_partial(obj)
        if partial is not None and partial.provider != GLOO:
            return _of_another_provider(obj, state, partial, last_valid, specs)
        return StoredCanary(
            obj=obj,
            state=state,
            canary=specs.as_named(last_valid or partial, state),
            last_valid=last_valid,
            blocker=Blocker("InvalidSpec", str(error)),
        )
    if canary.provider == GLOO:
        wanted = Identity.of(canary)
        renamed_to = None if state.identity in {None, wanted} else wanted
        named = specs.as_named(canary, state)
        return StoredCanary(obj=obj, state=state, canary=named, last_valid=canary, renamed_to=renamed_to)
    return _of_another_provider(obj, state, canary, canary, specs)


def _of_another_provider(
    obj: Object, state: State, canary: Canary, last_valid: Canary | None, specs: SpecReader
) -> StoredCanary:
    """Leave a canary of another provider alone, whatever stands in its spec: its own controller reads it.

    Was it Gloo's and ours, then a run under way is not left exposed, and its deletion not left hanging.
    """
    name = f"Canary {canary.namespace}/{canary.name}"
    text = f"{name} spec.provider: found {canary.provider!r}; allowed: {GLOO}, or nothing"
    was_ours = state.phase is not None and not is_foreign(state)
    blocker = Blocker("ProviderNotSupported", text)
    named = specs.as_named(canary, state) if was_ours else None
    return StoredCanary(obj=obj, state=state, canary=named, last_valid=last_valid, blocker=blocker)


def read_intent(obj: Object) -> State:
    """Read the intent; where somebody's hand made ours unreadable, read what Flagger would have left, else nothing.

    Then the canary is taken over as one of Flagger's: a run that nobody knows anything of loses its traffic. An error
    in each tick would leave it there.

    Raises:
        UnknownPhase: `status.phase` is none that this version knows.
    """
    status = _readable_status(obj)
    flaggers = {key: value for key, value in status.items() if key != SERIN_STATUS}
    for known in (status, flaggers, {}):
        try:
            return read_state(known)
        except UnknownPhase:
            raise
        except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
            _log.warning("status can't be read, going on without %s: %r", SERIN_STATUS, error)
    raise AssertionError("an empty status is readable")


def _readable_status(obj: Object) -> Mapping[str, Any]:
    """Return the status; a Canary that is to go goes from a phase that this version does not know, too."""
    status = mapping_of(obj, "status")
    is_known = status.get("phase", "") in ("", *Phase)
    return status if is_known or "deletionTimestamp" not in obj["metadata"] else {**status, "phase": Phase.FAILED}

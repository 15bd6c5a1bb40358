"""Which canary watches over which workload: kept from the cache's changes, so that no admission searches for it."""

from collections.abc import Iterator
from dataclasses import dataclass

from canary.api.canary import GLOO
from canary.api.names import DEFAULT_TARGET_KIND
from kube.resource import Object
from kube.store import Change, Key


@dataclass(frozen=True, slots=True)
class CanaryEntry:
    """What admission needs to know of a canary.

    `phase`, `promoted` and `analysed` (revisions: of the primary, and of the last run) are "" before the agent saw it.
    """

    namespace: str
    name: str
    target_kind: str
    target_name: str
    provider: str
    is_suspended: bool
    phase: str
    promoted: str
    analysed: str

    @property
    def is_ours(self) -> bool:
        """Return whether it is Serin's to run."""
        return self.provider == GLOO

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class CanaryIndex:
    """An index from target (namespace, kind, name) to canaries; more than one is a mistake that validation reports."""

    def __init__(self) -> None:
        self._by_key: dict[Key, CanaryEntry] = {}
        self._by_target: dict[tuple[str, str, str], dict[Key, CanaryEntry]] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def __iter__(self) -> Iterator[CanaryEntry]:
        return iter(self._by_key.values())

    def of(self, namespace: str, kind: str, name: str) -> list[CanaryEntry]:
        """Return the canaries of a target, ordered by name."""
        found = self._by_target.get((namespace, kind, name), {})
        return [found[key] for key in sorted(found)]

    def take(self, change: Change) -> None:
        """Follow a change of a Canary: the listener of a cache."""
        before = self._by_key.pop(change.key, None)
        if before is not None:
            target = _target(before)
            del self._by_target[target][change.key]
            if not self._by_target[target]:
                del self._by_target[target]
        if change.new is not None:
            canary = read_entry(change.new)
            self._by_key[change.key] = canary
            self._by_target.setdefault(_target(canary), {})[change.key] = canary


def read_entry(obj: Object) -> CanaryEntry:
    """Read a Canary, whole or slim; what is missing or of another type is left empty."""
    metadata, spec, status = obj["metadata"], _mapping(obj, "spec"), _mapping(obj, "status")
    target = _mapping(spec, "targetRef")
    return CanaryEntry(
        namespace=str(metadata.get("namespace", "")),
        name=str(metadata["name"]),
        target_kind=str(target.get("kind") or DEFAULT_TARGET_KIND),
        target_name=str(target.get("name") or ""),
        provider=str(spec.get("provider") or GLOO),
        is_suspended=spec.get("suspend") is True,
        phase=str(status.get("phase") or ""),
        promoted=str(status.get("lastPromotedSpec") or ""),
        analysed=str(status.get("lastAppliedSpec") or ""),
    )


def _target(canary: CanaryEntry) -> tuple[str, str, str]:
    return (canary.namespace, canary.target_kind, canary.target_name)


def _mapping(holder: Object, field: str) -> Object:
    found = holder.get(field)
    return found if isinstance(found, dict) else {}

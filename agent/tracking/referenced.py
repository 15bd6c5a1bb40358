"""Config tracking by reading what targets and primaries refer to, one by one: it needs no right to list or watch."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Final

from agent.revision_templates import kept_templates
from agent.tracking.known import KnownConfigs, unreadable
from agent.tracking.port import CONFIGS
from canary.api.canary import Canary
from canary.run.revision import revision_of
from kube.client import Client
from kube.errors import Forbidden, Invalid, KubeError, NotFound
from kube.resource import Object
from kube.store import Key
from render.config_refs import ConfigKind, ConfigRef, config_refs
from render.configs import Fingerprints, is_tracking_disabled, summary
from render.copies import copy_owners, original_of

_log = logging.getLogger(__name__)

# Ticks wait for it: an API server that does not answer holds none of them up for longer.
_ANSWERED_WITHIN_S: Final = 2.0

# What could not be read is read again so soon.
_RETRY_S: Final = 5.0

# Of all canaries together; a pod may refer to hundreds.
_READS_AT_ONCE: Final = 16


@dataclass(slots=True)
class _Reading:
    """What was read for one canary, when its target's template had this revision. The agent may not read `refused`."""

    due_at_s: float = 0.0
    revision: str = ""
    refs: set[ConfigRef] = field(default_factory=set)
    refused: set[ConfigRef] = field(default_factory=set)
    has_looked_back: bool = False


class Referenced:
    """A `Tracking` that reads what a canary's target refers to when its template changes, and every `every_s` seconds.

    Kept are fingerprints. What the agent may not read is not tracked, and that is told.
    """

    is_off = False

    def __init__(
        self,
        client: Client,
        *,
        every_s: float,
        clock: Callable[[], float] = time.monotonic,
        fingerprints: Fingerprints | None = None,
    ) -> None:
        self._client = client
        self._fingerprints = fingerprints or Fingerprints()
        self._every_s = every_s
        self._clock = clock
        self._known: dict[ConfigKind, KnownConfigs] = {kind: KnownConfigs(self._fingerprints) for kind in CONFIGS}
        self._readings: dict[Key, _Reading] = {}
        self._slots = asyncio.Semaphore(_READS_AT_ONCE)

    def of(self, kind: ConfigKind) -> KnownConfigs:
        return self._known[kind]

    async def refresh(self, canary: Canary, target: Object | None, primary: Object | None) -> None:
        """Read all where it is time or the target's template is another one, else what is referred to since.

        Raises:
            kube.errors.KubeError: one was not read, and never was before.
        """
        now_s = self._clock()
        reading = self._readings.setdefault(_key(canary), _Reading())
        revision = "" if target is None else revision_of(target["spec"]["template"])
        if now_s < reading.due_at_s and revision == reading.revision:
            await self._read_all(canary, set(self._wanted(canary, target, primary)) - reading.refs, reading)
            return
        if primary is not None and not reading.has_looked_back:
            await self._look_back(canary, primary, reading)
        is_complete = await self._read_all(canary, set(self._wanted(canary, target, primary)), reading)
        reading.revision = revision
        reading.due_at_s = now_s + (self._every_s if is_complete else min(_RETRY_S, self._every_s))
        self._let_go(_key(canary), reading.refs - set(self._wanted(canary, target, primary)))

    async def read(self, canary: Canary, refs: Collection[ConfigRef]) -> None:
        reading = self._readings.setdefault(_key(canary), _Reading())
        errors = await self._read_each(canary, refs, reading)
        if errors:
            raise next(iter(errors.values()))

    def read_again_after_s(self, canary: Canary) -> float | None:
        reading = self._readings.get(_key(canary))
        if reading is None or not reading.refs:
            return None
        return max(0.1, reading.due_at_s - self._clock())

    def problems(self, canary: Canary) -> tuple[str, ...]:
        reading = self._readings.get(_key(canary))
        refused = sorted(reading.refused) if reading is not None else ()
        return tuple(
            f"{ref.kind} {canary.namespace}/{ref.name} can't be read by the agent, so a change of it starts no run and "
            f"both sides use it as it is; allowed: the right to get it, or flagger.app/config-tracking: disabled"
            for ref in refused
        )

    def forget_canary(self, key: Key) -> None:
        reading = self._readings.get(key)
        if reading is not None:
            self._let_go(key, set(reading.refs))
            del self._readings[key]

    def _wanted(self, canary: Canary, target: Object | None, primary: Object | None) -> Iterator[ConfigRef]:
        """Name what the target refers to, the primary's copies with what they were made of, and all known copies."""
        if target is not None and not is_tracking_disabled(target):
            yield from config_refs(target["spec"]["template"]["spec"])
        for copy in () if primary is None else config_refs(primary["spec"]["template"]["spec"]):
            original = original_of(canary.name, copy)
            if original is not None:
                yield from (copy, original)
        for kind, known in self._known.items():
            for config in known.by_namespace(canary.namespace):
                if canary.name in copy_owners(config):
                    yield ConfigRef(kind, config["metadata"]["name"])

    async def _look_back(self, canary: Canary, primary: Object, reading: _Reading) -> None:
        """Read the copies that older primaries used, once: an agent before this one may not have removed them."""
        try:
            templates = await kept_templates(self._client.within(_ANSWERED_WITHIN_S), primary)
        except KubeError as error:
            _log.info("copies that older primaries of %s/%s used: %s", canary.namespace, canary.name, error)
            return
        reading.has_looked_back = True
        refs = {ref for template in templates for ref in config_refs(template["spec"])}
        await self._read_all(canary, [ref for ref in refs if original_of(canary.name, ref) is not None], reading)

    async def _read_all(self, canary: Canary, refs: Collection[ConfigRef], reading: _Reading) -> bool:
        """Read these; return whether all answered. Raise the error of one of which nothing is known from before."""
        failed = await self._read_each(canary, refs, reading)
        for ref, error in failed.items():
            if ref not in reading.refs:
                raise error
            _log.info("%s of %s is taken as it was: %s", ref, canary.namespace, error)
        return not failed

    async def _read_each(
        self, canary: Canary, refs: Collection[ConfigRef], reading: _Reading
    ) -> dict[ConfigRef, KubeError]:
        errors = await asyncio.gather(*(self._read_one(canary, ref, reading) for ref in refs))
        return {ref: error for ref, error in zip(refs, errors, strict=True) if error is not None}

    async def _read_one(self, canary: Canary, ref: ConfigRef, reading: _Reading) -> KubeError | None:
        known, namespace = self._known[ref.kind], canary.namespace
        before = known.get(namespace, ref.name)
        is_refused, read = False, None
        try:
            async with self._slots:
                client = self._client.within(_ANSWERED_WITHIN_S)
                read = summary(await client.get(CONFIGS[ref.kind], ref.name, namespace), self._fingerprints)
        except (NotFound, Invalid):
            pass  # what no object can be called is not there either
        except Forbidden:
            is_refused, read = True, before or unreadable(ref, namespace)
        except KubeError as error:
            return error
        reading.refs.add(ref)
        (reading.refused.add if is_refused else reading.refused.discard)(ref)
        if known.get(namespace, ref.name) is not before:
            return None  # it was written meanwhile: what was read may be older
        if read is None:
            known.drop(Key(namespace, ref.name))
        else:
            known.remember(read)
        return None

    def _let_go(self, key: Key, refs: set[ConfigRef]) -> None:
        """Drop what a canary does not need any more, and no other of its namespace does."""
        self._readings[key].refs -= refs
        self._readings[key].refused -= refs
        if not refs:
            return
        others = {
            ref for other, reading in self._readings.items() if other.namespace == key.namespace for ref in reading.refs
        }
        for ref in refs - others:
            self._known[ref.kind].drop(Key(key.namespace, ref.name))


def _key(canary: Canary) -> Key:
    return Key(canary.namespace, canary.name)

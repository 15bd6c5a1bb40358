"""Config tracking by reading what targets and primaries refer to, one by one: it needs no right to list or watch."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Final

from agent.memo import Memo
from agent.providers.web.shares import Shares, ShareUsedUp
from agent.revision_templates import kept_templates
from agent.tracking.known import KnownConfigs, unreadable
from agent.tracking.port import CONFIGS
from canary.api.bounds import MOST_CONFIG_REFS
from canary.api.canary import Canary
from canary.run.revision import revision_of
from kube.client import Client
from kube.errors import Forbidden, Invalid, KubeError, NotFound, Unavailable
from kube.resource import Object
from kube.store import Key
from render.config_refs import ConfigKind, ConfigRef, trackable_refs
from render.configs import Fingerprints, is_tracking_disabled, summary
from render.copies import copy_owners, original_of

_log = logging.getLogger(__name__)

# Ticks wait for all reads of a canary together: an API server that does not answer holds none of them up for longer.
_ANSWERED_WITHIN_S: Final = 2.0

# The reads of a promotion: it goes no further without them, and there are some for each name that a copy may have.
_PROMOTED_WITHIN_S: Final = 10.0

# Of an object whose spec was never changed.
_FIRST_GENERATION: Final = 1

# What could not be read is read again so soon.
_RETRY_S: Final = 5.0

# Of all canaries together, and of those of one namespace; a pod may refer to hundreds.
_READS_AT_ONCE: Final = 16
_NAMESPACE_READS_AT_ONCE: Final = 8


@dataclass(slots=True)
class _Reading:
    """What was read for one canary, when its target's template had this revision. The agent may not read `refused`.

    `unanswered` are to be read again at `retry_at_s`; those that are in `refs` all the same are taken as they were.
    """

    due_at_s: float = 0.0
    retry_at_s: float = 0.0
    revision: str = ""
    refs: set[ConfigRef] = field(default_factory=set)
    refused: set[ConfigRef] = field(default_factory=set)
    unanswered: dict[ConfigRef, KubeError] = field(default_factory=dict)
    has_looked_back: bool = False
    memo: Memo = field(default_factory=Memo)


class Referenced:
    """A `Tracking` that reads what a canary's target refers to when its template changes, and every `every_s` seconds.

    Kept are fingerprints. What the agent may not read is not tracked, and that is told. No namespace can take all of
    the reads at once, or keep a tick waiting.
    """

    is_off = False

    def __init__(
        self,
        client: Client,
        *,
        every_s: float,
        clock: Callable[[], float] = time.monotonic,
        fingerprints: Fingerprints | None = None,
        answered_within_s: float = _ANSWERED_WITHIN_S,
    ) -> None:
        self._client = client
        self._fingerprints = fingerprints or Fingerprints()
        self._every_s = every_s
        self._clock = clock
        self._answered_within_s = answered_within_s
        self._known: dict[ConfigKind, KnownConfigs] = {kind: KnownConfigs(self._fingerprints) for kind in CONFIGS}
        self._readings: dict[Key, _Reading] = {}
        self._readers: dict[tuple[str, ConfigRef], set[Key]] = {}
        self._shares = Shares(_NAMESPACE_READS_AT_ONCE)
        self._slots = asyncio.Semaphore(_READS_AT_ONCE)

    def of(self, kind: ConfigKind) -> KnownConfigs:
        return self._known[kind]

    async def refresh(self, canary: Canary, target: Object | None, primary: Object | None) -> None:
        """Read all where it is time or the target's template is another one, else what is referred to since."""
        now_s, until_s = self._clock(), asyncio.get_running_loop().time() + self._answered_within_s
        reading = self._readings.setdefault(_key(canary), _Reading())
        revision = "" if target is None else _revision(target["spec"]["template"], reading.memo)
        wanted = set(self._wanted(canary, target, primary))
        is_due = now_s >= reading.due_at_s or revision != reading.revision
        if is_due:
            refs = wanted
        else:
            again = wanted & reading.unanswered.keys()
            refs = (wanted - reading.refs - again) | (again if now_s >= reading.retry_at_s else set())
        await self._read_all(canary, refs, reading, until_s)
        for ref in reading.unanswered.keys() - wanted:
            del reading.unanswered[ref]
        if not is_due:
            return
        # Only now: a read that was broken off, for another agent leads, is done again.
        reading.revision, reading.due_at_s = revision, now_s + self._every_s
        if primary is not None and not reading.has_looked_back:
            await self._look_back(canary, primary, reading, until_s)
        self._let_go(_key(canary), reading.refs - set(self._wanted(canary, target, primary)))

    async def read(self, canary: Canary, refs: Collection[ConfigRef]) -> None:
        reading = self._readings.setdefault(_key(canary), _Reading())
        until_s = asyncio.get_running_loop().time() + _PROMOTED_WITHIN_S
        for error in (await self._read_each(canary, refs, reading, until_s)).values():
            raise error

    def unread(self, canary: Canary) -> Mapping[ConfigRef, KubeError]:
        reading = self._readings.get(_key(canary), _Reading())
        return {ref: error for ref, error in reading.unanswered.items() if ref not in reading.refs}

    def readers(self, namespace: str, ref: ConfigRef) -> Collection[Key] | None:
        return tuple(self._readers.get((namespace, ref), ()))

    def read_again_after_s(self, canary: Canary) -> float | None:
        reading = self._readings.get(_key(canary))
        if reading is None or not (reading.refs or reading.unanswered):
            return None
        at_s = min(reading.due_at_s, reading.retry_at_s) if reading.unanswered else reading.due_at_s
        return max(0.1, at_s - self._clock())

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
        memo = self._readings[_key(canary)].memo
        if target is not None and not is_tracking_disabled(target):
            yield from _refs("target", target, memo)
        for copy in () if primary is None else _refs("primary", primary, memo):
            original = original_of(canary.name, copy)
            if original is not None:
                yield from (copy, original)
        for kind, known in self._known.items():
            for config in known.by_namespace(canary.namespace):
                if canary.name in copy_owners(config):
                    yield ConfigRef(kind, config["metadata"]["name"])

    async def _look_back(self, canary: Canary, primary: Object, reading: _Reading, until_s: float) -> None:
        """Read the copies that older primaries used, once: an agent before this one may not have removed them."""
        if primary["metadata"].get("generation") == _FIRST_GENERATION:
            reading.has_looked_back = True  # it never had another template
            return
        try:
            async with asyncio.timeout_at(until_s):
                templates = await kept_templates(self._client.within(_ANSWERED_WITHIN_S), primary)
        except (KubeError, TimeoutError) as error:
            _log.info("copies that older primaries of %s/%s used: %s", canary.namespace, canary.name, error)
            return
        reading.has_looked_back = True
        refs = dict.fromkeys(ref for template in templates for ref in trackable_refs(template["spec"]))
        copies = (ref for ref in refs if original_of(canary.name, ref) is not None)
        await self._read_each(canary, list(islice(copies, MOST_CONFIG_REFS)), reading, until_s)

    async def _read_all(self, canary: Canary, refs: Collection[ConfigRef], reading: _Reading, until_s: float) -> None:
        """Read these, and note which gave no answer. Those come first the next time, so that it ends some time."""
        if not refs:
            return
        failed = await self._read_each(canary, refs, reading, until_s)
        for ref, error in failed.items():
            if ref not in reading.unanswered:
                taken = "is taken as it was" if ref in reading.refs else "was not read yet"
                _log.info("%s of %s %s: %s", ref, canary.namespace, taken, error)
        for ref in refs:
            reading.unanswered.pop(ref, None)
        reading.unanswered |= failed
        if failed:
            reading.retry_at_s = self._clock() + min(_RETRY_S, self._every_s)

    async def _read_each(
        self, canary: Canary, refs: Collection[ConfigRef], reading: _Reading, until_s: float
    ) -> dict[ConfigRef, KubeError]:
        """Read these until a time of the event loop; return why some were not read."""
        text = f"not all {len(refs)} ConfigMaps and Secrets were read in time"
        late = Unavailable(f"Canary {canary.namespace}/{canary.name}: {text}")
        errors: dict[ConfigRef, KubeError] = dict.fromkeys(refs, late)

        async def read(ref: ConfigRef) -> None:
            error = await self._read_one(canary, ref, reading)
            if error is None:
                del errors[ref]
            else:
                errors[ref] = error

        try:
            async with asyncio.timeout_at(until_s):
                await asyncio.gather(*map(read, sorted(refs, key=reading.refs.__contains__)))
        except TimeoutError:
            pass  # what was read until then counts
        return errors

    async def _read_one(self, canary: Canary, ref: ConfigRef, reading: _Reading) -> KubeError | None:
        known, namespace = self._known[ref.kind], canary.namespace
        before = known.get(namespace, ref.name)
        is_refused, read = False, None
        try:
            # Of its own namespace's first: who waits there stands in nobody else's way.
            async with self._shares.of(namespace, _PROMOTED_WITHIN_S), self._slots:
                client = self._client.within(_ANSWERED_WITHIN_S)
                read = summary(await client.get(CONFIGS[ref.kind], ref.name, namespace), self._fingerprints)
        except (NotFound, Invalid):
            pass  # what no object can be called is not there either
        except Forbidden:
            is_refused, read = True, before or unreadable(ref, namespace)
        except ShareUsedUp as error:
            return Unavailable(str(error))
        except KubeError as error:
            return error
        (reading.refused.add if is_refused else reading.refused.discard)(ref)
        if known.get(namespace, ref.name) is before:  # else it was written meanwhile: what was read may be older
            if read is None:
                known.drop(Key(namespace, ref.name))
            else:
                known.remember(read)
        # Only now: a first answer is news to those who had none or another one, not to the canary that it is read for.
        reading.refs.add(ref)
        self._readers.setdefault((namespace, ref), set()).add(_key(canary))
        return None

    def _let_go(self, key: Key, refs: set[ConfigRef]) -> None:
        """Drop what a canary does not need any more, and no other of its namespace does."""
        self._readings[key].refs -= refs
        self._readings[key].refused -= refs
        for ref in refs:
            readers = self._readers[key.namespace, ref]
            readers.discard(key)
            if not readers:
                del self._readers[key.namespace, ref]
                self._known[ref.kind].drop(Key(key.namespace, ref.name))


def _revision(template: Object, memo: Memo) -> str:
    return memo.of("revision", (template,), partial(revision_of, template))


def _refs(side: str, workload: Object, memo: Memo) -> Mapping[ConfigRef, bool]:
    template = workload["spec"]["template"]
    return memo.of(side, (template,), partial(trackable_refs, template["spec"]))


def _key(canary: Canary) -> Key:
    return Key(canary.namespace, canary.name)

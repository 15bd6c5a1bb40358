"""How large an object may be: looked at before anything else is, so that nothing else takes long or ends in an error.

What is beyond stops a stored canary, too: the agent reads it in everybody's time. The numbers, with their reasons, are
in `canary.api.bounds`.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from canary.api.bounds import (
    MOST_ALERTS,
    MOST_CONDITIONS,
    MOST_CORS_ENTRIES,
    MOST_DEPTH,
    MOST_EVIDENCE_BOUNDS,
    MOST_HEADERS,
    MOST_HOOK_METADATA,
    MOST_HOOKS,
    MOST_KEY_CHARS,
    MOST_MATCHERS,
    MOST_MATCHES,
    MOST_METRICS,
    MOST_NAME_CHARS,
    MOST_PROVIDER_HEADERS,
    MOST_SPEC_CHARS,
    MOST_STEP_WEIGHTS,
    MOST_STEPS,
    MOST_TEMPLATE_VARIABLES,
    MOST_TEXT_CHARS,
    MOST_URL_CHARS,
    MOST_VALUES,
)
from canary.api.parts import mapping_of
from canary.api.problems import Described, Problem, field_path

_MOST_TOLD: Final = 20
"""Problems of one object; whoever has more mends these first."""

_PARTS_OF_METADATA: Final = ("name", "namespace", "uid", "generation", "labels", "annotations")
_DEPTH_OF_METADATA: Final = 3
"""Itself, its labels, and what each of them is."""
_MOST_SHOWN: Final = 80

_COUNTS: Final[Mapping[str, int]] = {
    **{
        f"spec.{analysis}.{field}": most
        for analysis in ("analysis", "canaryAnalysis")
        for field, most in (
            ("metrics", MOST_METRICS),
            ("metrics[].templateVariables", MOST_TEMPLATE_VARIABLES),
            ("metrics[].evidence.bounds", MOST_EVIDENCE_BOUNDS),
            ("webhooks", MOST_HOOKS),
            ("webhooks[].metadata", MOST_HOOK_METADATA),
            ("alerts", MOST_ALERTS),
            ("stepWeights", MOST_STEP_WEIGHTS),
            ("steps", MOST_STEPS),
            ("match", MOST_MATCHES),
        )
    },
    **{
        f"spec.service.headers.{side}.{field}": MOST_HEADERS
        for side in ("request", "response")
        for field in ("set", "add", "remove")
    },
    **{
        f"spec.service.corsPolicy.{field}": MOST_CORS_ENTRIES
        for field in ("allowOrigin", "allowOrigins", "allowMethods", "allowHeaders", "exposeHeaders")
    },
    "spec.provider.headers": MOST_PROVIDER_HEADERS,
}
"""Entries of a list or an object."""

_CHARS: Final[Mapping[str, int]] = {
    **{
        f"spec.{analysis}.{field}": most
        for analysis in ("analysis", "canaryAnalysis")
        for field, most in (
            ("metrics[].name", MOST_NAME_CHARS),
            ("webhooks[].name", MOST_NAME_CHARS),
            ("webhooks[].url", MOST_URL_CHARS),
            ("alerts[].name", MOST_NAME_CHARS),
        )
    },
    **dict.fromkeys(("spec.metricsServer", "spec.provider.address", "spec.address", "spec.proxy"), MOST_URL_CHARS),
}
"""Characters of a text."""


class Limits(NamedTuple):
    """What a place of an object may have; `below` has its fields, and `[]` for each position of a list."""

    entries: int | None
    chars: int
    below: "dict[str, Limits]"


class Part(NamedTuple):
    """A value of an object. Where it stands is only put together when it is asked for: there may be many."""

    value: Any
    depth: int
    key: str | int
    parent: "Part | None" = None
    limits: Limits | None = None

    @property
    def path(self) -> str:
        """Return where it stands, with no more of a long key than is shown."""
        keys: list[str | int] = []
        part: Part | None = self
        while part is not None:
            keys.append(part.key if isinstance(part.key, int) else part.key[:_MOST_SHOWN])
            part = part.parent
        return field_path(*reversed(keys))


def readable(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of an object is read: its spec, and of its metadata what a model knows (managedFields is large)."""
    found = {key: obj[key] for key in ("metadata", "spec") if key in obj}
    metadata = found.get("metadata")
    if isinstance(metadata, Mapping):
        found["metadata"] = {key: metadata[key] for key in _PARTS_OF_METADATA if key in metadata}
    return found


def size_problems(obj: Mapping[str, Any]) -> tuple[Problem, ...]:
    """Return what of an object, as `readable` gives it, is too large to be looked at; the first ones of many."""
    for part in _parts(Part(obj.get("metadata"), 1, "metadata"), _DEPTH_OF_METADATA):
        if part.depth > _DEPTH_OF_METADATA:
            return (_too_deep(part, _DEPTH_OF_METADATA),)
    found: list[Problem] = []
    count, chars = 1, 0
    for part in _parts(Part(obj.get("spec"), 1, "spec", limits=_SPEC), MOST_DEPTH):
        if isinstance(part.value, dict | list):
            count += len(part.value)
        if count > MOST_VALUES:  # before they are looked at: there may be a million
            return (Problem("spec", Described(f"more than {MOST_VALUES} values"), f"at most {MOST_VALUES} in all"),)
        if part.depth > MOST_DEPTH:
            return (_too_deep(part, MOST_DEPTH),)
        chars += _chars(part.value)
        found += _problems_of(part)
        if len(found) >= _MOST_TOLD:
            return tuple(found[:_MOST_TOLD])
    if chars > MOST_SPEC_CHARS:
        found.append(Problem("spec", Described(f"{chars} characters"), f"at most {MOST_SPEC_CHARS} in all its texts"))
    return tuple(found)


def _parts(root: Part, most_depth: int) -> Iterator[Part]:
    """Return the values of a part of an object, itself first, without recursion; nothing below one that is too deep."""
    waiting = [root]
    while waiting:
        part = waiting.pop()
        yield part
        value, depth = part.value, part.depth + 1
        if depth > most_depth + 1:
            continue
        below = part.limits.below if part.limits is not None else _NO_LIMITS
        if isinstance(value, dict):
            waiting += reversed([Part(item, depth, str(key), part, below.get(key)) for key, item in value.items()])
        elif isinstance(value, list):
            limits = below.get("[]")
            waiting += reversed([Part(item, depth, index, part, limits) for index, item in enumerate(value)])


def _problems_of(part: Part) -> list[Problem]:
    value, limits = part.value, part.limits or _ANYTHING
    if isinstance(value, str):
        if len(value) <= limits.chars:
            return []
        return [Problem(part.path, Described(f"{len(value)} characters"), f"at most {limits.chars} characters")]
    if not isinstance(value, dict | list):
        return []
    found: list[Problem] = []
    if limits.entries is not None and len(value) > limits.entries:
        found.append(Problem(part.path, Described(f"{len(value)} entries"), f"at most {limits.entries} entries"))
    if isinstance(value, dict):
        longest = max(map(len, map(str, value)), default=0)
        if longest > MOST_KEY_CHARS:
            allowed = f"keys of at most {MOST_KEY_CHARS} characters"
            found.append(Problem(part.path, Described(f"a key of {longest} characters"), allowed))
    elif not found and limits in _MATCH_LISTS:
        found += _matcher_problems(part.path, value)
    return found


def _matcher_problems(path: str, entries: list[Any]) -> Iterator[Problem]:
    """Count Gloo's matchers of the entries: each header of `withoutHeaders` doubles those of its entry."""
    matchers = 0
    for index, entry in enumerate(entries):
        unwanted = len(mapping_of(entry, "withoutHeaders"))
        count = unwanted + len(mapping_of(entry, "headers")) + len(mapping_of(entry, "queryParams"))
        if count > MOST_CONDITIONS:
            yield Problem(f"{path}[{index}]", Described(f"{count} conditions"), f"at most {MOST_CONDITIONS}")
        matchers += 2 ** min(unwanted, MOST_CONDITIONS)
        if matchers > MOST_MATCHERS:
            allowed = (
                f"at most {MOST_MATCHERS} combinations in all: each header of withoutHeaders, which may be missing or "
                "have another value, doubles those of its entry; this entry is the first beyond"
            )
            yield Problem(f"{path}[{index}].withoutHeaders", Described(f"{unwanted} headers"), allowed)
            return


def _chars(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    return sum(map(len, map(str, value))) if isinstance(value, dict) else 0


def _too_deep(part: Part, most: int) -> Problem:
    return Problem(part.path, Described("more in it"), f"at most {most} objects and lists in each other")


def _read_limits() -> Limits:
    """Return the limits by where they hold, as a tree from `spec` on."""
    root = Limits(None, MOST_TEXT_CHARS, {})
    for place in sorted({*_COUNTS, *_CHARS}):  # a holder before what it holds
        *holders, last = place.replace("[]", ".[]").split(".")[1:]
        node = root
        for key in holders:
            node = node.below.setdefault(key, Limits(None, MOST_TEXT_CHARS, {}))
        node.below[last] = Limits(_COUNTS.get(place), _CHARS.get(place, MOST_TEXT_CHARS), {})
    return root


_NO_LIMITS: Final[dict[str, Limits]] = {}
_ANYTHING: Final = Limits(None, MOST_TEXT_CHARS, {})
_SPEC: Final = _read_limits()
_MATCH_LISTS: Final = tuple(_SPEC.below[analysis].below["match"] for analysis in ("analysis", "canaryAnalysis"))

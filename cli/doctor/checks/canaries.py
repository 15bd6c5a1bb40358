"""The canaries: which are not ready and why, and which take something from each other."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Final

from cli.doctor.finding import Finding, Unread, counted, fault, first_of, ok, warning
from cli.doctor.installation import Installation
from cli.rollout.canary import CanaryView
from kube.resource import Object

_MEANT: Final = frozenset({"Suspended", "ProviderNotSupported", "Unanalysed", "Waiting"})
"""Reasons that somebody meant, or that pass by themselves."""

_FLAGGER: Final = "FlaggerRunning"
_GOES_ON: Final = frozenset(
    {
        "PrimaryNotReady",
        "PromotionLate",
        "RouteNotServed",
        "RouteNotWritten",
        "PrimaryNotWritten",
        "ObjectsNotApplied",
        "CanaryNotWritten",
        "CheckRefused",
        "ChecksUndecided",
        "Retrying",
        "Waiting",
        "Unanalysed",
        "Reconciling",
    }
)
"""Reasons of docs/how-to/ready-troubled.md; the others are in ready-blocked.md."""

_LONGEST_MESSAGE: Final = 160


async def check_canaries(serin: Installation) -> list[Finding]:
    """Check what the canaries' own conditions say; nothing is read for it."""
    if isinstance(serin.canaries, Unread):
        return [serin.canaries.of("canaries")]
    views = [CanaryView.read(obj) for obj in serin.canaries]
    if not views:
        where = f"namespace {serin.scope}: -A looks at all" if serin.scope else "any namespace"
        return [ok(f"none in {where}")]
    findings = [*_not_ready(serin, views), *_claimed_twice(serin, views, serin.canaries)]
    phases = Counter(view.phase_word for view in views)
    counts = ", ".join(f"{number} {phase}" for phase, number in sorted(phases.items()))
    ready = sum(view.is_ready is True for view in views)
    return [ok(f"{counted(len(views), 'canary', 'canaries')}, {ready} ready: {counts}"), *findings]


def _not_ready(serin: Installation, views: list[CanaryView]) -> Iterator[Finding]:
    by_reason: dict[str, list[CanaryView]] = defaultdict(list)
    for view in views:
        if view.is_ready is False:
            by_reason[view.ready_reason or "no reason"].append(view)
    for reason, found in sorted(by_reason.items()):
        if reason == _FLAGGER:
            continue  # told by the check of Flagger, with the command
        names = first_of(f"{view.namespace}/{view.name}" for view in found)
        first = found[0]
        message = first.ready_message[:_LONGEST_MESSAGE]
        page = f"docs/how-to/ready-{'troubled' if reason in _GOES_ON else 'blocked'}.md#{reason.lower()}"
        command = f"{serin.kubectl} -n {first.namespace} describe canary {first.name}"
        tell = warning if reason in _MEANT else fault
        yield tell(f"{reason}: {names}: {message}", command, page=page)


def _claimed_twice(serin: Installation, views: list[CanaryView], objects: list[Object]) -> Iterator[Finding]:
    """Find two canaries on one workload: they would scale and promote it against each other."""
    claims: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for view, obj in zip(views, objects, strict=True):
        if view.target and "deletionTimestamp" not in obj["metadata"]:
            claims[view.namespace, view.target_kind, view.target].append(view.name)
    for (namespace, kind, target), canaries in sorted(claims.items()):
        if len(canaries) > 1:
            names = sorted(canaries)
            found = f"{', '.join(names)} in {namespace} have one target, {kind} {target}: one of them never runs"
            yield fault(found, f"{serin.kubectl} -n {namespace} delete canary {names[-1]}")

"""Write a request on a Canary, and wait for what the agent says to it."""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from canary.api.duration import format_duration
from canary.run.request import RequestResult, kept_text, split_claim
from canary.run.wire import REQUEST_ANNOTATION
from cli.cluster.access import Access
from cli.cluster.failures import Failed, failed
from cli.cluster.resources import CANARIES
from cli.cluster.watching import Query, watching
from cli.control.question import held_by
from cli.exit_codes import ExitCode
from cli.rollout.canary import CanaryView
from kube.errors import Conflict, Forbidden

_ATTEMPTS: Final = 5
"""A status that is written meanwhile makes the write fail; the agent writes at most about once a second."""

_TAKEN_AWAY_WITHIN_S: Final = 10.0
_LOOK_AGAIN_S: Final = 0.2

AGENTS_LOG: Final = "kubectl -n gloo-system logs deployment/serin-agent"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that is written; `claim` is that of the one before, by which its answer is told from this one's."""

    text: str
    claim: str


async def write_request(access: Access, name: str, text: str, *, seen: CanaryView | None = None) -> Asked:
    """Write the request, unless it is there already; one that is answered goes first.

    `seen`: only while the run is held by what it was held by then.

    Raises:
        Failed: another one is not answered yet, or the run is held by something else.
        KubeError: it can't be written.
    """
    conflicts, give_up_at_s = 0, time.monotonic() + _TAKEN_AWAY_WITHIN_S
    while True:
        obj = await access.canary(name)
        view = CanaryView.read(obj)
        asked = Asked(text, view.request.claim if view.request else "")
        pending, claim = split_claim(view.pending_request)
        if claim and claim == asked.claim:
            # It is carried out, and the agent is about to take it away.
            if time.monotonic() > give_up_at_s:
                line = f"{pending} is answered, and the agent does not take it away. Does it run? `{AGENTS_LOG}`"
                raise Failed(line, ExitCode.TIMED_OUT)
            await asyncio.sleep(_LOOK_AGAIN_S)
            continue
        if pending == text:
            return asked
        if seen is not None and held_by(view) != held_by(seen):
            line = f"the run is held by {' and '.join(held_by(view)) or 'nothing'} now, not by "
            raise Failed(f"{line}{' and '.join(held_by(seen)) or 'nothing'}; look again", ExitCode.FAULTS)
        if pending:
            line = (
                f"another request is not answered yet: {pending}; try again, or take it back: {_take_back(name, view)}"
            )
            raise Failed(line, ExitCode.FAULTS)
        version = obj["metadata"]["resourceVersion"]
        patch = {"metadata": {"resourceVersion": version, "annotations": {REQUEST_ANNOTATION: text}}}
        try:
            await access.client.merge_patch(CANARIES, name, access.one_namespace, patch, field_manager="serin-cli")
        except Conflict:
            conflicts += 1
            if conflicts == _ATTEMPTS:
                raise
            continue
        return asked


async def answer_of(access: Access, name: str, asked: Asked, timeout_s: float) -> RequestResult:
    """Return the agent's answer.

    Raises:
        Failed: there is none in time, or the canary was deleted, or somebody took the request back.
    """
    view: CanaryView | None = None
    try:
        async with asyncio.timeout(timeout_s):
            query = Query(CANARIES, access.one_namespace, name=name)
            async with watching(access.client, query) as watched:
                async for _ in watched.changes():
                    found = watched.items(0)
                    if not found:
                        raise Failed(f"canary {name} was deleted")
                    view = CanaryView.read(found[0])
                    result = view.request
                    if result is not None and result.text == kept_text(asked.text) and result.claim != asked.claim:
                        return result
    except Forbidden as error:
        raise Failed(f"{failed(error)}; {asked.text} was written, and is answered all the same") from error
    except TimeoutError:
        pass
    line = f"the agent has not answered {asked.text} within {format_duration(timeout_s)}. Does it run? `{AGENTS_LOG}`"
    back = f"; the request waits for it; to take it back: {_take_back(name, view)}" if view else ""
    raise Failed(line + back, ExitCode.TIMED_OUT)


def _take_back(name: str, view: CanaryView) -> str:
    return f"`kubectl -n {view.namespace} annotate canary {name} {REQUEST_ANNOTATION}-`"

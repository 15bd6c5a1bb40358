"""Write a request on a Canary, and wait for what the agent says to it."""

import asyncio
from dataclasses import dataclass
from typing import Final

from canary.api.duration import format_duration
from canary.run.request import RequestResult, kept_text, split_claim
from canary.run.wire import REQUEST_ANNOTATION
from cli.cluster.access import Access
from cli.cluster.failures import Failed
from cli.cluster.resources import CANARIES
from cli.cluster.watching import Query, watching
from cli.exit_codes import ExitCode
from cli.rollout.canary import CanaryView
from kube.errors import Conflict

_ATTEMPTS: Final = 5
"""A status that is written meanwhile makes the write fail; the agent writes at most about once a second."""

AGENTS_LOG: Final = "kubectl -n gloo-system logs deployment/serin-agent"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that is written; `claim` is that of the one before, by which its answer is told from this one's."""

    text: str
    claim: str


async def write_request(access: Access, name: str, text: str) -> Asked:
    """Write the request, unless it is there already.

    Raises:
        Failed: another one is not answered yet.
        KubeError: it can't be written.
    """
    for is_last in (*[False] * (_ATTEMPTS - 1), True):
        obj = await access.canary(name)
        view = CanaryView.read(obj)
        asked = Asked(text, view.request.claim if view.request else "")
        pending = split_claim(view.pending_request)[0]
        if pending == text:
            return asked
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
            if is_last:
                raise
            continue
        return asked
    raise AssertionError("the last attempt returns or raises")


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
    except TimeoutError:
        pass
    line = f"the agent has not answered {asked.text} within {format_duration(timeout_s)}. Does it run? `{AGENTS_LOG}`"
    back = f"; the request waits for it; to take it back: {_take_back(name, view)}" if view else ""
    raise Failed(line + back, ExitCode.TIMED_OUT)


def _take_back(name: str, view: CanaryView) -> str:
    return f"`kubectl -n {view.namespace} annotate canary {name} {REQUEST_ANNOTATION}-`"

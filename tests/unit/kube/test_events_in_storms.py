"""Events while users write much: a run waits for those of its last transition, so they wait for nobody."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from kube.events import EventRecorder
from kube.pace import Pace
from tests.support.scripted_loop import play

if TYPE_CHECKING:
    from kube.client import Client

CANARY = {"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": {"name": "podinfo", "namespace": "test"}}


@dataclass
class Written:
    """Stands for the client, whose every write is there at once, and keeps the messages."""

    pace: Pace
    messages: list[str] = field(default_factory=list)

    async def create(self, _: object, event: dict[str, Any]) -> dict[str, Any]:
        self.messages.append(event["message"])
        return event


def test_events_are_written_at_once_while_users_change_much() -> None:
    async def script() -> None:
        clock = asyncio.get_running_loop().time
        client = Written(Pace(clock=clock))
        began_at_s = clock()
        async with EventRecorder(cast("Client", client), clock=clock) as recorder:
            for number in range(4):
                for _ in range(10):
                    client.pace.note_others_write()
                assert client.pace.gives_way_s > 0
                await recorder.record(CANARY, "Normal", "Synced", f"step {number}", once=f"a.{number}").wait()
        assert client.messages == ["step 0", "step 1", "step 2", "step 3"]
        assert clock() - began_at_s < 1.0

    play(script())

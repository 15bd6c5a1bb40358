"""How much is read of targets at once, for how long, and whom a read wakes: no namespace holds up another."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agent.config_copies import ConfigCopies
from agent.configs import target_revision, tracking_problems
from agent.copy_names import present_copies
from agent.tracking.referenced import Referenced
from canary.run.revision import revision_of
from kube.resource import DEPLOYMENTS
from kube.store import Change, Key
from render.config_refs import ConfigRef
from tests.unit.agent.config_api import CANARY, EXTRA, target
from tests.unit.agent.config_reader import (
    ALL,
    CONF_PATH,
    EXTRA_PATH,
    PATH,
    Reader,
    config,
    renamed,
    running_reader,
)
from tests.unit.kube.apiserver import hang, ok


@pytest.fixture
async def reader(tmp_path: Path) -> AsyncIterator[Reader]:
    async with running_reader(tmp_path) as found:
        yield found


def with_references(count: int) -> dict[str, Any]:
    """A target that refers to so many ConfigMaps."""
    obj = target()
    sources = [{"configMapRef": {"name": f"conf-{number}"}} for number in range(count)]
    obj["spec"]["template"]["spec"] = {"containers": [{"name": "app", "envFrom": sources}]}
    return obj | {"kind": "Deployment"}


async def test_of_a_target_with_more_references_than_are_read_nothing_is_tracked_and_that_is_told(
    reader: Reader,
) -> None:
    many, template = with_references(501), with_references(501)["spec"]["template"]
    for number in (0, 1):
        reader.answers[f"{PATH}/configmaps/conf-{number}"] = ok(config("ConfigMap", f"conf-{number}"))
    reader.caches.of(DEPLOYMENTS).remember(many)
    await reader.tracking.refresh(CANARY, many, many)
    assert reader.asked() == ["GET /apis/apps/v1/namespaces/test/replicasets"]
    assert target_revision(CANARY, many, reader.caches) == (revision_of(template), {})
    assert present_copies(CANARY, many, template, reader.caches) == {}
    [problem] = tracking_problems(CANARY, reader.caches)
    assert problem.startswith(
        "Deployment test/podinfo spec.template.spec: found references to more than 500 ConfigMaps and Secrets, "
        "so none of them is tracked"
    )
    copies = ConfigCopies(reader.client, reader.caches)
    assert await copies.promote(CANARY, many, template, revision_of(template)) == {}, "it is promoted all the same"


async def test_five_hundred_references_are_tracked(reader: Reader) -> None:
    full = with_references(500)
    reader.answers[f"{PATH}/configmaps/conf-499"] = ok(config("ConfigMap", "conf-499"))
    reader.caches.of(DEPLOYMENTS).remember(full)
    while "configmap/conf-499" not in target_revision(CANARY, full, reader.caches)[1]:
        await reader.tracking.refresh(CANARY, full, None)  # more than one where this machine is busy
        reader.time.now_s += 5.0
    assert tracking_problems(CANARY, reader.caches) == ()


async def test_a_namespace_that_gets_no_answers_keeps_no_other_waiting_and_itself_not_for_long(reader: Reader) -> None:
    loud, other = renamed(name="loud", namespace="loud"), target()
    hanging = asyncio.Event()

    async def answer(request: Any) -> Any:
        await hanging.wait()

    for number in range(100):
        reader.answers[f"/api/v1/namespaces/loud/configmaps/conf-{number}"] = answer
    patient = Referenced(reader.client, every_s=60.0, clock=reader.time.clock, answered_within_s=3600.0)
    waiting = asyncio.create_task(patient.refresh(loud, with_references(100), None))
    await reader.server.wait_seen(8)
    await patient.refresh(CANARY, other, None)
    assert patient.of("ConfigMap").get("test", "conf") is not None, "the other namespace's is read meanwhile"
    assert len([request for request in reader.server.seen if "/loud/" in request.path]) == 8
    waiting.cancel()
    hasty = Referenced(reader.client, every_s=60.0, clock=reader.time.clock, answered_within_s=0.0)
    await hasty.refresh(loud, with_references(100), None)
    assert len(hasty.unread(loud)) == 100
    assert hasty.read_again_after_s(loud) == pytest.approx(5.0)
    hanging.set()


async def test_what_was_not_read_in_time_is_read_first_and_the_rest_stays_as_it_was(reader: Reader) -> None:
    await reader.refresh()
    reader.asked()
    reader.tracking._answered_within_s = 0.0
    await reader.refresh(60.0)
    assert reader.tracked() == {"configmap/conf", "secret/keys"}
    assert reader.tracking.unread(CANARY) == {}
    reader.asked()
    reader.tracking._answered_within_s = 3600.0
    await reader.refresh(5.0)
    assert reader.asked() == ALL
    assert reader.caches.read_again_after_s(CANARY) == pytest.approx(55.0)


async def test_a_read_of_another_template_that_is_broken_off_is_done_again(reader: Reader) -> None:
    """Another agent led in between; what this one knows may be old."""
    await reader.refresh()
    reader.answers[CONF_PATH] = hang()
    reader.asked()
    reader.tracking._answered_within_s = 3600.0
    broken_off = asyncio.create_task(reader.refresh(1.0, template_image="podinfo:2"))
    await reader.server.wait_seen(3)
    broken_off.cancel()
    await asyncio.gather(broken_off, return_exceptions=True)
    reader.asked()
    reader.answers[CONF_PATH] = ok(config("ConfigMap", "conf", "2", "2"))
    await reader.refresh(1.0, template_image="podinfo:2")
    assert reader.asked() == ALL


async def test_a_first_read_wakes_only_those_who_knew_it_as_missing(reader: Reader) -> None:
    """All canaries of a namespace read when an agent starts: none of them is news to the others."""
    told: list[tuple[str, set[str]]] = []

    def tell(change: Change) -> None:
        readers = reader.tracking.readers("test", ConfigRef("ConfigMap", change.key.name))
        told.append((change.key.name, {key.name for key in readers or ()}))

    reader.tracking.of("ConfigMap").subscribe(tell)
    other = renamed(name="other")
    await reader.refresh()
    await reader.tracking.refresh(other, target(), None)
    assert told == [("conf", set())]
    reader.answers[EXTRA_PATH] = ok(config("ConfigMap", "extra"))
    await reader.refresh(60.0)
    assert told[1:] == [("extra", {"podinfo", "other"})]
    reader.tracking.forget_canary(Key("test", "other"))
    reader.tracking.forget_canary(Key("test", "podinfo"))
    assert reader.tracking.readers("test", EXTRA) == ()
    assert not reader.tracking._readers

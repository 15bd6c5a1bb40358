"""What config tracking asks the API server for, in each of its ways, and what it does when it gets no answer."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agent.caches import Caches
from agent.config_copies import ConfigCopies
from agent.configs import refuse_unread_start, target_revision
from agent.copy_names import present_copies
from agent.copy_upkeep import find_upkeep
from agent.resources import CANARIES
from agent.settings import ConfigTracking
from canary.run.revision import revision_of, with_configs
from kube.errors import KubeError
from kube.resource import DEPLOYMENTS
from kube.store import Key
from render.config_refs import ConfigRef
from render.workload import primary_workload
from tests.unit.agent.config_api import CANARY, CONF, EXTRA, KEYS, TEMPLATE, target
from tests.unit.agent.config_reader import (
    ALL,
    CONF_PATH,
    KEYS_PATH,
    PATH,
    Reader,
    config,
    running_reader,
)
from tests.unit.kube.apiserver import no, ok


@pytest.fixture
async def reader(tmp_path: Path) -> AsyncIterator[Reader]:
    async with running_reader(tmp_path) as found:
        yield found


UNTRACKED = "a change of it starts no run and both sides use it as it is"


async def test_what_a_target_refers_to_is_read_once_a_minute_and_nothing_else(reader: Reader) -> None:
    await reader.refresh()
    assert reader.asked() == ALL
    assert reader.tracked() == {"configmap/conf", "secret/keys"}
    await reader.refresh(59.0)
    assert reader.asked() == []
    assert reader.caches.read_again_after_s(CANARY) == pytest.approx(1.0)
    await reader.refresh(1.0)
    assert reader.asked() == ALL


async def test_another_template_has_all_read_before_its_run(reader: Reader) -> None:
    await reader.refresh()
    reader.answers[CONF_PATH] = ok(config("ConfigMap", "conf", "2", "2"))
    before = target_revision(CANARY, target(), reader.caches)
    await reader.refresh(1.0, template_image="podinfo:2")
    assert target_revision(CANARY, target(), reader.caches) != before
    assert reader.asked() == sorted([*ALL, *ALL])
    await reader.refresh(1.0, template_image="podinfo:2")
    assert reader.asked() == []


async def test_what_is_kept_has_no_content(reader: Reader) -> None:
    reader.answers[KEYS_PATH] = ok(config("Secret", "keys", "aHVudGVyMg=="))
    await reader.refresh()
    assert "aHVudGVyMg" not in repr(reader.tracking._known["Secret"]._kept)
    assert reader.tracking.of("Secret").get("test", "keys") is not None


async def test_without_an_answer_what_was_read_before_counts(reader: Reader) -> None:
    await reader.refresh()
    reader.answers[KEYS_PATH] = no(500, "InternalError")
    await reader.refresh(60.0)
    assert reader.tracked() == {"configmap/conf", "secret/keys"}
    reader.asked()
    await reader.refresh(5.0)
    assert f"GET {KEYS_PATH}" in reader.asked(), "it is asked again soon"


def with_status(caches: Caches, *, tracked: tuple[str, ...] = (), is_deleted: bool = False, **status: Any) -> None:
    """The Canary is stored with this status, and was last seen with the target as it is."""
    metadata = {"name": "podinfo", "namespace": "test", "resourceVersion": "1"}
    if is_deleted:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    configs = dict.fromkeys(tracked, "0123456789abcdef")
    seen = {"seen": {"revision": with_configs(revision_of(TEMPLATE), configs)}}
    obj = {"metadata": metadata, "status": {"trackedConfigs": configs, "serin": seen} | status}
    caches.of(CANARIES).remember(obj)
    caches.of(DEPLOYMENTS).remember(target() | {"kind": "Deployment"})


@pytest.mark.parametrize("phase", ["", "Initializing", "Initialized", "Succeeded", "Failed"])
async def test_without_a_first_answer_no_run_starts(reader: Reader, phase: str) -> None:
    with_status(reader.caches, phase=phase)
    reader.answers[KEYS_PATH] = no(500, "InternalError")
    await reader.refresh()
    with pytest.raises(KubeError, match="Secret test/keys"):
        refuse_unread_start(CANARY, reader.caches)
    assert reader.caches.read_again_after_s(CANARY) == pytest.approx(5.0)
    reader.answers[KEYS_PATH] = ok(config("Secret", "keys"))
    await reader.refresh(5.0)
    refuse_unread_start(CANARY, reader.caches)
    assert reader.tracked() == {"configmap/conf", "secret/keys"}


@pytest.mark.parametrize(
    "status",
    [
        {"phase": "Progressing", "canaryWeight": 50},
        {"phase": "Promoting"},
        {"phase": "Failed", "canaryWeight": 50},
        {"phase": "Succeeded", "is_deleted": True},
    ],
)
async def test_a_canary_with_traffic_or_at_its_end_waits_for_no_first_answer(
    reader: Reader, status: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """One Secret that can't be read would keep it from its checks, its rollback and its end."""
    caplog.set_level("INFO", "agent.tracking.referenced")
    with_status(reader.caches, **status)
    reader.answers[KEYS_PATH] = no(500, "InternalError")
    for _ in range(3):
        await reader.refresh(5.0)
        refuse_unread_start(CANARY, reader.caches)
    assert caplog.text.count("secret/keys of test was not read yet") == 1
    reader.asked()
    await reader.refresh(4.9)
    assert reader.asked() == [], "it is not asked for with each tick"


async def test_what_the_status_knows_needs_no_first_answer(reader: Reader) -> None:
    with_status(reader.caches, phase="Failed", tracked=("configmap/conf", "secret/keys"))
    for path in (CONF_PATH, KEYS_PATH):
        reader.answers[path] = no(500, "InternalError")
    await reader.refresh()
    refuse_unread_start(CANARY, reader.caches)
    assert reader.tracked() == {"configmap/conf", "secret/keys"}


@pytest.mark.parametrize(("code", "is_needed"), [(404, True), (500, False)])
async def test_only_copies_that_are_known_to_be_missing_are_made_again(
    reader: Reader, code: int, *, is_needed: bool
) -> None:
    with_status(reader.caches, phase="Succeeded")
    with_copies(reader.caches)
    for name in ("configmaps/conf", "secrets/keys"):
        reader.answers[f"{PATH}/{name}-primary"] = no(code, "NotFound" if code == 404 else "InternalError")
    await reader.refresh()
    assert find_upkeep(CANARY, target(), reader.caches).is_needed is is_needed


async def test_a_copy_that_was_not_read_is_not_missing(reader: Reader) -> None:
    with_status(reader.caches, phase="Progressing", canaryWeight=50)
    with_copies(reader.caches)
    reader.answers[f"{PATH}/secrets/keys-primary"] = no(500, "InternalError")
    reader.answers[KEYS_PATH] = no(500, "InternalError")
    await reader.refresh()
    assert not find_upkeep(CANARY, target(), reader.caches).is_needed
    assert present_copies(CANARY, target(), TEMPLATE, reader.caches)[KEYS] == "keys-primary"


async def test_what_is_not_referred_to_any_more_is_not_waited_for(reader: Reader) -> None:
    with_status(reader.caches, phase="Succeeded")
    with_copies(reader.caches)
    reader.answers[f"{PATH}/secrets/keys-primary"] = no(500, "InternalError")
    await reader.refresh()
    assert ConfigRef("Secret", "keys-primary") in reader.tracking.unread(CANARY)
    await reader.tracking.refresh(CANARY, target(), None)
    assert reader.tracking.unread(CANARY) == {}


async def test_what_may_not_be_read_is_not_tracked_and_that_is_told(reader: Reader) -> None:
    reader.answers[KEYS_PATH] = no(403, "Forbidden")
    await reader.refresh()
    assert reader.tracked() == {"configmap/conf"}
    assert KEYS not in present_copies(CANARY, target(), TEMPLATE, reader.caches), "both sides use it as it is"
    [problem] = reader.tracking.problems(CANARY)
    assert problem.startswith(
        f"Secret test/keys can't be read by the agent, so {UNTRACKED}; allowed: the right to get it"
    )
    reader.answers[KEYS_PATH] = ok(config("Secret", "keys"))
    await reader.refresh(60.0)
    assert reader.tracked() == {"configmap/conf", "secret/keys"}
    assert reader.tracking.problems(CANARY) == ()
    reader.answers[KEYS_PATH] = no(403, "Forbidden")
    await reader.refresh(60.0)
    assert reader.tracked() == {"configmap/conf", "secret/keys"}, "a right that is taken away changes no revision"
    assert len(reader.tracking.problems(CANARY)) == 1


async def test_a_name_that_leads_elsewhere_is_not_asked_for(reader: Reader) -> None:
    obj = target()
    obj["spec"]["template"]["spec"]["volumes"][0]["secret"]["secretName"] = "../../kube-system/secrets/token"
    await reader.tracking.refresh(CANARY, obj, None)
    assert reader.asked() == ALL[:2]


async def test_what_is_not_referred_to_any_more_is_forgotten(reader: Reader) -> None:
    """Names with a hash, as kustomize makes them, would pile up."""
    for number in range(5):
        obj, name = target(), f"conf-{number}"
        obj["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": name}}]
        reader.answers[f"{PATH}/configmaps/{name}"] = ok(config("ConfigMap", name))
        await reader.tracking.refresh(CANARY, obj, None)
        assert [kept["metadata"]["name"] for kept in reader.tracking.of("ConfigMap").by_namespace("test")] == [name]
    reader.tracking.forget_canary(Key("test", "podinfo"))
    assert not reader.tracking.of("ConfigMap").by_namespace("test")
    assert not reader.tracking._readings


async def test_a_change_is_told_once(reader: Reader) -> None:
    told: list[str] = []
    reader.tracking.of("ConfigMap").subscribe(lambda change: told.append(change.key.name))
    await reader.refresh()
    await reader.refresh(60.0)
    assert told == ["conf"]
    reader.answers[CONF_PATH] = ok(config("ConfigMap", "conf", "2", "2"))
    await reader.refresh(60.0)
    assert told == ["conf", "conf"]


async def test_what_is_written_during_a_read_is_not_taken_back(reader: Reader) -> None:
    await reader.refresh()
    written = config("ConfigMap", "conf", "2", "3")

    async def answer(request: Any) -> Any:
        reader.tracking.of("ConfigMap").remember(written)
        return await ok(config("ConfigMap", "conf", "1", "2"))(request)

    reader.answers[CONF_PATH] = answer
    await reader.refresh(60.0)
    kept = reader.tracking.of("ConfigMap").get("test", "conf")
    assert kept is not None
    assert kept["metadata"]["resourceVersion"] == "3"


TRACKED = "844dda24c874109a-627fa439"


def with_copies(caches: Caches, *, generation: int = 2) -> None:
    """A primary runs that was made while all was tracked, and was changed since."""
    copies = {CONF: "conf-primary", KEYS: "keys-primary", EXTRA: "extra-primary"}
    primary = primary_workload(CANARY, target(), TEMPLATE, revision=TRACKED, replicas=2, config_copies=copies)
    primary["metadata"] |= {"resourceVersion": "1", "uid": "p", "generation": generation}
    caches.of(DEPLOYMENTS).remember(primary)


async def test_the_copies_of_a_primary_are_read_with_what_they_were_made_of(reader: Reader) -> None:
    with_copies(reader.caches)
    replica_sets = "/apis/apps/v1/namespaces/test/replicasets"
    reader.answers[replica_sets] = ok({"kind": "ReplicaSetList", "metadata": {}, "items": []})
    await reader.refresh()
    copies = [f"GET {PATH}/{name}-primary" for name in ("configmaps/conf", "configmaps/extra", "secrets/keys")]
    assert reader.asked() == sorted([*ALL, *copies, f"GET {replica_sets}"])
    await reader.refresh(60.0)
    assert reader.asked() == sorted([*ALL, *copies]), "older ReplicaSets are looked at once"


async def test_a_primary_that_was_never_changed_has_no_older_replica_sets_to_look_at(reader: Reader) -> None:
    with_copies(reader.caches, generation=1)
    await reader.refresh()
    assert [asked for asked in reader.asked() if "replicasets" in asked] == []


async def test_off_means_that_no_configmap_or_secret_is_asked_for(reader: Reader) -> None:
    caches = Caches(reader.client, "", tracking=ConfigTracking.OFF)
    with_copies(caches)
    metadata = {"name": "podinfo", "namespace": "test", "resourceVersion": "1"}
    caches.of(CANARIES).remember({"metadata": metadata, "status": {"phase": "Succeeded"}})
    await caches.refresh(CANARY)
    assert target_revision(CANARY, target(), caches) == (revision_of(TEMPLATE), {})
    assert present_copies(CANARY, target(), TEMPLATE, caches) == {}
    assert not find_upkeep(CANARY, target(), caches).is_needed, "copies of before stay with the Canary"
    copies = ConfigCopies(reader.client, caches)
    assert await copies.promote(CANARY, target(), TEMPLATE, revision_of(TEMPLATE)) == {}
    await copies.keep(CANARY, target())
    assert caches.read_again_after_s(CANARY) is None
    assert reader.asked() == []


@pytest.mark.parametrize("tracking", ConfigTracking)
def test_only_one_way_lists_and_watches_configmaps_and_secrets(reader: Reader, tracking: ConfigTracking) -> None:
    watched = {cache.resource.plural for cache in Caches(reader.client, "", tracking=tracking).all()}
    is_watched = tracking is ConfigTracking.WATCH
    assert ({"configmaps", "secrets"} <= watched, "secrets" in watched) == (is_watched, is_watched)

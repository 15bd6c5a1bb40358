"""The copies of what a target is configured by, held against an API server in memory."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.configs import ConfigLost
from agent.copy_names import CopyNotOurs, are_copied
from agent.copy_upkeep import find_upkeep
from agent.settings import ConfigTracking
from canary.run.phase import Phase
from kube.errors import Conflict
from render.config_refs import ConfigRef
from render.copies import copy_names, copy_owners
from render.labels import LabelSettings
from tests.unit.agent.config_api import (
    CANARY,
    CONF,
    EXTRA,
    KEYS,
    TEMPLATE,
    ConfigApi,
    running_config_api,
    target,
)


@pytest.fixture(params=[ConfigTracking.REFERENCED, ConfigTracking.WATCH], ids=str)
async def api(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[ConfigApi]:
    async with running_config_api(tmp_path, request.param) as made:
        yield made


async def test_a_promotion_copies_what_was_analysed(api: ConfigApi) -> None:
    copies = await api.promote(api.revision())
    # The optional one has no copy yet, and what appears under its own name must be analysed first.
    assert copies == {CONF: "conf-primary", KEYS: "keys-primary", EXTRA: "extra-primary"}
    assert api.content("ConfigMap", "conf-primary") == "1"
    assert api.content("Secret", "keys-primary") == "MQ=="
    assert are_copied(CANARY, target(), TEMPLATE, api.caches)
    await api.write("ConfigMap", "conf", "2")
    assert not are_copied(CANARY, target(), TEMPLATE, api.caches)
    await api.promote(api.revision())
    assert api.content("ConfigMap", "conf-primary") == "2"


async def test_copies_get_the_labels_that_are_carried_over_as_their_content_is_written(api: ConfigApi) -> None:
    api.caches.labels = LabelSettings(included_prefixes=("team",))
    await api.write("ConfigMap", "conf", "1", labels={"team": "a", "tier": "web"})
    await api.promote(api.revision())
    assert api.metadata("ConfigMap", "conf-primary")["labels"] == {"team": "a"}
    await api.write("ConfigMap", "conf", "2", labels={"team": "b", "tier": "web"})
    await api.promote(api.revision())
    assert api.metadata("ConfigMap", "conf-primary")["labels"] == {"team": "b"}


async def test_a_promotion_goes_on_with_the_copies_that_it_made_before_a_crash(api: ConfigApi) -> None:
    revision = api.revision()
    await api.promote(revision)
    await api.write("Secret", "keys", "2")
    assert await api.promote(revision) == {CONF: "conf-primary", KEYS: "keys-primary", EXTRA: "extra-primary"}
    assert api.content("Secret", "keys-primary") == "MQ=="


async def test_content_that_nobody_analysed_is_not_copied(api: ConfigApi) -> None:
    revision = api.revision()
    await api.write("ConfigMap", "conf", "2")
    with pytest.raises(ConfigLost, match=r"Deployment test/podinfo: found configmap/conf, secret/keys with another"):
        await api.promote(revision)
    assert len(api.stored) == 2


async def test_content_that_the_caches_do_not_have_yet_is_not_copied_either(api: ConfigApi) -> None:
    revision = api.revision()
    await api.write("Secret", "keys", "2", is_cached=False)
    with pytest.raises(Conflict, match=r"its content is not the analysed one|configured by changed"):
        await api.promote(revision)
    assert len(api.stored) == 2, "nothing is written before all is read"


async def test_one_that_was_deleted_since_can_be_promoted_only_from_its_copy(api: ConfigApi) -> None:
    revision = api.remember()
    await api.write("ConfigMap", "conf", None)
    with pytest.raises(ConfigLost, match="ConfigMap test/conf"):
        await api.promote(revision)
    await api.write("ConfigMap", "conf", "1")
    await api.promote(revision)
    await api.write("ConfigMap", "conf", None)
    assert (await api.promote(revision))[CONF] == "conf-primary"


async def test_a_primary_that_goes_back_takes_its_copies_as_they_are(api: ConfigApi) -> None:
    first = api.revision()
    await api.write("ConfigMap", "conf", "2")
    await api.promote(api.revision())
    await api.write("ConfigMap", "conf", "3")
    api.status(lastPromotedSpec=first)
    assert (await api.promote(first))[CONF] == "conf-primary"
    assert api.content("ConfigMap", "conf-primary") == "2"


async def test_no_primary_is_made_whose_pods_could_not_start(api: ConfigApi) -> None:
    await api.write("ConfigMap", "conf", None)
    with pytest.raises(ConfigLost, match="found a reference to configmap/conf; allowed: the name of a ConfigMap"):
        await api.promote(api.revision())


OWN_CONF = "conf-podinfo-41f42d-primary"


async def test_somebody_elses_object_is_not_overwritten(api: ConfigApi) -> None:
    await api.write("ConfigMap", "conf-primary", "mine")
    assert (await api.promote(api.revision()))[CONF] == OWN_CONF
    assert api.content("ConfigMap", "conf-primary") == "mine"
    assert api.content("ConfigMap", OWN_CONF) == "1"


async def test_where_every_name_is_taken_nothing_is_overwritten(api: ConfigApi) -> None:
    for name in copy_names("podinfo", CONF):
        await api.write("ConfigMap", name, "mine")
    with pytest.raises(CopyNotOurs, match=rf"ConfigMap test/conf-primary, {OWN_CONF}, .*: found objects that can't"):
        await api.promote(api.revision())
    assert {api.content("ConfigMap", name) for name in copy_names("podinfo", CONF)} == {"mine"}


async def test_a_promotion_leaves_alone_what_another_canarys_primary_uses(api: ConfigApi) -> None:
    """Flagger lets two canaries share a copy, and only one of them owns it."""
    names = await api.promote(api.revision())
    await api.run_primary(names)
    await api.run_primary(names, name="other")
    api.add_canary("other")
    await api.write("ConfigMap", "conf", "2")
    assert (await api.promote(api.revision()))[CONF] == OWN_CONF
    assert api.content("ConfigMap", "conf-primary") == "1", "other's primary was not promoted"
    assert api.content("ConfigMap", OWN_CONF) == "2"
    assert list(copy_owners({"metadata": api.metadata("ConfigMap", OWN_CONF)})) == ["podinfo"]


async def test_the_name_that_another_canary_has_alone_is_its_own(api: ConfigApi) -> None:
    await api.write("ConfigMap", "conf-primary", "other's", ownerReferences=[owner("other")])
    assert (await api.promote(api.revision()))[CONF] == OWN_CONF
    assert api.content("ConfigMap", "conf-primary") == "other's"


async def test_a_copy_of_its_own_is_written_again_by_the_next_promotion(api: ConfigApi) -> None:
    await api.write("ConfigMap", "conf-primary", "other's", ownerReferences=[owner("other")])
    await api.run_primary(await api.promote(api.revision()))
    await api.write("ConfigMap", "conf", "2")
    assert (await api.promote(api.revision()))[CONF] == OWN_CONF
    assert api.content("ConfigMap", OWN_CONF) == "2"


async def test_one_that_another_canary_makes_at_the_same_time_is_looked_at_again(api: ConfigApi) -> None:
    await api.write("ConfigMap", "conf-primary", "other's", is_cached=False, ownerReferences=[owner("other")])
    api.read_as_missing.add("conf-primary")
    with pytest.raises(Conflict, match="made meanwhile"):
        await api.promote(api.revision())
    assert api.content("ConfigMap", "conf-primary") == "other's"


@pytest.mark.parametrize(
    "fields", [{"type": "kubernetes.io/basic-auth"}, {"immutable": True}], ids=["another type", "immutable"]
)
async def test_a_copy_that_can_not_be_written_is_made_under_another_name(
    api: ConfigApi, fields: dict[str, object]
) -> None:
    await api.write("Secret", "keys-primary", "0", fields=fields, ownerReferences=[owner("podinfo")])
    assert (await api.promote(api.revision()))[KEYS] == "keys-podinfo-9daa10-primary"
    assert api.content("Secret", "keys-podinfo-9daa10-primary") == "MQ=="
    assert api.stored["/api/v1/namespaces/test/secrets/keys-podinfo-9daa10-primary"]["type"] == "Opaque"


@pytest.mark.parametrize("copy", [CONF, KEYS])
@pytest.mark.parametrize("phase", [Phase.INITIALIZED, Phase.SUCCEEDED, Phase.FAILED, Phase.PROGRESSING])
async def test_a_missing_copy_is_made_again_with_what_was_promoted(
    api: ConfigApi, copy: ConfigRef, phase: Phase
) -> None:
    revision = api.remember(phase)
    await api.run_primary(await api.promote(revision), revision)
    assert not find_upkeep(CANARY, target(), api.caches).is_needed
    before = api.content(copy.kind, f"{copy.name}-primary")
    await api.write(copy.kind, f"{copy.name}-primary", None)
    assert find_upkeep(CANARY, target(), api.caches).is_needed
    await api.keep()
    assert api.content(copy.kind, f"{copy.name}-primary") == before
    assert not find_upkeep(CANARY, target(), api.caches).is_needed


async def test_a_missing_copy_is_not_made_of_what_nobody_analysed(api: ConfigApi) -> None:
    revision = api.remember(Phase.FAILED)
    await api.run_primary(await api.promote(revision), revision)
    await api.write("ConfigMap", "conf", "2")
    await api.write("ConfigMap", "conf-primary", None)
    with pytest.raises(ConfigLost, match=r"ConfigMap test/conf-primary: found none, .* or ConfigMap conf as it was"):
        await api.keep()
    assert "conf-primary" not in api.names()
    api.status(phase=Phase.PROGRESSING)
    assert not find_upkeep(CANARY, target(), api.caches).is_needed, "the promotion makes it again: it waits for nothing"


async def test_an_optional_one_that_never_was_there_is_not_missed(api: ConfigApi) -> None:
    revision = api.remember(Phase.SUCCEEDED)
    await api.run_primary(await api.promote(revision), revision)
    await api.write("ConfigMap", "extra", "1")
    await api.write("ConfigMap", "conf-primary", None)
    await api.keep()
    assert api.names() >= {"conf-primary", "keys-primary"}
    assert "extra-primary" not in api.names()


async def test_an_optional_copy_that_was_promoted_is_made_again(api: ConfigApi) -> None:
    await api.write("ConfigMap", "extra", "1")
    revision = api.remember(Phase.SUCCEEDED)
    await api.run_primary(await api.promote(revision), revision)
    await api.write("ConfigMap", "extra-primary", None)
    await api.keep()
    assert api.content("ConfigMap", "extra-primary") == "1"


async def test_a_copy_that_only_another_canary_owns_gets_this_one_as_an_owner(api: ConfigApi) -> None:
    revision = api.remember(Phase.SUCCEEDED)
    names = await api.promote(revision)
    await api.write("ConfigMap", "conf-primary", "1", ownerReferences=[owner("other")])
    await api.run_primary(names, revision)
    await api.keep()
    owners = api.metadata("ConfigMap", "conf-primary")["ownerReferences"]
    assert [(one["name"], one["uid"], one["controller"]) for one in owners] == [
        ("other", "other-uid", True),
        ("podinfo", "canary-uid", False),
    ]
    assert not find_upkeep(CANARY, target(), api.caches).is_needed


async def test_copies_that_nobody_uses_any_more_are_removed_once_the_primary_has_rolled(api: ConfigApi) -> None:
    revision = api.remember(Phase.SUCCEEDED)
    names = await api.promote(revision)
    api.keep_older_primary({CONF: "conf-5tg9-primary"})
    await api.write("ConfigMap", "conf-5tg9-primary", "old", ownerReferences=[owner("podinfo")])
    await api.write("ConfigMap", "conf-7hk2-primary", "mine")
    await api.write("ConfigMap", "notes", "mine", ownerReferences=[owner("podinfo")])
    await api.run_primary(names, revision, is_rolling=True)
    assert not find_upkeep(CANARY, target(), api.caches).is_needed, "pods of the older template may start again"
    await api.run_primary(names, revision)
    api.status(phase=Phase.PROGRESSING)
    assert not find_upkeep(CANARY, target(), api.caches).is_needed, "that can wait for the end of a run"
    api.remember(Phase.SUCCEEDED)
    await api.keep()
    assert api.names() == {"conf", "keys", "conf-primary", "keys-primary", "conf-7hk2-primary", "notes"}
    assert not find_upkeep(CANARY, target(), api.caches).is_needed


async def test_a_copy_that_is_used_or_owned_by_others_stays_for_them(api: ConfigApi) -> None:
    revision = api.remember(Phase.SUCCEEDED)
    names = await api.promote(revision)
    api.keep_older_primary({CONF: "conf-5tg9-primary"})
    await api.write("ConfigMap", "conf-5tg9-primary", "old", ownerReferences=[owner("podinfo")])
    api.add_canary("other")
    await api.run_primary({CONF: "conf-5tg9-primary"}, name="other")
    await api.run_primary(names, revision)
    assert not find_upkeep(CANARY, target(), api.caches).is_needed, "it would be gone with its only owner"
    await api.write("ConfigMap", "conf-5tg9-primary", "old", ownerReferences=[owner("podinfo"), owner("other")])
    await api.keep()
    owners = api.metadata("ConfigMap", "conf-5tg9-primary")["ownerReferences"]
    assert [one["name"] for one in owners] == ["other"]


async def test_a_promotion_that_crashed_after_it_made_a_copy_of_its_own_goes_on_with_it(api: ConfigApi) -> None:
    names = await api.promote(api.revision())
    await api.run_primary(names)
    await api.run_primary(names, name="other")
    api.add_canary("other")
    await api.write("ConfigMap", "conf", "2")
    revision = api.revision()
    await api.promote(revision)
    await api.write("ConfigMap", "conf", "3")
    assert (await api.promote(revision))[CONF] == OWN_CONF
    assert api.content("ConfigMap", OWN_CONF) == "2"


def owner(name: str) -> dict[str, object]:
    uid = "canary-uid" if name == "podinfo" else f"{name}-uid"
    return {"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "name": name, "uid": uid, "controller": True}

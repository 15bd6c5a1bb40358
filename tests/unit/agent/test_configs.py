"""What a target is configured by, read from the caches."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agent.configs import is_started_otherwise, target_revision
from agent.copy_names import present_copies
from agent.settings import ConfigTracking
from canary.run.phase import ANALYSING, Phase
from canary.run.revision import config_part, revision_of
from canary.run.wire import CONFIG_ANNOTATION
from tests.unit.agent.config_api import CANARY, TEMPLATE, ConfigApi, running_config_api, target

Json = dict[str, Any]


@pytest.fixture(params=[ConfigTracking.REFERENCED, ConfigTracking.WATCH], ids=str)
async def api(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[ConfigApi]:
    async with running_config_api(tmp_path, request.param) as made:
        yield made


async def test_the_revision_is_the_templates_and_a_hash_of_all_content(api: ConfigApi) -> None:
    revision, configs = target_revision(CANARY, target(), api.caches)
    assert revision.startswith(f"{revision_of(TEMPLATE)}-")
    assert len(config_part(revision)) == 8
    assert set(configs) == {"configmap/conf", "secret/keys"}


@pytest.mark.parametrize(("kind", "name"), [("ConfigMap", "conf"), ("Secret", "keys"), ("ConfigMap", "extra")])
async def test_other_content_is_another_revision_and_the_old_content_the_old_one(
    api: ConfigApi, kind: str, name: str
) -> None:
    before = api.revision()
    await api.write(kind, name, "2")
    assert api.revision() != before
    await api.write(kind, name, "1" if name != "extra" else None)
    assert api.revision() == before


@pytest.mark.parametrize("metadata", [{"labels": {"a": "b"}}, {"annotations": {"a": "b"}}])
async def test_labels_are_no_change(api: ConfigApi, metadata: Json) -> None:
    before = api.revision()
    await api.write("ConfigMap", "conf", "1", **metadata)
    assert api.revision() == before


async def test_a_missing_one_is_no_change_once_it_is_known(api: ConfigApi) -> None:
    before = api.remember()
    await api.write("ConfigMap", "conf", None)
    assert api.revision() == before


async def test_what_is_known_of_another_template_says_nothing(api: ConfigApi) -> None:
    before = api.remember()
    await api.write("ConfigMap", "conf", None)
    other = target()
    other["spec"]["template"]["spec"]["containers"][0]["image"] = "other"
    assert config_part(target_revision(CANARY, other, api.caches)[0]) != config_part(before)


async def test_untracked_ones_and_an_untracked_target_do_not_count(api: ConfigApi) -> None:
    await api.write("ConfigMap", "conf", "1", annotations={"flagger.app/config-tracking": "disabled"})
    before = target_revision(CANARY, target(), api.caches)
    assert set(before[1]) == {"secret/keys"}
    await api.write("ConfigMap", "conf", "2", annotations={"flagger.app/config-tracking": "disabled"})
    assert target_revision(CANARY, target(), api.caches) == before
    off = target(**{"flagger.app/config-tracking": "disabled"})
    assert target_revision(CANARY, off, api.caches) == (revision_of(TEMPLATE), {})
    assert present_copies(CANARY, off, TEMPLATE, api.caches) == {}


async def test_pods_of_the_analysed_revision_are_to_run_its_configuration(api: ConfigApi) -> None:
    revision = api.remember()
    running = target()
    assert is_started_otherwise(CANARY, running, api.caches)
    running["spec"]["template"]["metadata"]["annotations"][CONFIG_ANNOTATION] = config_part(revision)
    assert not is_started_otherwise(CANARY, running, api.caches)
    assert target_revision(CANARY, running, api.caches)[0] == revision
    await api.write("ConfigMap", "conf", "2")
    assert not is_started_otherwise(CANARY, running, api.caches), "no run is about that yet"
    api.remember()
    assert is_started_otherwise(CANARY, running, api.caches)
    running["spec"]["replicas"] = 0
    assert not is_started_otherwise(CANARY, running, api.caches), "pods that come up start with what there is"


@pytest.mark.parametrize("phase", sorted(set(Phase) - ANALYSING))
async def test_pods_that_no_analysis_is_about_are_not_restarted(api: ConfigApi, phase: Phase) -> None:
    """A promotion that was taken over from Flagger has traffic on pods that show nothing of their configuration."""
    api.remember(phase)
    assert not is_started_otherwise(CANARY, target(), api.caches)

"""What a target is configured by, read from the caches; and the copies of it, held against an API server in memory."""

from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from agent.caches import CONFIGS, Caches
from agent.configs import (
    ConfigCopies,
    ConfigLost,
    CopyNotOurs,
    are_copied,
    config_copies,
    is_started_otherwise,
    target_revision,
)
from agent.resources import CANARIES
from canary.run.phase import ANALYSING, Phase
from canary.run.revision import config_part, revision_of
from canary.run.wire import CONFIG_ANNOTATION
from kube.client import Client
from kube.errors import Conflict
from render.config_refs import ConfigRef
from tests.support.json_patch import apply_patch
from tests.support.podinfo import podinfo_canary, podinfo_deployment
from tests.unit.kube.apiserver import ApiServer, ManualTime, client_of, no, ok, running_api_server

Json = dict[str, Any]

CANARY = podinfo_canary()
CONF, KEYS, EXTRA = ConfigRef("ConfigMap", "conf"), ConfigRef("Secret", "keys"), ConfigRef("ConfigMap", "extra")


def target(**annotations: str) -> Json:
    """A Deployment that needs the ConfigMap `conf` and the Secret `keys`, and can do without the ConfigMap `extra`."""
    made = podinfo_deployment(
        volumes=[{"name": "keys", "secret": {"secretName": "keys"}}],
        initContainers=[{"name": "init", "envFrom": [{"configMapRef": {"name": "extra", "optional": True}}]}],
    )
    made["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": "conf"}}]
    made["metadata"]["annotations"] = annotations
    return made


TEMPLATE = target()["spec"]["template"]


class ConfigApi:
    """An API server with ConfigMaps and Secrets, and the agent's caches of it."""

    def __init__(self, client: Client, server: ApiServer) -> None:
        self.caches = Caches(client, "")
        self.copies = ConfigCopies(client, self.caches)
        self.stored: dict[str, Json] = {}
        self.version = 10
        server.otherwise = self._answer

    def write(self, kind: str, name: str, value: str | None, *, is_cached: bool = True, **metadata: Any) -> None:
        """Somebody writes one, with `value` as its content, or deletes it; the caches see it unless they lag."""
        path = f"/api/v1/namespaces/test/{kind.lower()}s/{name}"
        if value is None:
            gone = self.stored.pop(path)
            self.caches.of(CONFIGS["ConfigMap" if kind == "ConfigMap" else "Secret"])._store.remove(gone)
            return
        content = b64encode(value.encode()).decode() if kind == "Secret" else value
        body: Json = {"kind": kind, "metadata": {"name": name, "namespace": "test"} | metadata, "data": {"a": content}}
        if kind == "Secret":
            body["type"] = "Opaque"
        self._store(path, body, is_cached=is_cached)

    def status(self, **status: Any) -> None:
        self.version += 1
        metadata = {"name": "podinfo", "namespace": "test", "resourceVersion": str(self.version)}
        self.caches.of(CANARIES).remember({"metadata": metadata, "status": status})

    def remember(self, phase: Phase = Phase.PROGRESSING) -> str:
        """Store what is observed, as the state machine does; return the revision."""
        revision, configs = target_revision(CANARY, target(), self.caches)
        identity = {"seen": {"revision": revision}}
        self.status(phase=phase, trackedConfigs=configs, serin=identity, lastAppliedSpec=revision)
        return revision

    def revision(self) -> str:
        return target_revision(CANARY, target(), self.caches)[0]

    async def promote(self, revision: str) -> dict[ConfigRef, str]:
        return await self.copies.promote(CANARY, target(), TEMPLATE, revision)

    def content(self, kind: str, name: str) -> str:
        found = self.stored[f"/api/v1/namespaces/test/{kind.lower()}s/{name}"]["data"]["a"]
        return str(found)

    def _store(self, path: str, body: Json, *, is_cached: bool = True) -> Json:
        self.version += 1
        body["metadata"] |= {"resourceVersion": str(self.version), "uid": path}
        self.stored[path] = body
        if is_cached:
            self.caches.of(CONFIGS[body["kind"]]).remember(body)
        return body

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        found, body = self.stored.get(request.path), await request.read()
        if request.method == "POST":
            made = orjson.loads(body)
            return await ok(self._store(f"{request.path}/{made['metadata']['name']}", made, is_cached=False))(request)
        if found is None:
            return await no(404, "NotFound")(request)
        if request.method == "PATCH":
            found = self._store(request.path, apply_patch(found, orjson.loads(body)), is_cached=False)
        return await ok(found)(request)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[ConfigApi]:
    async with running_api_server(tmp_path) as server, client_of(server, ManualTime()) as client:
        made = ConfigApi(client, server)
        made.write("ConfigMap", "conf", "1")
        made.write("Secret", "keys", "1")
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
    api.write(kind, name, "2")
    assert api.revision() != before
    api.write(kind, name, "1" if name != "extra" else None)
    assert api.revision() == before


@pytest.mark.parametrize("metadata", [{"labels": {"a": "b"}}, {"annotations": {"a": "b"}}])
async def test_labels_are_no_change(api: ConfigApi, metadata: Json) -> None:
    before = api.revision()
    api.write("ConfigMap", "conf", "1", **metadata)
    assert api.revision() == before


async def test_a_missing_one_is_no_change_once_it_is_known(api: ConfigApi) -> None:
    before = api.remember()
    api.write("ConfigMap", "conf", None)
    assert api.revision() == before


async def test_what_is_known_of_another_template_says_nothing(api: ConfigApi) -> None:
    before = api.remember()
    api.write("ConfigMap", "conf", None)
    other = target()
    other["spec"]["template"]["spec"]["containers"][0]["image"] = "other"
    assert config_part(target_revision(CANARY, other, api.caches)[0]) != config_part(before)


async def test_untracked_ones_and_an_untracked_target_do_not_count(api: ConfigApi) -> None:
    api.write("ConfigMap", "conf", "1", annotations={"flagger.app/config-tracking": "disabled"})
    before = target_revision(CANARY, target(), api.caches)
    assert set(before[1]) == {"secret/keys"}
    api.write("ConfigMap", "conf", "2", annotations={"flagger.app/config-tracking": "disabled"})
    assert target_revision(CANARY, target(), api.caches) == before
    off = target(**{"flagger.app/config-tracking": "disabled"})
    assert target_revision(CANARY, off, api.caches) == (revision_of(TEMPLATE), {})
    assert config_copies(CANARY, off, TEMPLATE, api.caches) == {}


async def test_a_promotion_copies_what_was_analysed(api: ConfigApi) -> None:
    copies = await api.promote(api.revision())
    # The optional one has no copy yet, and what appears under its own name must be analysed first.
    assert copies == {CONF: "conf-primary", KEYS: "keys-primary", EXTRA: "extra-primary"}
    assert api.content("ConfigMap", "conf-primary") == "1"
    assert api.content("Secret", "keys-primary") == "MQ=="
    assert are_copied(CANARY, target(), TEMPLATE, api.caches)
    api.write("ConfigMap", "conf", "2")
    assert not are_copied(CANARY, target(), TEMPLATE, api.caches)
    await api.promote(api.revision())
    assert api.content("ConfigMap", "conf-primary") == "2"


async def test_a_promotion_goes_on_with_the_copies_that_it_made_before_a_crash(api: ConfigApi) -> None:
    revision = api.revision()
    await api.promote(revision)
    api.write("Secret", "keys", "2")
    assert await api.promote(revision) == {CONF: "conf-primary", KEYS: "keys-primary", EXTRA: "extra-primary"}
    assert api.content("Secret", "keys-primary") == "MQ=="


async def test_content_that_nobody_analysed_is_not_copied(api: ConfigApi) -> None:
    revision = api.revision()
    api.write("ConfigMap", "conf", "2")
    with pytest.raises(ConfigLost, match=r"Deployment test/podinfo: found configmap/conf, secret/keys with another"):
        await api.promote(revision)
    assert len(api.stored) == 2


async def test_content_that_the_caches_do_not_have_yet_is_not_copied_either(api: ConfigApi) -> None:
    revision = api.revision()
    api.write("Secret", "keys", "2", is_cached=False)
    with pytest.raises(Conflict, match="its content is not the analysed one"):
        await api.promote(revision)
    assert len(api.stored) == 2, "nothing is written before all is read"


async def test_one_that_was_deleted_since_can_be_promoted_only_from_its_copy(api: ConfigApi) -> None:
    revision = api.remember()
    api.write("ConfigMap", "conf", None)
    with pytest.raises(ConfigLost, match="ConfigMap test/conf"):
        await api.promote(revision)
    api.write("ConfigMap", "conf", "1")
    await api.promote(revision)
    api.write("ConfigMap", "conf", None)
    assert (await api.promote(revision))[CONF] == "conf-primary"


async def test_a_primary_that_goes_back_takes_its_copies_as_they_are(api: ConfigApi) -> None:
    first = api.revision()
    api.write("ConfigMap", "conf", "2")
    await api.promote(api.revision())
    api.write("ConfigMap", "conf", "3")
    api.status(lastPromotedSpec=first)
    assert (await api.promote(first))[CONF] == "conf-primary"
    assert api.content("ConfigMap", "conf-primary") == "2"


async def test_no_primary_is_made_whose_pods_could_not_start(api: ConfigApi) -> None:
    api.write("ConfigMap", "conf", None)
    with pytest.raises(ConfigLost, match="found a reference to configmap/conf; allowed: the name of a ConfigMap"):
        await api.promote(api.revision())


async def test_somebody_elses_object_is_not_overwritten(api: ConfigApi) -> None:
    api.write("ConfigMap", "conf-primary", "mine")
    with pytest.raises(CopyNotOurs, match=r"ConfigMap test/conf-primary: found one that no Canary owns"):
        await api.promote(api.revision())
    assert api.content("ConfigMap", "conf-primary") == "mine"


async def test_pods_of_the_analysed_revision_are_to_run_its_configuration(api: ConfigApi) -> None:
    revision = api.remember()
    running = target()
    assert is_started_otherwise(CANARY, running, api.caches)
    running["spec"]["template"]["metadata"]["annotations"][CONFIG_ANNOTATION] = config_part(revision)
    assert not is_started_otherwise(CANARY, running, api.caches)
    assert target_revision(CANARY, running, api.caches)[0] == revision
    api.write("ConfigMap", "conf", "2")
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

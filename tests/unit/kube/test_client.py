"""The client's verbs on the wire, and what it does when the wire fails."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from kube.client import ATTEMPTS, Client
from kube.errors import (
    AlreadyExists,
    ConfigError,
    Conflict,
    Gone,
    Invalid,
    KubeError,
    NotFound,
    PermanentError,
    PreconditionFailed,
    Unavailable,
)
from kube.pace import Pace
from kube.resource import CONFIGMAPS, DEPLOYMENTS, NAMESPACES
from tests.support.jumping_clock import jumping_clock
from tests.support.patience import AGES_S, PATIENCE_S
from tests.unit.kube.apiserver import (
    Answer,
    ApiServer,
    ManualTime,
    client_of,
    config_map,
    hang,
    listing,
    no,
    ok,
    reset,
    text,
    write_kubeconfig,
)

TEST = {"op": "test", "path": "/data/a", "value": "1"}
SET = {"op": "replace", "path": "/data/a", "value": "2"}


async def test_a_request_carries_token_user_agent_and_the_objects_path(api: ApiServer, client: Client) -> None:
    api.will(ok(config_map("a", 7)))
    assert (await client.get(CONFIGMAPS, "a", "test"))["metadata"]["resourceVersion"] == "7"
    seen = api.seen[0]
    assert (seen.method, seen.path) == ("GET", "/api/v1/namespaces/test/configmaps/a")
    assert seen.headers["Authorization"] == "Bearer sesame"
    assert seen.headers["User-Agent"] == "serin/test"


async def test_apply_sends_the_body_with_its_kind_and_field_manager(api: ApiServer, client: Client) -> None:
    api.will(ok({}), ok({}))
    body = {"metadata": {"name": "podinfo", "namespace": "test"}, "spec": {"replicas": 2}}
    await client.apply(DEPLOYMENTS, body, field_manager="serin")
    await client.apply(DEPLOYMENTS, body, field_manager="serin", is_forced=False, subresource="status")
    first, second = api.seen
    assert first.headers["Content-Type"] == "application/apply-patch+yaml"
    assert first.query == {"fieldManager": "serin", "force": "true"}
    assert first.body == {"apiVersion": "apps/v1", "kind": "Deployment", **body}
    assert second.path == "/apis/apps/v1/namespaces/test/deployments/podinfo/status"
    assert second.query["force"] == "false"


async def test_create_is_sent_to_the_collection(api: ApiServer, client: Client) -> None:
    api.will(ok({}, 201), ok({}, 201))
    await client.create(CONFIGMAPS, {"metadata": {"generateName": "a-"}}, "test")
    await client.create(NAMESPACES, {"metadata": {"name": "n"}})
    assert [seen.path for seen in api.seen] == ["/api/v1/namespaces/test/configmaps", "/api/v1/namespaces"]


async def test_a_create_can_be_a_dry_run(api: ApiServer, client: Client) -> None:
    api.will(no(503, "ServiceUnavailable"), ok({}, 201))
    await client.create(CONFIGMAPS, {"metadata": {"name": "a"}}, "test", is_dry_run=True)
    assert [seen.query for seen in api.seen] == [{"dryRun": "All"}] * 2  # it stores nothing, so it may be sent again


async def test_what_is_served_beside_the_resources_is_read_by_its_path(api: ApiServer, client: Client) -> None:
    path = "/api/v1/namespaces/test/services/http:web:80/proxy/api/v1/query"
    api.will(ok({"gitVersion": "v1.34.1"}), ok({"data": 1}))
    assert await client.read("/version") == {"gitVersion": "v1.34.1"}
    assert await client.read(path, {"query": 'up{a=~"b"}'}) == {"data": 1}
    assert [(seen.method, seen.path) for seen in api.seen] == [("GET", "/version"), ("GET", path)]
    assert api.seen[1].query == {"query": 'up{a=~"b"}'}


async def test_delete_can_be_bound_to_one_object(api: ApiServer, client: Client) -> None:
    api.will(ok({}), no(409, "Conflict"))
    await client.delete(CONFIGMAPS, "a", "test")
    with pytest.raises(Conflict):
        await client.delete(CONFIGMAPS, "a", "test", propagation="Foreground", uid="u1", resource_version="7")
    assert api.seen[0].body["propagationPolicy"] == "Background"
    assert "preconditions" not in api.seen[0].body
    assert api.seen[1].body["preconditions"] == {"uid": "u1", "resourceVersion": "7"}


async def test_a_list_is_read_page_by_page_and_its_items_are_whole_objects(api: ApiServer, client: Client) -> None:
    api.will(listing(9, config_map("a", 1), following="more&"), listing(9, config_map("b", 2)))
    items = await client.list(CONFIGMAPS, "test", label_selector="app=x", field_selector="metadata.name!=z")
    assert [(item["metadata"]["name"], item["kind"], item["apiVersion"]) for item in items] == [
        ("a", "ConfigMap", "v1"),
        ("b", "ConfigMap", "v1"),
    ]
    selectors = {"limit": "500", "labelSelector": "app=x", "fieldSelector": "metadata.name!=z"}
    assert [seen.query for seen in api.seen] == [selectors, selectors | {"continue": "more&"}]


async def test_an_object_nested_without_an_end_hides_no_other(api: ApiServer, client: Client) -> None:
    deep = '{"metadata": {"name": "deep"}, "spec": ' + '{"a":' * 5_000 + "1" + "}" * 5_000 + "}"
    api.will(
        text(200, f'{{"metadata": {{"resourceVersion": "9"}}, "items": [{deep}, {{"metadata": {{"name": "b"}}}}]}}')
    )
    assert [item["metadata"]["name"] for item in await client.list(CONFIGMAPS)] == ["deep", "b"]


async def test_a_list_forgotten_midway_is_started_again_once(api: ApiServer, client: Client) -> None:
    half = listing(9, config_map("a", 1), following="more")
    api.will(half, no(410, "Expired"), listing(12, config_map("b", 11)))
    assert [item["metadata"]["name"] for item in await client.list(CONFIGMAPS)] == ["b"]
    api.will(half, no(410, "Expired"), half, no(410, "Expired"))
    with pytest.raises(Gone):
        await client.list(CONFIGMAPS)


async def test_a_failed_test_operation_has_its_own_class(api: ApiServer, client: Client) -> None:
    # What the API server answers, word for word: it does not say which operation failed.
    refusal = no(422, "Invalid", "the server rejected our request due to an error in our request")
    api.will(refusal, refusal, no(422, "Invalid", causes=[{"field": "data", "message": "too long"}]))
    with pytest.raises(PreconditionFailed, match="/data/a") as caught:
        await client.json_patch(CONFIGMAPS, "a", "test", [TEST, SET])
    assert caught.value.name == "a"
    assert isinstance(caught.value.__cause__, Invalid)
    with pytest.raises(Invalid):
        await client.json_patch(CONFIGMAPS, "a", "test", [SET])
    with pytest.raises(Invalid, match="no"):
        await client.json_patch(CONFIGMAPS, "a", "test", [TEST, SET])


async def test_a_get_is_retried_with_a_growing_delay(api: ApiServer, client: Client, time: ManualTime) -> None:
    api.will(no(500), no(504), no(503), ok(config_map("a", 1)))
    await client.get(CONFIGMAPS, "a", "test")
    assert time.slept_s == pytest.approx([0.075, 0.15, 0.3])


async def test_attempts_are_bounded(api: ApiServer, client: Client) -> None:
    api.will(*[no(500)] * 10)
    with pytest.raises(Unavailable):
        await client.get(CONFIGMAPS, "a", "test")
    assert len(api.seen) == ATTEMPTS


async def test_the_servers_retry_after_is_waited_for(api: ApiServer, client: Client, time: ManualTime) -> None:
    api.will(no(429, headers={"Retry-After": "3"}), ok({}, 201))
    await client.create(CONFIGMAPS, config_map("a", ""))
    assert time.slept_s == [3.0]


async def test_a_retry_after_beyond_the_deadline_is_told_at_once(
    api: ApiServer, client: Client, time: ManualTime
) -> None:
    api.will(no(429, headers={"Retry-After": "60"}))
    with pytest.raises(Unavailable) as caught:
        await client.get(CONFIGMAPS, "a", "test")
    assert caught.value.retry_after_s == 60
    assert time.slept_s == []


async def test_a_server_with_too_much_to_do_is_sent_less_and_left_alone(api: ApiServer, client: Client) -> None:
    api.will(no(429, headers={"Retry-After": "60"}))
    with pytest.raises(Unavailable):
        await client.get(CONFIGMAPS, "a", "test")
    assert 0.0 < client.pace.alone_s <= 60.0
    api.will(no(503), ok({}))
    await client.get(CONFIGMAPS, "a", "test")
    assert client.pace.at_once == 2, "as few as can be"


@pytest.mark.parametrize(
    "refusal",
    [
        no(429, "TooManyRequests", 'admission webhook "slow.shop" denied the request: later', retryAfterSeconds=60),
        no(500, "InternalError", 'failed calling webhook "slow.shop": context deadline exceeded'),
        no(504, "Timeout", 'failed calling webhook "slow.shop": context deadline exceeded', retryAfterSeconds=60),
        no(409, "Conflict"),
    ],
)
async def test_what_a_webhook_says_or_an_object_is_refused_for_slows_down_nobody(
    api: ApiServer, client: Client, refusal: Answer
) -> None:
    api.will(*[refusal] * ATTEMPTS)
    with pytest.raises(KubeError):
        await client.get(CONFIGMAPS, "a", "test")
    assert (client.pace.alone_s, client.pace.at_once) == (0.0, 8)


@dataclass
class Clocks:
    """The clocks of a process: each request takes `took_s`, of which `spent_s` are its own."""

    took_s: float = 0.01
    spent_s: float = 0.0
    looks: int = 0

    def monotonic(self) -> float:
        self.looks += 1
        return self.looks * self.took_s

    def own_s(self) -> float:
        return self.looks * self.spent_s


@pytest.mark.parametrize(("own_s", "at_once"), [(0.0, 2), (0.12, 8)])
async def test_an_answer_that_lies_there_while_the_process_computes_is_not_the_servers_slowness(
    api: ApiServer, client: Client, monkeypatch: pytest.MonkeyPatch, own_s: float, at_once: int
) -> None:
    clocks = Clocks()
    monkeypatch.setattr("kube.connection.time", clocks)
    monkeypatch.setattr("kube.connection.own_s", clocks.own_s)
    client.connection.pace = Pace(clock=lambda: clocks.looks * clocks.took_s)
    api.will(*[ok({})] * 112)
    for _ in range(16):
        await client.get(CONFIGMAPS, "a", "test")
    clocks.took_s, clocks.spent_s = 0.125, own_s
    for _ in range(96):
        await client.get(CONFIGMAPS, "a", "test")
    assert client.pace.at_once == at_once


async def test_a_guard_stands_before_each_attempt_of_a_write_and_before_no_read(api: ApiServer, client: Client) -> None:
    refusals: list[Exception | None] = [None, PermanentError("not any more")]
    asked: list[str] = []

    def guard(namespace: str) -> None:
        asked.append(namespace)
        refusal = refusals.pop(0)
        if refusal is not None:
            raise refusal

    api.will(ok({}), no(503), ok({}))
    guarded = client.guarded(guard)
    await guarded.get(CONFIGMAPS, "a", "test")
    with pytest.raises(PermanentError, match="not any more"):
        await guarded.merge_patch(CONFIGMAPS, "a", "test", {"data": {"x": "1"}})
    assert [seen.method for seen in api.seen] == ["GET", "PATCH"]
    assert asked == ["test", "test"]


async def test_a_patch_whose_connection_was_reset_is_sent_again(api: ApiServer, client: Client) -> None:
    api.will(ok({}), reset(), ok({}))
    for _ in range(2):
        await client.merge_patch(CONFIGMAPS, "a", "test", {"data": {"x": "1"}})
    assert len(api.seen) == 3


@pytest.mark.parametrize("fault", [no(500), no(503), reset()])
async def test_a_create_that_may_have_happened_is_not_repeated(api: ApiServer, client: Client, fault: object) -> None:
    api.script.append(fault)  # type: ignore[arg-type]  # parametrize has no types
    with pytest.raises(Unavailable):
        await client.create(CONFIGMAPS, config_map("a", ""))
    assert len(api.seen) == 1


async def test_what_is_safe_to_repeat_is_repeated_and_what_is_not_is_not(api: ApiServer, client: Client) -> None:
    stored = config_map("a", 3)
    without_version = {"metadata": {"name": "a", "namespace": "test"}}
    verbs = [
        (client.merge_patch(CONFIGMAPS, "a", "test", {"data": {}}), True),
        (client.apply(CONFIGMAPS, without_version, field_manager="serin"), True),
        (client.json_patch(CONFIGMAPS, "a", "test", [TEST, SET]), True),
        (client.json_patch(CONFIGMAPS, "a", "test", [SET]), False),
        (client.replace(CONFIGMAPS, stored), True),
        (client.replace(CONFIGMAPS, without_version), False),
        (client.delete(CONFIGMAPS, "a", "test"), True),
    ]
    repeated = []
    for call, _ in verbs:
        api.script[:] = [no(500), ok({})]
        before = len(api.seen)
        with suppress(Unavailable):
            await call
        repeated.append(len(api.seen) - before == 2)
    assert repeated == [is_repeatable for _, is_repeatable in verbs]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(no(404, "NotFound"), NotFound), (no(409, "Conflict"), Conflict), (no(409, "AlreadyExists"), AlreadyExists)],
)
async def test_other_refusals_are_not_retried(
    api: ApiServer, client: Client, answer: object, expected: type[KubeError]
) -> None:
    api.script.append(answer)  # type: ignore[arg-type]  # parametrize has no types
    with pytest.raises(expected):
        await client.merge_patch(CONFIGMAPS, "a", "test", {})
    assert len(api.seen) == 1


async def test_a_server_that_does_not_answer_ends_with_the_deadline(api: ApiServer, time: ManualTime) -> None:
    api.will(hang())
    with jumping_clock() as clock:
        async with client_of(api, time) as client:
            getting = asyncio.create_task(client.within(AGES_S).get(CONFIGMAPS, "a", "test"))
            await api.wait_seen(1)
            assert not getting.done()
            time.now_s += AGES_S
            clock.jump()
            with pytest.raises(Unavailable, match="in time"):
                async with asyncio.timeout(PATIENCE_S):
                    await getting
    assert len(api.seen) == 1
    assert time.slept_s == []


async def test_no_server_at_all_is_told_with_its_address(tmp_path: Path, time: ManualTime) -> None:
    nowhere = ApiServer(kubeconfig=write_kubeconfig(tmp_path / "k", "http://127.0.0.1:1"))
    async with client_of(nowhere, time) as client:
        with pytest.raises(Unavailable, match=r"http://127\.0\.0\.1:1") as caught:
            await client.create(CONFIGMAPS, config_map("a", ""))
    assert caught.value.is_without_effect
    assert len(time.slept_s) == ATTEMPTS - 1


async def test_a_redirect_or_a_page_of_a_proxy_is_no_answer(api: ApiServer, client: Client) -> None:
    api.will(text(200, "<html>log in</html>"), text(302, "elsewhere"))
    for expected in ("not JSON", "elsewhere"):
        with pytest.raises(PermanentError, match=expected):
            await client.get(CONFIGMAPS, "a", "test")


async def test_a_body_without_name_or_namespace_is_refused_here(client: Client) -> None:
    with pytest.raises(Invalid, match=r"metadata\.name is missing"):
        await client.apply(CONFIGMAPS, {"metadata": {"namespace": "test"}}, field_manager="serin")
    with pytest.raises(Invalid, match=r"metadata\.namespace is missing"):
        await client.create(CONFIGMAPS, {"metadata": {"name": "a"}})


@pytest.mark.parametrize("content", [None, "", "just text", "{}", "a: [", "clusters: 3\nusers: 4\ncontexts: 5"])
async def test_a_kubeconfig_that_can_not_be_used_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "broken"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match="broken"):
        async with Client.connect(kubeconfig=path, user_agent="serin/test"):
            pass

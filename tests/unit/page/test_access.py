"""The page behind tokens: whose they are, and what their users may see, is for the API server to say."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from agent.page import reviews as reviewing
from agent.page import server
from agent.page.access import TokenAccess
from agent.page.reviews import Reviews
from kube.errors import Forbidden, Unavailable
from kube.resource import Resource
from tests.support.eventually import eventually
from tests.support.page import SmallCluster, serving_page, stored
from tests.support.patience import PATIENCE_S
from tests.support.people import Clock, People
from tests.support.sse import next_event

Json = dict[str, Any]


@asynccontextmanager
async def page(
    api: People, clock: Clock | None = None
) -> AsyncIterator[tuple[str, aiohttp.ClientSession, SmallCluster]]:
    cluster = SmallCluster()
    for namespace in ("team-a", "team-b"):
        cluster.put(stored("shop", namespace))
    access = TokenAccess(Reviews(api, clock or Clock()))
    jar = aiohttp.CookieJar(unsafe=True)  # cookies of an address are kept, too
    async with (
        serving_page(cluster, access=access) as url,
        aiohttp.ClientSession(cookie_jar=jar) as http,
    ):
        yield url, http, cluster


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def rows(http: aiohttp.ClientSession, url: str, token: str) -> list[str]:
    async with http.get(f"{url}/api/stream", headers=bearer(token)) as stream:
        assert stream.status == 200, await stream.text()
        found: list[str] = []
        while (event := await next_event(stream, "rows", "end")).name == "rows":
            found += [f"{row['namespace']}/{row['name']}" for row in event.data["rows"]]
        return sorted(found)


async def test_each_sees_the_canaries_of_namespaces_where_it_may_list_them() -> None:
    async with page(People()) as (url, http, _):
        assert await rows(http, url, "t-alice") == ["team-a/shop"]
        assert await rows(http, url, "t-admin") == ["team-a/shop", "team-b/shop"]


async def test_another_tenants_canary_is_as_one_that_does_not_exist() -> None:
    async with page(People()) as (url, http, _):
        answers = set()
        for path in ("team-b/shop", "team-b/none", "team-b/shop/traffic"):
            async with http.get(f"{url}/api/canaries/{path}", headers=bearer("t-alice")) as answer:
                answers.add((answer.status, await answer.text()))
        assert answers == {(404, "no such canary, or none that you may see\n")}
        async with http.get(f"{url}/api/canaries/team-a/shop", headers=bearer("t-alice")) as answer:
            assert answer.status == 200


async def test_another_tenants_changes_are_not_streamed() -> None:
    async with (
        page(People()) as (url, http, cluster),
        http.get(f"{url}/api/stream", headers=bearer("t-alice")) as stream,
    ):
        await next_event(stream, "end")
        cluster.put(stored("shop", "team-b", weight=77))
        cluster.delete(stored("shop", "team-b"))
        cluster.put(stored("shop", "team-a", weight=66))
        event = await next_event(stream, "rows")
        assert [(row["namespace"], row["weight"]) for row in event.data["rows"]] == [("team-a", 66)]
        assert event.data["gone"] == []


@pytest.mark.parametrize("path", ["/api/stream", "/api/canaries/team-a/shop", "/api/canaries/team-a/shop/traffic"])
@pytest.mark.parametrize(
    "headers",
    [{}, bearer("wrong"), bearer(""), bearer("x" * 5000), bearer("a\tb"), {"Authorization": "Basic dC1hbGljZQ=="}],
)
async def test_without_a_token_that_the_api_server_knows_nothing_is_shown(path: str, headers: dict[str, str]) -> None:
    async with page(People()) as (url, http, _):
        async with http.get(f"{url}{path}", headers=headers) as answer:
            assert answer.status == 401
            assert "shop" not in await answer.text()
        async with http.get(f"{url}/", headers=headers, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/login")


async def test_a_token_for_this_page_alone_is_enough() -> None:
    api = People(users={"t-page": "alice"}, for_page=frozenset({"t-page"}))
    async with page(api) as (url, http, _):
        assert await rows(http, url, "t-page") == ["team-a/shop"]


async def test_an_api_server_that_knows_no_audiences_makes_no_token_one_of_this_pages() -> None:
    """Then `status.audiences` is missing, and the token may be meant for whatever else."""

    class Old(People):
        def _token(self, token: str, audiences: list[str]) -> Json:
            return {"authenticated": True, "user": {"username": "alice"}} if audiences else {"authenticated": False}

    async with page(Old()) as (url, http, _), http.get(f"{url}/api/stream", headers=bearer("x")) as answer:
        assert answer.status == 401


async def test_the_users_rights_are_asked_for_as_the_token_says_who_it_is() -> None:
    api = People()
    async with page(api) as (url, http, _):
        await rows(http, url, "t-alice")
    asked = [body["spec"] for body in api.asked if body["kind"] == "SubjectAccessReview"]
    assert {spec["resourceAttributes"]["namespace"] for spec in asked} == {"", "team-a", "team-b"}
    for spec in asked:
        assert (spec["user"], spec["uid"], spec["groups"], spec["extra"]) == (
            "alice",
            "u-1",
            ["system:authenticated"],
            {"key": ["value"]},
        )


async def test_an_answer_holds_for_a_minute() -> None:
    api, clock = People(), Clock()
    async with page(api, clock) as (url, http, _):
        await rows(http, url, "t-alice")
        count = len(api.asked)
        await rows(http, url, "t-alice")
        clock.now_s += 59
        await rows(http, url, "t-alice")
        assert len(api.asked) == count
        api.may_list["alice"] = {"team-b"}
        clock.now_s += 1
        assert await rows(http, url, "t-alice") == ["team-b/shop"]


async def test_a_stream_ends_when_the_token_is_revoked() -> None:
    api, clock = People(), Clock()
    async with (
        page(api, clock) as (url, http, cluster),
        http.get(f"{url}/api/stream", headers=bearer("t-alice")) as stream,
    ):
        await next_event(stream, "end")
        del api.users["t-alice"]
        clock.now_s += 60
        cluster.put(stored("shop", "team-a", weight=66))
        with pytest.raises(EOFError):
            await next_event(stream, "rows")


async def test_a_stream_begins_again_when_rights_change() -> None:
    api, clock = People(), Clock()
    async with (
        page(api, clock) as (url, http, cluster),
        http.get(f"{url}/api/stream", headers=bearer("t-alice")) as stream,
    ):
        await next_event(stream, "end")
        api.may_list["alice"] = {"team-b"}
        clock.now_s += 60
        cluster.put(stored("shop", "team-a", weight=66))
        assert (await next_event(stream, "rows", "begin")).name == "begin"
        event = await next_event(stream, "rows")
        assert [row["namespace"] for row in event.data["rows"]] == ["team-b"]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            Forbidden("no"),
            "the agent may not ask the API server for tokenreviews: its operator finds more in its log\n",
        ),
        (Unavailable("gone"), "the API server does not answer; try again\n"),
    ],
)
async def test_who_can_not_be_known_gets_nothing_for_now(error: Exception, text: str) -> None:
    api = People(error=error)
    async with page(api) as (url, http, _):
        async with http.get(f"{url}/api/stream", headers=bearer("t-alice")) as answer:
            assert (answer.status, await answer.text()) == (503, text)
        api.error = None
        assert await rows(http, url, "t-alice") == ["team-a/shop"]


async def test_an_api_server_that_hangs_holds_nobody_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reviewing, "_WITHIN_S", 0.01)
    async with (
        page(People(hangs=True)) as (url, http, _),
        http.get(f"{url}/api/stream", headers=bearer("t-alice")) as answer,
    ):
        assert answer.status == 503


async def test_a_stream_shows_what_the_users_groups_may_see_now() -> None:
    class Grouped(People):
        groups: tuple[str, ...] = ("ops",)

        async def create(self, resource: Resource, body: Json, namespace: str | None = None) -> Json:
            if resource.kind == "TokenReview":
                user = {"username": "alice", "groups": list(self.groups)}
                return {"status": {"authenticated": True, "user": user, "audiences": body["spec"]["audiences"]}}
            spec = body["spec"]
            is_there = spec["resourceAttributes"]["namespace"] == "team-b"
            return {"status": {"allowed": "ops" in spec["groups"] and is_there}}

    api, clock = Grouped(), Clock()
    async with (
        page(api, clock) as (url, http, cluster),
        http.get(f"{url}/api/stream", headers=bearer("t-alice")) as stream,
    ):
        event = await next_event(stream, "rows")
        assert [row["namespace"] for row in event.data["rows"]] == ["team-b"]
        await next_event(stream, "end")
        api.groups = ()
        clock.now_s += 60
        cluster.put(stored("shop", "team-b", weight=33))
        assert (await next_event(stream, "rows", "begin")).data == {"total": 0}


async def test_another_tenants_canary_is_as_one_that_does_not_exist_to_the_api_server_too() -> None:
    """Else what is asked, and what fails, would tell them apart."""
    asked, answers = [], []
    for path in ("team-b/shop", "team-z/none"):
        api = People()
        async with page(api) as (url, http, _):
            async with http.get(f"{url}/api/canaries/{path}", headers=bearer("t-alice")):
                pass
            asked.append([body["spec"]["resourceAttributes"]["namespace"] for body in api.asked[2:]])
        api = People(failing=frozenset({"SubjectAccessReview"}))
        async with (
            page(api) as (url, http, _),
            http.get(f"{url}/api/canaries/{path}", headers=bearer("t-alice")) as answer,
        ):
            answers.append((answer.status, await answer.text()))
    assert asked == [["", "team-a", "team-b"]] * 2
    assert answers == [(503, "the API server does not answer; try again\n")] * 2


async def test_another_tenants_changes_are_not_heard_of() -> None:
    """No event, and no number that counts them."""
    async with (
        page(People()) as (url, http, cluster),
        http.get(f"{url}/api/stream", headers=bearer("t-alice")) as stream,
    ):
        before = (await next_event(stream, "end")).id
        for weight in range(50):
            cluster.put(stored("shop", "team-b", weight=weight))
            await asyncio.sleep(0)
        cluster.put(stored("shop", "team-c"))  # a namespace that nobody knew of
        await asyncio.sleep(0.05)
        cluster.put(stored("shop", "team-a", weight=66))
        events = [await next_event(stream, "alive", "rows") for _ in range(2)]
        assert [event.name for event in events] == ["rows", "alive"]
        numbers = [int(number.split("-")[1]) for number in (before, events[0].id)]
        assert numbers[1] - numbers[0] > 40_000  # microseconds, not changes


async def test_one_user_has_eight_pages_open_and_others_have_theirs() -> None:
    async with page(People()) as (url, http, _), AsyncExitStack() as stack:

        async def status(token: str) -> tuple[int, str]:
            stream = await stack.enter_async_context(http.get(f"{url}/api/stream", headers=bearer(token)))
            return stream.status, "" if stream.status == 200 else await stream.text()

        assert [await status("t-alice") for _ in range(8)] == [(200, "")] * 8
        assert await status("t-alice") == (503, "8 pages of yours are open; close one and load this again\n")
        assert await status("t-admin") == (200, "")


@asynccontextmanager
async def unfinished_form(url: str) -> AsyncIterator[asyncio.StreamReader]:
    parts = urlsplit(url)
    head = f"POST /login HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: 20\r\n"
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(f"{head}Content-Type: application/x-www-form-urlencoded\r\n\r\ntoken=".encode())
    try:
        yield reader
    finally:
        writer.close()


async def test_a_form_that_never_arrives_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_READ_WITHIN_S", 0.01)
    async with page(People()) as (url, _, _), unfinished_form(url) as reader, asyncio.timeout(PATIENCE_S):
        assert (await reader.readline()).split()[1] == b"408"


async def test_forms_that_never_arrive_keep_out_nobody_who_is_signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_LOGINS", 1)
    async with page(People()) as (url, http, _):

        async def status() -> int:
            return (await sign_in(http, url, "wrong")).status

        async with unfinished_form(url):
            await eventually(status, lambda found: found == 503)
            async with http.get(f"{url}/api/canaries/team-a/shop", headers=bearer("t-alice")) as answer:
                assert answer.status == 200
        await eventually(status, lambda found: found == 401)


async def sign_in(http: aiohttp.ClientSession, url: str, token: str, **headers: str) -> aiohttp.ClientResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await http.post(f"{url}/login", data={"token": token}, headers=named, allow_redirects=False)


async def test_a_browser_signs_in_and_out() -> None:
    async with page(People()) as (url, http, _):
        async with http.get(f"{url}/login") as answer:
            assert answer.status == 200
            assert 'action="/login"' in await answer.text()
        answer = await sign_in(http, url, " t-alice\n")
        assert (answer.status, answer.headers["Location"]) == (303, "/")
        assert answer.headers["Set-Cookie"] == "serin-page=t-alice; HttpOnly; Path=/; SameSite=Strict"
        async with http.get(f"{url}/", allow_redirects=False) as answer:
            assert answer.status == 200
        async with http.get(f"{url}/api/canaries/team-a/shop") as answer:
            assert answer.status == 200
        async with http.post(f"{url}/logout", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/login")
        async with http.get(f"{url}/api/canaries/team-a/shop") as answer:
            assert answer.status == 401


async def test_behind_tls_the_cookie_goes_over_tls_only() -> None:
    async with page(People()) as (url, http, _):
        answer = await sign_in(http, url, "t-alice", Host="canaries.example", X_Forwarded_Proto="https")
        assert answer.status == 303
        assert answer.headers["Set-Cookie"] == "__Host-serin-page=t-alice; HttpOnly; Path=/; SameSite=Strict; Secure"
        over_tls = {"Host": "canaries.example", "X-Forwarded-Proto": "https"}
        statuses = {}
        for cookie in ("serin-page", "__Host-serin-page"):
            async with aiohttp.ClientSession() as other:
                headers = over_tls | {"Cookie": f"{cookie}=t-alice"}
                async with other.get(f"{url}/api/canaries/team-a/shop", headers=headers) as found:
                    statuses[cookie] = found.status
        assert statuses == {"serin-page": 401, "__Host-serin-page": 200}
        async with http.post(f"{url}/logout", headers=over_tls, allow_redirects=False) as answer:
            assert answer.headers["Set-Cookie"].startswith('__Host-serin-page=""; ')
            assert "; Secure" in answer.headers["Set-Cookie"]


async def test_a_token_that_is_worth_nothing_any_more_is_signed_out() -> None:
    async with page(People()) as (url, http, _):
        headers = {"Cookie": "serin-page=expired"}
        async with http.post(f"{url}/logout", headers=headers, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/login")
            assert answer.headers["Set-Cookie"].startswith('serin-page=""; ')


@pytest.mark.parametrize(
    ("token", "headers", "status"),
    [
        ("wrong", {}, 401),
        ("", {}, 401),
        ("x" * 5000, {}, 401),
        ("x" * 10_000, {}, 413),
        ("t-alice", {"Host": "canaries.example"}, 403),
        ("t-alice", {"Sec_Fetch_Site": "cross-site"}, 403),
        ("t-alice", {"Origin": "https://evil.example"}, 403),
        ("t-alice", {"Origin": "null"}, 403),
    ],
)
async def test_nobody_is_signed_in_otherwise(token: str, headers: dict[str, str], status: int) -> None:
    async with page(People()) as (url, http, _):
        answer = await sign_in(http, url, token, **headers)
        assert answer.status == status
        assert "Set-Cookie" not in answer.headers


async def test_who_is_not_signed_in_gets_the_form_again_with_the_reason() -> None:
    async with page(People()) as (url, http, _):
        text = await (await sign_in(http, url, "<b>wrong")).text()
        assert 'role="alert">the API server does not know the token (any more)</p>' in text
        assert 'action="/login"' in text
        assert "<b>" not in text


async def test_another_site_signs_nobody_out() -> None:
    async with (
        page(People()) as (url, http, _),
        http.post(f"{url}/logout", headers={"Sec-Fetch-Site": "cross-site"}) as answer,
    ):
        assert answer.status == 403

"""What our RouteTables do with real requests: rendered by us, translated as Gloo does, served by a real Envoy."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from itertools import count
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from canary.api.canary import Canary
from canary.rules.shape import parse_canary
from canary.run.traffic import ALL_TO_PRIMARY, Traffic
from render.route_table import read_traffic, route_patch, route_table
from sandbox.gloo.translate import Translation, translate
from tests.support import gloo_cases
from tests.support.envoy import Envoy, Json, running_envoy, until
from tests.support.json_patch import apply_patch
from tests.support.podinfo import canary_object, stored

pytestmark = pytest.mark.asyncio(loop_scope="module")

NO_ROUTES = translate(gloo_cases.snapshot([]))
MATCHED = Traffic(100)


@dataclass(frozen=True)
class Gateway:
    """A real Envoy before a primary and a canary that answer with their names; `copies` counts what each side got."""

    envoy: Envoy
    sides: list[Json]
    copies: Counter[str]
    numbers: Iterator[int] = field(default_factory=count)

    async def serve(self, table: Json, parent: str = "/") -> Translation:
        """Route by the table alone, under a VirtualService that delegates to it; nothing may be wrong with it."""
        virtual_service = gloo_cases.objects("weight-100-0")[0]
        routes = virtual_service["spec"]["virtualHost"]["routes"]
        routes[0]["matchers"] = [{"prefix": parent}]
        known_by = f"/served/{next(self.numbers)}"
        routes.insert(0, {"matchers": [{"exact": known_by}], "directResponseAction": {"status": 204}})
        translation = translate(gloo_cases.snapshot([virtual_service, table, *self.sides]))
        for status in translation.statuses.values():
            assert status["state"] == "Accepted", status
        await self.envoy.ads.publish(NO_ROUTES)
        await until(self.envoy.virtual_hosts, lambda hosts: hosts == [])
        await self.envoy.ads.publish(translation)
        # What Envoy says of itself is known to its workers only a moment later.
        await until(lambda: self._status(known_by), lambda status: status == 204)
        return translation

    async def _status(self, path: str) -> int:
        url = f"{self.envoy.gateway}{path}"
        async with self.envoy.session.get(url, headers={"Host": "app.example.com"}) as response:
            return response.status

    async def ask(self, path: str = "/", method: str = "GET", **headers: str) -> tuple[str, list[str]]:
        """Return the side that answers, and the cookies that it sets."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        session = self.envoy.session
        async with session.request(
            method, f"{self.envoy.gateway}{path}", headers={"Host": "app.example.com"} | named
        ) as response:
            assert response.status == 200
            return response.headers["x-side"], response.headers.getall("Set-Cookie", [])

    async def side(self, path: str = "/", method: str = "GET", **headers: str) -> str:
        return (await self.ask(path, method, **headers))[0]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    copies: Counter[str] = Counter()

    def answering(side: str) -> web.Application:
        async def answer(_request: web.Request) -> web.Response:
            copies[side] += 1
            return web.Response(headers={"x-side": side})

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        return app

    async with AsyncExitStack() as stack:
        items = [item for item in gloo_cases.surroundings() if item["kind"] != "EndpointSlice"]
        for side in ("primary", "canary"):
            server = await stack.enter_async_context(TestServer(answering(side)))
            assert server.port is not None
            items.append(gloo_cases.endpoint_slice(side, ["127.0.0.1"], server.port))
        folder = tmp_path_factory.mktemp("envoy")
        yield Gateway(await stack.enter_async_context(running_envoy(folder, NO_ROUTES)), items, copies)


def canary(analysis: Json, service: Json | None = None) -> Canary:
    """A canary with the names of the recorded cases."""
    obj = canary_object(
        targetRef={"apiVersion": "apps/v1", "kind": "Deployment", "name": "app"},
        service=service,
        analysis={"interval": "10s", "threshold": 5} | analysis,
    )
    return parse_canary(obj | {"metadata": obj["metadata"] | {"name": "app", "namespace": "conf"}})


def ab_test(*match: Json) -> Canary:
    return canary({"iterations": 5, "match": list(match)})


REQUESTS: list[tuple[Json, list[dict[str, str]], list[dict[str, str]]]] = [
    ({"headers": {"x-user": {"exact": "a b"}}}, [{"x_user": "a b"}], [{"x_user": "a b c"}, {}]),
    ({"headers": {"x-user": {"regex": "[0-9]+"}}}, [{"x_user": "42"}], [{"x_user": "42a"}, {"x_user": "a42"}]),
    ({"headers": {"x-user": {"prefix": "a.(b"}}}, [{"x_user": "a.(bc"}, {"x_user": "a.(b"}], [{"x_user": "aX(b"}]),
    (
        {"headers": {"x-user": {"suffix": "@a.com"}}},
        [{"x_user": "me@a.com"}],
        [{"x_user": "me@aXcom"}, {"x_user": "@a.com.org"}],
    ),
    ({"headers": {"x-user": {"present": True}}}, [{"x_user": "any"}], [{}]),
    ({"headers": {"x-user": {"present": False}}}, [{}], [{"x_user": "any"}]),
    ({"headers": {"x-user": {"exact": ""}}}, [{"x_user": ""}], [{"x_user": "any"}, {}]),
    (
        {"headers": {"x-a": {"exact": "1"}, "x-b": {"exact": "2"}}},
        [{"x_a": "1", "x_b": "2"}],
        [{"x_a": "1"}, {"x_b": "2"}],
    ),
    (
        {"headers": {"Cookie": {"regex": "^(.*?;)?(canary=always)(;.*)?$"}}},
        [{"cookie": "a=b;canary=always"}],
        [{"cookie": "canary=never"}],
    ),
    ({"withoutHeaders": {"x-bot": {"exact": "true"}}}, [{}, {"x_bot": "false"}], [{"x_bot": "true"}]),
    ({"withoutHeaders": {"x-bot": {"present": True}}}, [{}], [{"x_bot": "false"}]),
    (
        {"headers": {"x-a": {"exact": "1"}}, "withoutHeaders": {"x-b": {"prefix": "b"}, "x-c": {"exact": "c"}}},
        [{"x_a": "1"}, {"x_a": "1", "x_b": "a", "x_c": "d"}, {"x_a": "1", "x_c": "d"}],
        [{"x_a": "1", "x_b": "bb"}, {"x_a": "1", "x_b": "a", "x_c": "c"}, {"x_b": "a"}],
    ),
    ({"uri": {"prefix": "/v2"}}, [{"path": "/v2/x"}], [{"path": "/v1"}, {"path": "/V2"}]),
    ({"uri": {"exact": "/v2"}}, [{"path": "/v2"}, {"path": "/v2?a=b"}], [{"path": "/v2/x"}]),
    ({"uri": {"regex": "/v[23]/.*"}}, [{"path": "/v3/x"}], [{"path": "/v4/x"}, {"path": "/v3"}]),
    ({"uri": {"prefix": "/Ab.c"}, "ignoreUriCase": True}, [{"path": "/aB.C/x"}], [{"path": "/abXc"}]),
    ({"uri": {"exact": "/Ab"}, "ignoreUriCase": True}, [{"path": "/AB"}], [{"path": "/abc"}]),
    ({"queryParams": {"beta": {"exact": "1"}}}, [{"path": "/?beta=1"}], [{"path": "/?beta=2"}, {"path": "/"}]),
    ({"queryParams": {"beta": {"prefix": "a+"}}}, [{"path": "/?beta=a+b"}], [{"path": "/?beta=aab"}]),
    ({"queryParams": {"beta": {"regex": "[ab]"}}}, [{"path": "/?x=1&beta=a"}], [{"path": "/?beta=ab"}]),
    ({"queryParams": {"beta": {"present": True}}}, [{"path": "/?beta"}, {"path": "/?beta=1"}], [{"path": "/?b=1"}]),
    ({"method": {"exact": "POST"}}, [{"method": "POST"}], [{"method": "GET"}]),
    ({"method": {"regex": "P.*T"}}, [{"method": "POST"}, {"method": "PUT"}], [{"method": "GET"}]),
    ({"authority": {"suffix": ".example.com"}, "headers": {"x-a": {"exact": "1"}}}, [{"x_a": "1"}], [{}]),
    ({"authority": {"exact": "example.com"}}, [], [{}]),
    ({"scheme": {"exact": "http"}}, [{}], []),
    ({"scheme": {"exact": "https"}}, [], [{}]),
    ({"sourceLabels": {"app": "x"}}, [], [{}]),
    ({}, [], [{}]),
    (
        {"uri": {"prefix": "/v2"}, "method": {"exact": "PUT"}, "headers": {"x-a": {"exact": "1"}}},
        [{"path": "/v2", "method": "PUT", "x_a": "1"}],
        [{"path": "/v2", "x_a": "1"}, {"path": "/v2", "method": "PUT"}, {"method": "PUT", "x_a": "1"}],
    ),
]


@pytest.mark.parametrize(("entry", "matched", "others"), REQUESTS, ids=[str(entry) for entry, _, _ in REQUESTS])
async def test_what_matches_reaches_the_canary_and_everyone_else_the_primary(
    entry: Json, matched: list[dict[str, str]], others: list[dict[str, str]], gateway: Gateway
) -> None:
    await gateway.serve(route_table(ab_test(entry), MATCHED))
    assert [await gateway.side(**request) for request in matched] == ["canary"] * len(matched)
    assert [await gateway.side(**request) for request in others] == ["primary"] * len(others)


async def test_a_request_without_the_header_is_not_taken_by_envoys_inverted_comparison(gateway: Gateway) -> None:
    """The reason for one matcher more for each of `withoutHeaders`."""
    table = route_table(ab_test({"withoutHeaders": {"x-bot": {"exact": "true"}}}), MATCHED)
    matchers = table["spec"]["routes"][0]["matchers"]
    matchers.remove({"headers": [{"name": "x-bot", "invertMatch": True}]})
    await gateway.serve(table)
    assert (await gateway.side(x_bot="false"), await gateway.side()) == ("canary", "primary")


async def test_entries_are_alternatives_with_and_without_a_path(gateway: Gateway) -> None:
    entries = ({"headers": {"x-a": {"exact": "1"}}}, {"uri": {"prefix": "/v2"}}, {"headers": {"x-b": {"exact": "2"}}})
    table = route_table(ab_test(*entries), MATCHED)
    await gateway.serve(table)
    assert [await gateway.side(x_a="1"), await gateway.side("/v2"), await gateway.side(x_b="2")] == ["canary"] * 3
    assert await gateway.side(x_a="2") == "primary"
    assert read_traffic(ab_test(*entries), table) == MATCHED


async def test_a_condition_is_for_no_more_than_the_main_route_that_users_limited(gateway: Gateway) -> None:
    said = ab_test({"method": {"exact": "POST"}}, {"uri": {"prefix": "/v"}, "method": {"exact": "GET"}})
    table = stored(route_table(said))
    main = table["spec"]["routes"][-1]
    main |= {"inheritablePathMatchers": False, "matchers": [{"prefix": "/v2", "methods": ["GET"]}]}
    table = apply_patch(table, route_patch(said, table, MATCHED, 1))
    rest = {"matchers": [{"prefix": "/"}], "directResponseAction": {"status": 404}}
    table["spec"]["routes"].append(rest)
    await gateway.serve(table)
    assert await gateway.side("/v2/x") == "canary"
    for path, method in (("/v2/x", "POST"), ("/v1", "GET")):
        with pytest.raises(AssertionError, match="404"):
            await gateway.side(path, method)


async def test_matched_requests_are_split_by_weight_and_nobody_else_is(gateway: Gateway) -> None:
    await gateway.serve(route_table(ab_test({"headers": {"x-a": {"exact": "1"}}}), Traffic(50)))
    matched = Counter([await gateway.side(x_a="1") for _ in range(200)])
    assert 50 < matched["canary"] < 150
    assert Counter([await gateway.side() for _ in range(100)]) == {"primary": 100}


async def test_a_match_holds_below_the_prefix_of_the_virtual_service(gateway: Gateway) -> None:
    entries = ({"headers": {"x-a": {"exact": "1"}}}, {"uri": {"prefix": "/api/v2"}})
    await gateway.serve(route_table(ab_test(*entries), MATCHED), parent="/api")
    assert await gateway.side("/api/v1", x_a="1") == "canary"
    assert await gateway.side("/api/v2") == "canary"
    assert await gateway.side("/api/v1") == "primary"


async def test_a_route_in_front_keeps_to_what_users_narrowed_the_main_route_to(gateway: Gateway) -> None:
    """Their route behind it serves the rest, whoever asks; and what they gave the main route holds in front of it."""
    test = ab_test({"headers": {"x-a": {"exact": "1"}}})
    table = stored(route_table(test))
    main = table["spec"]["routes"][1]
    main |= {"matchers": [{"prefix": "/app"}], "inheritablePathMatchers": False}
    added = [{"header": {"key": "x-guard", "value": "on"}, "append": True}]
    main["options"] = {"headerManipulation": {"responseHeadersToAdd": added}}
    table["spec"]["routes"].append({"matchers": [{"prefix": "/"}], "directResponseAction": {"status": 204}})
    table = apply_patch(table, route_patch(test, table, MATCHED, 1))
    await gateway.serve(table)
    headers = {"Host": "app.example.com", "x-a": "1"}
    async with gateway.envoy.session.get(f"{gateway.envoy.gateway}/app", headers=headers) as response:
        assert (response.headers["x-side"], response.headers["x-guard"]) == ("canary", "on")
    async with gateway.envoy.session.get(f"{gateway.envoy.gateway}/other", headers=headers) as response:
        assert response.status == 204


async def test_the_canary_gets_copies_and_clients_hear_of_the_primary_only(gateway: Gateway) -> None:
    await gateway.serve(route_table(canary({"iterations": 5, "mirror": True}), Traffic(0, mirror_percent=100)))
    gateway.copies.clear()
    assert {await gateway.side() for _ in range(20)} == {"primary"}
    await until(_counts(gateway), lambda counts: counts == {"primary": 20, "canary": 20})
    await gateway.serve(route_table(canary({"iterations": 5, "mirror": True}), Traffic(0, mirror_percent=50)))
    gateway.copies.clear()
    for _ in range(100):
        await gateway.side()
    await until(_counts(gateway), lambda counts: counts["primary"] == 100 and 20 < counts["canary"] < 80)


AFFINITY = {"cookieName": "app+canary", "maxAge": 60, "path": "/a%20b", "secure": True, "sameSite": "Lax"}
COOKIE = "app+canary=aB9"


async def test_a_client_that_was_on_the_canary_once_stays_there_until_the_run_is_over(gateway: Gateway) -> None:
    sticky = canary({"stepWeight": 50, "maxWeight": 50, "sessionAffinity": AFFINITY})
    table = stored(route_table(sticky, Traffic(50, cookie=COOKIE)))
    await gateway.serve(table)
    answers = [await gateway.ask() for _ in range(40)]
    assert {side for side, _ in answers} == {"primary", "canary"}
    for side, cookies in answers:
        expected = [f"{COOKIE}; Max-Age=60; Path=/a%20b; SameSite=Lax; Secure"] if side == "canary" else []
        assert cookies == expected
    for sent in (COOKIE, f"a=b; {COOKIE}", f"{COOKIE}; a=b", f"a=b;{COOKIE};c=d"):
        assert [await gateway.ask(cookie=sent) for _ in range(10)] == [("canary", [])] * 10
    near = ("app+canary=aB9x", "xapp+canary=aB9", "appcanary=aB9", "appp+canary=aB9")
    sides = {await gateway.side(cookie=sent) for sent in near for _ in range(10)}
    assert sides == {"primary", "canary"}  # none of them is ours: they are dealt like anybody

    table = apply_patch(table, route_patch(sticky, table, ALL_TO_PRIMARY, 1))
    await gateway.serve(table)
    side, cookies = await gateway.ask(cookie=COOKIE)
    assert (side, cookies) == ("primary", [f"{COOKIE}; Max-Age=-1; Path=/a%20b; SameSite=Lax; Secure"])
    assert await gateway.ask() == ("primary", [])


async def test_with_a_cookie_for_the_primary_its_clients_stay_there_for_a_step(gateway: Gateway) -> None:
    sticky = canary({"stepWeight": 50, "maxWeight": 100, "sessionAffinity": AFFINITY | {"primaryCookieName": "app-p"}})
    table = stored(route_table(sticky, Traffic(50, cookie=COOKIE)))
    await gateway.serve(table)
    cookies: dict[str, str] = {}
    while len(cookies) < 2:
        side, (header,) = await gateway.ask()
        cookies[side] = header
    parsed = SimpleCookie(cookies["primary"])["app-p"]
    assert (parsed.value, parsed["max-age"]) == ("aB9-50", "10")  # the analysis' interval
    for side, header in cookies.items():
        sent = header.partition(";")[0]
        assert {await gateway.side(cookie=sent) for _ in range(10)} == {side}
    await gateway.serve(apply_patch(table, route_patch(sticky, table, Traffic(60, cookie=COOKIE), 1)))
    old = cookies["primary"].partition(";")[0]
    assert {await gateway.side(cookie=old) for _ in range(30)} == {"primary", "canary"}


async def test_no_weight_means_no_way_to_the_canary_even_with_a_cookie(gateway: Gateway) -> None:
    sticky = canary({"stepWeight": 50, "maxWeight": 50, "sessionAffinity": AFFINITY})
    await gateway.serve(route_table(sticky, Traffic(0, cookie=COOKIE)))
    assert {await gateway.side(cookie=COOKIE) for _ in range(20)} == {"primary"}


def _counts(gateway: Gateway) -> Any:
    async def read() -> Counter[str]:
        return gateway.copies

    return read

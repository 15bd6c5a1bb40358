"""Whose proxies a session heeds: those of the environment that it was opened in."""

import pytest
from aiohttp import web

from agent.providers.web.sessions import open_session
from tests.support.web import serving

NAMES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY")


@pytest.fixture
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("_no_proxies")
@pytest.mark.parametrize(("exempt", "expected"), [("", "http://far.test/x"), ("127.0.0.1", "/x")])
async def test_what_goes_through_a_proxy_of_the_environment_goes_through_it_and_the_rest_does_not(
    monkeypatch: pytest.MonkeyPatch, exempt: str, expected: str
) -> None:
    seen: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.raw_path)
        return web.Response()

    async with serving(answer) as url:
        monkeypatch.setenv("http_proxy", url)
        monkeypatch.setenv("no_proxy", exempt)
        async with open_session() as session, session.get(f"{url}/x" if exempt else "http://far.test/x"):
            pass
    assert seen == [expected]


@pytest.mark.usefixtures("_no_proxies")
async def test_without_a_proxy_no_request_looks_for_one() -> None:
    async with open_session() as session:
        assert not session.trust_env

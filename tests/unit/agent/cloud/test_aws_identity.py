"""The agent's own keys at AWS: where they come from, for how long they are kept, and for whose templates they are."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from agent.providers.cloud.aws import own_source, service_url
from agent.providers.cloud.aws_signature import AwsKeys
from agent.providers.cloud.identities import Identities
from agent.providers.errors import ProviderRefused, ProviderUnavailable
from agent.providers.metrics.port import Connection
from tests.support.patience import PATIENCE_S
from tests.support.web import serving

NOW_S = 1_796_000_000.0
HOUR_S = 3600.0


class Lender:
    """STS, and the agent of EKS Pod Identity: gives keys for an hour for the token of the pod's service account."""

    def __init__(self) -> None:
        self.now_s = NOW_S
        self.asked: list[tuple[str, str]] = []
        self.fault: web.Response | None = None
        self.token = "pods-token"

    async def handle(self, request: web.Request) -> web.Response:
        form: Any = await request.post()
        self.asked.append((request.method, request.path))
        if self.fault is not None:
            return self.fault
        if request.path == "/v1/credentials":
            return self._given(request)
        if form["WebIdentityToken"] != self.token:
            return web.Response(status=400, text=self._error("InvalidIdentityToken", "the token is none of ours"))
        known = {"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleSessionName": "serin-agent"}
        assert {name: form[name] for name in known} == known
        assert form["RoleArn"] == "arn:aws:iam::111122223333:role/serin"
        body = (
            '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
            "<AssumeRoleWithWebIdentityResult><Credentials>"
            f"<AccessKeyId>ASIA{len(self.asked)}</AccessKeyId><SecretAccessKey>s/+=</SecretAccessKey>"
            f"<SessionToken>t/+=</SessionToken><Expiration>{self._end()}</Expiration>"
            "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
        )
        return web.Response(text=body, content_type="text/xml")

    def _given(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != self.token:
            return web.Response(status=401)
        found = {"AccessKeyId": f"ASIA{len(self.asked)}", "SecretAccessKey": "s/+=", "Token": "t/+="}
        return web.json_response(found | {"Expiration": self._end()})

    def _end(self) -> str:
        return datetime.fromtimestamp(self.now_s + HOUR_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _error(self, code: str, words: str) -> str:
        return f"<ErrorResponse><Error><Code>{code}</Code><Message>{words}</Message></Error></ErrorResponse>"


def irsa(url: str, token_file: Path) -> dict[str, str]:
    """Return what EKS puts into the environment of a pod whose service account has a role."""
    return {
        "AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/serin",
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(token_file),
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL_STS": url,
    }


def pod_identity(url: str, token_file: Path) -> dict[str, str]:
    """Return what EKS Pod Identity puts into the environment of a pod."""
    return {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/v1/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token_file),
    }


@asynccontextmanager
async def lending(lender: Lender, environment: Any, folder: Path) -> AsyncIterator[Identities]:
    token_file = folder / "token"
    token_file.write_text("pods-token\n")
    async with serving(lender.handle) as url, aiohttp.ClientSession() as session:
        yield Identities(session, (), environment(url, token_file))


SOURCES = pytest.mark.parametrize("environment", [irsa, pod_identity])


async def test_keys_of_the_environment_come_first_and_ask_nobody() -> None:
    environment = {
        "AWS_ACCESS_KEY_ID": "AKIA1",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_SESSION_TOKEN": "t",
        "AWS_ROLE_ARN": "arn",
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere",
    }
    async with aiohttp.ClientSession() as session:
        keys = await Identities(session, (), environment).aws_keys("eu-west-1", PATIENCE_S, NOW_S)
    assert keys == AwsKeys(access_key_id="AKIA1", secret_access_key="s", session_token="t")


@SOURCES
async def test_keys_are_lent_for_the_pods_token_and_kept_until_shortly_before_their_end(
    environment: Any, tmp_path: Path
) -> None:
    lender = Lender()
    async with lending(lender, environment, tmp_path) as identities:
        first = await identities.aws_keys("eu-west-1", PATIENCE_S, NOW_S)
        same = await identities.aws_keys("eu-west-1", PATIENCE_S, NOW_S + HOUR_S - 301)
        lender.token, lender.now_s = "new-token", NOW_S + HOUR_S - 300
        (tmp_path / "token").write_text("new-token")
        renewed = await identities.aws_keys("eu-west-1", PATIENCE_S, lender.now_s)
    assert first == same == AwsKeys(access_key_id="ASIA1", secret_access_key="s/+=", session_token="t/+=")
    assert renewed.access_key_id == "ASIA2"
    assert len(lender.asked) == 2


@SOURCES
async def test_while_the_keys_are_good_a_renewal_that_fails_is_no_error(environment: Any, tmp_path: Path) -> None:
    lender = Lender()
    async with lending(lender, environment, tmp_path) as identities:
        first = await identities.aws_keys("eu-west-1", PATIENCE_S, NOW_S)
        lender.fault = web.Response(status=503)
        assert await identities.aws_keys("eu-west-1", PATIENCE_S, NOW_S + HOUR_S - 1) == first
        lender.fault = web.Response(status=503)
        with pytest.raises(ProviderUnavailable, match="can't be had now"):
            await identities.aws_keys("eu-west-1", PATIENCE_S, NOW_S + HOUR_S)


@SOURCES
async def test_keys_that_are_refused_are_asked_for_again(environment: Any, tmp_path: Path) -> None:
    async with lending(Lender(), environment, tmp_path) as identities:
        first = await identities.aws_keys("eu-west-1", PATIENCE_S, NOW_S)
        identities.forget_aws()
        assert await identities.aws_keys("eu-west-1", PATIENCE_S, NOW_S) != first


async def test_who_refuses_to_lend_is_named_with_its_words_in_the_log_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lender = Lender()
    lender.token = "another"
    for environment, words in (
        (irsa, "AWS STS: HTTP 400: InvalidIdentityToken: the token is none of"),
        (pod_identity, "the agent's AWS credentials: HTTP 401, it refuses the agent's own identity"),
    ):
        caplog.clear()
        async with lending(lender, environment, tmp_path) as identities:
            with pytest.raises(ProviderUnavailable) as raised:
                await identities.aws_keys("eu-west-1", PATIENCE_S, NOW_S)
        assert str(raised.value) == "the agent's own AWS identity can't be had now; its log says why"
        assert words in caplog.text


async def test_many_that_need_keys_at_once_ask_once_and_none_waits_for_another(tmp_path: Path) -> None:
    lender = Lender()
    lender.fault = web.Response(status=503)
    async with lending(lender, irsa, tmp_path) as identities:
        asked = [identities.aws_keys("eu-west-1", PATIENCE_S, NOW_S) for _ in range(8)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(answer) for answer in answers] == [ProviderUnavailable] * 8
    assert len(lender.asked) == 1


@pytest.mark.parametrize("body", ["", "{}", "[]", "5", "<AccessKeyId>A</AccessKeyId>", '{"AccessKeyId": "A"}'])
@SOURCES
async def test_an_answer_without_keys_is_said_to_be_one(
    environment: Any, body: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lender = Lender()
    lender.fault = web.Response(text=body)
    async with lending(lender, environment, tmp_path) as identities:
        with pytest.raises(ProviderUnavailable, match="can't be had now"):
            await identities.aws_keys("eu-west-1", PATIENCE_S, NOW_S)
    assert "without keys" in caplog.text or "not JSON" in caplog.text


async def test_a_pod_without_an_identity_says_so() -> None:
    async with aiohttp.ClientSession() as session:
        identities = Identities(session, (), {"AWS_REGION": "eu-west-1"})
        with pytest.raises(ProviderUnavailable, match="neither keys, nor IRSA, nor EKS Pod Identity"):
            await identities.aws_keys("eu-west-1", PATIENCE_S, NOW_S)


async def test_a_token_that_cannot_be_read_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with aiohttp.ClientSession() as session:
        identities = Identities(session, (), irsa("http://127.0.0.1:1", tmp_path / "none"))
        with pytest.raises(ProviderUnavailable, match="can't be had now"):
            await identities.aws_keys("eu-west-1", PATIENCE_S, NOW_S)
    assert "none can't be read" in caplog.text


def test_no_key_of_a_source_is_in_a_text() -> None:
    assert "s3cret" not in repr(own_source({"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "s3cret"}))


@pytest.mark.parametrize(
    ("service", "region", "environment", "url"),
    [
        ("monitoring", "eu-west-1", {}, "https://monitoring.eu-west-1.amazonaws.com"),
        ("sts", "us-gov-west-1", {}, "https://sts.us-gov-west-1.amazonaws.com"),
        ("monitoring", "cn-north-1", {}, "https://monitoring.cn-north-1.amazonaws.com.cn"),
        ("monitoring", "eusc-de-east-1", {}, "https://monitoring.eusc-de-east-1.amazonaws.eu"),
        ("monitoring", "eu-west-1", {"AWS_ENDPOINT_URL": "http://stack:4566/"}, "http://stack:4566"),
        ("sts", "eu-west-1", {"AWS_ENDPOINT_URL": "http://a", "AWS_ENDPOINT_URL_STS": "http://b"}, "http://b"),
    ],
)
def test_where_services_are(service: str, region: str, environment: dict[str, str], url: str) -> None:
    assert service_url(service, region, environment) == url


@pytest.mark.parametrize(("lent_to", "is_lent"), [(("shop",), True), (("*",), True), (("edge",), False), ((), False)])
async def test_whose_templates_may_use_the_agents_identity(lent_to: tuple[str, ...], is_lent: object) -> None:
    connection = Connection(name="https://monitoring.eu-west-1.amazonaws.com", namespace="shop", timeout_s=1)
    async with aiohttp.ClientSession() as session:
        identities = Identities(session, lent_to, {})
        if is_lent:
            identities.check_may_use("cloudwatch", connection)
            return
        with pytest.raises(ProviderRefused) as refused:
            identities.check_may_use("cloudwatch", connection)
    assert str(refused.value) == (
        "https://monitoring.eu-west-1.amazonaws.com: spec.provider.secretRef: found nothing; allowed: credentials, for "
        "templates of namespace shop may not use the agent's own AWS identity (--agent-identity-namespaces)"
    )

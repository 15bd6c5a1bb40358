"""What `helm test` runs: it ends well if the agent is ready and the webhook judges, and else says why not."""

import asyncio
import ssl
import sys
from pathlib import Path

import pytest
from aiohttp.test_utils import unused_port

from service.endpoint import serve_health
from tests.support.charts import CHARTS, Json, render
from tests.support.reviews import context_of
from tests.support.self_signed import certificate
from webhook.context import Handler
from webhook.main import ENTRIES
from webhook.metrics import WebhookMetrics
from webhook.server import Admission, serve_admission

SCRIPT = CHARTS / "serin" / "files" / "tests" / "answers.py"


async def render_nothing(_: list[str]) -> tuple[bytes, dict[str, str]]:
    return b"", {}


async def answers(
    folder: Path, *, why_unready: str = "", entries: dict[str, Handler] | None = None, has_webhook: bool = True
) -> tuple[int, str]:
    """Run the script against an agent's and a webhook's own servers; return its exit code and what it printed."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate(folder))
    admission = Admission(ENTRIES if entries is None else entries, context_of([]), WebhookMetrics("0", lambda: 60.0))
    async with (
        serve_health(0, render_nothing, lambda: why_unready) as agent,
        serve_admission(admission, unused_port(), tls) as webhook,
    ):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(SCRIPT),
            env={
                "AGENT": f"http://127.0.0.1:{agent}",
                "WEBHOOK": f"https://127.0.0.1:{webhook}" if has_webhook else "",
                "PATIENCE_S": "0",
            },
            stdout=asyncio.subprocess.PIPE,
        )
        printed, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, printed.decode()


async def test_who_is_ready_and_judges_passes(tmp_path: Path) -> None:
    assert await answers(tmp_path) == (0, "agent: OK\nwebhook: it refuses an empty Canary\n")


async def test_without_a_webhook_only_the_agent_is_asked(tmp_path: Path) -> None:
    assert await answers(tmp_path, has_webhook=False) == (0, "agent: OK\n")


async def test_an_agent_that_is_not_ready_says_why(tmp_path: Path) -> None:
    code, printed = await answers(tmp_path, why_unready="canaries are not listed yet")
    assert code == 1
    assert "does not answer as it should: HTTP Error 503" in printed
    assert "canaries are not listed yet" in printed


async def test_a_webhook_that_does_not_answer_is_told(tmp_path: Path) -> None:
    code, printed = await answers(tmp_path, entries={"/nothing": next(iter(ENTRIES.values()))})
    assert code == 1
    assert "does not answer as it should: HTTP Error 404" in printed


@pytest.mark.parametrize(
    ("chart", "release", "namespace"), [("serin", "serin", "gloo-system"), ("loadtester", "flagger-loadtester", "test")]
)
def test_the_pod_is_restricted_and_of_our_own_image(chart: str, release: str, namespace: str) -> None:
    [pod] = [one for one in render(chart, release=release, namespace=namespace) if one["kind"] == "Pod"]
    spec: Json = pod["spec"]
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    [container] = spec["containers"]
    assert container["image"] == {"serin": "serin:0.2.0", "loadtester": "serin-loadtester:0.2.0"}[chart]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_an_agent_of_one_namespace_has_no_webhook_to_ask() -> None:
    [pod] = [one for one in render(namespace="shop", values={"namespace": "shop"}) if one["kind"] == "Pod"]
    env = {entry["name"]: entry["value"] for entry in pod["spec"]["containers"][0]["env"]}
    assert env == {"AGENT": "http://serin-agent.shop:8080", "WEBHOOK": ""}

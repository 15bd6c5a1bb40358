"""The service over HTTP, as hooks, probes and Prometheus see it, with real commands behind."""

import asyncio
import re
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientConnectionError, ClientSession, ClientTimeout

from loadtester.programs import PROGRAMS
from loadtester.server import build_app, serving
from tests.support.fifo import Fifo
from tests.support.patience import PATIENCE_S

REPOSITORY = Path(__file__).parents[3]

MakeFifo = Callable[[str], Fifo]


@asynccontextmanager
async def _load_tester(*, timeout_s: float = PATIENCE_S, namespaces: str = "") -> AsyncIterator[ClientSession]:
    listener = socket.create_server(("127.0.0.1", 0))
    app = build_app(timeout_s=timeout_s, namespace_pattern=re.compile(namespaces))
    base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with serving(app, listener), ClientSession(base_url, timeout=ClientTimeout(total=PATIENCE_S)) as session:
        yield session


@pytest.fixture
async def load_tester() -> AsyncIterator[ClientSession]:
    async with _load_tester() as session:
        yield session


async def _call(session: ClientSession, *, namespace: str = "test", **metadata: str) -> tuple[int, str]:
    payload: dict[str, Any] = {"name": "podinfo", "namespace": namespace, "phase": "Progressing", "metadata": metadata}
    async with session.post("/", json=payload) as response:
        return response.status, await response.text()


async def _metrics(session: ClientSession) -> str:
    async with session.get("/metrics") as response:
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return await response.text()


async def _wait_for_series(session: ClientSession, line: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while line not in (await _metrics(session)).splitlines():
            pass  # each turn waits for an answer


async def test_bash_that_succeeds_answers_200_without_its_output(load_tester: ClientSession) -> None:
    assert await _call(load_tester, type="bash", cmd="echo token | grep tok") == (200, "")


async def test_bash_may_return_its_output(load_tester: ClientSession) -> None:
    assert await _call(load_tester, type="bash", cmd="echo hello", returnCmdOutput="true") == (200, "hello\n")


async def test_bash_is_run_by_bash(load_tester: ClientSession) -> None:
    assert await _call(load_tester, type="bash", cmd="[[ -n $BASH_VERSION ]]") == (200, "")


async def test_bash_that_fails_answers_500_with_the_status_and_the_output(load_tester: ClientSession) -> None:
    status, text = await _call(load_tester, type="bash", cmd="echo no token; exit 4")

    assert status == 500
    assert text == "command echo no token; exit 4: exit status 4\nno token\n"


@pytest.mark.parametrize(("kind", "program"), [("helm", "helm"), ("helmv3", "helm"), ("kubectl", "kubectl")])
async def test_helm_and_kubectl_get_the_words_and_are_waited_for(
    load_tester: ClientSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, program: str
) -> None:
    (tmp_path / program).write_text('#!/bin/sh\nprintf "[%s]" "$@"\nexit "$2"\n')
    (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    assert await _call(load_tester, type=kind, cmd="test 0 $HOME", returnCmdOutput="true") == (200, "[test][0][$HOME]")
    assert await _call(load_tester, type=kind, cmd="test 3 x") == (500, "command test 3 x: exit status 3\n[test][3][x]")


async def test_a_helm_that_is_not_there_answers_500(
    load_tester: ClientSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    status, text = await _call(load_tester, type="helm", cmd="test podinfo")
    assert status == 500
    assert text.splitlines() == [
        "command test podinfo: not started, for helm is not in this image; it has none of the usual ones"
    ]


@pytest.mark.parametrize(
    ("command", "program"),
    [
        ("grpc_health_probe-of-nobody -addr=podinfo:9999", "grpc_health_probe-of-nobody"),
        ("/opt/of-nobody/ghz --insecure", "/opt/of-nobody/ghz"),
        ("wrk-of-nobody http://podinfo | tail -1; exit 3", "wrk-of-nobody"),
        ("sh -c bats-of-nobody", "bats-of-nobody"),
    ],
)
async def test_a_program_that_is_not_in_the_image_is_named(
    load_tester: ClientSession, command: str, program: str
) -> None:
    status, text = await _call(load_tester, type="bash", cmd=command)
    exit_status = 3 if command.endswith("exit 3") else 127
    assert status == 500
    said = f"command {command}: exit status {exit_status}, for {program} is not in this image; it has bash, "
    assert text.splitlines()[0].startswith(said)


@pytest.mark.parametrize("there", [["hey", "wrk"], []], ids=["some", "none"])
@pytest.mark.parametrize(
    "program", ["bats", "curl", "ghz", "grpc_health_probe", "helm", "hey", "jq", "kubectl", "wget", "wrk", "git", "nc"]
)
async def test_each_program_that_hooks_use_is_missed_by_name(
    load_tester: ClientSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, there: list[str]
) -> None:
    for name in {"bash", *there} - {program}:
        (tmp_path / name).symlink_to(shutil.which("bash") or "")
    monkeypatch.setenv("PATH", str(tmp_path))
    status, text = await _call(load_tester, type="bash", cmd=f"{program} --version")
    has = ", ".join(["bash", *(name for name in there if name != program)])
    assert status == 500
    assert text.splitlines()[0] == (
        f"command {program} --version: exit status 127, for {program} is not in this image; it has {has}"
    )


async def test_an_event_names_the_missing_program_of_a_long_command_too(
    load_tester: ClientSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bash").symlink_to(shutil.which("bash") or "")
    monkeypatch.setenv("PATH", str(tmp_path))
    command = f"nghttp --header='x-user: {'a' * 300}' http://podinfo-canary.test:9898/"
    metadata = {"type": "bash", "cmd": command}
    async with load_tester.post("/", json={"name": "podinfo", "namespace": "test", "metadata": metadata}) as response:
        assert response.headers["Serin-Hint"].startswith(
            f"command nghttp --header='x-user: {'a' * 15}...: exit status 127, for nghttp is not in this image; "
            "it has bash "
        )
        assert (await response.text()).startswith(f"command {command}: exit status 127, for nghttp is not in this ")


def test_the_image_has_what_a_missing_program_is_told_beside_and_the_ledger_too() -> None:
    dockerfile = (REPOSITORY / "Dockerfile").read_text()
    built = re.findall(r"&& build \S+ (\S+) ", dockerfile)
    [installed] = re.findall(r"apt-get install --yes --no-install-recommends (.*) \\", dockerfile)
    expected = {"bash", "bats", "curl", "ghz", "grpc_health_probe", "helm", "hey", "jq", "kubectl", "wget", "wrk"}
    assert set(PROGRAMS) == expected
    assert expected | {"ca-certificates"} == {*built, *installed.split()}
    [row] = re.findall(r"(?m)^\| the programs in the image \|.*$", (REPOSITORY / "docs/compatibility.md").read_text())
    assert expected <= set(re.findall(r"`(\w+)`", row))


async def test_a_file_that_a_program_does_not_find_is_none_of_the_image(load_tester: ClientSession) -> None:
    _, text = await _call(load_tester, type="bash", cmd="cat /of-nobody")
    assert text.startswith("command cat /of-nobody: exit status 1\n")


@pytest.mark.parametrize("path", ["/acceptance", "/a/b/c", "/load?of=podinfo"])
async def test_a_hook_may_have_any_path(load_tester: ClientSession, path: str) -> None:
    metadata = {"type": "bash", "cmd": "echo ran", "returnCmdOutput": "true"}
    async with load_tester.post(path, json={"name": "podinfo", "namespace": "test", "metadata": metadata}) as response:
        assert (response.status, await response.text()) == (200, "ran\n")


@pytest.mark.parametrize("path", ["/gate/approved", "/gate/lock", "/healthy"])
async def test_a_mistyped_path_says_yes_to_nobody(load_tester: ClientSession, path: str) -> None:
    async with load_tester.post(path, json={"name": "podinfo", "namespace": "test"}) as response:
        assert response.status == 400


async def test_bash_that_takes_too_long_answers_500() -> None:
    async with _load_tester(timeout_s=0.3) as session:
        status, text = await _call(session, type="bash", cmd="sleep 300")

    assert status == 500
    assert "time limit of 0.3 s" in text


async def test_two_bash_hooks_run_side_by_side(load_tester: ClientSession, make_fifo: MakeFifo) -> None:
    meeting = make_fifo("meeting")

    reader, writer = await asyncio.gather(
        _call(load_tester, type="bash", cmd=f"cat {meeting.path}", returnCmdOutput="true"),
        _call(load_tester, type="bash", cmd=f"echo met >{meeting.path}"),
    )

    assert reader == (200, "met\n")
    assert writer == (200, "")


async def test_cmd_answers_202_at_once_and_the_same_one_is_not_started_twice(
    load_tester: ClientSession, make_fifo: MakeFifo, tmp_path: Path
) -> None:
    begun, gate, starts = make_fifo("begun"), make_fifo("gate"), tmp_path / "starts"
    command = f"echo started >>{starts}; echo >{begun.path}; cat {gate.path}"

    assert await _call(load_tester, cmd=command) == (202, "")
    await begun.read()
    assert await _call(load_tester, type="cmd", cmd=command) == (202, "")
    assert 'serin_loadtester_running{type="cmd"} 1' in await _metrics(load_tester)
    await gate.write("")
    await _wait_for_series(load_tester, 'serin_loadtester_runs_total{outcome="succeeded",type="cmd"} 1')

    assert starts.read_text() == "started\n"
    assert 'serin_loadtester_running{type="cmd"} 0' in await _metrics(load_tester)


async def test_a_cmd_that_is_over_can_be_started_again(load_tester: ClientSession) -> None:
    for count in (1, 2):
        assert await _call(load_tester, cmd="false") == (202, "")
        await _wait_for_series(load_tester, f'serin_loadtester_runs_total{{outcome="failed",type="cmd"}} {count}')


async def test_the_same_cmd_of_another_namespace_runs_beside(load_tester: ClientSession, make_fifo: MakeFifo) -> None:
    gate = make_fifo("gate")

    await _call(load_tester, cmd=f"cat {gate.path}", namespace="test")
    await _call(load_tester, cmd=f"cat {gate.path}", namespace="prod")

    assert 'serin_loadtester_running{type="cmd"} 2' in await _metrics(load_tester)
    await gate.write("")


async def test_a_caller_that_gives_up_ends_its_command(load_tester: ClientSession, make_fifo: MakeFifo) -> None:
    begun, alive = make_fifo("begun"), make_fifo("alive")
    reading = asyncio.create_task(alive.read())
    command = f"exec 3>{alive.path}; echo >{begun.path}; sleep 300"
    call = asyncio.create_task(_call(load_tester, type="bash", cmd=command))
    await begun.read()

    call.cancel()

    assert await reading == ""
    await _wait_for_series(load_tester, 'serin_loadtester_runs_total{outcome="ended",type="bash"} 1')


async def test_stopping_ends_the_commands_that_run(make_fifo: MakeFifo) -> None:
    begun, alive = make_fifo("begun"), make_fifo("alive")
    reading = asyncio.create_task(alive.read())

    async with _load_tester() as session:
        await _call(session, cmd=f"exec 3>{alive.path}; echo >{begun.path}; sleep 300 | sleep 300")
        await begun.read()

    assert await reading == ""


async def test_stopping_lets_a_bash_hook_finish(make_fifo: MakeFifo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtester.server.SHUTDOWN_S", PATIENCE_S)
    begun, gate = make_fifo("begun"), make_fifo("gate")
    async with ClientSession(timeout=ClientTimeout(total=PATIENCE_S)) as caller:
        async with _load_tester() as session:
            url = str(session._base_url)
            body = {"metadata": {"type": "bash", "cmd": f"echo >{begun.path}; cat {gate.path}"}}
            call = asyncio.create_task(caller.post(url, json=body))
            await begun.read()
            opening = asyncio.create_task(_open_once_stopping(gate, url))
        response = await call
        await opening

    assert response.status == 200


async def _open_once_stopping(gate: Fifo, url: str) -> None:
    with suppress(ClientConnectionError):
        async with asyncio.timeout(PATIENCE_S), ClientSession() as prober:
            while True:
                async with prober.get(f"{url}/healthz", headers={"Connection": "close"}):
                    pass
    await gate.write("")


async def test_a_payload_that_cannot_run_answers_400_with_path_found_and_allowed(load_tester: ClientSession) -> None:
    status, text = await _call(load_tester, type="concord", cmd="get pods")

    assert (status, text) == (
        400,
        'metadata.type: found "concord", allowed is cmd or bash or helm or helmv3 or kubectl',
    )


async def test_a_namespace_that_is_not_allowed_answers_403() -> None:
    async with _load_tester(namespaces="^test$") as session:
        status, text = await _call(session, namespace="prod", type="bash", cmd="true")
        assert (status, text) == (403, "namespace: found 'prod', allowed is what --namespace-regexp=^test$ matches")
        assert await _call(session, namespace="test", type="bash", cmd="true") == (200, "")


async def test_durations_are_measured(load_tester: ClientSession) -> None:
    await _call(load_tester, type="bash", cmd="true")

    page = await _metrics(load_tester)
    assert 'serin_loadtester_run_duration_seconds_bucket{le="+Inf",type="bash"} 1' in page
    assert 'serin_loadtester_run_duration_seconds_count{type="bash"} 1' in page


async def test_healthz_answers_ok(load_tester: ClientSession) -> None:
    async with load_tester.get("/healthz") as response:
        assert (response.status, await response.text()) == (200, "OK")

"""`python -m sandbox.demo`: bring up a fresh cluster inside this machine, play the guide on it, take it down again."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from sandbox import namespace
from sandbox.demo import screen
from sandbox.demo.figures import minutes_to_promotion
from sandbox.demo.installs import SERIN_BY_HELM, Install
from sandbox.paths import REPOSITORY, State, bin_dir

_CANARY = REPOSITORY / "manifests" / "examples" / "podinfo-canary.yaml"
# The load test asks ten times a second and Prometheus scrapes every second: 10 s have enough of both.
_QUICKER = {
    "interval: 10s": "interval: 2s",
    "stepWeight: 5": "stepWeight: 10",
    "interval: 1m": "interval: 10s",
    "interval: 30s": "interval: 10s",
}
_READY_WITHIN_S = 60.0
_INTERRUPTED = 130
_TO_PROMOTION = "minutes_to_first_promotion"
_BEGAN_AT_S = time.time()


def main(
    output: Annotated[Path, typer.Option(help="Where demo.json and the cluster's state go.")] = REPOSITORY / "build",
    *,
    guide: Annotated[bool, typer.Option("--guide", help="Take the guide's own intervals and steps.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the cluster up and say how to use it.")] = False,
    helm: Annotated[bool, typer.Option("--helm", help="Install by the Helm charts in place of kustomize.")] = False,
) -> None:
    """Play the guide; exits with 1 when an act ends otherwise than there, or a figure is over its limit."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    output = output.absolute()
    output.mkdir(parents=True, exist_ok=True)
    state, report = State(output / "demo-sandbox"), output / "demo.json"
    install = Install.HELM if helm else Install.KUSTOMIZE
    known = _read(report).get(_TO_PROMOTION)
    report.unlink(missing_ok=True)  # that of an earlier demo must not pass for this one's
    code, is_kept = _INTERRUPTED, False
    try:
        screen.heading("The guide, on a cluster inside this machine with Serin on it")
        canary = _CANARY if guide else _write_quick_canary(output)
        namespace.stop(state)
        ready_s = _bring_up(state, install)
        arguments = [_short(canary), str(report), f"{ready_s:.2f}", "600" if guide else "150", install]
        code = _run(namespace.enter(state, [sys.executable, "-m", "sandbox.demo.play", *arguments]), state)
        _tell_minutes(report, known, install)
        screen.say(f"all of it is in {_short(report)}")
        if code != 0:
            screen.say("the last lines of the agent's log:")
            agent_log = ["kubectl", "-n", "gloo-system", "logs", "deployment/serin-agent", "--tail=20"]
            _run(namespace.enter(state, agent_log), state)
        is_kept = keep
    except KeyboardInterrupt:
        screen.say("interrupted")
    finally:
        if is_kept:
            _show_how_to_use(state)
        else:
            screen.say("taking the cluster down")
            namespace.stop(state)
    raise typer.Exit(code)


def _write_quick_canary(folder: Path) -> Path:
    """Write the guide's Canary with shorter intervals and fewer steps."""
    text, path = _CANARY.read_text(), folder / _CANARY.name
    screen.say("faster than in the guide, which `make demo GUIDE=1` plays at its own pace:")
    for slow, quick in _QUICKER.items():
        screen.say(f"  {slow} → {quick.split()[1]}")
        text = text.replace(slow, quick)
    path.write_text(text)
    return path


def _tell_minutes(report: Path, known: object, install: Install) -> None:
    """Write and show how long it took from `make demo`, or from our own start, to the first promoted canary."""
    played = _read(report)
    promoted_at_s = played.pop("first_promotion_at_s", None)
    start, began_at_s = (
        os.environ.get("SERIN_DEMO_START", "warm"),
        float(os.environ.get("SERIN_DEMO_BEGAN_AT_S", _BEGAN_AT_S)),
    )
    seconds = None if promoted_at_s is None else promoted_at_s - began_at_s
    minutes = minutes_to_promotion(known, start, install, seconds)
    report.write_text(json.dumps(played | {_TO_PROMOTION: minutes}, indent=2, ensure_ascii=False) + "\n")
    for name, one in minutes.items():
        screen.say(
            f"from `make demo` to the first promoted canary, {name}, by {one['install']}: {one['minutes']} minutes"
        )


def _read(report: Path) -> dict[str, Any]:
    """Return what a demo.json has; nothing of one that is not there, or cut off."""
    try:
        found: dict[str, Any] = json.loads(report.read_text())
    except (OSError, ValueError):
        return {}
    return found


def _bring_up(state: State, install: Install) -> float:
    """Return the seconds until Serin's agent was ready; exits with 1 when it is not in time."""
    bare = ["--without-serin"] if install is Install.HELM else []
    screen.command(" ".join([f"{_command(state)} up", *bare]))
    started_at_s = time.monotonic()
    if _run([sys.executable, "-m", "sandbox", "--state", str(state.root), "up", *bare], state) != 0:
        raise typer.Exit(1)
    if install is Install.HELM:
        screen.command(SERIN_BY_HELM)
        if _run(namespace.enter(state, shlex.split(SERIN_BY_HELM)), state) != 0:
            raise typer.Exit(1)
    url = f"{json.loads(state.endpoints.read_text())['agent']}/readyz"
    while (waited_s := time.monotonic() - started_at_s) < _READY_WITHIN_S:
        with suppress(OSError), urllib.request.urlopen(url, timeout=2.0):  # noqa: S310  our own agent's
            return waited_s
        time.sleep(0.05)
    screen.result(f"{url} has not answered within {_READY_WITHIN_S:g} s", is_good=False)
    raise typer.Exit(1)


def _run(words: Sequence[str], state: State) -> int:
    """Run a command in the repository, away from the terminal's Ctrl-C: when we are interrupted, so is it."""
    environment = namespace.inside_environment(state)
    with subprocess.Popen(
        words, cwd=REPOSITORY, env=environment, stdin=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            process.wait()
            raise


def _show_how_to_use(state: State) -> None:
    urls = json.loads(state.endpoints.read_text())
    screen.heading("The cluster stays up")
    for what, line in (
        ("kubectl", f"{_command(state)} kubectl -n test describe canary/podinfo"),
        ("or", f"KUBECONFIG={_short(state.kubeconfig)} {_short(bin_dir())}/kubectl get canaries -A --watch"),
        ("the app", f"curl -H 'Host: app.example.com' {urls['gateway']}"),
        ("Prometheus", urls["prometheus"]),
        ("the agent", f"{urls['agent']}/metrics"),
        ("its log", f"{_command(state)} kubectl -n gloo-system logs deployment/serin-agent -f"),
        ("inside", f"{_command(state)} run curl http://podinfo.test:9898"),
        ("take it down", f"{_command(state)} down"),
    ):
        screen.say(f"{what:<13}{line}")


def _command(state: State) -> str:
    """Return how a user calls the sandbox of this state directory."""
    return f"{_short(Path(sys.executable))} -m sandbox --state {_short(state.root)}"


def _short(path: Path) -> str:
    """Return the path as one types it in the repository."""
    return str(path).removeprefix(f"{REPOSITORY}/")


if __name__ == "__main__":
    typer.run(main)

"""`python -m sandbox.demo`: plays the guide in front of you, on a fresh cluster inside this machine."""

import asyncio
import json
import signal
from collections.abc import Coroutine
from pathlib import Path
from textwrap import dedent
from typing import Annotated, Any

import typer

from sandbox.demo.acts import ACTS
from sandbox.demo.cluster import Cluster, CommandError, short
from sandbox.demo.manifests import Manifests
from sandbox.demo.performance import Performance, Programme
from sandbox.demo.screen import Screen
from sandbox.paths import REPOSITORY, State, bin_dir
from sandbox.supervisor import last_lines

_LAST_LINES = 20
_INTERRUPTED = 130


def main(
    output: Annotated[Path, typer.Option(help="Where demo.json and the cluster's state go.")] = REPOSITORY / "build",
    *,
    guide: Annotated[bool, typer.Option("--guide", help="Take the guide's own intervals and steps.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the cluster up and tell how to talk to it.")] = False,
) -> None:
    """Play the guide; exits with 1 when anything goes otherwise than there, or a figure is over its limit."""
    output = output.absolute()
    output.mkdir(parents=True, exist_ok=True)
    report = output / "demo.json"
    report.unlink(missing_ok=True)  # that of an earlier demo must not pass for this one's
    screen = Screen()
    cluster = Cluster(State(output / "demo-sandbox"), screen)
    screen.heading("The guide, on a cluster inside this machine with Serin on it")
    manifests = Manifests.write(output, is_guide_pace=guide)
    _tell_pace(screen, manifests)
    programme = Programme(ACTS, manifests.pace)
    performance = Performance(cluster, screen, manifests)
    is_kept = False
    try:
        asyncio.run(_until_signalled(_play(performance, programme, report)))
        is_kept = keep and cluster.is_up
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise typer.Exit(_INTERRUPTED) from None
    finally:
        _leave(cluster, screen, is_kept=is_kept)
    raise typer.Exit(programme.exit_code)


def _tell_pace(screen: Screen, manifests: Manifests) -> None:
    if manifests.changes:
        screen.say("The guide's canary goes faster here, GUIDE=1 takes it as it is:")
    for change in manifests.changes:
        screen.say(f"  [dim]·[/] {change}")


async def _play(performance: Performance, programme: Programme, report: Path) -> None:
    cluster, screen = performance.cluster, performance.screen
    if cluster.down():
        screen.say("took down the cluster of an earlier demo")
    try:
        programme.note("ready_s", [await cluster.up()])
        await performance.play(programme)
    except CommandError as error:
        screen.failure(str(error))
    _conclude(screen, programme, report)
    if not programme.is_as_in_the_guide:
        await _show_logs(cluster, screen)


def _conclude(screen: Screen, programme: Programme, report: Path) -> None:
    screen.heading("Summary")
    screen.summary(programme.all_results)
    screen.figures(programme.figures())
    report.write_text(json.dumps(programme.as_json(), indent=2, ensure_ascii=False) + "\n")
    screen.say(f"[dim]all of it is in {short(report)}[/]")


async def _show_logs(cluster: Cluster, screen: Screen) -> None:
    try:
        path = await cluster.save_agent_log()
    except (CommandError, TimeoutError):
        screen.say(f"the agent's log can't be had; those of the cluster's parts are in {short(cluster.state.logs)}/")
        return
    screen.say(f"the agent's last lines; the whole log is {short(path)}, beside those of the cluster's parts:")
    screen.output(dedent(last_lines(path, _LAST_LINES)))


async def _until_signalled(work: Coroutine[Any, Any, None]) -> None:
    """SIGTERM ends the demo as Ctrl-C does, in order; and Ctrl-C does so even where a shell has it ignored."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await work


def _leave(cluster: Cluster, screen: Screen, *, is_kept: bool) -> None:
    if not is_kept:
        screen.say("[dim]taking the cluster down[/]")
        cluster.down()
        return
    urls = cluster.urls
    screen.heading("The cluster stays up")
    for what, line in (
        ("kubectl", f"{cluster.command} kubectl -n test describe canary/podinfo"),
        ("or", f"KUBECONFIG={short(cluster.state.kubeconfig)} {short(bin_dir())}/kubectl get canaries -A --watch"),
        ("the app", f"curl -H 'Host: app.example.com' {urls['gateway']}"),
        ("Prometheus", urls["prometheus"]),
        ("the agent", f"{urls['agent']}/metrics"),
        ("its log", f"{cluster.command} kubectl -n gloo-system logs deployment/serin-agent -f"),
        ("inside", f"{cluster.command} run curl http://podinfo.test:9898"),
        ("take it down", f"{cluster.command} down"),
    ):
        screen.hint(what, line)


if __name__ == "__main__":
    typer.run(main)

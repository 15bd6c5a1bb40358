"""`python -m sandbox`: a whole cluster on one machine, in namespaces of its own."""

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from sandbox import namespace, preflight, report, tools
from sandbox.paths import State, bin_dir, default_state_dir, search_path
from sandbox.report import Phase, Report
from sandbox.supervisor import last_lines

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

_LOOK_EVERY_S = 0.05
_ANY_ARGUMENTS = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "allow_interspersed_args": False,  # or a `--` in the middle, which kubectl needs, would be taken away
    "help_option_names": [],
}
_INTERRUPTED = 130
_OTHERS = [name for name in tools.all_tools() if name not in tools.OF_THE_CLUSTER]


@app.callback()
def choose_state(
    context: typer.Context,
    state: Annotated[
        Path | None, typer.Option(help="The cluster's state directory (default: $SERIN_SANDBOX, else .sandbox).")
    ] = None,
) -> None:
    context.obj = State((state or default_state_dir()).absolute())


@app.command()
def build(
    also: Annotated[
        list[str] | None,
        typer.Argument(help=f"Beside those of the cluster: {', '.join(_OTHERS)}."),
    ] = None,
) -> None:
    """Check what the machine has, then build the Go programs whose go.mod or go.sum changed."""
    unknown = sorted(set(also or ()) - set(_OTHERS))
    if unknown:
        _fail(f"unknown: {', '.join(unknown)}; there are: {', '.join(_OTHERS)}")
    _prepare(also or ())
    typer.echo(f"all programs are built, in {bin_dir()}")


@app.command()
def browser() -> None:
    """Install a Chromium for the tests of the agent's page, as root on a machine with apt-get."""
    found = preflight.find_browser()
    typer.echo(f"browser: {found}" if found else "no Chromium: the tests of the page are skipped; install `chromium`")


@app.command()
def up(
    context: typer.Context,
    *,
    without_serin: Annotated[bool, typer.Option("--without-serin", help="The bare cluster with Gloo.")] = False,
    held: Annotated[bool, typer.Option("--held", help="End it when nobody holds its lifeline any more.")] = False,
) -> None:
    """Start the cluster and return when it is ready; harmless when it is up already. Ctrl-C stops it again."""
    state: State = context.obj
    _prepare()
    started = namespace.start_or_find(state, with_serin=not without_serin, is_held=held)
    try:
        ended = _follow(state)
    except KeyboardInterrupt:
        if started:
            typer.echo("stopping")
            namespace.stop(state)
        raise typer.Exit(_INTERRUPTED) from None
    if ended.phase is not Phase.READY:
        _fail(ended.error or f"the first process ended:\n{last_lines(state.log('init'), 15)}")
    typer.echo(f"ready in {ended.seconds} s" if started else "is up")
    _show_endpoints(state)


@app.command()
def down(context: typer.Context) -> None:
    """Stop the cluster; its logs stay."""
    typer.echo("stopped" if namespace.stop(context.obj) else "is not up")


@app.command()
def status(context: typer.Context) -> None:
    """Show what is up, and where it can be reached; exits with 1 when nothing is ready."""
    state: State = context.obj
    found = report.read(state.status)
    if found is None:
        _fail("is not up")
    phase = found.phase if namespace.is_running(state) else "down"
    typer.echo(phase)
    for name, seconds in found.parts.items():
        _show_part(name, seconds)
    if found.error:
        typer.echo(found.error)
    if phase != Phase.READY:
        raise typer.Exit(1)
    _show_endpoints(state)


@app.command(context_settings=_ANY_ARGUMENTS)
def kubectl(context: typer.Context) -> None:
    """Run kubectl on the cluster."""
    state: State = context.obj
    if not namespace.is_running(state):
        _fail(f"no sandbox is up in {state.root}")
    environment = namespace.inside_environment(state) | {"KUBECONFIG": str(state.kubeconfig)}
    program = str(bin_dir() / "kubectl")
    os.execve(program, [program, *context.args], environment)  # noqa: S606  exec keeps the terminal and exit code


@app.command(context_settings=_ANY_ARGUMENTS)
def run(context: typer.Context) -> None:
    """Run a command inside the cluster's network, in this directory; its exit code is ours."""
    state: State = context.obj
    if not context.args:
        _fail("run needs a command, for example: run curl gateway-proxy.gloo-system")
    try:
        command = namespace.enter(state, context.args)
    except namespace.NotRunningError as error:
        _fail(str(error))
    os.environ["PATH"] = search_path()
    os.execvpe(command[0], command, namespace.inside_environment(state))  # noqa: S606  as above


@app.command()
def logs(
    context: typer.Context,
    name: str,
    *,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as it grows.")] = False,
) -> None:
    """Print the log of one part."""
    state: State = context.obj
    path = state.log(name)
    if not path.exists():
        known = ", ".join(sorted(log.stem for log in state.logs.glob("*.log"))) or "none"
        _fail(f"no log of {name!r} in {state.logs}; there are: {known}")
    command = ["tail", "--lines=+1", *(["--follow"] if follow else []), str(path)]
    os.execvp(command[0], command)  # noqa: S606  as above


def _prepare(also: Sequence[str] = ()) -> None:
    """Check the machine before the build: a first build takes many minutes, a missing tool is known at once."""
    try:
        preflight.check()
        tools.build([*tools.OF_THE_CLUSTER, *also])
    except (preflight.PreflightError, tools.BuildError) as error:
        _fail(str(error))


def _follow(state: State) -> Report:
    """Print each part as it becomes ready; return when the start has ended one way or another."""
    shown: set[str] = set()
    while True:
        is_running = namespace.is_running(state)
        found = report.read(state.status) or Report()
        for name, seconds in found.parts.items():
            if name not in shown:
                shown.add(name)
                _show_part(name, seconds)
        if not is_running or found.phase is Phase.READY:
            return found
        time.sleep(_LOOK_EVERY_S)


def _show_part(name: str, seconds: float) -> None:
    typer.echo(f"  {name:<24} {seconds:5.1f} s")


def _show_endpoints(state: State) -> None:
    for name, url in json.loads(state.endpoints.read_text()).items():
        typer.echo(f"  {name:<24} {url}")
    typer.echo(f"  {'kubeconfig':<24} {state.kubeconfig}")


def _fail(message: str) -> NoReturn:
    typer.echo(f"sandbox: {message}", err=True)
    raise typer.Exit(1)

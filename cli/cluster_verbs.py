"""The verbs of the command line that ask a cluster. What each needs is imported when it runs."""

from typing import Annotated

import typer

from cli.cluster.options import AllNamespaces, Context, Kubeconfig, Name, Namespace, OptionalName, TextOrValue, Timeout
from cli.cluster.running import checked_revision as _revision
from cli.cluster.running import misused as _misused
from cli.cluster.running import run_verb as _run
from cli.cluster.running import seconds_of as _seconds
from cli.cluster.selection import ClusterOptions
from cli.outputs import Output, ValueOutput

# ruff: noqa: PLC0415  see above

app = typer.Typer()

ObjectOutput = Annotated[Output, typer.Option("--output", "-o", help="What to print.")]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Follow what changes.")]
Revision = Annotated[
    str, typer.Option("--revision", metavar="REVISION", help="The revision that is meant, or its first characters.")
]


@app.command(short_help="Show canaries: all as a table, one as a tree.")
def get(
    name: OptionalName = "",
    *,
    kubeconfig: Kubeconfig = None,
    context: Context = "",
    namespace: Namespace = "",
    all_namespaces: AllNamespaces = False,
    output: ObjectOutput = Output.TEXT,
    watch: Watch = False,
) -> None:
    """Show canaries: all as a table; one, by its name, as a tree of its two sides with weights, images and pods."""
    from cli.get.command import get as show

    _run(
        ClusterOptions(kubeconfig, context, namespace, all_namespaces),
        lambda access: show(access, name, output, is_watched=watch),
    )


@app.command(short_help="Show one run, or wait for its end.")
def status(
    name: Name,
    *,
    kubeconfig: Kubeconfig = None,
    context: Context = "",
    namespace: Namespace = "",
    output: TextOrValue = ValueOutput.TEXT,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the run has ended.")] = False,
    timeout: Timeout = "10m",
    revision: Revision = "",
    image: Annotated[
        str, typer.Option("--image", metavar="IMAGE", help="The run of the revision with this image is meant.")
    ] = "",
    through_gates: Annotated[bool, typer.Option("--through-gates", help="Wait on while a gate is shut.")] = False,
) -> None:
    """Show one run: weight, checks with value and threshold, who changed what, what it waits for, what to type next.

    Exits 0 promoted, 1 rolled back, 3 superseded by another revision, 4 not ended in time, 5 waits for a gate or to be
    resumed, 6 the cluster could not be asked. Without --wait it tells the same of this moment. The run is that of what
    the target has now, of --revision, or of --image: one that has not begun is waited for.
    """
    from cli.status.command import Question
    from cli.status.command import status as show

    if revision and image:
        _misused("--revision with --image; allowed: one of them")
    seconds = _seconds("--timeout", timeout)
    question = Question(
        _revision("--revision", revision), image, seconds if wait else 0.0, waits_through_gates=through_gates
    )
    _run(ClusterOptions(kubeconfig, context, namespace), lambda access: show(access, name, question, output))


@app.command(short_help="Show the last runs of a canary.")
def history(
    name: Name,
    *,
    kubeconfig: Kubeconfig = None,
    context: Context = "",
    namespace: Namespace = "",
    output: TextOrValue = ValueOutput.TEXT,
) -> None:
    """Show the last runs that have ended, the newest first: what changed, who applied it, what came of it and why."""
    from cli.past.history import history as show

    _run(ClusterOptions(kubeconfig, context, namespace), lambda access: show(access, name, output))


@app.command(short_help="Judge the last run again by an edited spec.")
def replay(
    name: Name,
    *,
    kubeconfig: Kubeconfig = None,
    context: Context = "",
    namespace: Namespace = "",
    spec: Annotated[
        str, typer.Option("--spec", metavar="FILE", help="A file, or - for stdin, with the Canary; else its own spec.")
    ] = "",
    output: TextOrValue = ValueOutput.TEXT,
) -> None:
    """Show what would have happened when, had the last run been judged by another spec. Changes nothing.

    The looks of checks with `evidence` are judged again, and the last ten values of others. Steps and traffic are the
    run's: from where the two part, looks are marked. Exits 0 whatever comes of it, 1 where nothing can be judged again.
    """
    from cli.replay.command import replay as show

    _run(ClusterOptions(kubeconfig, context, namespace), lambda access: show(access, name, spec, output))


@app.command(short_help="Show what was said of canaries.")
def events(
    name: OptionalName = "",
    *,
    kubeconfig: Kubeconfig = None,
    context: Context = "",
    namespace: Namespace = "",
    all_namespaces: AllNamespaces = False,
    output: TextOrValue = ValueOutput.TEXT,
    watch: Watch = False,
    types: Annotated[
        str, typer.Option("--types", metavar="TYPES", help="Only these, such as Warning or Normal,Warning.")
    ] = "",
) -> None:
    """Show the Events of canaries, the newest last. The API server keeps them for an hour, `history` keeps runs."""
    from cli.past.events import events as show

    wanted = [one for one in types.split(",") if one]
    if unknown := [one for one in wanted if one.casefold() not in {"normal", "warning"}]:
        _misused(f"--types: found {unknown[0]!r}; allowed: Normal, Warning, or both with a comma between")
    _run(
        ClusterOptions(kubeconfig, context, namespace, all_namespaces),
        lambda access: show(access, name, wanted, output, is_watched=watch),
    )


def _request_verb(word: str, short: str, long: str) -> None:
    """Add one of the verbs that ask something of a run."""

    def verb(
        name: Name,
        *,
        kubeconfig: Kubeconfig = None,
        context: Context = "",
        namespace: Namespace = "",
        revision: Revision = "",
        no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait for the agent's answer.")] = False,
        timeout: Timeout = "30s",
    ) -> None:
        from canary.run.request import Verb
        from cli.control.command import Wish, ask

        wish = Wish(Verb(word), revision, not no_wait, _seconds("--timeout", timeout))
        _run(ClusterOptions(kubeconfig, context, namespace), lambda access: ask(access, name, wish))

    ending = "Waits for the agent's answer; exits 1 where it refuses, 4 where there is no answer in time."
    app.command(word, short_help=short, help=f"{short}\n\n{long} {ending}")(verb)


_request_verb(
    "promote",
    "Promote now: end the analysis and skip every gate.",
    "While a promotion hangs and the target has a newer revision, that one is promoted instead.",
)
_request_verb("abort", "Roll back now.", "Also while the promotion hangs, or the canary is suspended.")
_request_verb("pause", "Keep the weight where it is.", "The checks go on, and may roll back.")
_request_verb("resume", "End a pause, asked for or a step's own.", "Where both are there, each has to be ended.")
_request_verb("retry", "Run the target's revision again, after a rollback.", "Between runs only.")
_request_verb(
    "skip", "Never roll this revision out.", "A run is rolled back; between runs the revision counts as finished."
)


@app.command(short_help="Put the release before back.")
def undo(
    name: Name,
    *,
    kubeconfig: Kubeconfig = None,
    context: Context = "",
    namespace: Namespace = "",
    to_revision: Annotated[
        str,
        typer.Option(
            "--to-revision",
            metavar="REVISION",
            help="Put this one back, or the one that begins so; `history` has them.",
        ),
    ] = "",
    now: Annotated[bool, typer.Option("--now", help="Promote it at once, without its analysis.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether it is meant.")] = False,
    timeout: Timeout = "1m",
) -> None:
    """Put the release before the last promoted one back: its pod template becomes the target's, and a run begins.

    Shows what changes, and asks. The contents of ConfigMaps and Secrets are not put back. Whatever applies the target
    from Git may put its own back: undo it there, too.
    """
    from cli.undo.command import Undo
    from cli.undo.command import undo as put_back

    wish = Undo(_revision("--to-revision", to_revision), now, yes, _seconds("--timeout", timeout))
    _run(ClusterOptions(kubeconfig, context, namespace), lambda access: put_back(access, name, wish))
